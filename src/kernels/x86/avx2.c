/* avx2.c - the level of AVX2 with FMA and F16C: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2.h"

void ct_kernels_avx2(ct_kernels *k)
{
    k->isa = "avx2";
    ct_avx2_mul_q8(k);
    ct_avx2_mul_f32(k);
    ct_avx2_acts(k);
    ct_avx2_vec(k);
    ct_avx2_attend(k);
    ct_avx2_set(k);
    k->mul_peak[CT_ACTS_Q8] = &ct_avx2_maddubs_peak;
    k->mul_peak[CT_ACTS_F32] = k->mul_peak[CT_ACTS_BF16] = k->set_peak[CT_ACTS_F32] = &ct_avx2_fma_peak;
    for (int e = 0; e < CT_N_KV_ELEM; e++)
        k->attend_peak[e] = &ct_avx2_fma_peak;
}
