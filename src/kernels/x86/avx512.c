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
    ct_avx512_kv_put(k);
    ct_avx512_set(k);
    k->mul_peak[CT_ACTS_Q8] = k->attend_peak[CT_KV_Q8_0] = &ct_avx512_dpbusd_peak;
    k->mul_peak[CT_ACTS_F32] = k->set_peak[CT_ACTS_F32] = &ct_avx512_fma_peak;
    k->attend_peak[CT_KV_F16] = k->attend_peak[CT_KV_F32] = &ct_avx512_fma_peak;
}
