/* SPDX-License-Identifier: Apache-2.0 */
#include "model/packing.h"

/* Source bytes between two ticks. */
#define SLICE_BYTES ((size_t)64 << 20)
/* Source bytes a thread packs at a time. */
#define GRAIN_BYTES ((size_t)1 << 20)

typedef struct pack_job {
    const carat_tensor *t;
    const carat_matrix *w;
    size_t stride, panel_bytes, first;
} pack_job;

static void pack_panels(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    pack_job *j = arg;
    begin += j->first;
    end += j->first;
    size_t last_row = end * CARAT_PANEL < j->w->rows ? end * CARAT_PANEL : j->w->rows;
    for (size_t p = begin; p < end; p++) {
        size_t row = p * CARAT_PANEL;
        int n = j->w->rows - row < CARAT_PANEL ? (int)(j->w->rows - row) : CARAT_PANEL;
        carat_pack_panel(j->w->type, j->t->data + row * j->stride, j->stride, n, j->w->cols,
                         j->w->packed + p * j->panel_bytes);
    }
    size_t from = begin * CARAT_PANEL * j->stride;
    carat_map_release(j->t->map, j->t->offset + from, last_row * j->stride - from);
}

bool carat_matrix_pack(carat_pool *pool, const carat_tensor *t, const carat_matrix *w,
                       bool (*tick)(void *arg, uint64_t bytes), void *arg)
{
    pack_job j = { .t = t, .w = w, .stride = t->bytes / w->rows };
    size_t n_panels = (w->rows + CARAT_PANEL - 1) / CARAT_PANEL, source = j.stride * CARAT_PANEL;
    j.panel_bytes = w->bytes / n_panels;
    size_t slice = SLICE_BYTES / source + 1, grain = GRAIN_BYTES / source + 1;
    for (; j.first < n_panels; j.first += slice) {
        size_t n = n_panels - j.first < slice ? n_panels - j.first : slice, from = j.first * source;
        size_t bytes = n * source < t->bytes - from ? n * source : t->bytes - from; /* the last panel may be padded */
        carat_map_expect(t->map, t->offset + from, bytes);
        carat_pool_each(pool, n, grain, pack_panels, &j);
        if (tick && !tick(arg, bytes))
            return false;
    }
    return true;
}
