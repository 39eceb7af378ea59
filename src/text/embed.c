/* Token ids -> the first residual rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "text/work.h"

/* Looked-up embeddings are multiplied by sqrt(hidden). The released bfloat16 graph rounds that factor to bfloat16
 * (640: 25.25 for 25.298, 2560: 50.5 for 50.596). */
#define EMBED_SCALE_CHOICE CARAT_EMBED_SCALE_EXACT

float carat_embed_scale_of(uint32_t hidden, carat_embed_scale choice)
{
    float exact = (float)sqrt((double)hidden);
    if (choice == CARAT_EMBED_SCALE_DEFAULT)
        choice = EMBED_SCALE_CHOICE;
    return choice == CARAT_EMBED_SCALE_BF16 ? carat_bf16_to_f32(carat_f32_to_bf16(exact)) : exact;
}

void carat_embed(carat_work *w)
{
    carat_text *t = w->t;
    const carat_matrix *e = &t->m->embed;
    for (size_t r = w->begin; r < w->end; r++) {
        const carat_span *s = &t->spans[t->rows[r].span];
        const carat_input *in = &s->tokens[t->rows[r].pos - carat_kv_len(s->kv)];
        float *x = t->x + r * e->cols;
        if (in->row) { /* an image's soft token: projected to this width already, never scaled */
            memcpy(x, in->row, e->cols * sizeof *x);
            continue;
        }
        carat_packed_row_f32(e->type, e->packed, (size_t)in->id, e->cols, x);
        for (size_t i = 0; i < e->cols; i++)
            x[i] *= t->embed_scale;
    }
    carat_show(w, "embed", t->x, e->cols);
}
