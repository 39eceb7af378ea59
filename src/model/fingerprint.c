/* A hash that identifies a model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/fingerprint.h"

#include <nettle/sha2.h>
#include <string.h>

_Static_assert(CT_FINGERPRINT == CT_PACK_HASH && CARAT_EMBED_SCALE_BF16 < CT_PACK_SCALES, "packs keep them all");

#define SAMPLE ((size_t)4096)

static void add_number(struct sha256_ctx *h, uint64_t n)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(n >> 8 * i);
    sha256_update(h, sizeof b, b);
}

static bool add_bytes(struct sha256_ctx *h, const ct_tensor *t, size_t from, size_t n, carat_err *err)
{
    ct_window w;
    if (!ct_tensor_window(t, from, n, &w, err))
        return false;
    sha256_update(h, n, w.data);
    ct_window_close(&w);
    return true;
}

typedef struct adding {
    struct sha256_ctx hash;
    const ct_model *m;
    const ct_source *src;
    carat_err *err;
} adding;

/* Parts by numbers that stay as they are: dense layers came later than the others. */
static uint64_t number_of(ct_part part)
{
    if (part == CT_PART_DENSE_1 || part == CT_PART_DENSE_2)
        return 100u + part;
    return part < CT_PART_DENSE_1 ? part : part - (CT_PART_DENSE_2 - CT_PART_DENSE_1 + 1u);
}

static bool add_part(void *arg, ct_part part, size_t layer)
{
    adding *a = arg;
    const ct_tensor *t;
    if (!ct_source_tensor(a->src, &a->m->cfg, part, layer, &t, a->err))
        return false;
    add_number(&a->hash, number_of(part));
    add_number(&a->hash, t->type);
    add_number(&a->hash, t->dims[0]);
    add_number(&a->hash, t->dims[1]);
    size_t n = t->bytes < SAMPLE ? (size_t)t->bytes : SAMPLE;
    return add_bytes(&a->hash, t, 0, n, a->err) && add_bytes(&a->hash, t, (size_t)t->bytes - n, n, a->err);
}

bool ct_fingerprint(const ct_model *m, const ct_source *src, carat_embed_scale scale, uint8_t out[CT_FINGERPRINT],
                    carat_err *err)
{
    const ct_config *c = &m->cfg;
    if (src->pack) { /* that of the model it was made from, so that they share sessions */
        memcpy(out, src->pack->fingerprints + (size_t)scale * CT_FINGERPRINT, CT_FINGERPRINT);
        return true;
    }
    adding a = { .m = m, .src = src, .err = err };
    const uint32_t shape[] = { c->n_layer,   c->hidden,   c->ffn,     c->n_head,
                               c->n_kv_head, c->head_dim, c->n_vocab, c->window };
    sha256_init(&a.hash);
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        add_number(&a.hash, shape[i]);
    add_number(&a.hash, scale);
    for (uint32_t i = 0; i < c->n_layer; i++)
        add_number(&a.hash, c->is_global[i]);
    if (!ct_part_each(c, add_part, &a))
        return false;
    sha256_digest(&a.hash, CT_FINGERPRINT, out);
    return true;
}
