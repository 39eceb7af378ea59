/* Hashes a model's shape and a sample of its weights.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fingerprint.h"

#include <nettle/sha2.h>

#define SAMPLE ((size_t)4096)

static void add_number(struct sha256_ctx *h, uint64_t n)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(n >> 8 * i);
    sha256_update(h, sizeof b, b);
}

static void add_matrix(struct sha256_ctx *h, const ct_matrix *m)
{
    add_number(h, m->type);
    add_number(h, m->rows);
    add_number(h, m->cols);
    size_t n = m->bytes < SAMPLE ? m->bytes : SAMPLE;
    sha256_update(h, n, m->packed);
    sha256_update(h, n, m->packed + m->bytes - n);
}

static void add_norm(struct sha256_ctx *h, const float *w, size_t n)
{
    sha256_update(h, n * sizeof *w, (const uint8_t *)w);
}

static void add_layer(struct sha256_ctx *h, const ct_config *c, const ct_layer *l)
{
    const ct_matrix *matrices[] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down };
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        add_matrix(h, matrices[i]);
    add_norm(h, l->attn_norm, c->hidden);
    add_norm(h, l->q_norm, c->head_dim);
    add_norm(h, l->k_norm, c->head_dim);
    add_norm(h, l->post_attn_norm, c->hidden);
    add_norm(h, l->ffn_norm, c->hidden);
    add_norm(h, l->post_ffn_norm, c->hidden);
}

void ct_fingerprint(const ct_model *m, carat_embed_scale scale, uint8_t out[CT_FINGERPRINT])
{
    struct sha256_ctx h;
    const ct_config *c = &m->cfg;
    sha256_init(&h);
    const uint32_t shape[] = { c->n_layer,   c->hidden,   c->ffn,     c->n_head,
                               c->n_kv_head, c->head_dim, c->n_vocab, c->window };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        add_number(&h, shape[i]);
    add_number(&h, scale);
    add_matrix(&h, &m->embed);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        add_number(&h, c->is_global[i]);
        add_layer(&h, c, &m->layers[i]);
    }
    add_norm(&h, m->final_norm, c->hidden);
    sha256_digest(&h, CT_FINGERPRINT, out);
}
