/* SPDX-License-Identifier: Apache-2.0 */
#include "model/layout.h"

bool carat_layout_each(const carat_config *c, bool (*fn)(void *arg, carat_part part, size_t layer), void *arg)
{
    for (carat_part p = 0; p < CARAT_FIRST_LAYER_PART; p++)
        if (!(p == CARAT_PART_HEAD && c->tied) && !fn(arg, p, 0))
            return false;
    for (size_t l = 0; l < c->n_layer; l++)
        for (carat_part p = CARAT_FIRST_LAYER_PART; p < CARAT_N_PARTS; p++)
            if (!fn(arg, p, l))
                return false;
    return true;
}

carat_matrix *carat_layout_matrix(carat_model *m, carat_part part, size_t layer)
{
    carat_layer *l = &m->layers[layer];
    switch (part) {
    case CARAT_PART_EMBED:
        return &m->embed;
    case CARAT_PART_HEAD:
        return &m->head;
    case CARAT_PART_Q:
        return &l->q;
    case CARAT_PART_K:
        return &l->k;
    case CARAT_PART_V:
        return &l->v;
    case CARAT_PART_O:
        return &l->o;
    case CARAT_PART_GATE:
        return &l->gate;
    case CARAT_PART_UP:
        return &l->up;
    case CARAT_PART_DOWN:
        return &l->down;
    default:
        return NULL;
    }
}

float **carat_layout_norm(carat_model *m, carat_part part, size_t layer)
{
    carat_layer *l = &m->layers[layer];
    switch (part) {
    case CARAT_PART_FINAL_NORM:
        return &m->final_norm;
    case CARAT_PART_ATTN_NORM:
        return &l->attn_norm;
    case CARAT_PART_Q_NORM:
        return &l->q_norm;
    case CARAT_PART_K_NORM:
        return &l->k_norm;
    case CARAT_PART_POST_ATTN_NORM:
        return &l->post_attn_norm;
    case CARAT_PART_FFN_NORM:
        return &l->ffn_norm;
    case CARAT_PART_POST_FFN_NORM:
        return &l->post_ffn_norm;
    default:
        return NULL;
    }
}

typedef struct take {
    const carat_config *c;
    carat_model *m;
    carat_arena *a;
    carat_type_of *type_of;
    void *arg;
    carat_err *err;
} take;

static bool take_part(void *arg, carat_part part, size_t layer)
{
    take *t = arg;
    const carat_part_info *info = carat_part_get(part);
    size_t rows, cols, bytes;
    carat_part_shape(t->c, part, &rows, &cols);
    if (info->is_norm) {
        float *w = carat_arena_take(t->a, cols, sizeof *w);
        if (t->m)
            *carat_layout_norm(t->m, part, layer) = w;
        return true;
    }
    carat_type type = t->type_of(t->arg, part, layer);
    const carat_type_info *ti = carat_type_get(type);
    if (!ti || !carat_pack_bytes(type, rows, cols, &bytes))
        return carat_fail(t->err, CARAT_EFORMAT, CARAT_NOWHERE,
                          "'%s' of layer %zu: a matrix of %zu x %zu cannot be of type %s (blocks of %d columns)",
                          info->gguf, layer, rows, cols, ti ? ti->name : "unknown", ti ? ti->block : 0);
    uint8_t *packed = carat_arena_take(t->a, bytes, 1);
    if (t->m)
        *carat_layout_matrix(t->m, part, layer) = (carat_matrix){ type, rows, cols, packed, bytes };
    return true;
}

bool carat_layout_take(const carat_config *c, carat_model *m, carat_arena *a, carat_type_of *type_of, void *arg,
                       carat_err *err)
{
    take t = { c, m, a, type_of, arg, err };
    if (!carat_layout_each(c, take_part, &t))
        return false;
    if (a->overflow)
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the weights' size overflows");
    return true;
}

bool carat_model_bytes(const carat_config *c, carat_type_of *type_of, void *arg, size_t *out, carat_err *err)
{
    carat_arena a;
    carat_arena_count(&a);
    if (!carat_layout_take(c, NULL, &a, type_of, arg, err))
        return false;
    *out = a.used;
    return true;
}
