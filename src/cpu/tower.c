/* The vision tower's weights: one walk that counts them, carves their block and fills it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/tower.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "cpu/holes.h"
#include "cpu/layout.h"
#include "cpu/packing.h"

/* ---- places ---- */

#define OUTER(field)     offsetof(ct_tower_weights, field)
#define LAYER(field)     offsetof(ct_tower_layer, field)
#define AFFINE(PART, to) [CT_TOWER_##PART] = LAYER(to.w), [CT_TOWER_##PART##_B] = LAYER(to.b)

/* Of a ct_matrix or a float *. */
static const size_t offsets[CT_N_TOWER_PARTS] = {
    [CT_TOWER_PATCH] = OUTER(patch.w),
    [CT_TOWER_PATCH_B] = OUTER(patch.b),
    [CT_TOWER_POSITION] = OUTER(position),
    [CT_TOWER_POST_W] = OUTER(post_w),
    [CT_TOWER_POST_B] = OUTER(post_b),
    [CT_TOWER_SOFT_NORM] = OUTER(soft_norm),
    [CT_TOWER_PROJECT] = OUTER(project),
    [CT_TOWER_NORM1_W] = LAYER(norm1_w),
    [CT_TOWER_NORM1_B] = LAYER(norm1_b),
    AFFINE(Q, q),
    AFFINE(K, k),
    AFFINE(V, v),
    AFFINE(O, o),
    [CT_TOWER_NORM2_W] = LAYER(norm2_w),
    [CT_TOWER_NORM2_B] = LAYER(norm2_b),
    AFFINE(FC1, fc1),
    AFFINE(FC2, fc2),
};

static void *place_of(ct_tower_weights *w, ct_tower_part part, size_t layer)
{
    char *base = part < CT_FIRST_TOWER_LAYER_PART ? (char *)w : (char *)&w->layers[layer];
    return base + offsets[part];
}

static bool is_matrix(ct_tower_kind kind)
{
    return kind == CT_TOWER_MATRIX || kind == CT_TOWER_TRANSPOSED;
}

/* ---- the block ---- */

typedef struct walk {
    ct_tower_weights *w;
    ct_arena *arena;
    const ct_source *src;
    ct_pool *pool;
    ct_window *room; /* for one part after another */
    ct_holes *holes;
    carat_err *err;
} walk;

/* Describes the part and takes (or counts) its bytes. */
static bool take_part(void *arg, ct_tower_part part, size_t layer)
{
    const walk *f = arg;
    const ct_tower *desc = f->w->desc;
    ct_tower_kind kind = ct_tower_part_get(part)->kind;
    void *place = place_of(f->w, part, layer);
    size_t rows, cols, bytes;
    ct_tower_part_shape(&desc->cfg, desc->text_width, part, &rows, &cols);
    if (!is_matrix(kind)) {
        float *values = ct_arena_take(f->arena, rows * cols, sizeof *values);
        memcpy(place, &values, sizeof values);
        return true;
    }
    ct_type type = ct_tower_type(desc, part, layer);
    ct_matrix m = { .type = type, .rows = rows, .cols = cols };
    if (kind == CT_TOWER_TRANSPOSED) {
        m.rows = cols, m.cols = rows;
        if (ct_type_get(type)->is_quantised) /* blocks run along the file's rows */
            m.type = CT_F32;
    }
    if (!ct_pack_bytes(m.type, m.rows, m.cols, &bytes))
        return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "'%s' of layer %zu: %zu x %zu cannot be of type %s",
                       ct_tower_part_get(part)->name[desc->naming], layer, m.rows, m.cols, ct_type_get(m.type)->name);
    m.bytes = bytes;
    m.packed = ct_arena_take(f->arena, bytes, 1);
    memcpy(place, &m, sizeof m);
    return true;
}

static bool take_all(ct_tower_weights *w, ct_arena *a, carat_err *err)
{
    const ct_tower *desc = w->desc;
    walk f = { .w = w, .arena = a, .err = err };
    if (!ct_tower_each(&desc->cfg, take_part, &f))
        return desc->path ? ct_fail_in(err, "%s", desc->path) : false;
    return !a->overflow || ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: the vision weights' size overflows",
                                   desc->path ? desc->path : "the vision tower");
}

bool ct_tower_weights_describe(ct_tower_weights *w, const ct_tower *desc, carat_err *err)
{
    ct_arena count;
    *w = (ct_tower_weights){ .desc = desc };
    w->layers = calloc(desc->cfg.n_layer, sizeof *w->layers);
    if (!w->layers)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower's description");
    ct_arena_count(&count);
    if (!take_all(w, &count, err))
        return false;
    w->bytes = count.used;
    return true;
}

/* ---- loading ---- */

/* Weights of a norm as they are applied; biases may be zero. */
static bool is_norm(const walk *f, ct_tower_part part)
{
    return part == CT_TOWER_POST_W || part == CT_TOWER_NORM1_W || part == CT_TOWER_NORM2_W ||
           (part == CT_TOWER_SOFT_NORM && f->src->gguf);
}

static bool load_vector(const walk *f, ct_tower_part part, const ct_tensor *t, float *w)
{
    ct_window from;
    size_t row_bytes = t->bytes / t->dims[1];
    if (!ct_tensor_window(t, 0, t->bytes, &from, f->err))
        return false;
    for (size_t r = 0; r < t->dims[1]; r++)
        ct_unpack_row(t->type, from.data + r * row_bytes, w + r * t->dims[0], t->dims[0]);
    bool is_zero = ct_is_zero(from.data, t->bytes);
    ct_window_close(&from);
    if (is_zero && is_norm(f, part))
        return ct_refuse_hole(t, f->src->path, f->err);
    if (part == CT_TOWER_POSITION)
        ct_holes_add(f->holes, t, is_zero ? t->dims[1] : 0, t->dims[1]);
    if (ct_tower_part_get(part)->kind == CT_TOWER_NORM && f->src->st)
        for (size_t i = 0; i < t->dims[0]; i++)
            w[i] += 1.0f;
    return true;
}

/* One row of the file, a column of the packed matrix. */
static void scatter(const ct_tensor *t, const uint8_t *row, float *values, const ct_matrix *m, uint8_t *to, size_t col,
                    size_t elem)
{
    const uint8_t *from = row;
    if (m->type != t->type) {
        ct_unpack_row(t->type, row, values, m->rows);
        from = (const uint8_t *)values;
    }
    for (size_t r = 0; r < m->rows; r++)
        memcpy(to + (r * m->cols + col) * elem, from + r * elem, elem);
}

static bool load_transposed(const walk *f, const ct_tensor *t, const ct_matrix *m)
{
    size_t elem = m->type == CT_F32 ? 4 : 2, row_bytes = t->bytes / m->cols, bytes;
    size_t n_panels = (m->rows + CT_PANEL - 1) / CT_PANEL, stride = m->cols * elem;
    bool ok = ct_mul_size(m->rows, stride, &bytes);
    uint8_t *whole = ok ? malloc(bytes) : NULL;
    float *values = malloc(m->rows * sizeof *values);
    if (!whole || !values) {
        free(whole), free(values);
        return ct_fail(f->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to transpose the projector", f->src->path);
    }
    ct_window from;
    if (!ct_tensor_window(t, 0, t->bytes, &from, f->err)) {
        free(whole), free(values);
        return false;
    }
    ct_holes_add(f->holes, t, ct_is_zero(from.data, t->bytes) ? m->cols : 0, m->cols);
    for (size_t c = 0; c < m->cols; c++)
        scatter(t, from.data + c * row_bytes, values, m, whole, c, elem);
    ct_window_close(&from);
    for (size_t p = 0; p < n_panels; p++) {
        size_t row = p * CT_PANEL, n = m->rows - row < CT_PANEL ? m->rows - row : CT_PANEL;
        ct_pack_panel(m->type, whole + row * stride, stride, (int)n, m->cols, m->packed + p * (m->bytes / n_panels));
    }
    free(whole), free(values);
    return true;
}

static bool load_matrix(const walk *f, const ct_tensor *t, const ct_matrix *m)
{
    size_t zero_rows = 0;
    if (!ct_matrix_pack(f->pool, t, m, f->room, m->rows, &zero_rows, NULL, NULL, f->err))
        return false;
    ct_holes_add(f->holes, t, zero_rows, m->rows);
    return true;
}

/* Patch weights stored channels last, brought into the order of everybody else: channel, row, column. */
static bool load_turned(const walk *f, const ct_tensor *t, const ct_matrix *m)
{
    size_t elem = ct_type_get(t->type)->bytes, channels = t->dims[0], pixels = t->dims[1] * t->dims[2];
    ct_tensor turned = *t;
    ct_window from;
    uint8_t *to = malloc(t->bytes);
    if (!to)
        return ct_fail(f->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to turn the patch weights", f->src->path);
    bool ok = ct_tensor_window(t, 0, t->bytes, &from, f->err);
    for (size_t i = 0; ok && i < t->bytes / elem; i++) { /* i: row of the matrix, pixel, channel */
        size_t row = i / (pixels * channels), pixel = i / channels % pixels, channel = i % channels;
        memcpy(to + ((row * channels + channel) * pixels + pixel) * elem, from.data + i * elem, elem);
    }
    if (ok)
        ct_window_close(&from);
    turned.data = to;
    ok = ok && load_matrix(f, &turned, m);
    ct_window_close(f->room); /* it may lie in `to` */
    free(to);
    return ok;
}

static bool load_part(void *arg, ct_tower_part part, size_t layer)
{
    const walk *f = arg;
    ct_tower_kind kind = ct_tower_part_get(part)->kind;
    const ct_tensor *t = ct_tower_tensor(f->w->desc, f->src, part, layer);
    const void *place = place_of(f->w, part, layer);
    if (!t)
        return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: changed while it was read", f->src->path);
    if (part == CT_TOWER_PATCH && f->w->desc->is_channels_last)
        return load_turned(f, t, place);
    if (kind == CT_TOWER_MATRIX)
        return load_matrix(f, t, place);
    if (kind == CT_TOWER_TRANSPOSED)
        return load_transposed(f, t, place);
    float *values;
    memcpy(&values, place, sizeof values);
    return load_vector(f, part, t, values);
}

typedef struct laying {
    const ct_tower_weights *w;
    ct_layout l;
} laying;

static bool lay_part(void *arg, ct_tower_part part, size_t layer)
{
    laying *k = arg;
    const ct_tower *desc = k->w->desc;
    const void *place = place_of((ct_tower_weights *)(uintptr_t)k->w, part, layer);
    size_t rows, cols;
    float *values;
    if (is_matrix(ct_tower_part_get(part)->kind)) {
        ct_layout_matrix(&k->l, place);
        return true;
    }
    ct_tower_part_shape(&desc->cfg, desc->text_width, part, &rows, &cols);
    memcpy(&values, place, sizeof values);
    ct_layout_vector(&k->l, values, rows * cols);
    return true;
}

bool ct_tower_layout(const ct_tower_weights *w, uint8_t out[CT_PACK_HASH], carat_err *err)
{
    laying k = { .w = w };
    ct_layout_begin(&k.l, w->arena.base);
    ct_tower_each(&w->desc->cfg, lay_part, &k);
    return ct_layout_end(&k.l, out) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tower's layout");
}

static bool map_tower(ct_tower_weights *w, const ct_source *src, carat_err *err)
{
    uint8_t layout[CT_PACK_HASH];
    if (!ct_layout_map(src, CT_PACK_TOWER, w->bytes, &w->arena, err))
        return false;
    w->is_mapped = true;
    return take_all(w, &w->arena, err) && ct_tower_layout(w, layout, err) &&
           ct_layout_check(src, CT_PACK_TOWER, layout, err);
}

bool ct_tower_weights_load(ct_tower_weights *w, const ct_source *src, ct_pool *pool, carat_err *err)
{
    if (src->pack)
        return map_tower(w, src, err);
    ct_window room = { 0 };
    ct_holes holes = { 0 };
    walk f = { .w = w, .src = src, .pool = pool, .room = &room, .holes = &holes, .err = err };
    if (!ct_arena_init(&w->arena, w->bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for %zu MiB of vision weights", src->path,
                       (w->bytes >> 20) + 1);
    bool ok = take_all(w, &w->arena, err) && ct_tower_each(&w->desc->cfg, load_part, &f);
    ct_window_close(&room);
    if (ok)
        ct_holes_report(&holes, src->path);
    return ok;
}

void ct_tower_weights_close(ct_tower_weights *w)
{
    if (w->is_mapped)
        ct_pack_unmap(w->arena.base, w->arena.size);
    else
        ct_arena_deinit(&w->arena);
    free(w->layers);
    *w = (ct_tower_weights){ 0 };
}
