/* generic.c - the level that every machine has: fills every slot of the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/generic.h"

#include <string.h>

void ct_kernels_generic(ct_kernels *k)
{
    memset(k, 0, sizeof *k);
    k->isa = "generic";
    k->mul_scratch = CT_MUL_SCRATCH;
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        const ct_type_info *info = ct_type_get(t);
        if (!info)
            continue;
        k->form[t] = CT_ACTS_F32;
        k->mul[t][CT_ACTS_F32] = ct_mul_f32_generic;
        if (info->is_quantised && ct_pack_is_interleaved((ct_type)t)) {
            k->form[t] = CT_ACTS_Q8;
            k->mul[t][CT_ACTS_Q8] = ct_mul_q8_generic;
            k->mul[t][CT_ACTS_GRID] = ct_mul_grid_generic;
        }
    }
    k->mul[CT_BF16][CT_ACTS_BF16] = ct_mul_bf16_generic;

    k->acts[CT_ACTS_F32] = ct_acts_f32_generic;
    k->acts[CT_ACTS_BF16] = ct_acts_bf16_generic;
    k->acts[CT_ACTS_Q8] = ct_acts_q8_generic;
    k->acts[CT_ACTS_GRID] = ct_acts_grid_generic;
    k->rmsnorm = ct_rmsnorm_generic;
    k->rmsnorm_add = ct_rmsnorm_add_generic;
    k->layernorm = ct_layernorm_generic;
    k->rope = ct_rope_generic;
    k->geglu = ct_geglu_generic;
    k->kv_put = ct_kv_put_generic;
    k->attend = ct_attend_generic;
    k->set_layout[CT_ACTS_F32] = CT_SET_F32;
    k->set_layout[CT_ACTS_BF16] = CT_SET_PAIRS;
    k->set_put[CT_ACTS_F32] = ct_set_put_f32_generic;
    k->set_put[CT_ACTS_BF16] = ct_set_put_bf16_generic;
    k->set_attend[CT_ACTS_F32] = ct_set_attend_f32_generic;
    k->set_attend[CT_ACTS_BF16] = ct_set_attend_bf16_generic;
    k->logsumexp = ct_logsumexp_generic;
}
