/* cpu.c - what the machine can do, and the levels of kernels made of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* ---- levels ---- */

static const struct level {
    const char *name;
    unsigned feature, mask;         /* its own, and with all it builds upon */
    void (*install)(ct_kernels *k); /* NULL: of another architecture */
} levels[] = {
#define BUILT(name, feature, needs)   { #name, feature, (feature) | (needs), ct_kernels_##name },
#define FOREIGN(name, feature, needs) { #name, feature, (feature) | (needs), NULL },
    BUILT(generic, 0, 0)
#if defined(__x86_64__)
        CT_X86_LEVELS(BUILT) CT_ARM_LEVELS(FOREIGN)
#elif defined(__aarch64__)
        CT_X86_LEVELS(FOREIGN) CT_ARM_LEVELS(BUILT)
#else
        CT_X86_LEVELS(FOREIGN) CT_ARM_LEVELS(FOREIGN)
#endif
};
#define N_LEVEL (sizeof levels / sizeof *levels)

void ct_kernels_for(ct_kernels *k, unsigned cpu)
{
    for (size_t i = 0; i < N_LEVEL; i++)
        if (levels[i].install && (levels[i].feature & ~cpu) == 0)
            levels[i].install(k);
}

bool ct_cpu_by_name(const char *name, unsigned *mask, char msg[160])
{
    const unsigned found = ct_cpu_detect();
    const char *why = "unknown";
    char list[96] = "";
    if (!name || !*name) {
        *mask = found;
        return true;
    }
    for (size_t i = 0; i < N_LEVEL; i++) {
        const bool is_here = levels[i].install && (levels[i].mask & ~found) == 0;
        const bool is_it = strcasecmp(name, levels[i].name) == 0;
        if (is_it && is_here) {
            *mask = levels[i].mask;
            return true;
        }
        if (is_it)
            why = "not on this machine";
        const size_t len = strlen(list);
        if (is_here)
            snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "", levels[i].name);
    }
    snprintf(msg, 160, "instruction set '%.24s' is %s; this machine has: %s", name, why, list);
    return false;
}
