/* Tests in C and in Python know of a sanitizer in two ways, the compiler's and the build's (setting.py): they are to agree. Run by
 * meson test, which sets what the build knows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

static void both_ways_of_knowing_a_sanitizer_agree(void **state)
{
    (void)state;
    assert_int_equal(getenv("CARAT_TEST_SANITIZED") != NULL, UNIT_SANITIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_ways_of_knowing_a_sanitizer_agree) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
