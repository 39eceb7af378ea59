/* amx_mul.h - the loops around products on tiles: y = W x with activations in bf16.
 *
 * A product takes whole tiles of 32 columns ("stretches"): A is 16 tokens' activations where they stand, B a panel's
 * stretch as sixteen pairs of columns, [pair][row][2], which is how bf16 panels are packed. Weights of other types are
 * first unpacked into that form, some panels and stretches at a time, and rounded to bf16. Each output is one chain of
 * TDPBF16PS in column order, whatever n is: that sums wait in memory between runs of stretches costs no bit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AMX_MUL_H
#define CT_KERNELS_X86_AMX_MUL_H

#include "kernels/x86/amx.h"

#define AMX_STRETCH 1024                /* bytes of a panel's stretch in bf16 */
#define AMX_SCRATCH ((size_t)768 << 10) /* bytes that a thread hands over */

/* Stretches [s, s + n) of a panel as bf16, AMX_STRETCH bytes each, `apart` bytes apart. If the matrix ends within the last,
 * what is past its columns is 0. */
typedef void amx_unpack(const ct_mul *m, const uint8_t *panel, size_t s, size_t n, size_t apart, uint8_t *to);

/* in_place: the panels are bf16 as they stand; unpack copies what ends within a stretch. */
void AMX_NAME(mul)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, bool in_place,
                   void *scratch);

/* The same for many tokens, the only ones that may stand in tiles. */
void AMX_NAME(mul_many)(const ct_mul *m, size_t panel_begin, size_t panel_end, amx_unpack *unpack, bool in_place,
                        void *scratch);

#endif
