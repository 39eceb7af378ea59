/* One decoder layer, as in the Gemma 3 report (arXiv:2503.19786, section 2) and the reference implementation:
 *
 *   x += post_attn_norm(W_o attention(rope(q_norm(W_q h)), rope(k_norm(W_k h)), W_v h))     h = attn_norm(x)
 *   x += post_ffn_norm(W_down (gelu(W_gate h) * W_up h))                                    h = ffn_norm(x)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_work.h"

static const ct_matrix *matrix(const ct_text_work *w, ct_part part, size_t layer)
{
    return ct_weights_matrix(w->t->w, part, layer);
}

static const float *norm_of(const ct_text_work *w, ct_part part, size_t layer)
{
    return ct_weights_norm(w->t->w, part, layer);
}

/* norm = RMSNorm(x) */
static void norm(ct_text_work *w, const float *weight)
{
    ct_text *t = w->t;
    size_t n = t->c->hidden;
    for (size_t r = w->begin; r < w->end; r++)
        t->k->rmsnorm(t->norm + r * n, t->x + r * n, weight, n, t->c->eps);
}

/* x += RMSNorm(y): the norm after a block and its residual. */
static void add_norm(ct_text_work *w, size_t layer, const float *weight, const char *name)
{
    ct_text *t = w->t;
    size_t n = t->c->hidden;
    if (t->trace) { /* the fused kernel never holds what the reference calls the norm's output */
        for (size_t r = w->begin; r < w->end; r++)
            t->k->rmsnorm(t->norm + r * n, t->y + r * n, weight, n, t->c->eps);
        ct_text_show_layer(w, layer, name, t->norm, n);
    }
    for (size_t r = w->begin; r < w->end; r++)
        t->k->rmsnorm_add(t->x + r * n, t->y + r * n, weight, n, t->c->eps);
}

static void norm_heads(ct_text_work *w, float *x, size_t n_heads, const float *weight)
{
    ct_text *t = w->t;
    size_t dim = t->c->head_dim;
    for (size_t i = w->begin * n_heads; i < w->end * n_heads; i++)
        t->k->rmsnorm(x + i * dim, x + i * dim, weight, dim, t->c->eps);
}

static void store(ct_text_work *w, size_t layer)
{
    ct_text *t = w->t;
    size_t dim = t->c->head_dim;
    for (size_t r = w->begin; r < w->end; r++) {
        const ct_step_span *span = &t->spans[t->rows[r].span];
        size_t pos = t->rows[r].pos;
        for (size_t h = 0; h < t->c->n_kv_head; h++) {
            void *k, *v;
            ct_text_tile(t, span, layer, h, pos / CT_TILE, &k, &v);
            t->k->kv_put(t->pages->elem, k, v, pos % CT_TILE, t->key + r * t->kv_dim + h * dim,
                         t->v + r * t->kv_dim + h * dim, dim);
        }
    }
}

static void gate_up(ct_text_work *w)
{
    ct_text *t = w->t;
    size_t n = t->c->ffn;
    for (size_t r = w->begin; r < w->end; r++)
        t->k->geglu(t->gate + r * n, t->gate + r * n, t->up + r * n, n);
}

static void attention_block(ct_text_work *w, size_t layer)
{
    ct_text *t = w->t;
    const ct_config *c = t->c;
    norm(w, norm_of(w, CT_PART_ATTN_NORM, layer));
    ct_text_show_layer(w, layer, "input_layernorm", t->norm, c->hidden);
    ct_text_linear(w, t->norm,
                   (ct_product[]){ { matrix(w, CT_PART_Q, layer), t->q },
                                   { matrix(w, CT_PART_K, layer), t->key },
                                   { matrix(w, CT_PART_V, layer), t->v } },
                   3);
    ct_text_adapt(w, layer, t->norm, (ct_adapt[]){ { CT_PART_Q, t->q }, { CT_PART_K, t->key }, { CT_PART_V, t->v } },
                  3);
    ct_text_show_layer(w, layer, "self_attn.q_proj", t->q, t->q_dim);
    ct_text_show_layer(w, layer, "self_attn.k_proj", t->key, t->kv_dim);
    ct_text_show_layer(w, layer, "self_attn.v_proj", t->v, t->kv_dim);
    norm_heads(w, t->q, c->n_head, norm_of(w, CT_PART_Q_NORM, layer));
    norm_heads(w, t->key, c->n_kv_head, norm_of(w, CT_PART_K_NORM, layer));
    ct_text_show_layer(w, layer, "self_attn.q_norm", t->q, t->q_dim);
    ct_text_show_layer(w, layer, "self_attn.k_norm", t->key, t->kv_dim);
    ct_text_rotate(w, layer);
    store(w, layer);
    ct_text_attention(w, layer);
    ct_text_show_layer(w, layer, "self_attn.heads_out", t->heads, t->q_dim);
    ct_text_linear(w, t->heads, (ct_product[]){ { matrix(w, CT_PART_O, layer), t->y } }, 1);
    ct_text_adapt(w, layer, t->heads, (ct_adapt[]){ { CT_PART_O, t->y } }, 1);
    ct_text_show_layer(w, layer, "self_attn.o_proj", t->y, c->hidden);
    add_norm(w, layer, norm_of(w, CT_PART_POST_ATTN_NORM, layer), "post_attention_layernorm");
}

static void ffn_block(ct_text_work *w, size_t layer)
{
    ct_text *t = w->t;
    const ct_config *c = t->c;
    norm(w, norm_of(w, CT_PART_FFN_NORM, layer));
    ct_text_show_layer(w, layer, "pre_feedforward_layernorm", t->norm, c->hidden);
    ct_text_linear(
        w, t->norm,
        (ct_product[]){ { matrix(w, CT_PART_GATE, layer), t->gate }, { matrix(w, CT_PART_UP, layer), t->up } }, 2);
    ct_text_adapt(w, layer, t->norm, (ct_adapt[]){ { CT_PART_GATE, t->gate }, { CT_PART_UP, t->up } }, 2);
    ct_text_show_layer(w, layer, "mlp.gate_proj", t->gate, c->ffn);
    gate_up(w);
    ct_text_linear(w, t->gate, (ct_product[]){ { matrix(w, CT_PART_DOWN, layer), t->y } }, 1);
    ct_text_adapt(w, layer, t->gate, (ct_adapt[]){ { CT_PART_DOWN, t->y } }, 1);
    ct_text_show_layer(w, layer, "mlp", t->y, c->hidden);
    add_norm(w, layer, norm_of(w, CT_PART_POST_FFN_NORM, layer), "post_feedforward_layernorm");
}

void ct_text_layer(ct_text_work *w, size_t layer)
{
    attention_block(w, layer);
    ffn_block(w, layer);
    ct_text_show_layer(w, layer, "", w->t->x, w->t->c->hidden);
}

void ct_text_final_norm(ct_text_work *w)
{
    norm(w, norm_of(w, CT_PART_FINAL_NORM, 0));
    ct_text_show(w, "final_norm", w->t->norm, w->t->c->hidden);
}
