/* features.h - what an x86 processor says of itself, and the features that come of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_FEATURES_H
#define CT_KERNELS_X86_FEATURES_H

#include <stdint.h>

/* Words of CPUID (Intel SDM, volume 2), and which register sets the operating system saves on a task switch: XCR0
 * (volume 1, section 13.3). All 0: none. */
typedef struct ct_cpuid {
    uint32_t c1;         /* leaf 1: ecx */
    uint32_t b7, c7, d7; /* 7.0: ebx, ecx, edx */
    uint32_t a71;        /* 7.1: eax */
    uint64_t saved;
} ct_cpuid;

#define CT_CPUID_LACKS 80

/* CT_CPU_* of x86; of the tiles (AMX) alone it remains to ask for them and to try them. lacks: where there are tiles but
 * not what the level amx needs beside them, the names of that ("AVX512_FP16"), as virtual machines hide it; else "". A pure
 * function, so that tests can have any processor. */
unsigned ct_cpuid_features(const ct_cpuid *w, char lacks[CT_CPUID_LACKS]);

#endif
