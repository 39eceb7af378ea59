/* The text model's weights: one walk that counts them, carves their block and fills it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/weights.h"

#include <stdlib.h>

#include "cpu/holes.h"
#include "cpu/layout.h"
#include "cpu/packing.h"

/* ---- the block ---- */

typedef struct taking {
    ct_weights *w;
    ct_arena *arena;
    carat_err *err;
} taking;

static bool take_part(void *arg, ct_part part, size_t layer)
{
    taking *t = arg;
    const ct_part_info *info = ct_part_get(part);
    ct_weights *w = t->w;
    ct_weight *to = part < CT_FIRST_LAYER_PART ? &w->outer[part] : &w->layers[layer][part - CT_FIRST_LAYER_PART];
    size_t rows, cols, bytes;
    ct_part_shape(&w->m->cfg, part, &rows, &cols);
    if (info->is_norm) {
        to->norm = ct_arena_take(t->arena, cols, sizeof *to->norm);
        return true;
    }
    ct_type type = ct_model_type(w->m, part, layer);
    const ct_type_info *ti = ct_type_get(type);
    if (!ti || !ct_pack_bytes(type, rows, cols, &bytes))
        return ct_fail(t->err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "'%s' of layer %zu: a matrix of %zu x %zu cannot be of type %s (blocks of %d columns)",
                       info->gguf, layer, rows, cols, ti ? ti->name : "unknown", ti ? ti->block : 0);
    to->matrix = (ct_matrix){ type, rows, cols, ct_arena_take(t->arena, bytes, 1), bytes };
    return true;
}

/* One walk for counting and for allocating. */
static bool take_all(ct_weights *w, ct_arena *a, carat_err *err)
{
    taking t = { w, a, err };
    if (!ct_part_each(&w->m->cfg, take_part, &t))
        return w->m->path ? ct_fail_in(err, "%s", w->m->path) : false;
    if (a->overflow)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the weights' size overflows");
    if (w->m->cfg.tied)
        w->outer[CT_PART_HEAD] = w->outer[CT_PART_EMBED];
    return true;
}

bool ct_weights_describe(ct_weights *w, const ct_model *m, carat_err *err)
{
    ct_arena count;
    *w = (ct_weights){ .m = m };
    w->layers = calloc(m->cfg.n_layer, sizeof *w->layers);
    if (!w->layers)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the weights' description");
    ct_arena_count(&count);
    if (!take_all(w, &count, err))
        return false;
    w->bytes = count.used;
    return true;
}

/* ---- loading ---- */

typedef struct loading {
    ct_weights *w;
    const ct_source *src;
    ct_pool *pool;
    const ct_load_progress *how;
    carat_err *err;
    uint64_t done; /* source bytes */
    ct_window room;
    ct_holes holes, zero_norms;
    size_t n_norms;
} loading;

static bool report(void *arg, uint64_t bytes)
{
    loading *l = arg;
    l->done += bytes;
    if (!l->how->tick || l->how->tick(l->how->arg, l->done, l->w->m->tensor_bytes))
        return true;
    return ct_fail(l->err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: loading was cancelled", l->src->path);
}

/* Norm weights become f32. Safetensors hold w of y = x (1 + w); GGUF writers have added the 1 already. So a norm of
 * zeros in a GGUF makes all of its layer zero; in a folder it may be one that was never trained. */
static bool load_norm(loading *l, const ct_tensor *t, float *w)
{
    ct_window from;
    if (!ct_tensor_window(t, 0, t->bytes, &from, l->err))
        return false;
    bool is_zero = ct_is_zero(from.data, t->bytes);
    ct_unpack_row(t->type, from.data, w, t->dims[0]);
    ct_window_close(&from);
    if (is_zero && l->src->gguf)
        return ct_refuse_hole(t, l->src->path, l->err);
    l->n_norms++;
    ct_holes_add(&l->zero_norms, t, is_zero, 1);
    if (l->src->st)
        for (size_t i = 0; i < t->dims[0]; i++)
            w[i] += 1.0f;
    return true;
}

static bool load_matrix(loading *l, const ct_tensor *t, ct_part part, const ct_matrix *m)
{
    bool is_table = part == CT_PART_EMBED || part == CT_PART_HEAD;
    size_t rows = is_table ? l->w->m->n_pieces : m->rows, zero_rows = 0;
    if (!ct_matrix_pack(l->pool, t, m, &l->room, rows, &zero_rows, report, l, l->err))
        return false;
    ct_holes_add(&l->holes, t, zero_rows, m->rows);
    return true;
}

/* Norms of zeros are as they were made only if all are. */
static void report_holes(const loading *l)
{
    ct_holes_report(&l->holes, l->src->path);
    if (l->zero_norms.n < l->n_norms)
        ct_holes_report(&l->zero_norms, l->src->path);
}

static bool load_part(void *arg, ct_part part, size_t layer)
{
    loading *l = arg;
    const ct_tensor *t = NULL;
    const ct_weight *to = ct_weights_at(l->w, part, layer);
    if (!ct_source_tensor(l->src, &l->w->m->cfg, part, layer, &t, l->err))
        return false;
    if (!ct_part_get(part)->is_norm)
        return load_matrix(l, t, part, &to->matrix);
    if (!load_norm(l, t, to->norm))
        return false;
    l->done += t->bytes;
    return true;
}

static bool map_weights(ct_weights *w, const ct_source *src, carat_err *err)
{
    uint8_t layout[CT_PACK_HASH];
    if (!ct_layout_map(src, CT_PACK_TEXT, w->bytes, &w->arena, err))
        return false;
    w->is_mapped = true;
    return take_all(w, &w->arena, err) && ct_weights_layout(w, layout, err) &&
           ct_layout_check(src, CT_PACK_TEXT, layout, err);
}

bool ct_weights_load(ct_weights *w, const ct_source *src, ct_pool *pool, const ct_load_progress *how, carat_err *err)
{
    if (src->pack)
        return map_weights(w, src, err);
    static const ct_load_progress silent;
    loading l = { .w = w, .src = src, .pool = pool, .how = how ? how : &silent, .err = err };
    if (!ct_arena_init(&w->arena, w->bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu MiB of weights", src->path,
                       (w->bytes >> 20) + 1);
    bool ok = take_all(w, &w->arena, err) && ct_part_each(&w->m->cfg, load_part, &l);
    ct_window_close(&l.room);
    if (ok)
        report_holes(&l);
    return ok;
}

void ct_weights_close(ct_weights *w)
{
    if (w->is_mapped)
        ct_pack_unmap(w->arena.base, w->arena.size);
    else
        ct_arena_deinit(&w->arena);
    free(w->layers);
    *w = (ct_weights){ 0 };
}
