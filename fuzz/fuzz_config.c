/* fuzz_config.c - a folder's config.json, flat or with text_config and vision_config: what is accepted lies within the
 * limits that later arithmetic relies on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "fuzz.h"
#include "model/config.h"

static void use(const ct_config *c)
{
    FUZZ_MUST(c->n_layer >= 1 && c->n_layer <= CT_MAX_LAYERS && c->hidden >= 1 && c->hidden <= CT_MAX_HIDDEN);
    FUZZ_MUST(c->ffn >= 1 && c->ffn <= CT_MAX_FFN && c->n_vocab >= 1 && c->n_vocab <= CT_MAX_VOCAB);
    FUZZ_MUST(c->n_head >= 1 && c->n_head <= CT_MAX_HEADS && c->n_kv_head >= 1 && c->n_head % c->n_kv_head == 0);
    FUZZ_MUST(c->head_dim >= 2 && c->head_dim % 2 == 0);
    FUZZ_MUST(c->window >= 1 && c->context >= 1 && c->context <= CT_MAX_CONTEXT);
    FUZZ_MUST(c->n_eos <= CT_MAX_STOPS && c->n_notes <= CT_MAX_NOTES);
    FUZZ_MUST(isfinite(c->eps) && isfinite(c->query_scale) && isfinite(c->rope_global.base));
    FUZZ_MUST(isfinite(c->rope_global.factor) && c->rope_global.factor > 0 && c->rope_global.base > 0);
    for (uint32_t i = 0; i < c->n_eos; i++)
        FUZZ_MUST(c->eos[i] >= 0 && c->eos_from[i]);
    fuzz_touch(c->notes, sizeof c->notes);
}

static void use_vision(const ct_vision_config *v)
{
    FUZZ_MUST(v->hidden >= 1 && v->ffn >= 1 && v->n_head >= 1 && v->patch_size >= 1);
    FUZZ_MUST(v->n_layer >= 1 && v->n_layer <= CT_MAX_TOWER_LAYERS);
    FUZZ_MUST(ct_vision_patches(v) >= 1 && ct_vision_patches(v) <= CT_MAX_PATCHES && v->tokens_per_image >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *j;
    carat_err err = { 0 };
    if (!ct_json_parse("config.json", (const char *)data, size, &j, &err))
        return 0;
    for (int trust = 0; trust < 2; trust++) {
        ct_config c;
        if (ct_config_from_json("config.json", j, trust, &c, &err))
            use(&c);
        else
            FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
    }
    ct_vision_config v;
    if (ct_vision_config_from_json("config.json", j, &v, &err) && v.present)
        use_vision(&v);
    json_decref(j);
    return 0;
}
