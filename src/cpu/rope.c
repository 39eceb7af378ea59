/* Rotary position embedding (arXiv:2104.09864), halves paired: (x[i], x[i + d/2]).
 *
 * The frequencies are float32, as the reference holds them; the angle and its cosine are computed in double, so that
 * position 100 000 is as exact as position 1.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "cpu/text_work.h"

static void fill(float *cs, const float *inv_freq, size_t pos, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        double angle = (double)pos * (double)inv_freq[i];
        cs[i] = (float)cos(angle);
        cs[half + i] = (float)sin(angle);
    }
}

void ct_text_rope_tables(ct_text_work *w)
{
    ct_text *t = w->t;
    size_t dim = t->c->head_dim;
    for (size_t r = w->begin; r < w->end; r++) {
        fill(t->rope_local + r * dim, t->inv_freq_local, t->rows[r].pos, dim / 2);
        fill(t->rope_global + r * dim, t->inv_freq_global, t->rows[r].pos, dim / 2);
    }
}

void ct_text_rotate(ct_text_work *w, size_t layer)
{
    ct_text *t = w->t;
    const ct_config *c = t->c;
    const float *table = c->is_global[layer] ? t->rope_global : t->rope_local;
    for (size_t r = w->begin; r < w->end; r++) {
        const float *cs = table + r * c->head_dim;
        for (size_t h = 0; h < c->n_head; h++)
            t->k->rope(t->q + r * t->q_dim + h * c->head_dim, cs, c->head_dim);
        for (size_t h = 0; h < c->n_kv_head; h++)
            t->k->rope(t->key + r * t->kv_dim + h * c->head_dim, cs, c->head_dim);
    }
}
