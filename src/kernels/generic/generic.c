/* generic.c - the level that every machine has: fills every slot of the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/generic.h"

#include <string.h>

void carat_kernels_generic(carat_kernels *k)
{
    memset(k, 0, sizeof *k);
    k->isa = "generic";
    for (uint32_t t = 0; t < CARAT_N_TYPE; t++) {
        const carat_type_info *info = carat_type_get(t);
        if (!info)
            continue;
        k->form[t] = CARAT_ACTS_F32;
        k->mul[t][CARAT_ACTS_F32] = carat_mul_f32_generic;
        if (info->is_quantised && carat_pack_is_interleaved((carat_type)t)) {
            k->form[t] = CARAT_ACTS_Q8;
            k->mul[t][CARAT_ACTS_Q8] = carat_mul_q8_generic;
        }
    }
    k->mul[CARAT_BF16][CARAT_ACTS_BF16] = carat_mul_bf16_generic;

    k->acts[CARAT_ACTS_F32] = carat_acts_f32_generic;
    k->acts[CARAT_ACTS_BF16] = carat_acts_bf16_generic;
    k->acts[CARAT_ACTS_Q8] = carat_acts_q8_generic;
    k->rmsnorm = carat_rmsnorm_generic;
    k->rmsnorm_add = carat_rmsnorm_add_generic;
    k->layernorm = carat_layernorm_generic;
    k->rope = carat_rope_generic;
    k->geglu = carat_geglu_generic;
    k->kv_put = carat_kv_put_generic;
    k->attend = carat_attend_generic;
    k->set_put[CARAT_ACTS_F32] = carat_set_put_f32_generic;
    k->set_put[CARAT_ACTS_BF16] = carat_set_put_bf16_generic;
    k->set_attend[CARAT_ACTS_F32] = carat_set_attend_f32_generic;
    k->set_attend[CARAT_ACTS_BF16] = carat_set_attend_bf16_generic;
    k->logsumexp = carat_logsumexp_generic;
}
