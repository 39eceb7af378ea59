/* What the threads of a step do between two calls: wait for each other, take pieces, show activations to a trace.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cpu/text_work.h"

void ct_text_barrier(ct_text_work *w)
{
    ct_pool_barrier(w->t->pool);
}

size_t ct_text_next_piece(ct_text_work *w)
{
    return ct_next_of(&w->t->counters[w->counter]);
}

void ct_text_next_call(ct_text_work *w)
{
    w->counter++;
}

void ct_text_show(ct_text_work *w, const char *name, const float *data, size_t cols)
{
    ct_text *t = w->t;
    if (!t->trace)
        return;
    ct_text_barrier(w);
    if (w->thread == 0)
        t->trace(t->trace_arg, name, data, w->n, cols);
    ct_text_barrier(w);
}

void ct_text_show_layer(ct_text_work *w, size_t layer, const char *name, const float *data, size_t cols)
{
    char full[64];
    if (!w->t->trace)
        return;
    snprintf(full, sizeof full, "layer%02zu%s%s", layer, *name ? "." : "", name);
    ct_text_show(w, full, data, cols);
}
