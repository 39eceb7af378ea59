/* Describes where weights lie, and maps them from a pack that agrees.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT   ((size_t)64 << 20)
#define PROBE_COLS 512 /* two blocks of the largest types */

void ct_layout_begin(ct_layout *l, const uint8_t *base)
{
    *l = (ct_layout){ .base = base };
    ct_buf_init(&l->text, MAX_TEXT);
    ct_buf_str(&l->text, CT_LAYOUT_NAME "\n");
}

/* Fixed bytes as rows of the type, and the panel that comes of them. */
static void add_probe(ct_buf *text, ct_type type)
{
    size_t row = 0, panel = 0;
    uint32_t x = 1;
    if (!ct_row_bytes(type, PROBE_COLS, &row) || !ct_panel_bytes(type, PROBE_COLS, &panel))
        return;
    uint8_t *rows = malloc(row * CT_PANEL), *out = aligned_alloc(64, (panel + 63) / 64 * 64);
    if (rows && out) {
        for (size_t i = 0; i < row * CT_PANEL; i++, x = x * 1664525u + 1013904223u)
            rows[i] = (uint8_t)(x >> 24);
        ct_pack_panel(type, rows, row, CT_PANEL, PROBE_COLS, out);
        ct_buf_add(text, out, panel);
    } else {
        text->failed = true;
    }
    free(rows), free(out);
}

void ct_layout_matrix(ct_layout *l, const ct_matrix *m)
{
    ct_buf_fmt(&l->text, "%zu: %zu x %zu, type %d, %zu bytes\n", (size_t)(m->packed - l->base), m->rows, m->cols,
               (int)m->type, m->bytes);
    if (!l->has_type[m->type])
        add_probe(&l->text, m->type);
    l->has_type[m->type] = true;
}

void ct_layout_vector(ct_layout *l, const float *v, size_t n)
{
    ct_buf_fmt(&l->text, "%zu: %zu\n", (size_t)((const uint8_t *)v - l->base), n);
}

bool ct_layout_end(ct_layout *l, uint8_t out[CT_PACK_HASH])
{
    const bool ok = !l->text.failed;
    if (ok)
        ct_pack_sha256(l->text.data, l->text.len, out);
    ct_buf_deinit(&l->text);
    return ok;
}

typedef struct walking {
    const ct_weights *w;
    ct_layout l;
} walking;

static bool add_part(void *arg, ct_part part, size_t layer)
{
    walking *k = arg;
    size_t rows, cols;
    ct_part_shape(&k->w->m->cfg, part, &rows, &cols);
    if (ct_part_get(part)->is_norm)
        ct_layout_vector(&k->l, ct_weights_norm(k->w, part, layer), rows * cols);
    else
        ct_layout_matrix(&k->l, ct_weights_matrix(k->w, part, layer));
    return true;
}

bool ct_weights_layout(const ct_weights *w, uint8_t out[CT_PACK_HASH], carat_err *err)
{
    walking k = { .w = w };
    ct_layout_begin(&k.l, w->arena.base);
    ct_part_each(&w->m->cfg, add_part, &k);
    return ct_layout_end(&k.l, out) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the weights' layout");
}

bool ct_layout_map(const ct_source *src, enum ct_pack_which which, size_t bytes, ct_arena *arena, carat_err *err)
{
    void *block;
    if (src->pack->parts[which].bytes != bytes)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: packed by %s, whose weights take %zu bytes, this Carat's %zu: pack the model again, or use "
                       "the model itself",
                       src->path, src->pack->maker, src->pack->parts[which].bytes, bytes);
    if (!ct_pack_map(src->pack, which, &block, err))
        return false;
    *arena = (ct_arena){ .base = block, .size = bytes };
    return true;
}

bool ct_layout_check(const ct_source *src, enum ct_pack_which which, const uint8_t layout[CT_PACK_HASH], carat_err *err)
{
    return memcmp(layout, src->pack->parts[which].layout, CT_PACK_HASH) == 0 ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s: packed by %s in another layout ('%s') than this Carat computes with ('" CT_LAYOUT_NAME
                   "'): pack the model again, or use the model itself",
                   src->path, src->pack->maker, src->pack->layout_of);
}
