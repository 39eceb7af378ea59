/* Masks, guesses and the jobs that have them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "steer.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* On the engine's threads a failed check cannot end the test. */
static void check(bool ok)
{
    if (!ok)
        abort();
}

/* ---- a mask ---- */

static bool in_run(const rule *r, size_t n, int32_t *id)
{
    if (n < r->run_from || r->n_run == 0)
        return false;
    size_t at = r->period ? (n - r->run_from) % r->period : n - r->run_from;
    *id = at < r->n_run ? r->run[at] : -1;
    return at < r->n_run;
}

bool rule_allows(const rule *r, int32_t id)
{
    int32_t only;
    return in_run(r, r->n, &only) ? id == only : r->every && (uint32_t)id % r->every == 0;
}

static bool ends_turn(const rule *r, int32_t id)
{
    return r->never[0] && (id == r->never[0] || id == r->never[1]);
}

static bool allows(void *self, int32_t id)
{
    const rule *r = self;
    check(id >= 0 && (size_t)id < r->n_vocab);
    check(!ends_turn(r, id));
    return rule_allows(r, id);
}

static bool fill(void *self, uint32_t *bits, carat_err *err)
{
    rule *r = self;
    r->n_fills++;
    memset(bits, 0xff, (r->n_vocab + 31) / 32 * sizeof *bits); /* what it has no say in may be anything */
    for (int32_t i = 0; (size_t)i < r->n_vocab; i++)
        if (!ends_turn(r, i) && !rule_allows(r, i))
            bits[i / 32] &= ~(UINT32_C(1) << i % 32);
    return !r->fill_fails || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for states");
}

static size_t forced(void *self, int32_t *ids, size_t most)
{
    const rule *r = self;
    size_t n = 0;
    while (r->says_forced && n < most && in_run(r, r->n + n, &ids[n]))
        n++;
    return n;
}

static void accept(void *self, int32_t id)
{
    rule *r = self;
    int32_t only;
    check(allows(r, id));
    r->n_forced += in_run(r, r->n, &only);
    r->n++;
}

static bool may_end(const void *self)
{
    const rule *r = self;
    return r->n >= r->end_from;
}

static void close_rule(void *self)
{
    rule *r = self;
    check(!r->is_closed);
    r->is_closed = true;
}

ct_mask rule_mask(rule *r)
{
    return (ct_mask){ r, "the test's rule", allows, fill, forced, accept, may_end, close_rule };
}

void rule_restart(rule *r)
{
    r->n = r->n_fills = r->n_forced = 0;
    r->is_closed = false;
}

/* ---- guesses ---- */

static int32_t guess_at(const guesser *g, size_t at, size_t ahead)
{
    int32_t right = at < g->n_answer ? g->answer[at] : 30;
    switch (g->kind) {
    case GUESS_RIGHT:
    case N_GUESSINGS:
        break;
    case GUESS_WRONG:
        return right ^ 1;
    case GUESS_MIXED:
        return ahead < g->n_calls * 7 % 11 ? right : right ^ 2;
    case GUESS_OUTSIDE:
        return ahead < 3 ? right : g->n_calls % 2 ? -1 : 1 << 20;
    case GUESS_ONE:
        return g->one;
    }
    return right;
}

static size_t propose(void *self, const int32_t *ids, size_t n, int32_t *out, size_t most)
{
    guesser *g = self;
    g->n_calls++;
    check(n > g->n_prompt && ids[0] == 2 && most > 0 && most <= CT_MAX_AHEAD);
    for (size_t i = g->n_prompt; i < n && i - g->n_prompt < g->n_answer; i++)
        check(ids[i] == g->answer[i - g->n_prompt]);
    for (size_t i = 0; i < most; i++)
        out[i] = guess_at(g, n - g->n_prompt + i, i);
    return most;
}

static void close_guesser(void *self)
{
    guesser *g = self;
    check(!g->is_closed);
    g->is_closed = true;
}

ct_draft guesser_draft(guesser *g)
{
    return (ct_draft){ g, propose, close_guesser };
}

/* ---- jobs ---- */

static const ct_stream nothing;

static void add_job(steered *s, size_t i, const carat_prompt *p, carat_session *session, const carat_generation *g,
                    rule *r, guesser *d)
{
    carat_err e;
    const ct_vocabulary v = ct_engine_vocabulary(s->engine);
    carat_sampling sampling = *g->sampling;
    carat_generation own = *g;
    ct_job *j = &s->jobs[i];
    sampling.seed += i;
    own.sampling = &sampling;
    ct_job_init(j, &s->group);
    j->seq = session ? &session->seq : NULL;
    j->stream = p ? &p->stream : &nothing;
    j->n_ctx = s->engine->plan.n_ctx;
    j->cancel = &s->cancel;
    ask_must(ct_generator_open(&v, &own, &j->gen, &e), &e);
    if (r) {
        const ct_mask mask = rule_mask(r);
        ask_must(ct_generator_take_mask(j->gen, &mask, &e), &e);
    }
    if (d)
        j->draft = guesser_draft(d);
}

void steer_begin(steered *s, carat_engine *e, const carat_prompt *p, carat_session *session, const carat_generation *g,
                 rule *rules, guesser *guessers, size_t n)
{
    carat_err err;
    ct_job *list[STEER_ANSWERS];
    *s = (steered){ .engine = e, .group = { .n = n } };
    assert_true(n <= STEER_ANSWERS);
    ask_must(ct_queue_open(false, &s->group.queue, &err), &err);
    for (size_t i = 0; i < n; i++) {
        add_job(s, i, p, session, g, rules ? &rules[i] : NULL, guessers ? &guessers[i] : NULL);
        list[i] = &s->jobs[i];
    }
    ask_must(ct_scheduler_submit(e->scheduler, list, n, &err), &err);
}

static void add_token(answer *a, const ct_chunk *c)
{
    assert_true(!a->has_ended && a->len + c->text.len < sizeof a->text);
    if (c->text.len)
        memcpy(a->text + a->len, c->text.data, c->text.len);
    a->text[a->len += c->text.len] = '\0';
    if (c->id < 0)
        return;
    assert_true(a->n < ASK_MAX && c->n_top <= ASK_TOP);
    a->ids[a->n] = c->id;
    a->logprobs[a->n] = c->logprob;
    memcpy(a->top[a->n], c->top, c->n_top * sizeof *c->top);
    a->n++;
}

bool steer_next(steered *s, answer *answers)
{
    ct_event e;
    assert_true(ct_queue_next(s->group.queue, NULL, -1, &e));
    if (e.kind == CARAT_EVENT_END)
        return false;
    answer *a = &answers[e.job - s->jobs];
    if (e.kind == CARAT_EVENT_TOKEN) {
        add_token(a, e.chunk);
        return true;
    }
    assert_false(a->has_ended);
    a->has_ended = true;
    a->ok = e.kind == CARAT_EVENT_ANSWER;
    a->result = e.job->result;
    a->err = e.job->err;
    return true;
}

void steer_cancel(steered *s)
{
    atomic_store(&s->cancel, true);
    ct_scheduler_nudge(s->engine->scheduler);
}

void steer_end(steered *s, answer *answers)
{
    while (steer_next(s, answers))
        ;
    for (size_t i = 0; i < s->group.n; i++) {
        assert_true(answers[i].has_ended);
        ct_job_deinit(&s->jobs[i]);
    }
    ct_queue_drop(s->group.queue);
}

void steer(carat_engine *e, const carat_prompt *p, carat_session *session, const carat_generation *g, rule *rules,
           guesser *guessers, size_t n, answer *answers)
{
    static steered s;
    memset(answers, 0, n * sizeof *answers);
    steer_begin(&s, e, p, session, g, rules, guessers, n);
    steer_end(&s, answers);
}
