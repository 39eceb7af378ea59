/* Every tensor of the text model: its two names and its shape.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

static const carat_part_info parts[CARAT_N_PARTS] = {
    [CARAT_PART_EMBED] = { "token_embd.weight", "embed_tokens.weight", false },
    [CARAT_PART_FINAL_NORM] = { "output_norm.weight", "norm.weight", true },
    [CARAT_PART_HEAD] = { "output.weight", "lm_head.weight", false },
    [CARAT_PART_ATTN_NORM] = { "attn_norm.weight", "input_layernorm.weight", true },
    [CARAT_PART_Q] = { "attn_q.weight", "self_attn.q_proj.weight", false },
    [CARAT_PART_K] = { "attn_k.weight", "self_attn.k_proj.weight", false },
    [CARAT_PART_V] = { "attn_v.weight", "self_attn.v_proj.weight", false },
    [CARAT_PART_Q_NORM] = { "attn_q_norm.weight", "self_attn.q_norm.weight", true },
    [CARAT_PART_K_NORM] = { "attn_k_norm.weight", "self_attn.k_norm.weight", true },
    [CARAT_PART_O] = { "attn_output.weight", "self_attn.o_proj.weight", false },
    [CARAT_PART_POST_ATTN_NORM] = { "post_attention_norm.weight", "post_attention_layernorm.weight", true },
    [CARAT_PART_FFN_NORM] = { "ffn_norm.weight", "pre_feedforward_layernorm.weight", true },
    [CARAT_PART_GATE] = { "ffn_gate.weight", "mlp.gate_proj.weight", false },
    [CARAT_PART_UP] = { "ffn_up.weight", "mlp.up_proj.weight", false },
    [CARAT_PART_DOWN] = { "ffn_down.weight", "mlp.down_proj.weight", false },
    [CARAT_PART_POST_FFN_NORM] = { "post_ffw_norm.weight", "post_feedforward_layernorm.weight", true },
};

const carat_part_info *carat_part_get(carat_part part)
{
    return &parts[part];
}

void carat_part_shape(const carat_config *c, carat_part part, size_t *rows, size_t *cols)
{
    size_t q = (size_t)c->n_head * c->head_dim, kv = (size_t)c->n_kv_head * c->head_dim;
    *rows = 1;
    *cols = c->hidden;
    switch (part) {
    case CARAT_PART_EMBED:
    case CARAT_PART_HEAD:
        *rows = c->n_vocab;
        break;
    case CARAT_PART_Q:
        *rows = q;
        break;
    case CARAT_PART_K:
    case CARAT_PART_V:
        *rows = kv;
        break;
    case CARAT_PART_Q_NORM:
    case CARAT_PART_K_NORM:
        *cols = c->head_dim;
        break;
    case CARAT_PART_O:
        *rows = c->hidden;
        *cols = q;
        break;
    case CARAT_PART_GATE:
    case CARAT_PART_UP:
        *rows = c->ffn;
        break;
    case CARAT_PART_DOWN:
        *rows = c->hidden;
        *cols = c->ffn;
        break;
    default: /* norms of the hidden width */
        break;
    }
}
