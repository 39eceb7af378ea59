/* Which level is chosen.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "kernels/kernels.h"

#define AVX512 (CT_CPU_AVX2 | CT_CPU_AVX512)

/* Intel's vdpbf16ps has half the rate of f32, AMD's twice: by what the processor does, not by its flag. */
static void bf16_is_used_where_it_is_faster(void **state)
{
    (void)state;
    assert_int_equal(ct_cpu_choose(AVX512 | CT_CPU_BF16, "GenuineIntel"), AVX512);
    assert_int_equal(ct_cpu_choose(AVX512 | CT_CPU_BF16, "AuthenticAMD"), AVX512 | CT_CPU_BF16);
    assert_int_equal(ct_cpu_choose(AVX512 | CT_CPU_BF16, ""), AVX512 | CT_CPU_BF16);
    assert_int_equal(ct_cpu_choose(AVX512, "GenuineIntel"), AVX512);
    assert_int_equal(ct_cpu_choose(0, "GenuineIntel"), 0);
}

/* The tiles' level builds upon it. */
static void tiles_keep_what_they_need(void **state)
{
    (void)state;
    const unsigned all = AVX512 | CT_CPU_BF16 | CT_CPU_AMX;
    assert_int_equal(ct_cpu_choose(all, "GenuineIntel"), all);
}

/* A level's name is part of what figures depend on: who asks for it gets it. */
static void a_named_level_is_that_level(void **state)
{
    (void)state;
    unsigned mask;
    char msg[160];
    ct_kernels k;
    static const char *const names[] = {
        "avx2", "avx512", "avx512bf16", "amx", "amx_plain", "neon", "dotprod", "i8mm"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!ct_cpu_by_name(names[i], &mask, msg))
            continue;
        ct_kernels_for(&k, mask);
        assert_string_equal(k.isa, names[i]);
    }
    assert_true(ct_cpu_by_name("", &mask, msg));
    assert_int_equal(mask, ct_cpu_preferred());
    assert_int_equal(mask & ~ct_cpu_detect(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_is_used_where_it_is_faster),
        cmocka_unit_test(tiles_keep_what_they_need),
        cmocka_unit_test(a_named_level_is_that_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
