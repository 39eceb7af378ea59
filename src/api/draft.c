/* The smaller model: opened like an engine's, with a vocabulary that must be the engine's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/draft.h"

#include <string.h>

#include "api/internal.h"

bool ct_api_draft_describe(ct_api_draft *d, const carat_options *o, const ct_model *of, ct_pool *pool, carat_err *err)
{
    const ct_checkpoint_options c = { .trust_header = o->trusts_header, .vision = CARAT_VISION_OFF };
    if (!ct_api_open_backend(o, pool, &d->backend, err) || !ct_checkpoint_open(o->draft, &c, &d->checkpoint, err))
        return false;
    const ct_model *m = d->checkpoint.model;
    return (!m->cfg.is_encoder && !of->cfg.is_encoder) ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: an embedding model writes no text: it %s", o->draft,
                   m->cfg.is_encoder ? "cannot draft" : "needs no draft");
}

bool ct_api_draft_plan(ct_api_draft *d, const ct_cache_options *of, size_t chunk, carat_err *err)
{
    const ct_desc desc = { d->checkpoint.model, NULL };
    return ct_draft_plan_make(&desc.text->cfg, of, chunk, &d->plan, err) &&
           d->backend.bytes(d->backend.self, &desc, &d->plan.sizes, &d->footprint, err);
}

/* Rows past the pieces that both have may differ: a model that sees has a token for images behind the others. */
#define MOST_MORE 256

static bool same_vocabulary(const ct_model *a, const ct_model *of, carat_err *err)
{
    const char *path = a->path;
    if (!a->tok || !of->tok)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: %s has no vocabulary, so it cannot be known whether this one can draft for it", path,
                       a->tok ? "the model" : "the draft");
    const uint32_t n = a->n_pieces < of->n_pieces ? a->n_pieces : of->n_pieces;
    if (a->n_pieces - n > MOST_MORE || of->n_pieces - n > MOST_MORE)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: the draft's vocabulary has %u tokens, the model's %u: it must be the same", path,
                       a->n_pieces, of->n_pieces);
    for (uint32_t i = 0; i < n; i++) {
        size_t la, lb;
        const char *x = ct_tok_bytes(a->tok, (int32_t)i, &la), *y = ct_tok_bytes(of->tok, (int32_t)i, &lb);
        if (la != lb || memcmp(x, y, la) != 0)
            return ct_fail(
                err, CARAT_EUNSUPPORTED, i,
                "%s: token %u of the draft's vocabulary is '%.*s', of the model's '%.*s': it must be the same", path, i,
                (int)(la < 40 ? la : 40), x, (int)(lb < 40 ? lb : 40), y);
    }
    return true;
}

bool ct_api_draft_load(ct_api_draft *d, const ct_model *of, const ct_load_progress *how, carat_err *err)
{
    ct_model *m = d->checkpoint.model;
    const ct_desc desc = { m, NULL };
    const ct_files files = { &d->checkpoint.text, NULL };
    bool ok = ct_model_read_vocab(m, &d->checkpoint.text, err) && same_vocabulary(m, of, err) &&
              d->backend.load(d->backend.self, &desc, &files, &d->plan.sizes, how, err);
    ct_checkpoint_close_files(&d->checkpoint);
    return ok;
}

bool ct_api_draft_open(ct_api_draft *d, carat_err *err)
{
    ct_drafter_parts p = { .model = d->checkpoint.model, .backend = &d->backend };
    if (!ct_cache_open(&p.model->cfg, &d->plan.cache, &d->backend, &d->cache, err))
        return false;
    p.cache = d->cache;
    return ct_drafter_open(&p, &d->plan, &d->drafter, err);
}

void ct_api_draft_close(ct_api_draft *d)
{
    ct_drafter_close(d->drafter);
    ct_cache_close(d->cache);
    if (d->backend.close)
        d->backend.close(d->backend.self);
    ct_checkpoint_close(&d->checkpoint);
    *d = (ct_api_draft){ 0 };
}

uint64_t ct_api_draft_mapped(const ct_api_draft *d)
{
    return d->checkpoint.model ? d->footprint.mapped : 0;
}

uint64_t ct_api_draft_bytes(const ct_api_draft *d)
{
    const ct_model *m = d->checkpoint.model;
    size_t books = 0, own = 0;
    if (!m || !ct_cache_bytes(&m->cfg, &d->plan.cache, &books) || !ct_drafter_bytes(&m->cfg, &d->plan, &own))
        return 0;
    return d->footprint.weights + d->footprint.pages + d->footprint.scratch + books + own;
}
