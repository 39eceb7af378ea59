/* avx512.c - the level of AVX-512 F, BW, DQ, VL and VNNI: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx512.h"

void ct_kernels_avx512(ct_kernels *k)
{
    k->isa = "avx512";
    ct_avx512_mul_q8(k);
    ct_avx512_mul_f32(k);
    ct_avx512_acts(k);
    ct_avx512_vec(k);
    ct_avx512_attend(k);
    ct_avx512_set(k);
}
