/* peak_loop.h - a loop of one instruction on registers, for the levels' files of peaks.
 *
 * The instruction stands as assembly: with intrinsics compilers move the sums about, gcc 12 to memory and back, which
 * halves what is measured, and they take equal products together.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_PEAK_LOOP_H
#define CT_KERNELS_PEAK_LOOP_H

#include "kernels/peak.h"

/* name(rounds): `sums` variables of a vector type, each of them by `step`: assembly of %0, the sum, %1, a register for
 * anything, and %2 and %3, which are numbers a and b. reg: the constraint of vector registers. */
#define DEFINE_PEAK_LOOP(name, type, sums, reg, step, first, a, b)                                                     \
    static void name(size_t rounds)                                                                                    \
    {                                                                                                                  \
        type sum[sums], any;                                                                                           \
        const type x = (a), y = (b);                                                                                   \
        _Pragma("GCC unroll 32") for (int i = 0; i < (sums); i++) sum[i] = (first);                                    \
        for (size_t r = 0; r < rounds; r++) {                                                                          \
            _Pragma("GCC unroll 32") for (int i = 0; i < (sums); i++) __asm__ volatile(                                \
                step : "+" reg(sum[i]), "=&" reg(any) : reg(x), reg(y));                                               \
        }                                                                                                              \
        (void)any;                                                                                                     \
    }

#endif
