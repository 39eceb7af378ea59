/* Continuations of a prompt: every figure is that of the logits, whatever the order, the company and the cache.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "fake_backend.h"
#include "poison.h"

#define TINY      TEST_DATA "/models/tiny-text"
#define WINDOW_64 TEST_DATA "/models/tiny-sight"
#define GUARD     280 /* seconds after which a test that hangs is ended */
#define CHUNK     16
#define N_PROMPT  77  /* not at the end of a page, nor of a step */
#define MOST      300 /* tokens of a continuation: far more than local layers keep beyond the window */
#define MANY      12

static carat_engine *engine; /* four places of 512 tokens */

static carat_engine *open_engine(const char *path, bool no_cache)
{
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .chunk = CHUNK,
                              .n_ctx = 512,
                              .n_sessions = 4,
                              .omits_prefix_cache = no_cache };
    return ask_open(path, &o);
}

static int setup(void **state)
{
    (void)state;
    unit_guard(GUARD);
    engine = open_engine(TINY, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bool has_ended = carat_engine_drain(engine, 20, NULL);
    carat_stats s = ask_stats(engine);
    bool all_gone = s.running == 0 && s.queued == 0 && s.kv_bytes_promised == 0;
    carat_engine_close(engine);
    unit_guard(0);
    return has_ended && all_gone ? 0 : -1;
}

/* ---- asking ---- */

typedef struct figures { /* of one continuation */
    int32_t ids[MOST];
    size_t n, n_logprobs;
    float logprobs[MOST + 1];
    double logprob, probability;
} figures;

typedef struct text { /* to be scored */
    int32_t ids[MOST];
    size_t n;
} text;

/* Of lengths from 1 to most, each other tokens. */
static void make_texts(uint64_t seed, text *t, size_t n)
{
    static const size_t lengths[] = { 1, 3, 40, 1, 2, MOST, 17, 16, 70, 5, 33, 2 };
    for (size_t i = 0; i < n; i++) {
        int32_t ids[MOST + 1];
        t[i].n = lengths[i % (sizeof lengths / sizeof *lengths)];
        ask_ids(seed + i, ids, t[i].n + 1);
        memcpy(t[i].ids, ids + 1, t[i].n * sizeof *ids);
    }
}

static carat_request *submit(carat_engine *e, const carat_prompt *p, const text *t, size_t n, carat_ending ending,
                             carat_queue *q)
{
    carat_continuation c[MANY];
    for (size_t i = 0; i < n; i++)
        c[i] = (carat_continuation){ .struct_size = sizeof *c, .ids = t[i].ids, .n_ids = t[i].n };
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .queue = q, .ending = ending, .continuations = c, .n_continuations = n
    };
    return ask(e, &o);
}

static void keep(const carat_event *ev, figures *f)
{
    double sum = 0;
    for (size_t i = 0; i < ev->n_scores; i++) {
        const carat_score *s = &ev->scores[i];
        assert_true(s->n_ids <= MOST && s->n_logprobs >= 1);
        f[i] = (figures){
            .n = s->n_ids, .n_logprobs = s->n_logprobs, .logprob = s->logprob, .probability = s->probability
        };
        if (s->n_ids) /* none: the end alone */
            memcpy(f[i].ids, s->ids, s->n_ids * sizeof *s->ids);
        memcpy(f[i].logprobs, s->logprobs, s->n_logprobs * sizeof *s->logprobs);
        double total = 0;
        for (size_t k = 0; k < s->n_logprobs; k++)
            total += (double)s->logprobs[k];
        assert_true(total == s->logprob);
        sum += s->probability;
    }
    assert_true(fabs(sum - 1) < 1e-12);
}

/* All events of a request that nobody disturbs: its scores, and its end. */
static void take(carat_request *r, figures *f)
{
    const carat_event *ev = carat_request_next(r, -1);
    if (ev->kind == CARAT_EVENT_FAILED)
        fail_msg("%s", ev->err->msg);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    assert_true(ev->result && ev->result->n_generated == 0 && ev->result->stop_id == -1);
    keep(ev, f);
    ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_END);
    assert_null(ev->scores);
    carat_request_free(r);
}

static void score(carat_engine *e, const carat_prompt *p, const text *t, size_t n, carat_ending ending, figures *f)
{
    take(submit(e, p, t, n, ending, NULL), f);
}

static void same(const figures *a, const figures *b, const char *what)
{
    if (a->n != b->n || a->n_logprobs != b->n_logprobs || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) != 0)
        fail_msg("%s: %zu and %zu tokens, or others", what, a->n, b->n);
    for (size_t i = 0; i < a->n_logprobs; i++)
        if (memcmp(&a->logprobs[i], &b->logprobs[i], sizeof(float)) != 0)
            fail_msg("%s: figure %zu is %.9g and %.9g", what, i, (double)a->logprobs[i], (double)b->logprobs[i]);
    assert_true(a->logprob == b->logprob);
}

/* ---- the reference: logits of prompt and continuation as a session gives them ---- */

typedef struct rows {
    const int32_t *ids; /* of the continuation */
    size_t n_prompt, n, n_pieces;
    int32_t stop; /* -1: several */
    float out[MOST + 1];
    double ends; /* of all stop ids, by a sum in double precision */
} rows;

static bool keep_figure(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    rows *r = arg;
    assert_true(n_vocab >= r->n_pieces);
    if (pos + 1 < r->n_prompt)
        return true;
    size_t i = pos + 1 - r->n_prompt; /* the figure that this row has */
    float lse = ask_logsumexp(logits, r->n_pieces);
    if (i < r->n)
        r->out[i] = logits[r->ids[i]] - lse;
    else
        r->ends = exp((double)logits[FAKE_STOP] - (double)lse) +
                  (r->stop < 0 ? 0 : exp((double)logits[r->stop] - (double)lse));
    return true;
}

static void reference(carat_engine *e, const carat_prompt *p, const text *t, int32_t stop, rows *r)
{
    carat_session *s;
    carat_err err;
    *r = (rows){ .ids = t->ids, .n = t->n, .n_pieces = carat_engine_info(e)->n_pieces, .stop = stop };
    carat_prompt_tokens(p, &r->n_prompt);
    ask_must(carat_session_open(e, 0, &s, &err), &err);
    ask_must(carat_session_append_prompt(s, p, keep_figure, r, &err), &err);
    ask_must(carat_session_append_logits(s, t->ids, t->n, keep_figure, r, &err), &err);
    carat_session_close(s);
}

static void expect_reference(const figures *f, const rows *r, const char *what)
{
    assert_int_equal(f->n, r->n);
    for (size_t i = 0; i < r->n; i++)
        if (memcmp(&f->logprobs[i], &r->out[i], sizeof(float)) != 0)
            fail_msg("%s: figure %zu of %zu is %.9g, the logits' is %.9g", what, i, r->n, (double)f->logprobs[i],
                     (double)r->out[i]);
}

/* ---- tests ---- */

static void figures_are_those_of_the_logits(void **state)
{
    (void)state;
    static text t[MANY];
    static figures f[MANY];
    static rows r;
    for (int k = 0; k < (ask_is_fake() ? 1 : 2); k++) {
        carat_engine *e = k ? open_engine(WINDOW_64, false) : engine;
        carat_prompt *p = ask_random(e, 5, N_PROMPT);
        make_texts(100, t, MANY);
        score(e, p, t, MANY, CARAT_ENDING_DEFAULT, f);
        for (size_t i = 0; i < MANY; i++) {
            reference(e, p, &t[i], -1, &r);
            assert_int_equal(f[i].n_logprobs, t[i].n); /* ids have no turns: the end is open */
            expect_reference(&f[i], &r, "scored together");
        }
        carat_prompt_free(p);
        if (k)
            carat_engine_close(e);
    }
}

/* Alone, backwards, beside others, with and without what the cache holds. */
static void nothing_else_has_a_part_in_a_figure(void **state)
{
    (void)state;
    static text t[MANY], back[MANY];
    static figures together[MANY], other[MANY];
    carat_engine *bare = open_engine(TINY, true);
    carat_prompt *p = ask_random(engine, 6, N_PROMPT);
    size_t n_prompt, n_cached;
    make_texts(200, t, MANY);
    for (size_t i = 0; i < MANY; i++)
        back[MANY - 1 - i] = t[i];
    score(engine, p, t, MANY, CARAT_ENDING_WHOLE, together);
    score(engine, p, back, MANY, CARAT_ENDING_WHOLE, other);
    for (size_t i = 0; i < MANY; i++)
        same(&together[i], &other[MANY - 1 - i], "backwards");
    for (size_t i = 0; i < MANY; i++) {
        score(engine, p, &t[i], 1, CARAT_ENDING_WHOLE, other);
        same(&together[i], other, "alone");
        assert_true(other->probability == 1);
    }
    score(bare, p, t, MANY, CARAT_ENDING_WHOLE, other);
    for (size_t i = 0; i < MANY; i++)
        same(&together[i], &other[i], "without a cache");
    carat_request *r = submit(engine, p, t, MANY, CARAT_ENDING_OPEN, NULL);
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    carat_request_prompt(r, &n_prompt, &n_cached);
    assert_true(n_prompt == N_PROMPT && n_cached >= 64 && n_cached < N_PROMPT);
    carat_request_free(r);
    carat_prompt_free(p);
    carat_engine_close(bare);
}

/* Ten decisions and six answers that are generated, in one queue: the same as one after the other. */
static void the_same_under_load(void **state)
{
    (void)state;
    enum { DECISIONS = 10, ANSWERS = 6 };
    static text t[DECISIONS][MANY];
    static figures alone[DECISIONS][MANY], loaded[DECISIONS][MANY];
    static answer a[ANSWERS], b[ANSWERS];
    carat_prompt *p[DECISIONS];
    carat_request *r[DECISIONS], *g[ANSWERS];
    carat_queue *q;
    carat_err e;
    ask_must(carat_queue_open(&q, &e), &e);
    for (size_t i = 0; i < DECISIONS; i++) {
        p[i] = ask_random(engine, 30 + i / 2, 20 + 31 * (i / 2)); /* two of each */
        make_texts(300 + 50 * i, t[i], MANY);
        t[i][5].n = 50;
        score(engine, p[i], t[i], MANY, CARAT_ENDING_WHOLE, alone[i]);
    }
    carat_request_options o = { .struct_size = sizeof o, .generation = ASK_GREEDY(40) };
    for (size_t i = 0; i < ANSWERS; i++) {
        o.prompt = p[i];
        ask_whole(engine, &o, &b[i]);
    }
    o.queue = q;
    carat_engine_close(engine);
    engine = ask_open(TINY, &(carat_options){ .struct_size = sizeof(carat_options),
                                              .n_threads = unit_step(2) == 1 ? 2 : 1,
                                              .chunk = CHUNK,
                                              .n_ctx = 512,
                                              .n_sessions = 7 });
    for (size_t i = 0; i < DECISIONS; i++) {
        r[i] = submit(engine, p[i], t[i], MANY, CARAT_ENDING_WHOLE, q);
        if (i < ANSWERS) {
            o.prompt = p[i];
            g[i] = ask(engine, &o);
        }
    }
    memset(a, 0, sizeof a);
    for (size_t n_open = DECISIONS + ANSWERS; n_open > 0;) {
        const carat_event *ev = carat_queue_next(q, -1);
        n_open -= ev->kind == CARAT_EVENT_END;
        for (size_t i = 0; i < DECISIONS; i++)
            if (ev->request == r[i] && ev->kind != CARAT_EVENT_END) {
                assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
                keep(ev, loaded[i]);
            }
        for (size_t i = 0; i < ANSWERS; i++)
            if (ev->request == g[i])
                ask_take(ev, &a[i]);
    }
    for (size_t i = 0; i < DECISIONS; i++) {
        for (size_t k = 0; k < MANY; k++)
            same(&alone[i][k], &loaded[i][k], "under load");
        carat_request_free(r[i]);
    }
    for (size_t i = 0; i < ANSWERS; i++) {
        ask_same(&a[i], &b[i], "an answer beside decisions");
        carat_request_free(g[i]);
    }
    for (size_t i = 0; i < DECISIONS; i++)
        carat_prompt_free(p[i]);
    carat_queue_close(q);
}

/* Figures are the log-probabilities that a generation reports of the same tokens, and those of its alternatives. */
static void a_generation_says_the_same(void **state)
{
    (void)state;
    static answer a;
    static text t[2], first[MANY];
    static figures f[MANY];
    carat_prompt *p = ask_random(engine, 7, N_PROMPT);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(60) };
    ask_whole(engine, &o, &a);
    t->n = a.n;
    memcpy(t->ids, a.ids, a.n * sizeof *a.ids);
    score(engine, p, t, 1, CARAT_ENDING_OPEN, f);
    assert_int_equal(f->n_logprobs, 60);
    assert_memory_equal(f->logprobs, a.logprobs, 60 * sizeof(float));
    for (size_t i = 0; i < MANY; i++)
        first[i] = (text){ .ids = { a.top[0][i].id }, .n = 1 };
    uint64_t steps = ask_stats(engine).steps;
    score(engine, p, first, MANY, CARAT_ENDING_OPEN, f);
    for (size_t i = 0; i < MANY; i++)
        assert_memory_equal(f[i].logprobs, &a.top[0][i].logprob, sizeof(float));
    assert_true(ask_stats(engine).steps - steps <= 2); /* nothing but the prompt's end is evaluated */
    carat_prompt_free(p);
}

/* The end is any of the tokens that end an answer. */
static void whole_answers_end(void **state)
{
    (void)state;
    static text t[MANY];
    static figures whole[MANY], open[MANY];
    static rows r;
    int32_t stop = -1;
    if (!ask_is_fake()) {
        int32_t *ids;
        size_t n;
        carat_err e;
        ask_must(carat_tokenizer_encode(carat_engine_tokenizer(engine), "<end_of_turn>", 13, CARAT_TOK_SPECIAL, &ids,
                                        &n, &e),
                 &e);
        assert_true(n == 1 && ids[0] != FAKE_STOP);
        stop = ids[0];
        carat_free(ids);
    }
    carat_prompt *p = ask_random(engine, 8, N_PROMPT);
    make_texts(400, t, MANY);
    t[3].n = 0; /* an answer may be empty */
    score(engine, p, t, MANY, CARAT_ENDING_WHOLE, whole);
    for (size_t i = 0; i < MANY; i++) {
        reference(engine, p, &t[i], stop, &r);
        assert_int_equal(whole[i].n_logprobs, t[i].n + 1);
        expect_reference(&whole[i], &r, "a whole answer");
        /* Two roundings to float of a number below 16, and those of the double sums. */
        if (fabs(log(r.ends) - (double)whole[i].logprobs[t[i].n]) > 4e-6)
            fail_msg("the end after %zu tokens: %.9g, expected %.9g", t[i].n, (double)whole[i].logprobs[t[i].n],
                     log(r.ends));
        if (i == 3)
            continue;
        score(engine, p, &t[i], 1, CARAT_ENDING_OPEN, open);
        assert_memory_equal(open->logprobs, whole[i].logprobs, t[i].n * sizeof(float));
        assert_true(whole[i].logprob < open->logprob);
    }
    carat_prompt_free(p);
}

/* Nothing of a continuation is found by those who come after. */
static void continuations_leave_nothing_behind(void **state)
{
    (void)state;
    static text t[MANY];
    static figures f[MANY];
    int32_t ids[N_PROMPT + MOST];
    size_t n, n_cached;
    ask_ids(9, ids, N_PROMPT);
    carat_prompt *p = ask_prompt(engine, ids, N_PROMPT);
    make_texts(500, t, MANY);
    score(engine, p, t, MANY, CARAT_ENDING_WHOLE, f);
    memcpy(ids + N_PROMPT, t[5].ids, MOST * sizeof *ids);
    carat_prompt *longer = ask_prompt(engine, ids, N_PROMPT + MOST);
    carat_request *r = submit(engine, longer, t, 1, CARAT_ENDING_OPEN, NULL);
    assert_int_equal(carat_request_next(r, -1)->kind, CARAT_EVENT_ANSWER);
    carat_request_prompt(r, &n, &n_cached);
    assert_true(n == N_PROMPT + MOST && n_cached == N_PROMPT);
    carat_request_free(r);
    carat_prompt_free(longer);
    carat_prompt_free(p);
}

static void expect_numeric(carat_request *r)
{
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_FAILED);
    assert_int_equal(ev->err->code, CARAT_ENUMERIC);
    assert_true(!ev->scores && !ev->n_scores);
    assert_int_equal(carat_request_next(r, -1)->kind, CARAT_EVENT_END);
    carat_request_free(r);
}

/* One with activations or logits that are not finite fails, and no other does. */
static void a_failure_is_its_own(void **state)
{
    (void)state;
    static text t[2][MANY];
    static figures f[MANY], want[MANY];
    char folder[64];
    carat_engine *e;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .chunk = CHUNK, .n_ctx = 512, .n_sessions = 4 };
    assert_true(poison_make_logits(folder));
    ask_must(carat_engine_open(folder, &o, &e, &err), &err);
    poison_remove(folder);
    carat_prompt *p = ask_random(e, 10, N_PROMPT);
    make_texts(600, t[0], MANY);
    expect_numeric(submit(e, p, t[0], MANY, CARAT_ENDING_WHOLE, NULL)); /* whose first row is not */
    carat_engine_close(e);
    carat_prompt_free(p);

    assert_true(poison_make(folder));
    ask_must(carat_engine_open(folder, &o, &e, &err), &err);
    poison_remove(folder);
    p = ask_random(e, 10, N_PROMPT);
    memcpy(t[1], t[0], sizeof t[0]);
    t[1][2].ids[20] = POISON;
    score(e, p, t[0], MANY, CARAT_ENDING_WHOLE, want);
    carat_request *bad = submit(e, p, t[1], MANY, CARAT_ENDING_WHOLE, NULL);
    carat_request *good = submit(e, p, t[0], MANY, CARAT_ENDING_WHOLE, NULL);
    expect_numeric(bad);
    take(good, f);
    for (size_t i = 0; i < MANY; i++)
        same(&f[i], &want[i], "beside one that fails");
    score(e, p, t[0], MANY, CARAT_ENDING_WHOLE, f);
    same(&f[2], &want[2], "after one that failed");
    carat_prompt_free(p);
    carat_engine_close(e);
}

/* Cancelled, late and freed, wherever they are. */
static void they_end_when_they_are_told(void **state)
{
    (void)state;
    static text t[MANY];
    carat_prompt *p = ask_random(engine, 11, N_PROMPT);
    make_texts(700, t, MANY);
    for (unsigned i = 0; i < 40; i += (unsigned)unit_step(3)) { /* three and four have no common divisor */
        carat_request *r = submit(engine, p, t, MANY, CARAT_ENDING_WHOLE, NULL);
        carat_request_state s = { .struct_size = sizeof s };
        carat_err e;
        while (i % 4 && (ask_must(carat_request_progress(r, &s, &e), &e), s.stage < (carat_request_stage)(i % 4)))
            ;
        if (s.stage == CARAT_REQUEST_ANSWERING)
            assert_true(s.n_read == N_PROMPT && s.n_prompt == N_PROMPT);
        if (i < 20) {
            carat_request_cancel(r);
            const carat_event *ev = carat_request_next(r, -1);
            assert_true(ev->kind == CARAT_EVENT_ANSWER ||
                        (ev->kind == CARAT_EVENT_FAILED && ev->err->code == CARAT_ECANCELLED));
            assert_int_equal(carat_request_next(r, -1)->kind, CARAT_EVENT_END);
        }
        carat_request_free(r);
    }
    const carat_continuation c = { .struct_size = sizeof c, .ids = t[5].ids, .n_ids = MOST };
    carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .continuations = &c, .n_continuations = 1, .seconds = 1e-9
    };
    carat_request *r = ask(engine, &o);
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_FAILED);
    assert_int_equal(ev->err->code, CARAT_ETIME);
    carat_request_free(r);
    carat_prompt_free(p);
}

static void refused(const carat_request_options *o, carat_code code, const char *says)
{
    carat_request *r;
    carat_err e;
    assert_false(carat_request_submit(engine, o, &r, &e));
    assert_null(r);
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("%s: %s, expected %s: %s", carat_code_name(e.code), e.msg, carat_code_name(code), says);
}

static void what_cannot_be_is_named(void **state)
{
    (void)state;
    static const int32_t ids[] = { 40, 41, 40, 41, 1 << 20 };
    static int32_t many[512];
    carat_prompt *p = ask_random(engine, 12, 300);
    carat_continuation c[3] = { { .struct_size = sizeof *c, .ids = ids, .n_ids = 2 },
                                { .struct_size = sizeof *c, .ids = ids, .n_ids = 3 },
                                { .struct_size = sizeof *c, .ids = ids, .n_ids = 1 } };
    const carat_request_options good = {
        .struct_size = sizeof good, .prompt = p, .continuations = c, .n_continuations = 3
    };
    carat_request_options o = good;
    o.generation = ASK_GREEDY(1);
    refused(&o, CARAT_EARG, "generation must be NULL");
    o = good, o.n_answers = 2;
    refused(&o, CARAT_EARG, "n_answers 0 or 1");
    o = good, o.continuations = NULL;
    refused(&o, CARAT_EARG, "3 continuations that are not given");
    o = good, o.n_continuations = 0;
    refused(&o, CARAT_EARG, "a request with 0 continuations");
    o = (carat_request_options){ .struct_size = sizeof o, .prompt = p, .ending = CARAT_ENDING_OPEN };
    refused(&o, CARAT_EARG, "ending");
    o = good, o.ending = (carat_ending)7;
    refused(&o, CARAT_EARG, "ending is 7");
    o = good, o.n_continuations = 5000;
    refused(&o, CARAT_ELIMIT, "the limit is 4096");
    o = good, c[2] = (carat_continuation){ .struct_size = sizeof *c, .ids = ids + 2, .n_ids = 2 };
    refused(&o, CARAT_EARG, "continuations 0 and 2 are the same tokens");
    c[2].n_ids = 3;
    refused(&o, CARAT_EARG, "token id 1048576");
    c[2].n_ids = 0;
    refused(&o, CARAT_EARG, "continuation 2 is empty");
    c[2] = (carat_continuation){ .struct_size = sizeof *c, .ids = ids, .n_ids = 2, .text = "x" };
    refused(&o, CARAT_EARG, "both a text and ids");
    c[2] = (carat_continuation){ .struct_size = sizeof *c, .n_ids = 2 };
    refused(&o, CARAT_EARG, "neither a text nor ids");
    c[2] = (carat_continuation){ .struct_size = 3 };
    refused(&o, CARAT_EARG, "struct_size");
    for (size_t i = 0; i < 512; i++)
        many[i] = 50;
    c[2] = (carat_continuation){ .struct_size = sizeof *c, .ids = many, .n_ids = 214 };
    refused(&o, CARAT_ECONTEXT, "300 tokens of the prompt and 213 of the longest continuation");
    c[2].n_ids = 213; /* the last one needs no place */
    carat_request *r = ask(engine, &o);
    assert_int_equal(carat_request_next(r, -1)->kind, CARAT_EVENT_ANSWER);
    carat_request_free(r);
    o.ending = CARAT_ENDING_WHOLE;
    refused(&o, CARAT_ECONTEXT, "213 of the longest");
    carat_prompt_free(p);
}

/* Texts: by themselves, control tokens as text; after a chat they are whole answers. */
static void texts_are_tokenised_by_themselves(void **state)
{
    (void)state;
    if (ask_is_fake())
        skip();
    static const char *const texts[] = { "yes", " yes", "<end_of_turn>", "", "two words, and\nlines" };
    enum { N = sizeof texts / sizeof *texts };
    const carat_tokenizer *tok = carat_engine_tokenizer(engine);
    const carat_message m = { .struct_size = sizeof m, .role = "user", .text = "Is it so?" };
    const carat_content bare = { .struct_size = sizeof bare, .text = "Is it so? It is" };
    const carat_prompt_options closed = { .struct_size = sizeof closed, .omits_answer = true };
    carat_continuation c[N];
    carat_prompt *prompts[3];
    carat_err e;
    ask_must(carat_prompt_chat(engine, &m, 1, NULL, &prompts[0], &e) &&
                 carat_prompt_chat(engine, &m, 1, &closed, &prompts[1], &e) &&
                 carat_prompt_text(engine, &bare, 1, NULL, &prompts[2], &e),
             &e);
    for (size_t i = 0; i < N; i++)
        c[i] = (carat_continuation){ .struct_size = sizeof *c, .text = texts[i] };
    for (size_t k = 0; k < 3; k++) {
        carat_request_options o = {
            .struct_size = sizeof o, .prompt = prompts[k], .continuations = c, .n_continuations = N
        };
        if (k) {
            refused(&o, CARAT_EARG, "continuation 3 is empty, and its end is open");
            o.ending = CARAT_ENDING_WHOLE;
        }
        carat_request *r = ask(engine, &o);
        const carat_event *ev = carat_request_next(r, -1);
        assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
        assert_int_equal(ev->n_scores, N);
        for (size_t i = 0; i < N; i++) {
            int32_t *ids;
            size_t n;
            ask_must(carat_tokenizer_encode(tok, texts[i], strlen(texts[i]), 0, &ids, &n, &e), &e);
            assert_true(ev->scores[i].n_ids == n && ev->scores[i].n_logprobs == n + 1);
            assert_memory_equal(ev->scores[i].ids, ids, n * sizeof *ids);
            for (size_t j = 0; j < n; j++)
                assert_false(carat_tokenizer_is_control(tok, ids[j]));
            carat_free(ids);
        }
        carat_request_free(r);
        carat_prompt_free(prompts[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_are_those_of_the_logits, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_else_has_a_part_in_a_figure, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(a_generation_says_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_answers_end, setup, teardown),
        cmocka_unit_test_setup_teardown(continuations_leave_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(they_end_when_they_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_tokenised_by_themselves, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
