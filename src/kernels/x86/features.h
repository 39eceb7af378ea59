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

/* The mask of CT_CPU_*. Tiles (AMX) in it are yet to be asked for from the system, and to be tried. lacks: where there are
 * tiles, the names of what else the level amx needs but this processor does not have or a virtual machine hides
 * ("AVX512_FP16"); else "". A pure function, so that tests can have any processor. */
unsigned ct_cpuid_features(const ct_cpuid *w, char lacks[CT_CPUID_LACKS]);

#endif
