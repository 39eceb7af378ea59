/* Every tensor of the vision tower and the projector: its three names and its shape.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/tower.h"

#define AFFINE(part, hf, mmproj, ollama)                                                                               \
    [part] = { { hf ".weight", mmproj ".weight", ollama ".weight" }, CT_TOWER_MATRIX },                                \
    [part##_B] = { { hf ".bias", mmproj ".bias", ollama ".bias" }, CT_TOWER_VECTOR }
#define LAYER_NORM(part, hf, mmproj, ollama)                                                                           \
    [part##_W] = { { hf ".weight", mmproj ".weight", ollama ".weight" }, CT_TOWER_VECTOR },                            \
    [part##_B] = { { hf ".bias", mmproj ".bias", ollama ".bias" }, CT_TOWER_VECTOR }

static const ct_tower_part_info parts[CT_N_TOWER_PARTS] = {
    AFFINE(CT_TOWER_PATCH, "embeddings.patch_embedding", "v.patch_embd", "v.patch_embedding"),
    [CT_TOWER_POSITION] = { { "embeddings.position_embedding.weight", "v.position_embd.weight",
                              "v.position_embedding.weight" },
                            CT_TOWER_VECTOR },
    LAYER_NORM(CT_TOWER_POST, "post_layernorm", "v.post_ln", "v.post_layernorm"),
    [CT_TOWER_SOFT_NORM] = { { "mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight", "mm.mm_soft_emb_norm.weight" },
                             CT_TOWER_NORM },
    [CT_TOWER_PROJECT] = { { "mm_input_projection_weight", "mm.input_projection.weight",
                             "mm.mm_input_projection.weight" },
                           CT_TOWER_TRANSPOSED },
    LAYER_NORM(CT_TOWER_NORM1, "layer_norm1", "ln1", "layer_norm1"),
    AFFINE(CT_TOWER_Q, "self_attn.q_proj", "attn_q", "attn_q"),
    AFFINE(CT_TOWER_K, "self_attn.k_proj", "attn_k", "attn_k"),
    AFFINE(CT_TOWER_V, "self_attn.v_proj", "attn_v", "attn_v"),
    AFFINE(CT_TOWER_O, "self_attn.out_proj", "attn_out", "attn_output"),
    LAYER_NORM(CT_TOWER_NORM2, "layer_norm2", "ln2", "layer_norm2"),
    AFFINE(CT_TOWER_FC1, "mlp.fc1", "ffn_up", "mlp.fc1"),
    AFFINE(CT_TOWER_FC2, "mlp.fc2", "ffn_down", "mlp.fc2"),
};

const ct_tower_part_info *ct_tower_part_get(ct_tower_part part)
{
    return &parts[part];
}

void ct_tower_part_shape(const ct_vision_config *c, size_t text_width, ct_tower_part part, size_t *rows, size_t *cols)
{
    *rows = 1;
    *cols = c->hidden;
    switch (part) {
    case CT_TOWER_PATCH:
        *rows = c->hidden;
        *cols = (size_t)c->n_channel * c->patch_size * c->patch_size;
        break;
    case CT_TOWER_POSITION:
        *rows = ct_vision_patches(c);
        break;
    case CT_TOWER_PROJECT:
        *rows = c->hidden;
        *cols = text_width;
        break;
    case CT_TOWER_Q:
    case CT_TOWER_K:
    case CT_TOWER_V:
    case CT_TOWER_O:
        *rows = c->hidden;
        break;
    case CT_TOWER_FC1:
        *rows = c->ffn;
        break;
    case CT_TOWER_FC1_B:
        *cols = c->ffn;
        break;
    case CT_TOWER_FC2:
        *rows = c->hidden;
        *cols = c->ffn;
        break;
    default: /* vectors of the tower's width */
        break;
    }
}

bool ct_tower_each(const ct_vision_config *c, bool (*fn)(void *arg, ct_tower_part part, size_t layer), void *arg)
{
    for (ct_tower_part p = 0; p < CT_FIRST_TOWER_LAYER_PART; p++)
        if (!fn(arg, p, 0))
            return false;
    for (size_t l = 0; l < c->n_layer; l++)
        for (ct_tower_part p = CT_FIRST_TOWER_LAYER_PART; p < CT_N_TOWER_PARTS; p++)
            if (!fn(arg, p, l))
                return false;
    return true;
}
