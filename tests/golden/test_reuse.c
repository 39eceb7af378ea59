/* test_reuse.c - logits after whatever a shared cache can do (resume, fork, rewind, eviction, save and restore) are
 * those of a cold run, bit for bit, for every element type.
 *
 *     test_reuse --level LEVEL
 *     test_reuse --level LEVEL --all       four rounds, not two
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_cache.h"
#include "subject.h"
#include "unit.h"

enum { N = 500, BATCH = 50, CONTEXT = 600 };

static const char *level;
static bool takes_all;
static subject_model *model;
static ct_kv_elem elem;
static subject cache; /* the one that is shared and used again and again */
static uint64_t seed = 1;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static void random_ids(int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = i ? (int32_t)(4 + dice(508)) : 2;
}

static void open_cache(subject *s, size_t n_seqs, size_t keep_bytes)
{
    subject_share(s, model,
                  (subject_options){ .level = level,
                                     .n_threads = 1,
                                     .batch = BATCH,
                                     .context = CONTEXT,
                                     .n_seqs = n_seqs,
                                     .keep_bytes = keep_bytes,
                                     .elem = &elem });
}

/* Evaluates ids[len..n) in steps of at most `chunk`, labelled; logits to out + their position. */
static void go_on(subject *s, ct_kv *kv, const int32_t *ids, size_t n, size_t chunk, float *out)
{
    for (size_t at = ct_kv_len(kv); at < n; at = ct_kv_len(kv)) {
        uint64_t keys[BATCH];
        size_t step = n - at < chunk ? n - at : chunk;
        subject_append(s, kv, ids + at, step, chunk, out ? out + at * s->cfg->n_vocab : NULL);
        for (size_t i = 0; i < step; i++)
            keys[i] = (uint64_t)ids[at + i];
        ct_kv_label(kv, keys, step);
    }
}

/* From position `from` on, the logits are those of a cold run. */
static void expect_cold(const int32_t *ids, size_t from, size_t n, const float *have, const char *what)
{
    subject fresh;
    size_t v = model->cfg->n_vocab;
    open_cache(&fresh, 1, 0);
    ct_kv *kv = subject_kv(&fresh);
    float *cold = malloc(n * v * sizeof *cold);
    go_on(&fresh, kv, ids, from, BATCH, NULL);
    go_on(&fresh, kv, ids, n, 37, cold);
    for (size_t i = from; i < n; i++)
        if (memcmp(have + i * v, cold + i * v, v * sizeof *cold) != 0)
            fail_msg("%s, elements %d: logits of position %zu (from %zu) are not a cold run's", what, (int)elem, i,
                     from);
    free(cold);
    ct_kv_close(kv);
    subject_close(&fresh);
}

static size_t resume(ct_kv *kv, const int32_t *ids, size_t n)
{
    uint64_t keys[CONTEXT];
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint64_t)ids[i];
    return ct_kv_resume(kv, keys, n, n - 1);
}

/* A conversation of three turns, each end marked; then others that share a part of it. */
static void check_resume(const int32_t *ids, float *out)
{
    static const size_t turns[] = { 100, 230, N }, cuts[] = { N, N - 50, 300, 229, 101, 60 };
    ct_kv *kv = subject_kv(&cache);
    for (size_t i = 0; i < 3; i++) {
        go_on(&cache, kv, ids, turns[i], BATCH, NULL);
        ct_kv_mark(kv);
    }
    ct_kv_close(kv);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int32_t other[N];
        memcpy(other, ids, sizeof other);
        for (size_t j = cuts[i]; j < N; j++)
            other[j] = (int32_t)(4 + dice(508));
        size_t n = cuts[i] + 40 < N ? cuts[i] + 40 : N;
        kv = subject_kv(&cache);
        size_t got = resume(kv, other, n);
        assert_true(got <= cuts[i] && (cuts[i] < N - 50 || got >= N - 50));
        go_on(&cache, kv, other, n, 13, out);
        expect_cold(other, got, n, out, "resumed");
        ct_kv_close(kv);
    }
}

/* Two ways to go on, taking turns in the same pages. */
static void check_fork(const int32_t *ids, float *out)
{
    int32_t other[N];
    size_t v = model->cfg->n_vocab;
    carat_err err;
    float *out2 = malloc(N * v * sizeof *out2);
    ct_kv *a = subject_kv(&cache), *b;
    random_ids(other, N);
    memcpy(other, ids, 300 * sizeof *ids);
    go_on(&cache, a, ids, 300, BATCH, NULL);
    assert_true(ct_kv_fork(a, &b, &err));
    for (size_t n = 310; n <= 400; n += 10) {
        go_on(&cache, a, ids, n, 3, out);
        go_on(&cache, b, other, n, 7, out2);
    }
    expect_cold(ids, 300, 400, out, "forked from");
    expect_cold(other, 300, 400, out2, "forked");
    ct_kv_close(a);
    ct_kv_close(b);
    free(out2);
}

static void check_rewind(const int32_t *ids, float *out)
{
    int32_t other[N];
    ct_kv *kv = subject_kv(&cache);
    random_ids(other, N);
    memcpy(other, ids, 228 * sizeof *ids);
    go_on(&cache, kv, ids, 230, BATCH, NULL);
    ct_kv_mark(kv);
    go_on(&cache, kv, ids, N, BATCH, NULL);
    size_t got = ct_kv_rewind(kv, 228);
    assert_int_equal(got, 228); /* far past the ring: from the index */
    go_on(&cache, kv, other, 300, 20, out);
    expect_cold(other, got, 300, out, "rewound");
    ct_kv_close(kv);
}

static void check_save(const int32_t *ids, float *out)
{
    static const uint8_t hash[32] = { 7 };
    char path[] = "/tmp/carat-reuse-XXXXXX";
    carat_err err;
    uint8_t *blob;
    size_t blob_len;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ct_kv *kv = subject_kv(&cache);
    go_on(&cache, kv, ids, 333, BATCH, NULL);
    assert_true(host_kv_save(kv, path, hash, NULL, 0, &err));
    ct_kv_close(kv);
    subject second;
    open_cache(&second, 1, 0);
    kv = subject_kv(&second);
    assert_true(host_kv_restore(kv, path, hash, &blob, &blob_len, &err));
    unlink(path);
    free(blob);
    go_on(&second, kv, ids, 420, 11, out);
    expect_cold(ids, 333, 420, out, "restored");
    ct_kv_close(kv);
    subject_close(&second);
}

/* B10, B11, B51, B55 */
static void test_b51_reuse_gives_the_same_bits(void **state)
{
    (void)state;
    model = subject_model_open("models/tiny-text/gguf/tiny-text-q8_0.gguf", false);
    float *out = malloc(N * model->cfg->n_vocab * sizeof *out);
    const int n_rounds = takes_all ? 4 : 2;
    size_t tried = 0;
    for (elem = CT_KV_F16; elem <= CT_KV_Q8_0; elem++) {
        int32_t ids[N];
        if (!ct_kv_elem_fits(elem, model->cfg->head_dim))
            continue;
        tried++;
        open_cache(&cache, 2, 1 << 20);
        for (int round = 0; round < n_rounds; round++) { /* later ones in pages that earlier ones have used */
            random_ids(ids, N);
            check_resume(ids, out);
            check_fork(ids, out);
            check_rewind(ids, out);
            check_save(ids, out);
        }
        ct_cache_stats st;
        ct_cache_get_stats(cache.cache, &st);
        printf("%zu hits, %zu copies, %zu + %zu evictions of %zu + %zu pages\n", st.hits, st.copies,
               st.global.evictions, st.local.evictions, st.global.total, st.local.total);
        assert_true(ct_cache_check(cache.cache, NULL) && st.local.evictions > 0 && st.copies > 0);
        subject_close(&cache);
    }
    assert_int_equal(tried, 3);
    free(out);
    subject_model_close(model);
}

int main(int argc, char **argv)
{
    level = subject_level(argc, argv);
    takes_all = subject_takes_all(argc, argv);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_b51_reuse_gives_the_same_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
