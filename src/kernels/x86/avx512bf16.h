/* avx512bf16.h - what the files of the AVX512_BF16 level install into the table (avx512bf16.c calls them).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512BF16_H
#define CT_KERNELS_X86_AVX512BF16_H

#include "kernels/kernels.h"

extern const ct_peak ct_avx512bf16_peak;

void ct_avx512bf16_set(ct_kernels *k); /* attention over a whole set, in bf16 */

#endif
