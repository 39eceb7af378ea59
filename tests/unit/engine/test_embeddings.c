/* Embeddings: the mean of the final hidden states, bit for bit the same whatever else an engine does and has cached.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/internal.h"
#include "ask.h"
#include "fake_backend.h"
#include "golden_file.h"
#include "poison.h"

#define TINY  TEST_DATA "/models/tiny-text"
#define SIGHT TEST_DATA "/models/tiny-sight"
#define GUARD 280 /* seconds after which a test that hangs is ended */
#define WIDE  256 /* hidden, at most */
#define MOST  400 /* tokens: more than local layers keep */

static const size_t lengths[] = { 1, 2, 16, 17, 64, 77, 300, MOST };
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

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

typedef struct embedding {
    size_t n;
    float v[WIDE];
} embedding;

static void keep(const carat_event *ev, embedding *e)
{
    assert_true(ev->embedding && ev->n_embedding <= WIDE);
    e->n = ev->n_embedding;
    memcpy(e->v, ev->embedding, e->n * sizeof *e->v);
}

/* omits_norm: the mean as it is. */
static void embed(carat_engine *e, const carat_prompt *p, bool omits_norm, embedding *out)
{
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_norm = omits_norm, .omits_answers = true
    };
    carat_request *r = ask(e, &o);
    const carat_event *ev = carat_request_next(r, -1);
    if (ev->kind == CARAT_EVENT_FAILED)
        fail_msg("%s", ev->err->msg);
    assert_int_equal(ev->kind, CARAT_EVENT_ANSWER);
    assert_null(ev->prompt);
    keep(ev, out);
    assert_int_equal(out->n, carat_engine_info(e)->hidden);
    ev = carat_request_next(r, -1);
    assert_true(ev->kind == CARAT_EVENT_END && !ev->embedding);
    carat_request_free(r);
}

static void same(const embedding *a, const embedding *b, const char *what)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        if (memcmp(&a->v[i], &b->v[i], sizeof(float)) != 0)
            fail_msg("%s: number %zu is %.9g and %.9g", what, i, (double)a->v[i], (double)b->v[i]);
}

/* ---- the reference: hidden states as the backend has them, a step a token ---- */

typedef struct rows {
    carat_engine *e;
    size_t n;
    double sum[WIDE];
} rows;

static bool add_row(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    rows *r = arg;
    float row[WIDE];
    const ct_backend *b = &r->e->backend;
    (void)logits, (void)n_vocab;
    assert_int_equal(pos, r->n++);
    b->hidden(b->self, 0, row);
    for (size_t i = 0; i < carat_engine_info(r->e)->hidden; i++)
        r->sum[i] += (double)row[i];
    return true;
}

static void near(double have, double want, double bound, const char *what)
{
    if (!(fabs(have - want) <= bound))
        fail_msg("%s: %.9g, expected %.9g within %.3g", what, have, want, bound);
}

static void the_mean_of_the_hidden_states(void **state)
{
    (void)state;
    unit_guard(GUARD);
    static embedding raw, unit;
    for (int k = 0; k < (ask_is_fake() ? 1 : 2); k++) {
        carat_engine *e = open_engine(k ? SIGHT : TINY, 1, 1, false);
        for (size_t i = 0; i < N_LENGTHS; i++) {
            carat_session *s;
            carat_err err;
            rows r = { .e = e };
            double length = 0;
            carat_prompt *p = ask_random(e, 20 + i, lengths[i]);
            embed(e, p, true, &raw);
            embed(e, p, false, &unit);
            ask_must(carat_session_open(e, 0, &s, &err) && carat_session_append_prompt(s, p, add_row, &r, &err), &err);
            carat_session_close(s);
            assert_int_equal(r.n, lengths[i]);
            for (size_t d = 0; d < raw.n; d++)
                length += pow(r.sum[d] / (double)r.n, 2);
            length = sqrt(length);
            for (size_t d = 0; d < raw.n; d++) { /* one rounding to float */
                const double mean = r.sum[d] / (double)r.n;
                near((double)raw.v[d], mean, fabs(mean) * (double)FLT_EPSILON, "the mean");
                near((double)unit.v[d], mean / length, fabs(mean / length) * (double)FLT_EPSILON, "of length 1");
            }
            carat_prompt_free(p);
        }
        carat_engine_close(e);
    }
    unit_guard(0);
}

/* In any chunks, on any number of threads, alone, beside answers and others, cold and cached. */
static void nothing_else_has_a_part_in_it(void **state)
{
    (void)state;
    unit_guard(GUARD);
    enum { N = 24, SAID = 16 };
    static embedding want[N], have;
    static answer a[N], b[N];
    static const struct {
        size_t chunk;
        int n_threads;
        bool no_cache;
    } ways[] = { { 7, 1, true }, { 512, 2, false }, { 48, 1, false } };
    const carat_generation *greedy = ASK_GREEDY(SAID);
    carat_engine *plain = open_engine(TINY, 16, 1, false);
    int32_t ids[N][MOST];
    for (size_t i = 0; i < N; i++) {
        ask_ids(60 + i / 3, ids[i], lengths[i % N_LENGTHS]); /* some begin alike */
        carat_prompt *p = ask_prompt(plain, ids[i], lengths[i % N_LENGTHS]);
        const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = greedy };
        embed(plain, p, false, &want[i]);
        ask_whole(plain, &o, &b[i]);
        carat_prompt_free(p);
    }
    carat_engine_close(plain);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        carat_engine *e = open_engine(TINY, ways[w].chunk, ways[w].n_threads, ways[w].no_cache);
        carat_request *r[N];
        carat_queue *q;
        carat_err err;
        ask_must(carat_queue_open(&q, &err), &err);
        for (size_t i = 0; i < N; i++) {
            carat_prompt *p = ask_prompt(e, ids[i], lengths[i % N_LENGTHS]);
            const carat_request_options o = { .struct_size = sizeof o,
                                              .prompt = p,
                                              .queue = q,
                                              .user = &want[i],
                                              .wants_embedding = true,
                                              .wants_prompt_logprobs = i % 4 == 1,
                                              .omits_answers = i % 3 > 0,
                                              .generation = i % 3 ? NULL : greedy };
            r[i] = ask(e, &o);
            carat_prompt_free(p);
        }
        memset(a, 0, sizeof a);
        for (size_t n_open = N; n_open > 0;) {
            const carat_event *ev = carat_queue_next(q, -1);
            const size_t i = (size_t)((embedding *)ev->user - want);
            n_open -= ev->kind == CARAT_EVENT_END;
            assert_true((ev->kind == CARAT_EVENT_ANSWER) == (ev->embedding != NULL));
            if (ev->kind == CARAT_EVENT_ANSWER) {
                keep(ev, &have);
                same(&want[i], &have, "beside others");
                assert_true((ev->prompt != NULL) == (i % 4 == 1));
            }
            ask_take(ev, &a[i]);
        }
        for (size_t i = 0; i < N; i++) {
            if (i % 3 == 0)
                ask_same(&a[i], &b[i], "an answer beside its prompt's embedding");
            carat_request_free(r[i]);
        }
        carat_queue_close(q);
        carat_engine_close(e);
    }
    unit_guard(0);
}

/* The reference implementation's hidden states after the final norm. Each of ours differs from its by at most 1e-4 of their spread
 * (golden text, test_traces); so does the mean, and the direction by at most twice that. */
static void the_references_hidden_states(void **state)
{
    (void)state;
    if (ask_is_fake())
        skip();
    static embedding raw, unit;
    golden_file *g = golden_open("models/tiny-text/golden");
    char name[64];
    size_t n;
    golden_array trace;
    carat_err err;
    carat_engine *e;
    snprintf(name, sizeof name, "prompt%d.ids", (int)json_integer_value(json_object_get(g->manifest, "trace_prompt")));
    const int32_t *ids = golden_i32(g, name, 0, &n);
    assert_true(golden_find(g, "trace.final_norm", &trace));
    const size_t wide = trace.count / n;
    const carat_options o = {
        .struct_size = sizeof o, .is_exact = true, .embed_scale = CARAT_EMBED_SCALE_EXACT, .n_threads = 1, .chunk = 16
    };
    ask_must(carat_engine_open(TINY, &o, &e, &err), &err);
    carat_prompt *p = ask_prompt(e, ids, n);
    embed(e, p, true, &raw);
    embed(e, p, false, &unit);
    assert_int_equal(raw.n, wide);
    double mean[WIDE] = { 0 }, square = 0, length = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < wide; d++) {
            const double x = (double)((const float *)trace.data)[i * wide + d];
            mean[d] += x / (double)n;
            square += x * x;
        }
    for (size_t d = 0; d < wide; d++)
        length += mean[d] * mean[d];
    length = sqrt(length);
    const double bound = 1e-4 * sqrt(square / (double)(n * wide));
    for (size_t d = 0; d < wide; d++) {
        near((double)raw.v[d], mean[d], bound, "the reference's mean");
        near((double)unit.v[d], mean[d] / length, 2 * bound * sqrt((double)wide) / length, "the reference's direction");
    }
    carat_prompt_free(p);
    carat_engine_close(e);
    golden_close(g);
}

static void what_goes_wrong(void **state)
{
    (void)state;
    carat_engine *e = open_engine(TINY, 16, 1, false);
    carat_prompt *p = ask_random(e, 3, MOST);
    const int32_t id = 30;
    const carat_continuation c = { .struct_size = sizeof c, .ids = &id, .n_ids = 1 };
    carat_request *r;
    carat_err err;
    carat_request_options o = { .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_answers = true };
    o.n_ctx = MOST - 1;
    assert_false(carat_request_submit(e, &o, &r, &err));
    assert_int_equal(err.code, CARAT_ECONTEXT);
    o.n_ctx = 0, o.wants_embedding = false, o.omits_norm = true;
    assert_false(carat_request_submit(e, &o, &r, &err));
    assert_true(err.code == CARAT_EARG && strstr(err.msg, "omits_norm"));
    o = (carat_request_options){
        .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .continuations = &c, .n_continuations = 1
    };
    assert_false(carat_request_submit(e, &o, &r, &err));
    assert_true(err.code == CARAT_EARG && strstr(err.msg, "an embedding"));
    carat_prompt_free(p);
    carat_engine_close(e);
    if (ask_is_fake())
        return;
    char folder[64]; /* a token whose activations are not finite */
    int32_t ids[90];
    assert_true(poison_make(folder));
    e = open_engine(folder, 16, 1, false);
    ask_ids(4, ids, 90);
    ids[45] = POISON;
    p = ask_prompt(e, ids, 90);
    o = (carat_request_options){ .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_answers = true };
    r = ask(e, &o);
    const carat_event *ev = carat_request_next(r, -1);
    assert_true(ev->kind == CARAT_EVENT_FAILED && ev->err->code == CARAT_ENUMERIC && !ev->embedding);
    carat_request_free(r);
    carat_prompt_free(p);
    carat_engine_close(e);
    poison_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_the_hidden_states),
        cmocka_unit_test(nothing_else_has_a_part_in_it),
        cmocka_unit_test(the_references_hidden_states),
        cmocka_unit_test(what_goes_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
