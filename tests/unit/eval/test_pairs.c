/* STS-B: both layouts, what is wrong with a file, ranks with ties.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "eval/pairs.h"

static char lines_path[] = "/tmp/carat-pairs-XXXXXX", tabs_path[] = "/tmp/carat-pairs-XXXXXX.csv";

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_layouts(void **state)
{
    (void)state;
    carat_err err;
    ct_eval_pairs p;
    put(lines_path,
        "{\"split\": \"test\", \"genre\": \"g\", \"score\": 2.5, \"sentence1\": \"A.\", \"sentence2\": \"B.\"}\n"
        "{\"score\": 5, \"sentence1\": \"C.\", \"sentence2\": \"D.\"}\n");
    assert_true(ct_eval_pairs_read(&p, lines_path, 0, &err));
    assert_int_equal(p.n, 2);
    assert_string_equal(p.list[0].sentences[1], "B.");
    assert_true(p.list[0].score == 2.5);
    const uint64_t hash = p.hash;
    ct_eval_pairs_free(&p);
    assert_true(ct_eval_pairs_read(&p, lines_path, 1, &err));
    assert_true(p.n == 1 && p.hash == hash); /* so that a limit can be raised */
    ct_eval_pairs_free(&p);
    put(tabs_path, "main-captions\tMSRvid\t2012test\t0024\t2.500\tA \"girl\".\tB.\r\nmain\tx\t2012\t1\t0.0\tC, "
                   "c.\tD.\tsource\tother\n");
    assert_true(ct_eval_pairs_read(&p, tabs_path, 0, &err));
    assert_int_equal(p.n, 2);
    assert_string_equal(p.list[0].sentences[0], "A \"girl\".");
    assert_string_equal(p.list[1].sentences[1], "D.");
    ct_eval_pairs_free(&p);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        bool tabs;
        const char *text, *says;
    } rows[] = {
        { false, "{\"sentence1\": \"a\", \"sentence2\": \"b\"}\n", ":1: 'score' is missing" },
        { false, "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": \"5\"}\n", "'score' is a string" },
        { false, "{\"sentence1\": \"a\", \"score\": 5}\n", "'sentence2' is missing" },
        { false, "{\"sentence1\": \"\", \"sentence2\": \"b\", \"score\": 5}\n", "'sentence1' is empty" },
        { false, "{\"sentence1\": ", ":1" },
        { false, "\n", "no pairs in it" },
        { true, "a\tb\tc\td\t5\tx\n", ".csv:1: is no line of STS-B" },
        { true, "a\tb\tc\td\tfive\tx\ty\n", ".csv:1: is no line" },
        { true, "a\tb\tc\td\tnan\tx\ty\n", ".csv:1: is no line" },
        { true, "a\tb\tc\td\t5\tx\ty\n\ta\n", ".csv:2: is no line" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        carat_err err;
        ct_eval_pairs p;
        const char *path = rows[i].tabs ? tabs_path : lines_path;
        put(path, rows[i].text);
        assert_false(ct_eval_pairs_read(&p, path, 0, &err));
        if (!strstr(err.msg, rows[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, rows[i].says);
    }
}

static void test_equal_values_share_their_ranks(void **state)
{
    (void)state;
    const double x[] = { 1, 2, 2, 3 }, y[] = { 1, 3, 2, 4 }, up[] = { 0.1, 0.2, 0.9, 7 }, same[] = { 1, 1, 1, 1 },
                 down[] = { 4, 3, 2, 1 };
    assert_true(fabs(ct_eval_spearman(x, y, 4) - 4.5 / sqrt(22.5)) < 1e-12);
    assert_true(fabs(ct_eval_spearman(x, x, 4) - 1) < 1e-12);
    assert_true(fabs(ct_eval_spearman(up, down, 4) + 1) < 1e-12);
    assert_true(isnan(ct_eval_spearman(x, same, 4)));
}

int main(void)
{
    const int a = mkstemp(lines_path), b = mkstemps(tabs_path, 4);
    if (a < 0 || b < 0)
        return 1;
    close(a);
    close(b);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_equal_values_share_their_ranks),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(lines_path);
    unlink(tabs_path);
    return failed;
}
