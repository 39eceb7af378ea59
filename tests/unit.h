/* unit.h - cmocka with the headers it wants first. TEST_DATA is the folder of golden data, TEST_ROOT the source tree.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_UNIT_H
#define CT_TESTS_UNIT_H

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A sanitizer's shadow takes memory and address space of its own: tests that measure them skip. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif
#ifndef UNIT_SANITIZED
#define UNIT_SANITIZED 0
#endif

/* How far a long sweep goes at a time: make check takes every n-th, the long suite, which sets CARAT_TEST_ALL, every one. */
static inline size_t unit_step(size_t n)
{
    return getenv("CARAT_TEST_ALL") ? 1 : n;
}

/* Whether all combinations are tried, which takes long: the suite exhaustive (make test-all). */
static inline bool unit_is_exhaustive(void)
{
    return getenv("CARAT_TEST_EXHAUSTIVE") != NULL;
}

/* Only the tests whose names match are run; ends the program if there is none, since running nothing would pass. */
static inline void unit_choose(const struct CMUnitTest *tests, size_t n, const char *pattern)
{
    for (size_t i = 0; i < n; i++)
        if (fnmatch(pattern, tests[i].name, 0) == 0) {
            cmocka_set_test_filter(pattern);
            return;
        }
    fprintf(stderr, "no test is named %s\n", pattern);
    exit(2);
}
#define UNIT_CHOOSE(tests, pattern) unit_choose(tests, sizeof(tests) / sizeof *(tests), pattern)

/* Where files go that are synced: scripts/test.sh names a folder in memory, for a disk takes its time. */
static inline const char *unit_tmp(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

/* Ends a program that hangs, after so many seconds: with a sanitizer, which takes ten times as long, after ten times as many. */
static inline void unit_guard(unsigned seconds)
{
    alarm(UNIT_SANITIZED ? 10 * seconds : seconds);
}

#endif
