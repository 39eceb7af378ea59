/* The parts of eval/ that need no model: windows, intervals, records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eval/record.h"
#include "eval/stats.h"
#include "eval/windows.h"

static carat_tokenizer *tokenizer;
static char *text; /* of some hundred tokens */
static char path[] = "/tmp/carat-eval-XXXXXX";

/* ---- windows ---- */

static void every_token_counts_once(ct_eval_windows *w)
{
    int *counted = calloc(w->n_tokens, sizeof *counted);
    int32_t *ids = calloc(w->window, sizeof *ids);
    for (size_t i = 0; i < w->n; i++) {
        size_t n, first;
        ct_eval_windows_get(w, i, ids, &n, &first);
        assert_int_equal(ids[0], w->bos);
        assert_in_range(first, 1, n - 1);
        assert_true(i + 1 < w->n ? n == w->window : n <= w->window);
        assert_memory_equal(ids + 1, w->ids + 1 + i * w->stride, (n - 1) * sizeof *ids);
        for (size_t k = first; k < n; k++)
            counted[i * w->stride + k - 1]++;
    }
    for (size_t i = 0; i < w->n_tokens; i++)
        assert_int_equal(counted[i], 1);
    free(counted);
    free(ids);
}

static void test_of_sliding_windows_every_token_counts_once(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_windows w;
    const size_t len = strlen(text);
    for (size_t window = 8; window <= 32; window += 3)
        for (size_t stride = 1; stride < window; stride += 2)
            for (size_t cut = 0; cut < 40; cut += 7) {
                assert_true(
                    ct_eval_windows_open(&w, tokenizer, CT_EVAL_SLIDING, window, stride, text, len - cut, &err));
                every_token_counts_once(&w);
                ct_eval_windows_close(&w);
            }
    assert_true(ct_eval_windows_open(&w, tokenizer, CT_EVAL_SLIDING, 1 << 20, 0, text, len, &err));
    assert_int_equal(w.n, 1);
    every_token_counts_once(&w);
    ct_eval_windows_close(&w);
}

static void test_llama_cpp_counts_the_second_half_behind_a_bos_of_its_own(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_windows w, s;
    int32_t ids[16];
    size_t n, first, len = strlen(text);
    char *ended = malloc(len + 2);
    snprintf(ended, len + 2, "%s\n", text);
    assert_true(ct_eval_windows_open(&w, tokenizer, CT_EVAL_LLAMA_CPP, 16, 0, ended, len + 1, &err));
    assert_true(ct_eval_windows_open(&s, tokenizer, CT_EVAL_SLIDING, 16, 0, text, len, &err));
    assert_true(w.hash == s.hash); /* one newline at the end is no part of it */
    assert_int_equal(w.n, (w.n_tokens + 1) / 16);
    for (size_t i = 0; i < w.n; i++) {
        ct_eval_windows_get(&w, i, ids, &n, &first);
        assert_int_equal(n, 16);
        assert_int_equal(first, 9); /* logits of places 8 to 14 foretell 9 to 15 */
        assert_int_equal(ids[0], w.bos);
        assert_memory_equal(ids + 1, w.ids + 16 * i + 1, 15 * sizeof *ids);
    }
    ct_eval_windows_close(&w);
    ct_eval_windows_close(&s);
    free(ended);
}

static void test_windows_that_cannot_be_are_refused(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_windows w;
    assert_false(ct_eval_windows_open(&w, tokenizer, CT_EVAL_SLIDING, 7, 0, text, strlen(text), &err));
    assert_non_null(strstr(err.msg, "7 tokens"));
    assert_false(ct_eval_windows_open(&w, tokenizer, CT_EVAL_SLIDING, 16, 16, text, strlen(text), &err));
    assert_non_null(strstr(err.msg, "stride is 16"));
    assert_false(ct_eval_windows_open(&w, tokenizer, CT_EVAL_LLAMA_CPP, 16, 8, text, strlen(text), &err));
    assert_false(ct_eval_windows_open(&w, tokenizer, CT_EVAL_SLIDING, 16, 0, "", 0, &err));
    assert_non_null(strstr(err.msg, "empty"));
    assert_false(ct_eval_windows_open(&w, tokenizer, CT_EVAL_LLAMA_CPP, 1 << 16, 0, text, strlen(text), &err));
    assert_non_null(strstr(err.msg, "two windows of 65536"));
}

/* ---- intervals ---- */

static void test_intervals(void **state)
{
    (void)state;
    /* Wilson's, by hand: p 0.5 of 100: (0.5 + 0.0192073) / 1.0384146, half 1.959964 / 1.0384146 * sqrt(0.0025 + 0.0000960365) */
    ct_eval_interval i = ct_eval_share(50, 100);
    assert_true(fabs(i.low - 0.40383) < 1e-5 && fabs(i.high - 0.59617) < 1e-5);
    i = ct_eval_share(0, 10);
    assert_true(i.low == 0 && fabs(i.high - 0.27754) < 1e-5);
    i = ct_eval_share(10, 10);
    assert_true(i.high == 1 && fabs(i.low - 0.72246) < 1e-5);
    /* 1 2 3 4: variance 5/3 of n - 1 */
    assert_true(fabs(ct_eval_value_error(10, 30, 4) - sqrt(5.0 / 3 / 4)) < 1e-12);
    const double sums[] = { 1, 2, 3, 4 }, ones[] = { 1, 1, 1, 1 };
    assert_true(fabs(ct_eval_group_error(sums, ones, 4) - sqrt(5.0 / 3 / 4)) < 1e-12);
}

/* ---- records ---- */

static json_t *head(int window)
{
    return json_pack("{s:i, s:s, s:i}", "carat_eval", 1, "task", "t", "window", window);
}

static json_t *row(int i)
{
    return json_pack("{s:i, s:f}", "item", i, "nll", 0.1 * i);
}

static void append(const char *more)
{
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(more, f);
    fclose(f);
}

static void test_a_record_goes_on_where_it_was_torn(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_record r;
    unlink(path);
    assert_true(ct_eval_record_open(&r, path, head(8), 4, &err));
    assert_true(ct_eval_record_add(&r, 2, row(2), &err) && ct_eval_record_add(&r, 0, row(0), &err));
    assert_true(ct_eval_record_close(&r, &err));
    append("{\"item\":1,\"nl");                                   /* killed */
    assert_true(ct_eval_record_open(&r, path, head(8), 2, &err)); /* a lower limit */
    assert_int_equal(r.n_before, 1);
    assert_null(r.rows[1]);
    assert_true(ct_eval_record_add(&r, 1, row(1), &err) && ct_eval_record_close(&r, &err));
    assert_true(ct_eval_record_open(&r, path, head(8), 4, &err));
    assert_int_equal(r.n_before, 3);
    for (int i = 0; i < 3; i++)
        assert_true(json_number_value(json_object_get(r.rows[i], "nll")) == 0.1 * i); /* every bit of it */
    ct_eval_record second;
    assert_false(ct_eval_record_open(&second, path, head(8), 4, &err));
    assert_non_null(strstr(err.msg, "another run is writing it"));
    assert_true(ct_eval_record_close(&second, &err) && ct_eval_record_close(&r, &err));
}

static void refused(const char *says)
{
    carat_err err;
    ct_eval_record r;
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    assert_false(ct_eval_record_open(&r, path, head(8), 4, &err));
    assert_true(ct_eval_record_close(&r, NULL));
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
}

static void test_a_file_of_something_else_is_left_alone(void **state)
{
    (void)state;
    const struct {
        const char *bytes, *says;
    } files[] = {
        { "a diary", "something else" },
        { "{\"carat_eval\":1,\"task\":\"t\",\"window\":9}\n", "'window' is 9 there and 8 here" },
        { "{\"carat_eval\":1,\"task\":\"t\"}\n", "'window' is missing" },
        { "{\"carat_eval\":1,\"task\":\"t\",\"window\":8}\n{\"nll\":1}\n", ":2: no line of results" },
        { "{\"carat_eval\":1,\"task\":\"t\",\"window\":8}\n{\"item\":-1}\n", "'item'" },
        { "{\"carat_eval\":1,\"task\":\"t\",\"window\":8}\nnonsense\n{\"item\":0}\n", "line 2" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink(path);
        append(files[i].bytes);
        refused(files[i].says);
    }
}

static void test_a_full_disk_loses_nothing(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_record r;
    unlink(path);
    assert_true(ct_eval_record_open(&r, path, head(8), 4, &err) && ct_eval_record_add(&r, 0, row(0), &err));
    const int fd = r.file.fd;
    r.file.fd = open("/dev/full", O_WRONLY);
    assert_false(ct_eval_record_add(&r, 1, row(1), &err));
    assert_non_null(strstr(err.msg, "No space left"));
    close(r.file.fd);
    r.file.fd = fd;
    assert_null(r.rows[1]);
    assert_true(ct_eval_record_add(&r, 1, row(1), &err) && ct_eval_record_close(&r, &err));
}

static int setup(void **state)
{
    (void)state;
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    for (int i = 0; i < 30; i++)
        ct_buf_fmt(&b, "Line %d of a text: one, two, three\n", i);
    ct_buf_str(&b, "end");
    text = ct_buf_take(&b);
    close(mkstemp(path));
    return text && carat_tokenizer_open(TEST_DATA "/models/tiny-text", &tokenizer, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    free(text);
    carat_tokenizer_close(tokenizer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_sliding_windows_every_token_counts_once),
        cmocka_unit_test(test_llama_cpp_counts_the_second_half_behind_a_bos_of_its_own),
        cmocka_unit_test(test_windows_that_cannot_be_are_refused),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_a_record_goes_on_where_it_was_torn),
        cmocka_unit_test(test_a_file_of_something_else_is_left_alone),
        cmocka_unit_test(test_a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
