/* Every tensor of the text model: its two names and its shape.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

static const ct_part_info parts[CT_N_PARTS] = {
    [CT_PART_EMBED] = { "token_embd.weight", "embed_tokens.weight", false, CT_GROUP_TABLE },
    [CT_PART_FINAL_NORM] = { "output_norm.weight", "norm.weight", true, CT_GROUP_NORM },
    [CT_PART_HEAD] = { "output.weight", "lm_head.weight", false, CT_GROUP_TABLE },
    [CT_PART_DENSE_1] = { "dense_2.weight", "linear.weight", false,
                          CT_GROUP_FFN }, /* named for the modules' folders, */
    [CT_PART_DENSE_2] = { "dense_3.weight", "linear.weight", false, CT_GROUP_FFN }, /* which count from 0 */
    [CT_PART_ATTN_NORM] = { "attn_norm.weight", "input_layernorm.weight", true, CT_GROUP_NORM },
    [CT_PART_Q] = { "attn_q.weight", "self_attn.q_proj.weight", false, CT_GROUP_ATTENTION },
    [CT_PART_K] = { "attn_k.weight", "self_attn.k_proj.weight", false, CT_GROUP_ATTENTION },
    [CT_PART_V] = { "attn_v.weight", "self_attn.v_proj.weight", false, CT_GROUP_ATTENTION },
    [CT_PART_Q_NORM] = { "attn_q_norm.weight", "self_attn.q_norm.weight", true, CT_GROUP_NORM },
    [CT_PART_K_NORM] = { "attn_k_norm.weight", "self_attn.k_norm.weight", true, CT_GROUP_NORM },
    [CT_PART_O] = { "attn_output.weight", "self_attn.o_proj.weight", false, CT_GROUP_ATTENTION },
    [CT_PART_POST_ATTN_NORM] = { "post_attention_norm.weight", "post_attention_layernorm.weight", true, CT_GROUP_NORM },
    [CT_PART_FFN_NORM] = { "ffn_norm.weight", "pre_feedforward_layernorm.weight", true, CT_GROUP_NORM },
    [CT_PART_GATE] = { "ffn_gate.weight", "mlp.gate_proj.weight", false, CT_GROUP_FFN },
    [CT_PART_UP] = { "ffn_up.weight", "mlp.up_proj.weight", false, CT_GROUP_FFN },
    [CT_PART_DOWN] = { "ffn_down.weight", "mlp.down_proj.weight", false, CT_GROUP_FFN },
    [CT_PART_POST_FFN_NORM] = { "post_ffw_norm.weight", "post_feedforward_layernorm.weight", true, CT_GROUP_NORM },
};

const ct_part_info *ct_part_get(ct_part part)
{
    return &parts[part];
}

void ct_part_shape(const ct_config *c, ct_part part, size_t *rows, size_t *cols)
{
    size_t q = (size_t)c->n_head * c->head_dim, kv = (size_t)c->n_kv_head * c->head_dim;
    *rows = 1;
    *cols = c->hidden;
    switch (part) {
    case CT_PART_EMBED:
    case CT_PART_HEAD:
        *rows = c->n_vocab;
        break;
    case CT_PART_DENSE_1:
        *rows = c->dense;
        break;
    case CT_PART_DENSE_2:
        *cols = c->dense;
        *rows = c->hidden;
        break;
    case CT_PART_Q:
        *rows = q;
        break;
    case CT_PART_K:
    case CT_PART_V:
        *rows = kv;
        break;
    case CT_PART_Q_NORM:
    case CT_PART_K_NORM:
        *cols = c->head_dim;
        break;
    case CT_PART_O:
        *rows = c->hidden;
        *cols = q;
        break;
    case CT_PART_GATE:
    case CT_PART_UP:
        *rows = c->ffn;
        break;
    case CT_PART_DOWN:
        *rows = c->hidden;
        *cols = c->ffn;
        break;
    default: /* norms of the hidden width */
        break;
    }
}

/* Outside layers: has the model this part? */
static bool has_part(const ct_config *c, ct_part p)
{
    switch (p) {
    case CT_PART_HEAD:
        return !c->tied;
    case CT_PART_DENSE_1:
    case CT_PART_DENSE_2:
        return c->dense > 0;
    default:
        return true;
    }
}

bool ct_part_each(const ct_config *c, bool (*fn)(void *arg, ct_part part, size_t layer), void *arg)
{
    for (ct_part p = 0; p < CT_FIRST_LAYER_PART; p++)
        if (has_part(c, p) && !fn(arg, p, 0))
            return false;
    for (size_t l = 0; l < c->n_layer; l++)
        for (ct_part p = CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++)
            if (!fn(arg, p, l))
                return false;
    return true;
}
