/* Token ids -> the first residual rows. Those of a part are where its layers before have left them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "cpu/text_work.h"

/* Looked-up embeddings are multiplied by sqrt(hidden). The released bfloat16 graph rounds that factor to bfloat16
 * (640: 25.25 for 25.298, 2560: 50.5 for 50.596), so a published shape gets the rounded one; a shape of no published
 * model gets the factor as it is, and so does EmbeddingGemma, which is published in float32.
 *
 * Measured on the real 270M (Q4_K_M), mean negative log-likelihood in nats a token, exact -> rounded factor:
 *   GPL-3, 1499 tokens        f32 activations 2.70363 -> 2.70310     int8 2.70507 -> 2.70710
 *   GFDL-1.3, 4096 tokens     f32 activations 2.70544 -> 2.70524     int8 2.70802 -> 2.70625
 *   MPL-2.0, 3072 tokens      f32 activations 2.22773 -> 2.22763     int8 2.22835 -> 2.22809
 * With float32 activations, without any other noise, rounding is better each time. */
float ct_embed_scale_of(const ct_config *c, carat_embed_scale choice)
{
    float exact = (float)sqrt((double)c->hidden);
    if (choice == CARAT_EMBED_SCALE_DEFAULT)
        choice = c->published && !c->is_encoder ? CARAT_EMBED_SCALE_BF16 : CARAT_EMBED_SCALE_EXACT;
    return choice == CARAT_EMBED_SCALE_BF16 ? ct_bf16_to_f32(ct_f32_to_bf16(exact)) : exact;
}

void ct_text_embed(ct_text_work *w)
{
    ct_text *t = w->t;
    const ct_matrix *e = ct_weights_matrix(t->w, CT_PART_EMBED, 0);
    for (size_t r = w->begin; r < w->end; r++) {
        const ct_step_span *s = &t->spans[t->rows[r].span];
        const ct_step_input *in = &s->tokens[t->rows[r].pos - s->pos];
        float *x = t->x + r * e->cols;
        if (r >= t->n_whole && t->first_layer > 0) {
            memcpy(x, t->kept + (r - t->n_whole) * e->cols, e->cols * sizeof *x);
            continue;
        }
        if (in->is_soft) { /* projected to this width already, never scaled */
            memcpy(x, t->soft->rows + (in->slot * t->soft->n_soft + in->index) * e->cols, e->cols * sizeof *x);
            continue;
        }
        ct_packed_row_f32(e->type, e->packed, (size_t)in->id, e->cols, x);
        for (size_t i = 0; i < e->cols; i++)
            x[i] *= t->embed_scale;
    }
    ct_text_show(w, "embed", t->x, e->cols);
}
