/* test_invariance.c - a token's numbers depend on its own sequence alone, bit for bit: not on threads, on how a prompt
 * was cut into steps, on neighbours in the batch, or on what the cache held before.
 *
 *     test_invariance --level LEVEL
 *     test_invariance --level LEVEL --all       every chunk with every number of threads
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_file.h"
#include "host_cache.h"
#include "subject.h"
#include "unit.h"

static const char *level;
static bool takes_all;

static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static void random_ids(int32_t *ids, size_t n)
{
    ids[0] = 2;
    for (size_t i = 1; i < n; i++)
        ids[i] = (int32_t)(4 + dice(508));
}

static void expect_same(const float *a, const float *b, size_t n_rows, size_t n_vocab, const char *what)
{
    for (size_t r = 0; r < n_rows; r++)
        if (memcmp(a + r * n_vocab, b + r * n_vocab, n_vocab * sizeof *a) != 0)
            fail_msg("%s: logits of position %zu are not the same bits", what, r);
}

static subject_model *open_model(const char *path)
{
    return subject_model_open(path, false);
}

/* ---- threads and chunks ---- */

static void check_threads_and_chunks(subject_model *m, const char *name, bool exact, bool q8_kv, size_t n)
{
    static const size_t chunks[] = { 1, 7, 16, 17, 64, 1000 };
    int32_t ids[1100];
    float *ref = NULL;
    random_ids(ids, n);
    for (int threads = 1; threads <= 3; threads++)
        for (size_t c = 0; c < 6; c++) {
            if (!takes_all && threads > 1 && c % 3 != (size_t)threads - 1) /* 2: 7 and 64; 3: 16 and 1000 */
                continue;
            subject s;
            char what[128];
            subject_share(
                &s, m,
                (subject_options){
                    .level = level, .exact = exact, .q8_kv = q8_kv, .n_threads = threads, .batch = chunks[c] });
            float *logits = subject_logits(&s, ids, n, chunks[c]);
            snprintf(what, sizeof what, "%s%s%s, %d threads, chunks of %zu", name, exact ? " (exact)" : "",
                     q8_kv ? " (q8_0 cache)" : "", threads, chunks[c]);
            if (ref)
                expect_same(ref, logits, n, m->cfg->n_vocab, what);
            if (ref)
                free(logits);
            else
                ref = logits;
            subject_close(&s);
        }
    free(ref);
}

static void test_threads_and_chunks(void **state)
{
    (void)state;
    const char *paths[] = { "models/tiny-text", "models/tiny-text/gguf/tiny-text-q8_0.gguf",
                            "models/tiny-kq/gguf/tiny-kq.gguf", "models/seed-shape", "models/odd-text" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        subject_model *m = open_model(paths[i]);
        check_threads_and_chunks(m, paths[i], false, false, 90); /* over the tile of 64, many windows of 5..32 */
        if (i < 2) {
            check_threads_and_chunks(m, paths[i], true, false, 70);
            if (i == 1)
                check_threads_and_chunks(m, paths[i], false, true, 90);
        }
        subject_model_close(m);
    }
}

/* ---- the q8_0 cache ---- */

/* Logits of every position with a cache of `elem`, weights and activations in float32; freed by the caller. */
static float *logits_with(subject_model *m, ct_kv_elem elem, const int32_t *ids, size_t n)
{
    subject s;
    subject_share(&s, m, (subject_options){ .level = level, .exact = true, .batch = 64, .elem = &elem });
    float *out = subject_logits(&s, ids, n, 64);
    subject_close(&s);
    return out;
}

static double rms_difference(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum / (double)n);
}

/* How far logits with an f16 and with a q8_0 cache are from those with a float32 one. Both errors are small noise put
 * into the same keys and values, which the layers pass on to the logits alike, so their ratio is the ratio of the
 * noises. Of a value of deviation 1:
 *     f16    rounding to 11 bits, uniform within half a unit in the last place 2^-10 2^e:  2^-11 / sqrt(3) of
 *            the power of two below; that is |x| / 1.4 on the average: about 2.0e-4
 *     q8_0   uniform within d/2, d = max of 32 / 127, the mean largest of 32 normal values being 2.4 (of values that
 *            a softmax has averaged, or rotated, much the same):  2.4 / 127 / sqrt(12) = 5.4e-3
 * A ratio of 27; within a factor of 2 either way for what keys and values are not normal. (How much the layers amplify
 * either noise is this model's own affair: random weights, 8 times for f16.) */
static void test_q8_cache_costs_its_rounding(void **state)
{
    (void)state;
    enum { N = 200 };
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-f32.gguf");
    size_t n_logits = N * m->cfg->n_vocab;
    int32_t ids[N];
    random_ids(ids, N);
    float *f32 = logits_with(m, CT_KV_F32, ids, N), *f16 = logits_with(m, CT_KV_F16, ids, N);
    float *q8 = logits_with(m, CT_KV_Q8_0, ids, N), *zero = calloc(n_logits, sizeof *zero);
    double size = rms_difference(f32, zero, n_logits), off_f16 = rms_difference(f32, f16, n_logits);
    double off_q8 = rms_difference(f32, q8, n_logits);
    printf("logits of %.2f rms: f16 cache off by %.1e, q8_0 by %.1e = %.2f %%, %.0f times f16's\n", size, off_f16,
           off_q8, 100 * off_q8 / size, off_q8 / off_f16);
    assert_true(off_q8 > 13 * off_f16 && off_q8 < 54 * off_f16);
    free(f32), free(f16), free(q8), free(zero);
    subject_model_close(m);
}

/* Heads that groups of 32 do not divide: a clear refusal. */
static void test_q8_cache_refuses_odd_heads(void **state)
{
    (void)state;
    subject_model *m = open_model("models/odd-text");
    carat_err err;
    ct_cache *cache;
    size_t bytes;
    ct_cache_size pages;
    const ct_cache_options o = { .context = 100, .n_seqs = 1, .max_batch = 10, .elem = CT_KV_Q8_0 };
    assert_false(ct_cache_open(m->cfg, &o, &m->b, &cache, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_non_null(strstr(err.msg, "multiple of 32"));
    assert_non_null(strstr(err.msg, "24"));
    assert_false(ct_cache_bytes(m->cfg, &o, &bytes) || ct_cache_pages(m->cfg, &o, &pages));
    subject_model_close(m);
}

/* ---- the window ---- */

/* B18, B34: a window of 8 and prompts around 1024, in a ring of two or three pages against a cache that keeps all. */
static void test_b18_b34_ring_equals_full_cache(void **state)
{
    (void)state;
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-q8_0.gguf");
    m->cfg->window = 8;
    int32_t ids[1025];
    random_ids(ids, 1025);
    subject full, ring;
    subject_share(&full, m, (subject_options){ .level = level, .batch = 1025, .context = 1088 });
    float *ref = subject_logits(&full, ids, 1025, 1025);
    static const size_t lengths[] = { 7, 8, 9, 63, 64, 65, 1023, 1024, 1025 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i], chunk = i % 2 ? 17 : 64;
        char what[64];
        subject_share(&ring, m, (subject_options){ .level = level, .batch = chunk, .context = 1088 });
        float *logits = subject_logits(&ring, ids, n, chunk);
        snprintf(what, sizeof what, "%zu tokens in chunks of %zu", n, chunk);
        expect_same(ref, logits, n, m->cfg->n_vocab, what);
        free(logits);
        subject_close(&ring);
    }
    free(ref);
    subject_close(&full);
    subject_model_close(m);
}

/* The window counts the query itself (B17): with a window of w, one token more in the far past changes nothing. The
 * global layers would see it, so this model has none. */
static void test_b17_window_is_exact(void **state)
{
    (void)state;
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-q8_0.gguf");
    subject s;
    int32_t ids[200], other[200];
    m->cfg->window = 8;
    for (uint32_t i = 0; i < m->cfg->n_layer; i++)
        m->cfg->is_global[i] = false;
    random_ids(ids, 200);
    memcpy(other, ids, sizeof ids);
    size_t v = m->cfg->n_vocab, reach = 7 * m->cfg->n_layer; /* a layer looks 7 tokens back */
    other[50] = ids[50] == 40 ? 41 : 40;
    subject_share(&s, m, (subject_options){ .level = level });
    float *a = subject_logits(&s, ids, 200, 200), *b = subject_logits(&s, other, 200, 200);
    expect_same(a, b, 50, v, "before the changed token");
    expect_same(a + (51 + reach) * v, b + (51 + reach) * v, 200 - 51 - reach, v, "past the reach of all windows");
    for (size_t r = 50; r <= 57; r++)
        assert_true(memcmp(a + r * v, b + r * v, v * sizeof *a) != 0);
    free(a);
    free(b);
    subject_close(&s);
    subject_model_close(m);
}

/* B03: rotary positions make attention depend on distances alone, so a text moved to position 100 000 gives the same
 * logits, if the angles there are as exact as at 0. (Angles in float32 would be off by 4e-3 there.) All layers are
 * local here, so that the empty past is out of sight of the rows compared: 12 layers reach 12 * 15 tokens back. What is
 * left is the rounding of the rotated queries and keys, as between any two float32 runs: the golden set's 5e-4. */
static void test_b03_far_positions(void **state)
{
    (void)state;
    enum { N = 200, REACH = 12 * 15, BATCH = 128 };
    static const size_t shifts[] = { 1023, 1024, 8191, 100000 - N + 5 };
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-f32.gguf");
    size_t v = m->cfg->n_vocab;
    ct_rope kinds[] = { m->cfg->rope_local, m->cfg->rope_global };
    int32_t ids[N];
    random_ids(ids, N);
    m->cfg->window = 16;
    for (uint32_t i = 0; i < m->cfg->n_layer; i++)
        m->cfg->is_global[i] = false;
    for (int kind = 0; kind < 2; kind++) {
        subject s;
        m->cfg->rope_local = kinds[kind];
        subject_share(&s, m, (subject_options){ .level = level, .exact = true, .batch = BATCH, .context = 100100 });
        float *ref = subject_logits(&s, ids, N, BATCH), *far = malloc(N * v * sizeof *far), worst = 0;
        for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
            ct_kv *kv = subject_kv(&s);
            for (size_t n; (n = shifts[i] - ct_kv_len(kv)) > 0;) {
                n = n < BATCH ? n : BATCH;
                assert_true(ct_kv_begin(kv, n));
                ct_kv_commit(kv, n);
            }
            subject_append(&s, kv, ids, N, BATCH, far);
            for (size_t j = (REACH + 1) * v; j < N * v; j++)
                worst = fmaxf(worst, fabsf(far[j] - ref[j]));
            ct_kv_close(kv);
        }
        printf("positions up to 100 000, base %g: largest difference %.1e\n", kinds[kind].base, worst);
        assert_true(worst > 0 && worst <= 5e-4f);
        free(ref);
        free(far);
        subject_close(&s);
    }
    subject_model_close(m);
}

/* ---- company ---- */

/* B67: 50 random mixes of sequences in one batch, each cut at random: every one as if it were alone. */
static void test_b67_batch_equals_solo(void **state)
{
    (void)state;
    enum { N_SEQ = 5, MAX_LEN = 90, BATCH = 96 };
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-q8_0.gguf");
    size_t v = m->cfg->n_vocab;
    subject s;
    subject_share(&s, m, (subject_options){ .level = level, .batch = BATCH, .context = 128 });
    float *logits = malloc(BATCH * v * sizeof *logits);
    for (int mix = 0; mix < 50; mix++) {
        int32_t ids[N_SEQ][MAX_LEN];
        size_t len[N_SEQ], done[N_SEQ] = { 0 };
        float *solo[N_SEQ];
        ct_kv *kv[N_SEQ];
        for (size_t i = 0; i < N_SEQ; i++) {
            len[i] = 1 + dice(MAX_LEN);
            random_ids(ids[i], len[i]);
            solo[i] = subject_logits(&s, ids[i], len[i], BATCH);
            kv[i] = subject_kv(&s);
        }
        for (bool more = true; more;) {
            ct_step_input in[BATCH] = { { 0 } };
            ct_step_span spans[N_SEQ];
            size_t who[N_SEQ], n_spans = 0, n = 0, rows[BATCH], first[N_SEQ];
            for (size_t i = 0; i < N_SEQ; i++) {
                size_t left = len[i] - done[i], take = left ? 1 + dice((uint32_t)(left < 19 ? left : 19)) : 0;
                if (take == 0 || dice(4) == 0)
                    continue;
                for (size_t j = 0; j < take; j++)
                    in[n + j].id = ids[i][done[i] + j];
                spans[n_spans] = (ct_step_span){ kv[i], in + n, take };
                first[n_spans] = n;
                who[n_spans++] = i;
                n += take;
            }
            for (size_t i = 0; i < n; i++)
                rows[i] = i;
            if (n_spans) {
                subject_step(&s, spans, n_spans);
                subject_rows(&s, rows, n, logits);
            }
            for (size_t i = 0; i < n_spans; i++) {
                expect_same(solo[who[i]] + done[who[i]] * v, logits + first[i] * v, spans[i].n, v, "in company");
                done[who[i]] += spans[i].n;
            }
            more = false;
            for (size_t i = 0; i < N_SEQ; i++)
                more = more || done[i] < len[i];
        }
        for (size_t i = 0; i < N_SEQ; i++) {
            free(solo[i]);
            ct_kv_close(kv[i]);
        }
    }
    free(logits);
    subject_close(&s);
    subject_model_close(m);
}

/* ---- rewinding ---- */

/* B11: a cache taken back and continued otherwise is as good as new, or it says how far it went. */
static void test_b11_rewind_is_exact_or_refused(void **state)
{
    (void)state;
    enum { N = 500, TAIL = 40 };
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-q8_0.gguf");
    size_t v = m->cfg->n_vocab;
    int32_t ids[N], other[N];
    subject s;
    random_ids(ids, N);
    subject_share(&s, m, (subject_options){ .level = level, .batch = 50, .context = 640 });
    ct_kv *kv = subject_kv(&s);
    subject_append(&s, kv, ids, N, 50, NULL);
    size_t limit = host_kv_rewind_limit(kv);
    assert_true(limit > 1 && limit < N); /* the ring has wrapped */
    assert_int_equal(ct_kv_rewind(kv, N + 1), N);
    float *tail = malloc(TAIL * v * sizeof *tail);
    const size_t cuts[] = { N - 1, N - 3, limit + 20, limit };
    for (size_t c = 0; c < 4; c++) {
        size_t cut = cuts[c];
        if (cut < host_kv_rewind_limit(kv) || cut > ct_kv_len(kv))
            continue;
        memcpy(other, ids, sizeof ids);
        for (size_t i = cut; i < N; i++)
            other[i] = (int32_t)(4 + dice(508));
        size_t n_tail = N - cut < TAIL ? N - cut : TAIL;
        assert_int_equal(ct_kv_rewind(kv, cut), cut);
        subject_append(&s, kv, other + cut, n_tail, 13, tail);
        float *cold = subject_logits(&s, other, cut + n_tail, 50);
        expect_same(cold + cut * v, tail, n_tail, v, "after a rewind");
        free(cold);
    }
    /* another conversation in the same cache */
    random_ids(other, 100);
    assert_int_equal(ct_kv_rewind(kv, host_kv_rewind_limit(kv) - 1), 0);
    float *reused = malloc(100 * v * sizeof *reused), *cold = subject_logits(&s, other, 100, 50);
    subject_append(&s, kv, other, 100, 23, reused);
    expect_same(cold, reused, 100, v, "a new conversation in a used cache");
    free(cold);
    free(reused);
    free(tail);
    ct_kv_close(kv);
    subject_close(&s);
    subject_model_close(m);
}

/* ---- faults ---- */

/* B04: activations that are not finite stop that sequence alone, and leave nothing in its cache. */
static void check_not_finite(bool q8_kv)
{
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-f32.gguf");
    size_t v = m->cfg->n_vocab, hidden = m->cfg->hidden;
    int32_t ids[40];
    carat_err err;
    subject s;
    random_ids(ids, 40);
    subject_share(&s, m, (subject_options){ .level = level, .q8_kv = q8_kv, .batch = 64, .context = 128 });
    float *ref = subject_logits(&s, ids, 40, 64), *logits = malloc(40 * v * sizeof *logits);
    const float bad_values[] = { NAN, INFINITY, 3e38f };
    for (size_t i = 0; i < 3; i++) {
        float *bad = calloc(hidden, sizeof *bad);
        bad[5] = bad_values[i];
        ct_kv *a = subject_kv(&s), *b = subject_kv(&s);
        subject_append(&s, a, ids, 20, 64, logits);
        subject_append(&s, b, ids, 20, 64, NULL);
        ct_step_input in[2] = { { .id = ids[20] }, { .id = 0 } };
        subject_soft(&s, &in[1], 0, bad, 0);
        ct_step_span spans[2] = { { a, in, 2 }, { b, (ct_step_input[]){ { .id = ids[20] } }, 1 } };
        bool failed[2], stepped = ct_step_run(&s.limits, spans, 2, failed, &err);
        assert_false(failed[1]);
        assert_int_equal(ct_kv_len(b), 21);
        if (i < 2) { /* 3e38 overflows in the norm's square, which gives 0 or infinity: either is caught or harmless */
            assert_false(stepped);
            assert_int_equal(err.code, CARAT_ENUMERIC);
            assert_true(failed[0]);
        }
        if (failed[0]) {
            assert_int_equal(ct_kv_len(a), 20);
            subject_append(&s, a, ids + 20, 20, 7, logits + 20 * v);
            expect_same(ref, logits, 40, v, "after a fault");
        }
        subject_append(&s, b, ids + 21, 19, 64, logits + 21 * v);
        expect_same(ref + 21 * v, logits + 21 * v, 19, v, "beside a fault");
        ct_kv_close(a);
        ct_kv_close(b);
        free(bad);
    }
    free(ref);
    free(logits);
    subject_close(&s);
    subject_model_close(m);
}

static void test_b04_not_finite_is_contained(void **state)
{
    (void)state;
    check_not_finite(false);
    check_not_finite(true);
}

/* B66: logits beyond 30 are not squashed. Eight times the final norm is eight times every logit, to the bit: all that
 * follows is linear and 8 is a power of two. */
static void test_b66_no_soft_cap(void **state)
{
    (void)state;
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-f32.gguf");
    size_t v = m->cfg->n_vocab;
    int32_t ids[60];
    float largest = 0;
    subject s;
    random_ids(ids, 60);
    subject_share(&s, m, (subject_options){ .level = level, .exact = true });
    float *a = subject_logits(&s, ids, 60, 60);
    float *final_norm = ct_cpu_inside(&m->b)->own.outer[CT_PART_FINAL_NORM].norm;
    for (uint32_t i = 0; i < m->cfg->hidden; i++)
        final_norm[i] *= 8;
    float *b = subject_logits(&s, ids, 60, 60);
    for (size_t i = 0; i < 60 * v; i++) {
        assert_true(b[i] == 8 * a[i]);
        largest = fabsf(b[i]) > largest ? fabsf(b[i]) : largest;
    }
    assert_true(largest > 60);
    free(a);
    free(b);
    subject_close(&s);
    subject_model_close(m);
}

/* Nonsense from a caller: an error each, and nothing changed. */
/* The same of an image's layers that are evaluated some a step: it is known at the end of each such part, because what is
 * given up between two of them gives its pages to others as they are. */
static void test_b04_not_finite_in_a_part(void **state)
{
    (void)state;
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-f32.gguf");
    const size_t v = m->cfg->n_vocab, n_layer = m->cfg->n_layer;
    int32_t ids[40];
    carat_err err;
    subject s;
    random_ids(ids, 40);
    subject_share(&s, m, (subject_options){ .level = level, .batch = 64, .context = 128, .n_soft = 8 });
    float *ref = subject_logits(&s, ids, 40, 64), *logits = malloc(40 * v * sizeof *logits);
    float *bad = calloc(m->cfg->hidden, sizeof *bad);
    bad[5] = INFINITY;
    ct_step_input in[2] = { { .id = ids[20] }, { .id = 0 } };
    subject_soft(&s, &in[1], 0, bad, 0);
    for (size_t end = 1; end < n_layer; end++) {
        ct_kv *a = subject_kv(&s), *b;
        bool failed[1];
        subject_append(&s, a, ids, 20, 64, NULL);
        ct_step_span span = { a, in, 2, .end_layer = end };
        assert_false(ct_step_run(&s.limits, &span, 1, failed, &err));
        assert_int_equal(err.code, CARAT_ENUMERIC);
        assert_int_equal(ct_kv_len(a), 20);
        ct_kv_close(a);
        b = subject_kv(&s);
        subject_append(&s, b, ids, 40, 7, logits);
        expect_same(ref, logits, 40, v, "in pages of a part that failed");
        ct_kv_close(b);
    }
    free(bad);
    free(ref);
    free(logits);
    subject_close(&s);
    subject_model_close(m);
}

static void test_bad_steps(void **state)
{
    (void)state;
    subject_model *m = open_model("models/tiny-text/gguf/tiny-text-q8_0.gguf");
    subject s;
    subject_share(&s, m, (subject_options){ .level = level, .batch = 8, .context = 16 });
    ct_kv *kv = subject_kv(&s), *other = subject_kv(&s);
    ct_step_input in[20] = { { .id = 2 } };
    const ct_step_input no_slot = { .is_soft = true, .slot = SUBJECT_SLOTS },
                        no_token = { .is_soft = true, .index = 1 };
    carat_err err;
    bool failed[2];
    struct {
        ct_step_span spans[2];
        size_t n;
        int32_t id;
        uint32_t ahead;
        carat_code code;
    } cases[] = {
        { { { kv, in, 1 } }, 0, 2, 0, CARAT_EARG },
        { { { kv, in, 0 } }, 1, 2, 0, CARAT_EARG },
        { { { kv, in, 1 } }, 1, -1, 0, CARAT_EARG },
        { { { kv, in, 1 } }, 1, 512, 0, CARAT_EARG },
        { { { kv, in, 1 } }, 1, 2, 1, CARAT_EARG },
        { { { kv, &no_slot, 1 } }, 1, 2, 0, CARAT_EARG },
        { { { kv, &no_token, 1 } }, 1, 2, 0, CARAT_EARG },
        { { { kv, in, 9 } }, 1, 2, 0, CARAT_ELIMIT },
        { { { kv, in, 4 }, { kv, in, 4 } }, 2, 2, 0, CARAT_EARG },
        { { { kv, in, 1, .first_layer = 0, .end_layer = 99 } }, 1, 2, 0, CARAT_EARG },
        { { { kv, in, 1, .first_layer = 1, .end_layer = 1 } }, 1, 2, 0, CARAT_EARG },
        { { { kv, in, 8, .end_layer = 1 } }, 1, 2, 0, CARAT_EARG }, /* more than an image's */
        { { { kv, in, 1, .end_layer = 1 }, { other, in, 1 } }, 2, 2, 0, CARAT_EARG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        in[0].id = cases[i].id;
        in[0].sees_ahead = cases[i].ahead;
        assert_false(ct_step_run(&s.limits, cases[i].spans, cases[i].n, failed, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(ct_kv_len(kv), 0);
    }
    int32_t ids[16];
    random_ids(ids, 16);
    subject_append(&s, kv, ids, 16, 8, NULL);
    in[0] = (ct_step_input){ .id = 2 };
    assert_false(ct_step_run(&s.limits, &(ct_step_span){ kv, in, 1 }, 1, failed, &err));
    assert_int_equal(err.code, CARAT_ECONTEXT);
    assert_non_null(strstr(err.msg, "16"));
    assert_null(ct_text_hidden(s.cpu->text, 8));
    ct_kv_close(other);
    ct_kv_close(kv);
    subject_close(&s);
    subject_model_close(m);
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    takes_all = subject_takes_all(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_chunks),
        cmocka_unit_test(test_q8_cache_costs_its_rounding),
        cmocka_unit_test(test_q8_cache_refuses_odd_heads),
        cmocka_unit_test(test_b18_b34_ring_equals_full_cache),
        cmocka_unit_test(test_b17_window_is_exact),
        cmocka_unit_test(test_b03_far_positions),
        cmocka_unit_test(test_b67_batch_equals_solo),
        cmocka_unit_test(test_b11_rewind_is_exact_or_refused),
        cmocka_unit_test(test_b04_not_finite_is_contained),
        cmocka_unit_test(test_b04_not_finite_in_a_part),
        cmocka_unit_test(test_b66_no_soft_cap),
        cmocka_unit_test(test_bad_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
