/* peak.h - loops of nothing but one instruction on registers: what a kernel that multiplies with it could reach.
 *
 * A level names beside its kernels the instruction that they multiply with (ct_kernels.mul_peak and so on). Operands are
 * numbers, not zeros: processors multiply zeros faster. Nobody needs these loops but who measures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_PEAK_H
#define CT_KERNELS_PEAK_H

#include <stddef.h>

typedef struct ct_peak {
    const char *name; /* "VPDPBUSD" */
    double ops;       /* multiplications and additions of a round: as many sums side by side as the latency asks for */
    void (*run)(size_t rounds);
} ct_peak;

#endif
