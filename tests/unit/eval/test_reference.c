/* The file of a reference: what comes back of it, what its figures are, and what becomes of one that is cut or damaged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"
#include "eval/reference.h"

#define VOCAB  700
#define TOKENS 40
#define WINDOW 16
#define STRIDE 8

static char path[] = "/tmp/carat-reference-XXXXXX";
static uint64_t state = 7;

static void draw(float *x, double spread)
{
    for (size_t i = 0; i < VOCAB; i++)
        x[i] = (float)(spread * (ct_rng_unit(&state) - 0.5));
}

static void open_windows(ct_eval_windows *w)
{
    int32_t *ids = malloc((TOKENS + 1) * sizeof *ids);
    for (int i = 0; i <= TOKENS; i++)
        ids[i] = i ? (i * 37) % VOCAB : 2;
    carat_err err;
    assert_true(ct_eval_windows_of_ids(w, CT_EVAL_SLIDING, WINDOW, STRIDE, ids, TOKENS + 1, &err));
}

static json_t *head_of(const ct_eval_windows *w)
{
    char hash[17];
    ct_eval_windows_hash(w, hash);
    return json_pack("{s:s, s:i, s:i, s:i, s:s, s:i}", "protocol", "sliding", "window", WINDOW, "stride", STRIDE,
                     "text_tokens", TOKENS, "text", hash, "n_vocab", VOCAB);
}

/* Places [n][VOCAB] of logits into a new file, some windows of it. */
static void write_all(const float *rows, size_t n_windows)
{
    carat_err err;
    ct_eval_windows w;
    ct_eval_reference r;
    open_windows(&w);
    assert_true(ct_eval_reference_create(&r, path, head_of(&w), &w, VOCAB, &err));
    size_t at = 0;
    for (size_t i = 0; i < n_windows; i++) {
        const size_t counted = ct_eval_windows_counted(&w, i);
        const bool is_new = i == r.n;
        if (is_new)
            ct_eval_reference_begin(&r);
        for (size_t k = 0; k < counted; k++, at++)
            if (is_new)
                assert_true(ct_eval_reference_add(&r, rows + at * VOCAB, (int32_t)(at % VOCAB), &err));
        if (is_new)
            assert_true(ct_eval_reference_end(&r, &err));
    }
    ct_eval_reference_close(&r);
    ct_eval_windows_close(&w);
}

static double log_sum(const float *x)
{
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++)
        sum += exp(x[i]);
    return log(sum);
}

static double divergence(const float *p, const float *q)
{
    const double lp = log_sum(p), lq = log_sum(q);
    double kl = 0;
    for (size_t i = 0; i < VOCAB; i++)
        kl += exp(p[i] - lp) * (p[i] - lp - q[i] + lq);
    return kl;
}

static void test_divergences_are_the_sums(void **unused)
{
    (void)unused;
    carat_err err;
    ct_eval_reference r;
    float *p = malloc(TOKENS * VOCAB * sizeof *p), *q = malloc(VOCAB * sizeof *q);
    for (size_t i = 0; i < TOKENS; i++)
        draw(p + i * VOCAB, (double)i); /* from all alike to one that stands out */
    unlink(path);
    write_all(p, 5);
    assert_true(ct_eval_reference_open(&r, path, &err));
    assert_int_equal(r.n, 5);
    size_t at = 0;
    bool has_rest = false, has_none = false;
    for (size_t i = 0; i < r.n; i++) {
        assert_true(ct_eval_reference_read(&r, i, &err));
        assert_int_equal(r.n_place, ct_eval_windows_counted(&r.windows, i));
        for (size_t k = 0; k < r.n_place; k++, at++) {
            ct_eval_place place;
            const float *row = p + at * VOCAB;
            const bool is_same = at % 3 == 0;
            for (size_t v = 0; v < VOCAB; v++)
                q[v] = row[v] + (is_same ? 0 : (float)(ct_rng_unit(&state) - 0.5));
            if (!ct_eval_reference_next(&r, q, (int32_t)(at % VOCAB), &place, &err))
                fail_msg("place %zu: %s", at, err.msg);
            const double want = divergence(row, q);
            assert_true(place.kl <= want + 1e-6);
            assert_true(place.kl >=
                        want - 1e-6 - place.rest); /* differences of up to a nat: no more than that is lost */
            assert_true(place.rest <= CT_EVAL_REST);
            assert_true(fabs(place.nll - (log_sum(q) - q[at % VOCAB])) < 1e-5);
            assert_true(fabs(place.reference - (log_sum(row) - row[at % VOCAB])) < 1e-5);
            if (is_same)
                assert_true(place.has_same_top && place.kl < 1e-6);
            has_rest |= place.rest > 0;
            has_none |= place.rest == 0;
        }
    }
    assert_true(at == TOKENS && has_rest && has_none);
    ct_eval_reference_close(&r);
    free(p);
    free(q);
}

static char *read_file(size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *bytes = malloc(1 << 20);
    assert_non_null(f);
    *n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static void write_file(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Opens it and reads all that can be read. */
static bool use_it(size_t *n)
{
    carat_err err;
    ct_eval_reference r;
    float q[VOCAB] = { 0 };
    ct_eval_place place;
    *n = 0;
    if (!ct_eval_reference_open(&r, path, &err)) {
        assert_true(strlen(err.msg) > 10);
        return false;
    }
    bool ok = true;
    *n = r.n;
    for (size_t i = 0; ok && i < r.n; i++) {
        ok = ct_eval_reference_read(&r, i, &err);
        for (size_t k = 0; ok && k < r.n_place; k++)
            ok = ct_eval_reference_next(&r, q, 0, &place, &err);
    }
    ct_eval_reference_close(&r);
    return ok;
}

static void test_one_that_was_cut_is_written_on(void **unused)
{
    (void)unused;
    float *p = malloc(TOKENS * VOCAB * sizeof *p);
    for (size_t i = 0; i < TOKENS; i++)
        draw(p + i * VOCAB, 6);
    unlink(path);
    write_all(p, 2);
    write_all(p, 5);
    size_t n, m, windows;
    char *whole = read_file(&n);
    for (size_t cut = 0; cut < n; cut += 997) {
        write_file(whole, cut);
        use_it(&windows);
        assert_true(windows < 5);
    }
    write_file(whole, n - 1);
    assert_true(use_it(&windows) && windows == 4);
    write_all(p, 5);
    char *again = read_file(&m);
    assert_true(n == m && memcmp(whole, again, n) == 0);
    free(whole);
    free(again);
    free(p);
}

static void test_a_damaged_one_is_refused(void **unused)
{
    (void)unused;
    float *p = malloc(TOKENS * VOCAB * sizeof *p);
    for (size_t i = 0; i < TOKENS; i++)
        draw(p + i * VOCAB, 20);
    unlink(path);
    write_all(p, 5);
    size_t n, windows, refused = 0, tries = 0;
    char *whole = read_file(&n);
    for (size_t at = 0; at < n; at += at < 300 ? 1 : 397, tries++) {
        const char was = whole[at];
        whole[at] = (char)(was ^ 0x80);
        write_file(whole, n);
        refused += !use_it(&windows);
        whole[at] = was;
    }
    assert_true(refused >
                tries / 4); /* a wrong sign of a logarithm, a wrong id, a wrong size: not a wrong last digit */
    write_file("dear diary, this is no reference", 32);
    carat_err err;
    ct_eval_reference r;
    ct_eval_windows w;
    open_windows(&w);
    assert_false(ct_eval_reference_create(&r, path, head_of(&w), &w, VOCAB, &err));
    assert_non_null(strstr(err.msg, "is no reference"));
    char *left = read_file(&n);
    assert_true(n == 32 && memcmp(left, "dear diary", 10) == 0);
    ct_eval_windows_close(&w);
    free(left);
    free(whole);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergences_are_the_sums),
        cmocka_unit_test(test_one_that_was_cut_is_written_on),
        cmocka_unit_test(test_a_damaged_one_is_refused),
    };
    const int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
