/* Time and memory of long texts that are made to be slow. Not in the quick suite: it measures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "real_vocab.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what the machine does besides does not count */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double encode(const carat_tokenizer *t, const char *unit, size_t len)
{
    char *s = malloc(len);
    size_t n = strlen(unit);
    for (size_t i = 0; i < len; i++)
        s[i] = unit[i % n];
    ct_ids ids = { 0 };
    double start = now();
    assert_true(ct_tok_encode(t, s, len, 0, &ids, NULL));
    double took = now() - start;
    ct_ids_deinit(&ids);
    free(s);
    return took;
}

/* A megabyte of anything in about a quarter of a second (bench_tokenizer has the figures); ten times that fails. And
 * four times the text may take at most twelve times as long (n log n is 4.4 times; the square would be 16). */
static void time_is_nearly_linear(void **state)
{
    static const char *const units[] = {
        "x",
        " ",
        "\n",
        "ab",
        "=",
        "\xe2\x96\x81",
        " \xe2\x96\x81",
        "<unused",
        "\xe6\xbc\xa2",
        "\xff",
        "The quick brown fox. ",
        "aaab",
        "\xf0\x9f\x98\x80",
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double quarter = encode(*state, units[i], 1 << 18), whole = encode(*state, units[i], 1 << 20);
        if (whole > 2.5 || whole > 12 * quarter + 0.02)
            fail_msg("'%s': a quarter takes %.3f s, the whole megabyte %.3f s", units[i], quarter, whole);
    }
}

/* At most 64 bytes of memory for each byte of text, in the worst kind: one stretch that merges from end to end. */
static void memory_is_bounded(void **state)
{
    struct rusage before, after;
    size_t len = 8 << 20;
    encode(*state, "x", 1 << 16);
    getrusage(RUSAGE_SELF, &before);
    encode(*state, "x", len);
    getrusage(RUSAGE_SELF, &after);
    double per_byte = (double)(after.ru_maxrss - before.ru_maxrss) * 1024 / (double)len;
    print_message("%.1f bytes of memory for each byte of text\n", per_byte);
    assert_true(per_byte <= 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_bounded), /* first: the peak of a process only grows */
        cmocka_unit_test(time_is_nearly_linear),
    };
    return cmocka_run_group_tests(tests, open_real, close_real);
}
