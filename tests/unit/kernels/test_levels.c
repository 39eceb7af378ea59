/* Which level is chosen.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "kernels/kernels.h"
#if defined(__x86_64__)
#include "kernels/x86/features.h"
#endif

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

#if defined(__x86_64__)
/* A Sapphire Rapids: the words that matter, as it gives them. */
static const ct_cpuid whole = { .c1 = 1u << 27 | 1u << 28 | 1u << 12 | 1u << 29, /* OSXSAVE AVX FMA F16C */
                                .b7 =
                                    1u << 5 | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, /* AVX2, AVX-512 F DQ BW VL */
                                .c7 = 1u << 11,                                          /* VNNI */
                                .d7 = 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25,         /* AMX-BF16 FP16 TILE INT8 */
                                .a71 = 1u << 5,                                          /* AVX512_BF16 */
                                .saved = 0x600E6 };

/* Tiles that are not used, since a virtual machine hides what their level needs beside them, are named as such. */
static void tiles_without_their_neighbours_are_reported(void **state)
{
    (void)state;
    const unsigned below = AVX512 | CT_CPU_BF16;
    char lacks[CT_CPUID_LACKS];
    ct_cpuid w = whole;
    assert_int_equal(ct_cpuid_features(&w, lacks), below | CT_CPU_AMX);
    assert_string_equal(lacks, "");
    w.d7 &= ~(1u << 23);
    assert_int_equal(ct_cpuid_features(&w, lacks), below);
    assert_string_equal(lacks, "AVX512_FP16");
    w.a71 = 0;
    assert_int_equal(ct_cpuid_features(&w, lacks), AVX512);
    assert_string_equal(lacks, "AVX512_BF16, AVX512_FP16");
    w.c7 = 0, w.d7 = 1u << 24; /* all that can be missing has room */
    assert_int_equal(ct_cpuid_features(&w, lacks), CT_CPU_AVX2);
    assert_string_equal(lacks, "AVX-512 with VNNI, AVX512_BF16, AVX512_FP16, AMX-BF16, AMX-INT8");
}

/* No tiles, or none that the system saves: nothing is missing, and nothing reported. */
static void processors_without_tiles_lack_nothing(void **state)
{
    (void)state;
    char lacks[CT_CPUID_LACKS];
    ct_cpuid w = whole;
    w.saved = 0xE6;
    assert_int_equal(ct_cpuid_features(&w, lacks), AVX512 | CT_CPU_BF16);
    assert_string_equal(lacks, "");
    w = whole, w.d7 = 0;
    assert_int_equal(ct_cpuid_features(&w, lacks), AVX512 | CT_CPU_BF16);
    assert_string_equal(lacks, "");
    w.saved = 0x06;
    assert_int_equal(ct_cpuid_features(&w, lacks), CT_CPU_AVX2);
    w.c1 &= ~(1u << 27);
    assert_int_equal(ct_cpuid_features(&w, lacks), 0);
}
#endif

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
#if defined(__x86_64__)
        cmocka_unit_test(tiles_without_their_neighbours_are_reported),
        cmocka_unit_test(processors_without_tiles_lack_nothing),
#endif
        cmocka_unit_test(a_named_level_is_that_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
