/* cpu.c - what the machine can do, and the names of the levels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Which register sets the operating system saves on a task switch: XCR0 (Intel SDM, volume 1, section 13.3). */
static uint64_t saved_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

#define XCR0_AVX    0x06u /* XMM and YMM */
#define XCR0_AVX512 0xE6u /* and masks, upper halves, ZMM16-31 */

/* Feature bits: Intel SDM volume 2, CPUID, leaves 1, 7.0 and 7.1. */
unsigned ct_cpu_detect(void)
{
    unsigned a, b1, b7, c1, c7, d, mask = 0;
    if (!__get_cpuid(1, &a, &b1, &c1, &d) || !(c1 & bit_OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d))
        return 0;
    uint64_t saved = saved_state();
    const unsigned avx2_1 = bit_AVX | bit_FMA | bit_F16C;
    if ((saved & XCR0_AVX) == XCR0_AVX && (c1 & avx2_1) == avx2_1 && (b7 & bit_AVX2))
        mask |= CT_CPU_AVX2;
    const unsigned avx512_7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((mask & CT_CPU_AVX2) && (saved & XCR0_AVX512) == XCR0_AVX512 && (b7 & avx512_7) == avx512_7 &&
        (c7 & bit_AVX512VNNI))
        mask |= CT_CPU_AVX512;
    if ((mask & CT_CPU_AVX512) && __get_cpuid_count(7, 1, &a, &b7, &c7, &d) && (a & bit_AVX512BF16))
        mask |= CT_CPU_BF16;
    return mask;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

/* Linux, Documentation/arch/arm64/elf_hwcaps.rst */
#define HWCAP_BIT_ASIMDDP (1ul << 20)
#define HWCAP2_BIT_I8MM   (1ul << 13)

unsigned ct_cpu_detect(void)
{
    unsigned mask = CT_CPU_NEON;
    if (getauxval(AT_HWCAP) & HWCAP_BIT_ASIMDDP)
        mask |= CT_CPU_DOTPROD;
    if ((mask & CT_CPU_DOTPROD) && (getauxval(AT_HWCAP2) & HWCAP2_BIT_I8MM))
        mask |= CT_CPU_I8MM;
    return mask;
}

#else

unsigned ct_cpu_detect(void)
{
    return 0;
}
#endif

/* A level is its own feature and all it builds upon. */
static const struct level {
    const char *name;
    unsigned mask;
} levels[] = {
    { "generic", 0 },
    { "avx2", CT_CPU_AVX2 },
    { "avx512", CT_CPU_AVX2 | CT_CPU_AVX512 },
    { "avx512bf16", CT_CPU_AVX2 | CT_CPU_AVX512 | CT_CPU_BF16 },
    { "neon", CT_CPU_NEON },
    { "dotprod", CT_CPU_NEON | CT_CPU_DOTPROD },
    { "i8mm", CT_CPU_NEON | CT_CPU_DOTPROD | CT_CPU_I8MM },
};
#define N_LEVEL (sizeof levels / sizeof *levels)

bool ct_cpu_by_name(const char *name, unsigned *mask, char msg[160])
{
    unsigned found = ct_cpu_detect();
    if (!name || !*name) {
        *mask = found;
        return true;
    }
    bool is_known = false;
    char list[96] = "";
    size_t len = 0;
    for (size_t i = 0; i < N_LEVEL; i++) {
        bool is_here = (levels[i].mask & ~found) == 0;
        if (strcmp(name, levels[i].name) == 0) {
            is_known = true;
            if (is_here) {
                *mask = levels[i].mask;
                return true;
            }
        }
        if (is_here)
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "", levels[i].name);
    }
    snprintf(msg, 160, "instruction set '%.24s' is %s; this machine has: %s", name,
             is_known ? "not on this machine" : "unknown", list);
    return false;
}
