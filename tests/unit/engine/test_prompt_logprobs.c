/* Log-probabilities of a prompt's tokens: those of the logits, bit for bit, whatever else an engine does and has cached.
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
#include "sample/select.h"

#define TINY      TEST_DATA "/models/tiny-text"
#define WINDOW_64 TEST_DATA "/models/tiny-sight"
#define GUARD     280 /* seconds after which a test that hangs is ended */
#define MOST      400 /* tokens of a prompt: more than local layers keep */

static carat_engine *engine; /* four places of 512 tokens, in steps of 16 */

static carat_engine *open_engine(const char *path, size_t chunk, int n_threads, bool no_cache)
{
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = n_threads,
                              .chunk = chunk,
                              .n_ctx = 512,
                              .n_sessions = 4,
                              .omits_prefix_cache = no_cache };
    return ask_open(path, &o);
}

static int setup(void **state)
{
    (void)state;
    unit_guard(GUARD);
    engine = open_engine(TINY, 16, 1, false);
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

typedef struct told { /* of a prompt */
    size_t n, n_top;
    float logprobs[MOST];
    uint32_t ranks[MOST];
    carat_top top[MOST][ASK_TOP];
} told;

static void keep(const carat_prompt_logprobs *p, told *t)
{
    assert_non_null(p);
    assert_true(p->n <= MOST && p->n_top <= ASK_TOP);
    memset(t, 0, sizeof *t);
    t->n = p->n;
    t->n_top = p->n_top;
    memcpy(t->logprobs, p->logprobs, p->n * sizeof *p->logprobs);
    memcpy(t->ranks, p->ranks, p->n * sizeof *p->ranks);
    for (size_t i = 0; i < p->n; i++)
        memcpy(t->top[i], p->top + i * p->n_top, p->n_top * sizeof *p->top);
}

static bool is_none(float x)
{
    return isnan(x) != 0;
}

static void same(const told *a, const told *b, const char *what)
{
    if (a->n != b->n || a->n_top != b->n_top)
        fail_msg("%s: %zu tokens and %zu alternatives, %zu and %zu", what, a->n, a->n_top, b->n, b->n_top);
    for (size_t i = 0; i < a->n; i++)
        if ((memcmp(&a->logprobs[i], &b->logprobs[i], sizeof(float)) != 0 &&
             !(is_none(a->logprobs[i]) && is_none(b->logprobs[i]))) ||
            a->ranks[i] != b->ranks[i])
            fail_msg("%s: token %zu of %zu is %.9g (rank %u) and %.9g (rank %u)", what, i, a->n, (double)a->logprobs[i],
                     a->ranks[i], (double)b->logprobs[i], b->ranks[i]);
        else
            for (size_t k = 0; k < a->n_top; k++)
                if (a->top[i][k].id != b->top[i][k].id ||
                    (a->top[i][k].id >= 0 && memcmp(&a->top[i][k], &b->top[i][k], sizeof(carat_top)) != 0))
                    fail_msg("%s: alternative %zu of token %zu is %d and %d", what, k, i, a->top[i][k].id,
                             b->top[i][k].id);
}

/* The prompt alone. */
#define ALONE(p, n)                                                                                                    \
    {                                                                                                                  \
        .struct_size = sizeof(carat_request_options), .prompt = (p), .wants_prompt_logprobs = true,                    \
        .omits_answers = true, .n_prompt_top = (n)                                                                     \
    }

static void tell(carat_engine *e, const carat_prompt *p, int n_top, told *t)
{
    size_t n, n_cached;
    const carat_request_options o = ALONE(p, n_top);
    carat_request *r = ask(e, &o);
    const carat_event *ev = carat_request_next(r, -1);
    if (ev->kind == CARAT_EVENT_FAILED)
        fail_msg("%s", ev->err->msg);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    assert_true(ev->result->n_generated == 0 && ev->result->stop_id == -1 && ev->result->finish == CARAT_FINISH_LENGTH);
    assert_null(ev->stop_token);
    keep(ev->prompt, t);
    carat_request_prompt(r, &n, &n_cached);
    assert_true(n == t->n && n_cached == 0);
    ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_END);
    assert_null(ev->prompt);
    carat_request_free(r);
}

/* ---- the reference: logits as a session gives them ---- */

typedef struct rows {
    const int32_t *ids;
    size_t n, n_pieces;
    told t;
} rows;

static bool keep_row(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    rows *r = arg;
    ct_candidate best[ASK_TOP];
    assert_true(n_vocab >= r->n_pieces);
    if (pos + 1 == r->n)
        return true;
    const float lse = ask_logsumexp(logits, r->n_pieces), own = logits[r->ids[pos + 1]];
    r->t.logprobs[pos + 1] = own - lse;
    r->t.ranks[pos + 1] = 1;
    for (size_t i = 0; i < r->n_pieces; i++)
        r->t.ranks[pos + 1] += logits[i] > own || (!(logits[i] < own) && (int32_t)i < r->ids[pos + 1]);
    size_t n = ct_select_top(&(ct_logit_row){ logits, r->n_pieces, NULL }, ASK_TOP, best);
    assert_int_equal(n, ASK_TOP);
    for (size_t i = 0; i < n; i++)
        r->t.top[pos + 1][i] = (carat_top){ best[i].id, best[i].logit - lse };
    return true;
}

static void reference(carat_engine *e, const carat_prompt *p, told *out)
{
    static rows r;
    carat_session *s;
    carat_err err;
    memset(&r, 0, sizeof r);
    r.n_pieces = carat_engine_info(e)->n_pieces;
    r.ids = carat_prompt_tokens(p, &r.n);
    r.t.n = r.n;
    r.t.n_top = ASK_TOP;
    ask_must(carat_session_open(e, 0, &s, &err), &err);
    ask_must(carat_session_append_prompt(s, p, keep_row, &r, &err), &err);
    carat_session_close(s);
    *out = r.t;
    out->logprobs[0] = NAN;
    for (size_t k = 0; k < ASK_TOP; k++)
        out->top[0][k] = (carat_top){ -1, NAN };
}

/* ---- tests ---- */

static const size_t lengths[] = { 1, 2, 15, 16, 17, 33, 64, 77, 128, 300, MOST };
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static void figures_are_those_of_the_logits(void **state)
{
    (void)state;
    static told want, have;
    static const struct {
        const char *path;
        size_t chunk;
        int n_threads;
    } ways[] = { { TINY, 16, 1 }, { TINY, 1, 1 }, { TINY, 7, 2 }, { TINY, 512, 1 }, { WINDOW_64, 16, 1 } };
    for (size_t w = 0; w < (ask_is_fake() ? 4 : 5); w++) {
        carat_engine *e = open_engine(ways[w].path, ways[w].chunk, ways[w].n_threads, w == 3);
        for (size_t i = w % 2; i < N_LENGTHS; i += w ? 3 : unit_step(2)) {
            carat_prompt *p = ask_random(e, 40 + i, lengths[i]);
            tell(e, p, ASK_TOP, &have);
            reference(e, p, &want);
            same(&have, &want, "alone");
            assert_true(have.ranks[0] == 0 && is_none(have.logprobs[0]));
            carat_prompt_free(p);
        }
        carat_engine_close(e);
    }
}

/* What a generation reports of tokens is what is reported of them in a prompt. */
static void a_generation_says_the_same(void **state)
{
    (void)state;
    enum { BEFORE = 77, SAID = 60 };
    static answer a;
    static told t;
    int32_t ids[BEFORE + SAID];
    ask_ids(7, ids, BEFORE);
    carat_prompt *p = ask_prompt(engine, ids, BEFORE);
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = ASK_GREEDY(SAID) };
    ask_whole(engine, &o, &a);
    memcpy(ids + BEFORE, a.ids, SAID * sizeof *ids);
    carat_prompt *whole = ask_prompt(engine, ids, BEFORE + SAID);
    tell(engine, whole, ASK_TOP, &t);
    assert_memory_equal(t.logprobs + BEFORE, a.logprobs, SAID * sizeof(float));
    assert_memory_equal(t.top[BEFORE], a.top, SAID * sizeof a.top[0]);
    for (size_t i = BEFORE; i < BEFORE + SAID; i++) {
        assert_int_equal(t.ranks[i], 1); /* greedy */
        assert_memory_equal(&t.logprobs[i], &t.top[i][0].logprob, sizeof(float));
    }
    carat_prompt_free(p), carat_prompt_free(whole);
}

/* Fewer alternatives are the first of more, and none are none. */
static void as_many_alternatives_as_wanted(void **state)
{
    (void)state;
    static told all, some;
    carat_prompt *p = ask_random(engine, 8, 50);
    tell(engine, p, ASK_TOP, &all);
    for (int n = 0; n <= 5; n += 5) {
        tell(engine, p, n, &some);
        assert_int_equal(some.n_top, n);
        all.n_top = (size_t)n;
        same(&all, &some, "fewer");
    }
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .omits_answers = true, .n_prompt_top = 3
    }; /* implies the rest */
    carat_request *r = ask(engine, &o);
    const carat_event *ev = carat_request_next(r, -1);
    keep(ev->prompt, &some);
    all.n_top = 3;
    same(&all, &some, "implied");
    carat_request_free(r);
    carat_prompt_free(p);
}

/* Beside answers: each event of each has them, and the answers are what they are without. */
static void beside_answers(void **state)
{
    (void)state;
    enum { ANSWERS = 3 };
    static told want, have;
    static answer with[ANSWERS], without[ANSWERS];
    carat_sampling hot = CARAT_SAMPLING_DEFAULT;
    hot.seed = 11;
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &hot, .max_tokens = 20, .ignores_eos = true, .n_top = ASK_TOP
    };
    for (size_t i = 0; i < N_LENGTHS; i += 2) {
        carat_prompt *p = ask_random(engine, 60 + i, lengths[i]);
        carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = ANSWERS };
        tell(engine, p, 5, &want);
        ask_whole(engine, &o, without);
        o.wants_prompt_logprobs = true, o.n_prompt_top = 5;
        carat_request *r = ask(engine, &o);
        const carat_event *ev;
        memset(with, 0, sizeof with);
        for (size_t n = 0; (ev = carat_request_next(r, -1))->kind != CARAT_EVENT_END; n++) {
            keep(ev->prompt, &have);
            if (n < 5 || ev->kind == CARAT_EVENT_ANSWER)
                same(&want, &have, "beside answers");
            ask_take(ev, with);
        }
        carat_request_free(r);
        for (size_t k = 0; k < ANSWERS; k++)
            ask_same(&with[k], &without[k], "beside log-probabilities of the prompt");
        carat_prompt_free(p);
    }
}

/* Twelve prompts of which some begin alike, answers among them, in one queue. */
static void the_same_under_load(void **state)
{
    (void)state;
    enum { MOST_ASKED = 12, SAID = 24 };
    const size_t n_asked = MOST_ASKED / unit_step(2);
    static told alone[MOST_ASKED], loaded[MOST_ASKED];
    static answer a[MOST_ASKED], b[MOST_ASKED];
    carat_prompt *p[MOST_ASKED];
    carat_request *r[MOST_ASKED];
    carat_queue *q;
    carat_err e;
    int32_t ids[MOST];
    for (size_t i = 0; i < n_asked; i++) {
        ask_ids(100 + i / 3, ids, 20 + 30 * i);
        p[i] = ask_prompt(engine, ids, 20 + 30 * i);
        const carat_request_options o = { .struct_size = sizeof o, .prompt = p[i], .generation = ASK_GREEDY(SAID) };
        tell(engine, p[i], ASK_TOP, &alone[i]);
        ask_whole(engine, &o, &b[i]);
    }
    carat_engine_close(engine);
    engine = open_engine(TINY, 48, 2, false);
    ask_must(carat_queue_open(&q, &e), &e);
    const carat_generation *greedy = ASK_GREEDY(SAID);
    for (int round = 0; round < 2; round++) { /* the second finds the first in the cache */
        for (size_t i = 0; i < n_asked; i++) {
            carat_request_options o = ALONE(p[i], ASK_TOP);
            o.queue = q;
            o.user = &loaded[i];
            o.omits_answers = i % 3 == 1;
            o.generation = i % 3 == 1 ? NULL : greedy;
            if (i % 3 == 2)
                o.wants_prompt_logprobs = false, o.n_prompt_top = 0;
            r[i] = ask(engine, &o);
        }
        memset(a, 0, sizeof a);
        for (size_t n_open = n_asked; n_open > 0;) {
            const carat_event *ev = carat_queue_next(q, -1);
            const size_t i = (size_t)((told *)ev->user - loaded);
            n_open -= ev->kind == CARAT_EVENT_END;
            if (ev->kind == CARAT_EVENT_ANSWER && i % 3 != 2)
                keep(ev->prompt, &loaded[i]);
            assert_true(i % 3 != 2 || !ev->prompt);
            ask_take(ev, &a[i]);
        }
        for (size_t i = 0; i < n_asked; i++) {
            if (i % 3 != 2)
                same(&alone[i], &loaded[i], "under load");
            if (i % 3 != 1)
                ask_same(&a[i], &b[i], "an answer under load");
            carat_request_free(r[i]);
        }
    }
    for (size_t i = 0; i < n_asked; i++)
        carat_prompt_free(p[i]);
    carat_queue_close(q);
}

/* A prompt of the whole context, and one that is evaluated for the next to find it. */
static void a_prompt_alone(void **state)
{
    (void)state;
    static told t;
    size_t n, n_cached;
    int32_t ids[MOST + 1];
    ask_ids(12, ids, MOST + 1);
    carat_prompt *p = ask_prompt(engine, ids, MOST), *longer = ask_prompt(engine, ids, MOST + 1);
    carat_request_options o = ALONE(p, 0);
    o.n_ctx = MOST;
    carat_request *r = ask(engine, &o);
    const carat_event *ev = carat_request_next(r, -1);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    keep(ev->prompt, &t);
    carat_request_free(r);
    o.n_ctx = MOST - 1;
    carat_err e;
    assert_false(carat_request_submit(engine, &o, &r, &e));
    assert_int_equal(e.code, CARAT_ECONTEXT);
    o = (carat_request_options){ .struct_size = sizeof o, .prompt = longer, .omits_answers = true };
    for (int round = 0; round < 2; round++) {
        r = ask(engine, &o);
        ev = carat_request_next(r, -1);
        assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
        assert_null(ev->prompt);
        carat_request_prompt(r, &n, &n_cached);
        assert_true(n == MOST + 1 && n_cached == MOST); /* what was evaluated for figures serves others */
        carat_request_free(r);
    }
    carat_prompt_free(p), carat_prompt_free(longer);
}

/* The token that ended an answer, as a prompt that ends with it reports. */
static void the_token_that_ends_an_answer(void **state)
{
    (void)state;
    static told t;
    const carat_bias ends = { FAKE_STOP, 100 };
    carat_sampling s = ask_largest;
    s.bias = &ends, s.n_bias = 1;
    carat_generation g = { .struct_size = sizeof g, .sampling = &s, .max_tokens = 5, .n_top = ASK_TOP };
    int32_t ids[50];
    ask_ids(13, ids, 49);
    ids[49] = FAKE_STOP;
    carat_prompt *p = ask_prompt(engine, ids, 49), *whole = ask_prompt(engine, ids, 50);
    tell(engine, whole, ASK_TOP, &t);
    for (int k = 0; k < 3; k++) {
        g.n_top = k == 1 ? 0 : ASK_TOP;
        g.ignores_eos = k == 2;
        const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g };
        carat_request *r = ask(engine, &o);
        const carat_event *ev = carat_request_next(r, -1);
        while (ev->kind == CARAT_EVENT_TOKEN) {
            assert_null(ev->stop_token);
            ev = carat_request_next(r, -1);
        }
        assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
        if (k == 0) {
            assert_int_equal(ev->result->stop_id, FAKE_STOP);
            assert_true(ev->stop_token && ev->stop_token->id == FAKE_STOP && ev->stop_token->len == 0);
            assert_null(ev->token);
            assert_memory_equal(&ev->stop_token->logprob, &t.logprobs[49], sizeof(float));
            assert_int_equal(ev->stop_token->n_top, ASK_TOP);
            assert_memory_equal(ev->stop_token->top, t.top[49], sizeof t.top[49]);
        } else {
            assert_null(ev->stop_token);
        }
        carat_request_free(r);
    }
    carat_prompt_free(p), carat_prompt_free(whole);
}

/* ---- what goes wrong ---- */

static void expect_failures(carat_request *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const carat_event *ev = carat_request_next(r, -1);
        assert_int_equal(ev->kind, CARAT_EVENT_FAILED);
        assert_int_equal(ev->err->code, CARAT_ENUMERIC);
        assert_null(ev->prompt);
    }
    assert_int_equal(carat_request_next(r, -1)->kind, CARAT_EVENT_END);
    carat_request_free(r);
}

/* A token whose activations are not finite; a model whose activations are, and its logits never. */
static void a_failure_is_its_own(void **state)
{
    (void)state;
    enum { ANSWERS = 3, N = 90 };
    static told before, after;
    int32_t ids[N];
    if (ask_is_fake())
        skip();
    for (int of_logits = 0; of_logits < 2; of_logits++) {
        char folder[64];
        assert_true(of_logits ? poison_make_logits(folder) : poison_make(folder));
        carat_engine *e = open_engine(folder, 16, 1, false);
        carat_prompt *good = ask_random(e, 3, of_logits ? 1 : N); /* one token has no figure */
        tell(e, good, 5, &before);
        for (size_t at = 1; at < N; at += 22) {
            ask_ids(4, ids, N);
            ids[at] = of_logits ? ids[at] : POISON;
            carat_prompt *p = ask_prompt(e, ids, N);
            carat_request_options o = ALONE(p, 5), beside = ALONE(good, 5);
            o.omits_answers = false, o.generation = ASK_GREEDY(3), o.n_answers = ANSWERS;
            carat_request *other = ask(e, &beside);
            expect_failures(ask(e, &o), ANSWERS);
            const carat_event *ev = carat_request_next(other, -1);
            assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
            keep(ev->prompt, &after);
            same(&before, &after, "beside one that fails");
            carat_request_free(other);
            carat_prompt_free(p);
        }
        carat_prompt_free(good);
        carat_engine_close(e);
        poison_remove(folder);
    }
}

static void cut_short(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 5, MOST);
    for (int k = 0; k < 3; k++) {
        carat_request_options o = ALONE(p, 20);
        o.seconds = k == 1 ? 1e-9 : 0;
        carat_request *r = ask(engine, &o);
        if (k == 0)
            carat_request_cancel(r);
        if (k < 2) {
            const carat_event *ev = carat_request_next(r, -1);
            assert_true(ev->kind == CARAT_EVENT_FAILED || ev->kind == CARAT_EVENT_ANSWER);
            if (ev->kind == CARAT_EVENT_FAILED)
                assert_int_equal(ev->err->code, k ? CARAT_ETIME : CARAT_ECANCELLED);
            assert_true((ev->kind == CARAT_EVENT_ANSWER) == (ev->prompt != NULL));
        }
        carat_request_free(r); /* the last one is still being read */
    }
    carat_prompt_free(p);
}

static void refused(const carat_request_options *o, const char *words)
{
    carat_request *r;
    carat_err e;
    assert_false(carat_request_submit(engine, o, &r, &e));
    assert_null(r);
    assert_int_equal(e.code, CARAT_EARG);
    if (!strstr(e.msg, words))
        fail_msg("'%s' is not in: %s", words, e.msg);
}

static void what_cannot_be_is_named(void **state)
{
    (void)state;
    carat_prompt *p = ask_random(engine, 5, 9);
    const int32_t id = 30;
    const carat_continuation c = { .struct_size = sizeof c, .ids = &id, .n_ids = 1 };
    carat_request_options o = ALONE(p, 21);
    refused(&o, "21 alternatives");
    o.n_prompt_top = -1;
    refused(&o, "-1 alternatives");
    o.n_prompt_top = 1, o.n_answers = 2;
    refused(&o, "omits answers");
    o.n_answers = 1, o.generation = ASK_GREEDY(1);
    refused(&o, "omits answers");
    o.generation = NULL, o.continuations = &c, o.n_continuations = 1;
    refused(&o, "omits answers");
    o.omits_answers = false;
    refused(&o, "beside continuations");
    carat_prompt_free(p);
}

/* ---- pictures ---- */

static void pictures_have_none(void **state)
{
    (void)state;
    enum { SOFT = 16, SLOT = 512, SIDE = 8 };
    static told want, have;
    if (ask_is_fake())
        skip();
    carat_engine *e = open_engine(WINDOW_64, 16, 1, false);
    static const uint8_t bmp[54 + SIDE * SIDE * 3] = {
        'B',         'M',      sizeof bmp, [10] = 54,  [14] = 40, [18] = SIDE,
        [22] = SIDE, [26] = 1, [28] = 24,  [70] = 200, [100] = 90
    };
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options po = { .struct_size = sizeof po, .pan_scan = &whole };
    carat_picture *picture;
    carat_prompt *p;
    carat_err err;
    int32_t ids[120];
    ask_must(carat_picture_decode(bmp, sizeof bmp, &picture, &err), &err);
    for (size_t at = 1; at < 100; at += 31) {
        ask_ids(6, ids, 120);
        for (size_t i = 0; i < SOFT; i++)
            ids[at + i] = SLOT;
        ask_must(carat_prompt_ids(e, ids, 120, (const carat_picture *const *)&picture, 1, &po, &p, &err), &err);
        tell(e, p, ASK_TOP, &have);
        reference(e, p, &want);
        for (size_t i = at; i < at + SOFT; i++) {
            assert_true(is_none(have.logprobs[i]) && have.ranks[i] == 0 && have.top[i][0].id == -1);
            want.logprobs[i] = NAN, want.ranks[i] = 0;
            for (size_t k = 0; k < ASK_TOP; k++)
                want.top[i][k].id = -1;
        }
        same(&have, &want, "after a picture");
        carat_prompt_free(p);
    }
    carat_picture_free(picture);
    carat_engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_are_those_of_the_logits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_generation_says_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(as_many_alternatives_as_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(beside_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(a_prompt_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_token_that_ends_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_short, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_have_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
