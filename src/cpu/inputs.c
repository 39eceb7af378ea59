/* What the matrices of layers are multiplied by, squared and summed by column: an importance matrix. Threads split columns and
 * never a sum, so that the sums do not depend on how many there are; they are in float64.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cpu/text_work.h"

#define LAYER_PARTS (CT_N_PARTS - CT_FIRST_LAYER_PART)

struct ct_text_inputs {
    ct_imatrix_entry **of; /* [n_layer][LAYER_PARTS]; NULL: a norm */
    size_t n;
};

static const ct_imatrix_entry *entry_of(ct_imatrix *m, const ct_text *t, size_t layer, ct_part part, carat_err *err)
{
    char name[80];
    const ct_matrix *w = ct_weights_matrix(t->w, part, layer);
    snprintf(name, sizeof name, "blk.%zu.%s", layer, ct_part_get(part)->gguf);
    const ct_imatrix_entry *e = ct_imatrix_find(m, name);
    if (e && e->n != w->cols)
        ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%s' has %zu columns, the model's %zu: it is of another model", name,
                e->n, w->cols);
    else if (!e && !(e = ct_imatrix_add(m, name, w->cols)))
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the inputs of %s", name);
    return e && e->n == w->cols ? e : NULL;
}

/* Twice over the layers: entries move while there come new ones. */
static bool find_entries(ct_text_inputs *in, ct_imatrix *m, const ct_text *t, carat_err *err)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < in->n; i++) {
            const ct_part part = (ct_part)(CT_FIRST_LAYER_PART + i % LAYER_PARTS);
            const ct_imatrix_entry *e;
            if (ct_part_get(part)->is_norm)
                continue;
            if (!(e = entry_of(m, t, i / LAYER_PARTS, part, err)))
                return false;
            in->of[i] = &m->entries[e - m->entries];
        }
    return true;
}

void ct_text_inputs_close(ct_text_inputs *in)
{
    if (!in)
        return;
    free(in->of);
    free(in);
}

bool ct_text_note_inputs(ct_text *t, ct_imatrix *m, carat_err *err)
{
    ct_text_inputs_close(t->inputs);
    t->inputs = NULL;
    if (!m)
        return true;
    ct_text_inputs *in = calloc(1, sizeof *in);
    if (in) {
        in->n = (size_t)t->c->n_layer * LAYER_PARTS;
        in->of = calloc(in->n, sizeof *in->of);
    }
    if (!in || !in->of) {
        ct_text_inputs_close(in);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the inputs of %u layers", t->c->n_layer);
    }
    if (!find_entries(in, m, t, err)) {
        ct_text_inputs_close(in);
        return false;
    }
    t->inputs = in;
    return true;
}

/* The entry of a product's matrix; NULL: it is none of a layer's. */
static ct_imatrix_entry *of_product(const ct_text *t, const ct_matrix *w)
{
    const uintptr_t first = (uintptr_t)t->w->layers, at = (uintptr_t)w;
    if (at < first || (at - first) / sizeof(ct_weight) >= t->inputs->n)
        return NULL;
    return t->inputs->of[(at - first) / sizeof(ct_weight)];
}

void ct_text_add_inputs(ct_text_work *w, const float *x, const ct_product *products, size_t n_products)
{
    const ct_text *t = w->t;
    ct_text_barrier(w); /* rows of other threads */
    for (size_t i = 0; i < n_products; i++) {
        ct_imatrix_entry *e = of_product(t, products[i].w);
        if (!e)
            continue;
        const size_t begin = e->n * (size_t)w->thread / (size_t)w->n_threads;
        const size_t end = e->n * ((size_t)w->thread + 1) / (size_t)w->n_threads;
        for (size_t r = 0; r < w->n; r++)
            for (size_t c = begin; c < end; c++)
                e->sum[c] += (double)x[r * e->n + c] * (double)x[r * e->n + c];
        if (w->thread == 0)
            e->count += (double)w->n;
    }
}
