/* What an engine sets up for its options.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

#define DEFAULT_CHUNK  512
#define MAX_CHUNK      8192
#define DEFAULT_IMAGES 32 /* remembered */
#define DEFAULT_CTX    8192
#define DEFAULT_QUEUE  256
#define DEFAULT_STEP   0.25 /* seconds */
#define MAX_SESSIONS   4096
#define ENCODER_JOBS   64  /* texts of an encoder in a step: chunks of short ones are full, too */
#define ENCODER_PAGES  256 /* of either kind, at least: they hold one layer each */
#define MAX_QUEUE      (1 << 20)

static bool check(const ct_config *c, const ct_plan *p, carat_err *err)
{
    const ct_scheduler_options *s = &p->steps;
    if (p->n_ctx > c->context)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was requested, but the model has %u",
                       p->n_ctx, c->context);
    if (s->chunk > MAX_CHUNK)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a chunk of %zu tokens, expected at most %d", s->chunk,
                       MAX_CHUNK);
    if (s->max_jobs > MAX_SESSIONS || s->max_queue > MAX_QUEUE)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu sessions and a queue of %zu, expected at most %d and %d",
                       s->max_jobs, s->max_queue, MAX_SESSIONS, MAX_QUEUE);
    return true;
}

/* Bytes of the prefix cache by default. Three quarters are for local windows (kv/cache.h): two of them. */
static size_t two_windows(const ct_config *c, const ct_cache_options *o)
{
    size_t page = ct_page_bytes(c, o->elem, CT_PAGE_LOCAL);
    return 2 * ct_cache_ring_pages(c, o->context, o->max_batch) * page / 3 * 4;
}

/* An encoder's keys and values are of the step's texts and of one layer: they are kept as they are. */
static ct_kv_elem elem_of(const ct_config *c, const carat_options *o)
{
    return o->is_exact || c->is_encoder ? CT_KV_F32 : o->cache == CARAT_CACHE_Q8_0 ? CT_KV_Q8_0 : CT_KV_F16;
}

/* Texts of a full context whose pages are as many as ENCODER_PAGES, or two: so many tokens may wait for a step. */
static size_t texts_at_once(size_t n_ctx)
{
    const size_t each = (n_ctx + CT_TILE - 1) / CT_TILE, n = ENCODER_PAGES / each;
    return n < 2 ? 2 : n < ENCODER_JOBS ? n : ENCODER_JOBS;
}

static bool plan_cache(const ct_config *c, const carat_options *o, ct_plan *p, carat_err *err)
{
    ct_cache_size size;
    p->cache = (ct_cache_options){ .context = p->n_ctx,
                                   .n_seqs = p->steps.max_jobs,
                                   .max_batch = ct_job_reach(p->steps.batch, p->n_ctx),
                                   .elem = elem_of(c, o) };
    if (c->is_encoder)
        p->cache.n_seqs = texts_at_once(p->n_ctx);
    else
        p->cache.keep_bytes = o->prefix_cache ? o->prefix_cache : two_windows(c, &p->cache);
    if (!ct_kv_elem_fits(p->cache.elem, c->head_dim))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "keys and values of %u dimensions cannot be of type q8_0, expected a multiple of %d",
                       c->head_dim, CT_KV_GROUP);
    if (!ct_cache_pages(c, &p->cache, &size))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu sessions of %zu tokens do not fit the address space",
                       p->cache.n_seqs, p->cache.context);
    p->sizes.elem = p->cache.elem;
    p->sizes.n_global = size.n[CT_PAGE_GLOBAL];
    p->sizes.n_local = size.n[CT_PAGE_LOCAL];
    return true;
}

bool ct_plan_make(const ct_config *c, const ct_vision_config *tower, const carat_options *o, ct_plan *p, carat_err *err)
{
    size_t n_soft = tower ? tower->tokens_per_image : 0, n_images = o->image_cache ? o->image_cache : DEFAULT_IMAGES;
    *p = (ct_plan){ .n_ctx = o->n_ctx ? o->n_ctx : c->context < DEFAULT_CTX ? c->context : DEFAULT_CTX };
    p->steps = (ct_scheduler_options){
        .chunk = o->chunk ? o->chunk : DEFAULT_CHUNK,
        .max_jobs = o->n_sessions ? o->n_sessions : 1,
        .max_queue = o->n_queue ? o->n_queue : DEFAULT_QUEUE,
        .step_seconds = o->step_seconds > 0 ? o->step_seconds : DEFAULT_STEP,
    };
    if (c->is_encoder)
        p->steps.max_jobs = ENCODER_JOBS;
    if (!check(c, p, err))
        return false;
    if (p->steps.chunk > p->n_ctx && !c->is_encoder)
        p->steps.chunk = p->n_ctx;
    p->steps.batch = n_soft > p->steps.chunk ? n_soft : p->steps.chunk;
    if (c->is_encoder && p->n_ctx > p->steps.batch) /* a text is never cut */
        p->steps.batch = p->n_ctx;
    p->sizes = (ct_sizes){ .max_batch = p->steps.batch + p->steps.max_jobs,
                           .max_context = p->n_ctx,
                           .embed_scale = o->embed_scale };
    if (tower)
        p->sizes.n_slots = ct_image_cache_slots(tower, n_images > MAX_CHUNK ? MAX_CHUNK : n_images, p->steps.chunk);
    return plan_cache(c, o, p, err);
}
