/* An adapter's factors from their file into one block of memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/adapters.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/size.h"

/* ---- the block ---- */

static ct_type type_of(const ct_tensor *t)
{
    return ct_type_get(t->type)->is_quantised ? CT_F32 : t->type;
}

static bool take_matrix(ct_arena *a, const ct_tensor *t, ct_matrix *m)
{
    const ct_type type = type_of(t);
    size_t bytes;
    if (!ct_pack_bytes(type, t->dims[1], t->dims[0], &bytes))
        return false;
    *m = (ct_matrix){ type, t->dims[1], t->dims[0], ct_arena_take(a, bytes, 1), bytes };
    return true;
}

/* Matrices that are multiplied with the same input are computed together: each of three has sums of its own. */
static size_t place_of_sums(ct_part part)
{
    return part == CT_PART_K || part == CT_PART_UP ? 1 : part == CT_PART_V ? 2 : 0;
}

/* One walk for counting and for allocating. */
static bool take_all(ct_adapter *own, const ct_lora *l, size_t max_batch, ct_arena *a)
{
    float *sums[3];
    own->sums_stride = (l->max_rank + CT_PANEL - 1) / CT_PANEL * CT_PANEL;
    for (int i = 0; i < 3; i++)
        sums[i] = ct_arena_take(a, max_batch, own->sums_stride * sizeof(float)); /* ranks have a limit */
    for (size_t i = 0; i < l->n; i++) {
        const ct_lora_pair *p = &l->pairs[i];
        ct_adapted counted, *to = own->layers ? &own->layers[p->layer][p->part - CT_FIRST_LAYER_PART] : &counted;
        if (!take_matrix(a, p->a, &to->a) || !take_matrix(a, p->b, &to->b))
            return false;
        to->scale = (float)p->scale;
        to->sums = sums[place_of_sums(p->part)];
    }
    return !a->overflow;
}

bool ct_adapter_bytes(const ct_lora *l, const ct_config *c, size_t max_batch, uint64_t *out, carat_err *err)
{
    ct_adapter counted = { 0 };
    ct_arena a;
    size_t table;
    ct_arena_count(&a);
    if (!take_all(&counted, l, max_batch, &a) || !ct_mul_size(c->n_layer, sizeof *counted.layers, &table) ||
        !ct_add_size(a.used, table, &table))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: the adapter's size overflows", l->path);
    *out = table;
    return true;
}

/* ---- reading ---- */

/* Sixteen rows, or fewer at the end, into their panel. */
typedef struct filling {
    const ct_lora *l;
    const ct_tensor *t;
    const ct_matrix *to;
    size_t row_bytes, panel_bytes;
    float *row;  /* one, as float32 */
    float *rows; /* sixteen, for quantised types; else NULL */
    carat_err *err;
} filling;

static bool refuse(const filling *f)
{
    return ct_fail(f->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%.100s' has numbers that are not finite", f->l->path,
                   f->t->name);
}

static bool fill_panel(const filling *f, const uint8_t *from, size_t panel, int n)
{
    uint8_t *to = f->to->packed + panel * f->panel_bytes;
    const size_t cols = f->to->cols;
    for (int r = 0; r < n; r++) {
        float *row = f->rows ? f->rows + (size_t)r * cols : f->row;
        ct_unpack_row(f->t->type, from + (size_t)r * f->row_bytes, row, cols);
        if (!ct_all_finite(row, cols))
            return refuse(f);
    }
    if (f->rows)
        ct_pack_panel(CT_F32, f->rows, cols * sizeof(float), n, cols, to);
    else
        ct_pack_panel(f->to->type, from, f->row_bytes, n, cols, to);
    return true;
}

static bool fill_rows(const filling *f, struct sha256_ctx *sum)
{
    const size_t n_rows = f->to->rows;
    bool ok = true;
    for (size_t r = 0; ok && r < n_rows; r += CT_PANEL) {
        ct_window w = { 0 };
        const size_t n = n_rows - r < CT_PANEL ? n_rows - r : CT_PANEL;
        ok = ct_tensor_window(f->t, r * f->row_bytes, n * f->row_bytes, &w, f->err);
        if (ok) {
            sha256_update(sum, n * f->row_bytes, w.data);
            ok = fill_panel(f, w.data, r / CT_PANEL, (int)n);
        }
        ct_window_close(&w);
    }
    return ok;
}

static bool fill_matrix(const ct_lora *l, const ct_tensor *t, const ct_matrix *to, struct sha256_ctx *sum,
                        carat_err *err)
{
    filling f = { .l = l, .t = t, .to = to, .row_bytes = t->bytes / to->rows, .err = err };
    size_t row = to->cols * sizeof(float);
    if (!ct_panel_bytes(to->type, to->cols, &f.panel_bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: '%.100s' is too large", l->path, t->name);
    f.row = malloc(row);
    f.rows =
        to->type != t->type ? malloc(row * CT_PANEL) : NULL; /* a row is far from overflowing: it fits its matrix */
    bool ok = (f.row && (f.rows || to->type == t->type)) ||
              ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a row of '%.100s'", l->path, t->name);
    ok = ok && fill_rows(&f, sum);
    free(f.row);
    free(f.rows);
    return ok;
}

/* What decides the numbers besides the bytes. */
static void add_head(struct sha256_ctx *sum, const ct_lora_pair *p)
{
    uint64_t head[] = { p->part, p->layer, p->rank, p->a->type, p->b->type, 0 };
    memcpy(&head[5], &p->scale, sizeof p->scale);
    sha256_update(sum, sizeof head, (const uint8_t *)head);
}

static bool fill_all(const ct_adapter *own, const ct_lora *l, uint8_t digest[32], carat_err *err)
{
    struct sha256_ctx sum;
    sha256_init(&sum);
    for (size_t i = 0; i < l->n; i++) {
        const ct_lora_pair *p = &l->pairs[i];
        const ct_adapted *to = &own->layers[p->layer][p->part - CT_FIRST_LAYER_PART];
        add_head(&sum, p);
        if (!fill_matrix(l, p->a, &to->a, &sum, err) || !fill_matrix(l, p->b, &to->b, &sum, err))
            return false;
    }
    sha256_digest(&sum, 32, digest);
    return true;
}

bool ct_adapter_load(const ct_lora *l, const ct_config *c, size_t max_batch, ct_adapter **out, uint8_t digest[32],
                     carat_err *err)
{
    ct_adapter *own = calloc(1, sizeof *own), counted = { 0 };
    ct_arena count;
    *out = NULL;
    ct_arena_count(&count);
    bool ok = own && (own->layers = calloc(c->n_layer, sizeof *own->layers)) &&
              take_all(&counted, l, max_batch, &count) && ct_arena_init(&own->arena, count.used) &&
              take_all(own, l, max_batch, &own->arena);
    if (!ok)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the adapter (%zu MiB)", l->path,
                (count.used >> 20) + 1);
    ok = ok && fill_all(own, l, digest, err);
    if (!ok) {
        ct_adapter_free(own);
        return false;
    }
    own->n_layer = c->n_layer;
    own->bytes = count.used;
    *out = own;
    return true;
}

void ct_adapter_free(ct_adapter *a)
{
    if (!a)
        return;
    ct_arena_deinit(&a->arena);
    free(a->layers);
    free(a);
}
