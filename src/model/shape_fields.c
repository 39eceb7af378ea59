/* The table of a shape's sizes, and putting a described shape into a configuration.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/shape_fields.h"

#include <stddef.h>

#include "quant/kv_tile.h"

/* clang-format off */
#define FIELD(name, member, max) { name, offsetof(carat_shape, member), offsetof(ct_config, member), max }
const ct_shape_field ct_shape_fields[CT_N_SHAPE_FIELDS] = {
    FIELD("number of layers",   n_layer,   CT_MAX_LAYERS),
    FIELD("hidden width",       hidden,    CT_MAX_HIDDEN),
    FIELD("FFN width",          ffn,       CT_MAX_FFN),
    FIELD("number of heads",    n_head,    CT_MAX_HEADS),
    FIELD("number of KV heads", n_kv_head, CT_MAX_HEADS),
    FIELD("head dimension",     head_dim,  CT_MAX_HEAD_DIM),
    FIELD("vocabulary",         n_vocab,   CT_MAX_VOCAB),
    FIELD("sliding window",     window,    CT_MAX_CONTEXT),
    FIELD("context length",     context,   CT_MAX_CONTEXT),
};
/* clang-format on */

static const uint32_t *field_of(const ct_config *c, const ct_shape_field *f)
{
    return (const uint32_t *)(const void *)((const char *)c + f->in_config);
}

uint32_t ct_shape_field_of(const ct_config *c, const ct_shape_field *f)
{
    return *field_of(c, f);
}

static size_t stated(const carat_shape *s, const ct_shape_field *f)
{
    return *(const size_t *)(const void *)((const char *)s + f->in_shape);
}

static bool check(const char *name, size_t value, uint32_t max, carat_err *err)
{
    return value <= max ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "shape: %s is %zu, expected 1 to %u", name, value, max);
}

void ct_config_pattern(ct_config *c, uint32_t pattern)
{
    for (uint32_t i = 0; i < CT_MAX_LAYERS; i++)
        c->is_global[i] = pattern && (i + 1) % pattern == 0;
}

bool ct_shape_apply(const carat_shape *s, ct_config *c, bool *differs, carat_err *err)
{
    for (const ct_shape_field *f = ct_shape_fields; f < ct_shape_fields + CT_N_SHAPE_FIELDS; f++) {
        const size_t value = stated(s, f);
        if (!check(f->name, value, f->max, err))
            return false;
        if (value && value != *field_of(c, f)) {
            *(uint32_t *)(void *)((char *)c + f->in_config) = (uint32_t)value;
            *differs = true;
        }
    }
    if (!check("pattern", s->pattern, CT_MAX_LAYERS, err))
        return false;
    if (s->pattern && s->pattern != CT_PATTERN) {
        ct_config_pattern(c, (uint32_t)s->pattern);
        *differs = true;
    }
    return true;
}
