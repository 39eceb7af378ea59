/* Walks over a model's matrices and norms in the order of its arena.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/layout.h"

bool ct_layout_each(const ct_config *c, bool (*fn)(void *arg, ct_part part, size_t layer), void *arg)
{
    for (ct_part p = 0; p < CT_FIRST_LAYER_PART; p++)
        if (!(p == CT_PART_HEAD && c->tied) && !fn(arg, p, 0))
            return false;
    for (size_t l = 0; l < c->n_layer; l++)
        for (ct_part p = CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++)
            if (!fn(arg, p, l))
                return false;
    return true;
}

ct_matrix *ct_layout_matrix(ct_model *m, ct_part part, size_t layer)
{
    ct_layer *l = &m->layers[layer];
    switch (part) {
    case CT_PART_EMBED:
        return &m->embed;
    case CT_PART_HEAD:
        return &m->head;
    case CT_PART_Q:
        return &l->q;
    case CT_PART_K:
        return &l->k;
    case CT_PART_V:
        return &l->v;
    case CT_PART_O:
        return &l->o;
    case CT_PART_GATE:
        return &l->gate;
    case CT_PART_UP:
        return &l->up;
    case CT_PART_DOWN:
        return &l->down;
    default:
        return NULL;
    }
}

float **ct_layout_norm(ct_model *m, ct_part part, size_t layer)
{
    ct_layer *l = &m->layers[layer];
    switch (part) {
    case CT_PART_FINAL_NORM:
        return &m->final_norm;
    case CT_PART_ATTN_NORM:
        return &l->attn_norm;
    case CT_PART_Q_NORM:
        return &l->q_norm;
    case CT_PART_K_NORM:
        return &l->k_norm;
    case CT_PART_POST_ATTN_NORM:
        return &l->post_attn_norm;
    case CT_PART_FFN_NORM:
        return &l->ffn_norm;
    case CT_PART_POST_FFN_NORM:
        return &l->post_ffn_norm;
    default:
        return NULL;
    }
}

typedef struct take {
    const ct_config *c;
    ct_model *m;
    ct_arena *a;
    ct_type_of *type_of;
    void *arg;
    carat_err *err;
} take;

static bool take_part(void *arg, ct_part part, size_t layer)
{
    take *t = arg;
    const ct_part_info *info = ct_part_get(part);
    size_t rows, cols, bytes;
    ct_part_shape(t->c, part, &rows, &cols);
    if (info->is_norm) {
        float *w = ct_arena_take(t->a, cols, sizeof *w);
        if (t->m)
            *ct_layout_norm(t->m, part, layer) = w;
        return true;
    }
    ct_type type = t->type_of(t->arg, part, layer);
    const ct_type_info *ti = ct_type_get(type);
    if (!ti || !ct_pack_bytes(type, rows, cols, &bytes))
        return ct_fail(t->err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "'%s' of layer %zu: a matrix of %zu x %zu cannot be of type %s (blocks of %d columns)",
                       info->gguf, layer, rows, cols, ti ? ti->name : "unknown", ti ? ti->block : 0);
    uint8_t *packed = ct_arena_take(t->a, bytes, 1);
    if (t->m)
        *ct_layout_matrix(t->m, part, layer) = (ct_matrix){ type, rows, cols, packed, bytes };
    return true;
}

bool ct_layout_take(const ct_config *c, ct_model *m, ct_arena *a, ct_type_of *type_of, void *arg, carat_err *err)
{
    take t = { c, m, a, type_of, arg, err };
    if (!ct_layout_each(c, take_part, &t))
        return false;
    if (a->overflow)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the weights' size overflows");
    return true;
}

bool ct_model_bytes(const ct_config *c, ct_type_of *type_of, void *arg, size_t *out, carat_err *err)
{
    ct_arena a;
    ct_arena_count(&a);
    if (!ct_layout_take(c, NULL, &a, type_of, arg, err))
        return false;
    *out = a.used;
    return true;
}
