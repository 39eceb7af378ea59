/* A smaller model beside the engine's: its sizes, its sequences.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/drafter_inside.h"

#include <stdlib.h>

#include "base/size.h"
#include "engine/job.h"
/* ---- sizes ---- */

bool ct_draft_plan_make(const ct_config *c, const ct_cache_options *of, size_t chunk, ct_draft_plan *out,
                        carat_err *err)
{
    ct_cache_size size;
    size_t n_ctx = of->context < c->context ? of->context : c->context;
    *out = (ct_draft_plan){ .n_ctx = n_ctx, .n_places = of->n_seqs < CT_DRAFT_PLACES ? of->n_seqs : CT_DRAFT_PLACES };
    out->chunk = chunk < n_ctx ? chunk : n_ctx;
    size_t reach = out->chunk > CT_MAX_AHEAD ? out->chunk : CT_MAX_AHEAD;
    out->cache = (ct_cache_options){ .context = n_ctx,
                                     .n_seqs = out->n_places,
                                     .max_batch = reach < n_ctx ? reach : n_ctx,
                                     .elem = of->elem,
                                     .keep_bytes = 1 };
    if (!ct_kv_elem_fits(of->elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "keys and values of the draft's %u dimensions cannot be of type q8_0, expected a multiple of %d",
                       c->head_dim, CT_KV_GROUP);
    if (!ct_cache_pages(c, &out->cache, &size))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "the draft's %zu texts of %zu tokens do not fit the address space", out->n_places, n_ctx);
    out->sizes = (ct_sizes){ .max_batch = out->chunk + out->n_places,
                             .max_context = n_ctx,
                             .elem = of->elem,
                             .n_global = size.n[CT_PAGE_GLOBAL],
                             .n_local = size.n[CT_PAGE_LOCAL] };
    return true;
}

static void take_all(ct_drafter *d, const ct_config *c, const ct_draft_plan *plan, ct_arena *a)
{
    for (size_t i = 0; i < plan->n_places; i++)
        d->places[i].ids = ct_arena_take(a, plan->n_ctx, sizeof(int32_t));
    d->inputs = ct_arena_take(a, plan->sizes.max_batch, sizeof(ct_step_input));
    d->logits = ct_arena_take(a, plan->n_places * c->n_vocab, sizeof(float));
}

bool ct_drafter_bytes(const ct_config *c, const ct_draft_plan *plan, size_t *out)
{
    ct_drafter d;
    ct_arena count;
    size_t lists;
    ct_arena_count(&count);
    take_all(&d, c, plan, &count);
    *out = count.used;
    return !count.overflow && ct_kv_list_bytes(plan->n_ctx, &lists) && ct_mul_size(lists, plan->n_places, &lists) &&
           ct_add_size(*out, lists, out);
}

/* ---- opening ---- */

bool ct_drafter_open(const ct_drafter_parts *p, const ct_draft_plan *plan, ct_drafter **out, carat_err *err)
{
    const ct_config *c = &p->model->cfg;
    ct_arena count;
    *out = NULL;
    ct_drafter *d = calloc(1, sizeof *d);
    if (!d)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a draft");
    d->p = *p;
    d->plan = *plan;
    ct_arena_count(&count);
    take_all(d, c, plan, &count);
    bool ok = !count.overflow && ct_arena_init(&d->arena, count.used);
    if (ok)
        take_all(d, c, plan, &d->arena);
    else
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the draft's %zu rows of logits", plan->n_places);
    for (size_t i = 0; i < plan->n_places && ok; i++)
        ok = ct_kv_open(p->cache, plan->n_ctx, &d->places[i].kv, err);
    if (!ok) {
        ct_drafter_close(d);
        return false;
    }
    *out = d;
    return true;
}

void ct_drafter_close(ct_drafter *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < CT_DRAFT_PLACES; i++)
        ct_kv_close(d->places[i].kv);
    ct_arena_deinit(&d->arena);
    free(d);
}
