/* A made-up model from the shape that a caller describes: a published size and what differs from it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/inputs.h"
#include "model/shape_fields.h"
#include "synth/synth.h"

#define MIN_VOCAB 600 /* control tokens, bytes and characters of the made-up vocabulary */

static bool shape_config(const carat_shape *s, ct_config *c, carat_err *err)
{
    bool differs = false;
    const ct_published *p = ct_published_by_name(s->size ? s->size : "");
    if (!p)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "size '%s' is not one of 270m, 1b, 4b, 12b, 27b, 300m",
                       s->size ? s->size : "");
    ct_config_of(p, c);
    if (p->vocab_text)
        c->n_vocab = p->vocab_text;
    c->vision.present = false;
    if (!ct_shape_apply(s, c, &differs, err))
        return false;
    if (c->n_vocab < MIN_VOCAB && !s->vocab_from)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a vocabulary of %u, expected at least %d", c->n_vocab,
                       MIN_VOCAB);
    return ct_config_finish(c, "shape", true, err);
}

static bool shape_tower_layers(size_t n, uint32_t *out, carat_err *err)
{
    if (n > CT_MAX_TOWER_LAYERS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a tower of %zu layers, expected 1 to %d", n,
                       CT_MAX_TOWER_LAYERS);
    if (n)
        *out = (uint32_t)n;
    return true;
}

static bool shape_tower(const carat_shape *s, const ct_config *c, ct_synth_tower *out, carat_err *err)
{
    static const struct {
        const char *name;
        ct_type type;
    } types[] = { { "bf16", CT_BF16 }, { "f16", CT_F16 }, { "q8_0", CT_Q8_0 }, { "f32", CT_F32 } };
    ct_config published;
    ct_config_of(ct_published_by_name(s->size), &published);
    if (!published.vision.present)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "size '%s' has no vision tower; 4b, 12b and 27b have", s->size);
    *out = (ct_synth_tower){
        .cfg = published.vision, .text_width = c->hidden, .is_alone = s->tower == CARAT_TOWER_ALONE, .seed = s->seed
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(s->tower_type ? s->tower_type : "bf16", types[i].name) == 0) {
            out->type = types[i].type;
            return shape_tower_layers(s->tower_layers, &out->cfg.n_layer, err);
        }
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "tower type '%s' is unknown, expected bf16, f16, q8_0 or f32",
                   s->tower_type);
}

bool ct_synth_shape(const carat_shape *shape, const char *path, carat_progress_fn *progress, void *arg, carat_err *err)
{
    ct_config c;
    ct_mix mix;
    ct_synth_tower tower;
    if (!ct_inputs_stay(path, &shape->vocab_from, 1, err))
        return false;
    if (!shape_config(shape, &c, err) || (shape->tower && !shape_tower(shape, &c, &tower, err)))
        return false;
    if (shape->tower == CARAT_TOWER_ALONE)
        return ct_synth_tower_write(&tower, path, progress, arg, err);
    if (!ct_mix_by_name(shape->type ? shape->type : "q4_0", &mix))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "type '%s' is unknown; for example bf16, q8_0, q4_k_m, q4_0",
                       shape->type);
    return ct_synth_write(&c, &mix, shape->seed, shape->vocab_from, shape->tower ? &tower : NULL, path, progress, arg,
                          err);
}
