/* Copies keys and descriptions of tensors into the head of a pack.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/pack_keys.h"

#include <string.h>

#include "format/gguf_write.h"

typedef struct copying {
    const ct_checkpoint *c;
    const ct_source *src;
    ct_gguf_writer *w;
    carat_err *err;
} copying;

static bool begin(copying *k, carat_err *err)
{
    k->err = err;
    if (k->src->pack)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: it is a pack already", k->src->path);
    if (!k->src->gguf)
        return ct_fail(
            err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
            "%s: a folder: write it as a GGUF file first (carat quantize MODEL FILE --type bf16), and pack that",
            k->src->path);
    return ct_gguf_create_head(k->src->path, &k->w, err);
}

static bool end(const copying *k, bool ok, ct_buf *out, carat_err *err)
{
    if (ok)
        return ct_gguf_finish_head(k->w, out, err);
    ct_gguf_abandon(k->w);
    return false;
}

static void copy_keys(const copying *k, bool has_vocabulary)
{
    const ct_gguf *g = k->src->gguf;
    for (size_t i = 0; i < ct_gguf_n_kv(g); i++) {
        const ct_gguf_kv *kv = ct_gguf_kv_at(g, i);
        if (has_vocabulary || strncmp(kv->key, "tokenizer.", 10) != 0)
            ct_gguf_writer_copy(k->w, kv);
    }
}

static bool copy_part(void *arg, ct_part part, size_t layer)
{
    const copying *k = arg;
    const ct_tensor *t;
    if (!ct_source_tensor(k->src, &k->c->model->cfg, part, layer, &t, k->err))
        return false;
    ct_gguf_writer_tensor(k->w, t->name, t->type, t->n_dims, t->dims);
    return true;
}

bool ct_pack_text_keys(const ct_checkpoint *c, ct_buf *out, carat_err *err)
{
    copying k = { .c = c, .src = &c->text };
    if (!begin(&k, err))
        return false;
    copy_keys(&k, true);
    return end(&k, ct_part_each(&c->model->cfg, copy_part, &k), out, err);
}

static bool copy_tower_part(void *arg, ct_tower_part part, size_t layer)
{
    const copying *k = arg;
    const ct_tensor *t = ct_tower_tensor(k->c->tower, k->src, part, layer);
    if (!t)
        return ct_fail(k->err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: changed while it was read", k->src->path);
    ct_gguf_writer_tensor(k->w, t->name, t->type, t->n_dims, t->dims);
    return true;
}

bool ct_pack_tower_keys(const ct_checkpoint *c, ct_buf *out, carat_err *err)
{
    copying k = { .c = c, .src = &c->vision };
    if (!begin(&k, err))
        return false;
    copy_keys(&k, false);
    return end(&k, ct_tower_each(&c->tower->cfg, copy_tower_part, &k), out, err);
}
