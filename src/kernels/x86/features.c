/* features.c - see features.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/features.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

#define XCR0_AVX    0x06u    /* XMM and YMM */
#define XCR0_AVX512 0xE6u    /* and masks, upper halves, ZMM16-31 */
#define XCR0_TILES  0x60000u /* their configuration and their data */

/* Bits of 7.0, edx, which compilers name differently. */
#define AMX_BF16    (1u << 22)
#define AVX512_FP16 (1u << 23) /* all processors with these tiles have it */
#define AMX_TILE    (1u << 24)
#define AMX_INT8    (1u << 25)

static bool has(uint64_t word, uint64_t bits)
{
    return (word & bits) == bits;
}

static void add_name(char lacks[CT_CPUID_LACKS], const char *name)
{
    const size_t len = strlen(lacks);
    snprintf(lacks + len, CT_CPUID_LACKS - len, "%s%s", len ? ", " : "", name);
}

/* What level amx needs beside tiles, and this processor does not have. */
static void find_lacks(const ct_cpuid *w, unsigned mask, char lacks[CT_CPUID_LACKS])
{
    if (!(mask & CT_CPU_AVX512))
        add_name(lacks, "AVX-512 with VNNI");
    if (!has(w->a71, bit_AVX512BF16))
        add_name(lacks, "AVX512_BF16");
    if (!has(w->d7, AVX512_FP16))
        add_name(lacks, "AVX512_FP16");
    if (!has(w->d7, AMX_BF16))
        add_name(lacks, "AMX-BF16");
    if (!has(w->d7, AMX_INT8))
        add_name(lacks, "AMX-INT8");
}

unsigned ct_cpuid_features(const ct_cpuid *w, char lacks[CT_CPUID_LACKS])
{
    unsigned mask = 0;
    lacks[0] = '\0';
    if (!has(w->c1, bit_OSXSAVE))
        return 0;
    if (has(w->saved, XCR0_AVX) && has(w->c1, bit_AVX | bit_FMA | bit_F16C) && has(w->b7, bit_AVX2))
        mask |= CT_CPU_AVX2;
    if ((mask & CT_CPU_AVX2) && has(w->saved, XCR0_AVX512) &&
        has(w->b7, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) && has(w->c7, bit_AVX512VNNI))
        mask |= CT_CPU_AVX512;
    if ((mask & CT_CPU_AVX512) && has(w->a71, bit_AVX512BF16))
        mask |= CT_CPU_BF16;
    if (has(w->saved, XCR0_TILES) && has(w->d7, AMX_TILE)) {
        find_lacks(w, mask, lacks);
        mask |= lacks[0] ? 0 : CT_CPU_AMX;
    }
    return mask;
}
