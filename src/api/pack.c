/* Packs: the model as a backend has it in memory, written and checked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/pack.h"
#include "api/internal.h"
#include "api/sized.h"
#include "base/inputs.h"
#include "base/log.h"
#include "model/pack_keys.h"

typedef struct packing {
    const char *path;
    carat_options o;
    ct_pool *pool;
    ct_checkpoint c;
    ct_packed weights;
    ct_pack_new n;
} packing;

static bool check(const packing *k, const char *model, carat_err *err)
{
    if (!model || !k->path)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "packing needs a model and a file for it");
    if (k->o.n_adapters || k->o.draft || k->o.importance)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a pack is of one model: adapters, a draft and an importance matrix are given where it is used");
    return true;
}

/* What the files say. */
static bool describe(packing *k, const char *model, carat_err *err)
{
    const ct_checkpoint_options o = { .trust_header = k->o.trusts_header,
                                      .vision = k->o.vision,
                                      .mmproj = k->o.mmproj };
    if (!ct_checkpoint_open(model, &o, &k->c, err))
        return false;
    const char *const inputs[] = { model, k->o.mmproj, k->c.tower ? k->c.tower->path : NULL };
    if (!ct_inputs_stay(k->path, inputs, sizeof inputs / sizeof *inputs, err) ||
        !ct_pack_text_keys(&k->c, &k->n.parts[CT_PACK_TEXT].keys, err) ||
        (k->c.tower && !ct_pack_tower_keys(&k->c, &k->n.parts[CT_PACK_TOWER].keys, err)))
        return false;
    if (*k->c.note)
        ct_logf(CARAT_LOG_WARN, "%s", k->c.note);
    for (int scale = 0; scale < CT_PACK_SCALES; scale++)
        if (!ct_fingerprint(k->c.model, &k->c.text, (carat_embed_scale)scale, k->n.fingerprints[scale], err))
            return false;
    return ct_model_read_vocab(k->c.model, &k->c.text, err); /* what is wrong with it is said now */
}

static bool pack(packing *k, const char *model, carat_err *err)
{
    const ct_load_progress how = { k->o.progress, k->o.progress_arg };
    if (!check(k, model, err) || !describe(k, model, err) || !ct_pool_share(k->o.n_threads, &k->pool, err) ||
        !ct_pool_start(k->pool, err))
        return false;
    const ct_desc d = { .text = k->c.model, .tower = k->c.tower };
    const ct_files files = { &k->c.text, &k->c.vision };
    k->n.trusts_header = k->o.trusts_header;
    k->n.maker = "carat " CARAT_VERSION;
    return ct_packed_load(&k->weights, &d, &files, k->pool, &how, &k->n, err) &&
           ct_pack_write(&k->n, k->path, k->pool, k->o.progress, k->o.progress_arg, err);
}

bool carat_pack(const char *model, const char *path, const carat_options *o, carat_err *err)
{
    packing k = { .path = path };
    if (!ct_api_options(o, &k.o, err))
        return false;
    for (size_t i = 0; i < CT_PACK_PARTS; i++)
        ct_buf_init(&k.n.parts[i].keys, CT_PACK_MAX_HEAD / 4);
    const bool ok = pack(&k, model, err);
    ct_packed_close(&k.weights);
    for (size_t i = 0; i < CT_PACK_PARTS; i++)
        ct_buf_deinit(&k.n.parts[i].keys);
    ct_checkpoint_close(&k.c);
    ct_pool_close(k.pool);
    return ok;
}

bool carat_pack_check(const char *path, int n_threads, carat_progress_fn *progress, void *arg, carat_err *err)
{
    ct_pack_file *p;
    ct_pool *pool = NULL;
    if (!ct_pack_open(path, &p, err))
        return false;
    const bool ok =
        ct_pool_share(n_threads, &pool, err) && ct_pool_start(pool, err) && ct_pack_check(p, pool, progress, arg, err);
    ct_pool_close(pool);
    ct_pack_close(p);
    return ok;
}
