/* A matrix of a file into its packed form, window by window.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/packing.h"

#include <stdatomic.h>

#include "cpu/holes.h"

/* Source bytes a thread packs at a time. */
#define GRAIN_BYTES ((size_t)1 << 20)
/* Source bytes that are read ahead. */
#define AHEAD_BYTES ((size_t)64 << 20)

size_t ct_pack_window_bytes(int n_threads)
{
    size_t bytes = (size_t)n_threads * 4 * GRAIN_BYTES, least = 8 * GRAIN_BYTES, most = 64 * GRAIN_BYTES;
    return bytes < least ? least : bytes > most ? most : bytes;
}

typedef struct pack_job {
    const ct_matrix *w;
    ct_window *window; /* rows from `first` on */
    size_t stride, panel_bytes, first;
    size_t rows_in_use;
    atomic_size_t zero_rows; /* of them */
    atomic_bool has_failed;
    carat_err err; /* the first one's */
} pack_job;

/* What a thread packs it reads itself, into memory that is still in its cache when it packs. */
static bool read_rows(pack_job *j, size_t from, size_t bytes)
{
    carat_err err;
    if (ct_window_read(j->window, from, bytes, &err))
        return true;
    if (!atomic_exchange(&j->has_failed, true))
        j->err = err;
    return false;
}

/* While the rows are in the cache; a panel of weights ends the look at its first byte or soon after. */
static void note_zeros(pack_job *j, const uint8_t *data, size_t row, size_t n)
{
    size_t first = j->first * CT_PANEL + row;
    if (first + n <= j->rows_in_use && ct_is_zero(data, n * j->stride))
        atomic_fetch_add_explicit(&j->zero_rows, n, memory_order_relaxed);
}

static void pack_panels(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    pack_job *j = arg;
    size_t n_rows = j->w->rows - j->first * CT_PANEL; /* from the window's start */
    size_t last_row = end * CT_PANEL < n_rows ? end * CT_PANEL : n_rows, from = begin * CT_PANEL * j->stride;
    if (!read_rows(j, from, last_row * j->stride - from))
        return;
    for (size_t p = begin; p < end; p++) {
        size_t row = p * CT_PANEL;
        int n = n_rows - row < CT_PANEL ? (int)(n_rows - row) : CT_PANEL;
        const uint8_t *data = j->window->data + row * j->stride;
        note_zeros(j, data, row, (size_t)n);
        ct_pack_panel(j->w->type, data, j->stride, n, j->w->cols, j->w->packed + (j->first + p) * j->panel_bytes);
    }
}

bool ct_matrix_pack(ct_pool *pool, const ct_tensor *t, const ct_matrix *w, ct_window *room, size_t rows_in_use,
                    size_t *zero_rows, bool (*tick)(void *arg, uint64_t bytes), void *arg, carat_err *err)
{
    pack_job j = { .w = w, .window = room, .stride = t->bytes / w->rows, .rows_in_use = rows_in_use };
    size_t n_panels = (w->rows + CT_PANEL - 1) / CT_PANEL, source = j.stride * CT_PANEL;
    size_t slice = ct_pack_window_bytes(ct_pool_threads(pool)) / source, grain = GRAIN_BYTES / source + 1;
    slice = slice ? slice : 1;
    j.panel_bytes = w->bytes / n_panels;
    bool ok = true;
    for (; ok && j.first < n_panels; j.first += slice) {
        size_t n = n_panels - j.first < slice ? n_panels - j.first : slice, from = j.first * source;
        size_t left = t->bytes - from, bytes = n * source < left ? n * source : left; /* the last panel may be padded */
        ct_map_expect(t->map, t->offset + from, AHEAD_BYTES < left ? AHEAD_BYTES : left);
        ok = ct_tensor_prepare(t, from, bytes, room, err);
        if (ok)
            ct_pool_each(pool, n, grain, pack_panels, &j);
        if (ok && j.has_failed) {
            ok = false;
            if (err)
                *err = j.err;
        }
        ok = ok && (!tick || tick(arg, bytes));
    }
    *zero_rows = j.zero_rows;
    return ok;
}
