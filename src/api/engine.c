/* The engine: a model, its kernels and threads, and the one stream of steps its sessions share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "base/log.h"

#define DEFAULT_CHUNK  512
#define MAX_CHUNK      8192
#define DEFAULT_IMAGES 32 /* remembered */
#define DEFAULT_CTX    8192
#define DEFAULT_QUEUE  256
#define DEFAULT_STEP   0.25 /* seconds */
#define MAX_SESSIONS   4096
#define MAX_QUEUE      (1 << 20)

static bool choose_kernels(carat_engine *e, const char *cpu, carat_err *err)
{
    if (!cpu)
        cpu = getenv("CARAT_CPU");
    unsigned mask;
    char msg[160];
    if (!carat_cpu_by_name(cpu, &mask, msg))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    carat_kernels_for(&e->kernels, mask);
    return true;
}

/* Ids that exist but must not be drawn: image placeholders. */
static bool list_banned(carat_engine *e, carat_err *err)
{
    const carat_model *m = e->model;
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (uint32_t id = 0; m->tok && id < m->n_pieces; id++)
            if (!carat_tok_is_samplable(m->tok, (int32_t)id)) {
                if (e->banned)
                    e->banned[n] = (int32_t)id;
                n++;
            }
        e->n_banned = n;
        if (n == 0 || e->banned)
            return true;
        e->banned = calloc(n, sizeof *e->banned);
        if (!e->banned)
            return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu token ids", n);
    }
    return true;
}

/* ---- limits ---- */

static bool choose_limits(carat_engine *e, const carat_options *opt, carat_err *err)
{
    size_t most = e->model->cfg.context;
    e->n_ctx = opt->n_ctx ? opt->n_ctx : most < DEFAULT_CTX ? most : DEFAULT_CTX;
    e->so = (carat_scheduler_options){
        .chunk = opt->chunk ? opt->chunk : DEFAULT_CHUNK,
        .max_jobs = opt->n_sessions ? opt->n_sessions : 1,
        .max_queue = opt->n_queue ? opt->n_queue : DEFAULT_QUEUE,
        .step_seconds = opt->step_seconds > 0 ? opt->step_seconds : DEFAULT_STEP,
    };
    if (e->n_ctx > most)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was asked for, the model has %zu",
                          e->n_ctx, most);
    if (e->so.chunk > MAX_CHUNK)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a chunk of %zu tokens, expected at most %d", e->so.chunk,
                          MAX_CHUNK);
    if (e->so.max_jobs > MAX_SESSIONS || e->so.max_queue > MAX_QUEUE)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu sessions and a queue of %zu, expected at most %d and %d",
                          e->so.max_jobs, e->so.max_queue, MAX_SESSIONS, MAX_QUEUE);
    if (e->so.chunk > e->n_ctx)
        e->so.chunk = e->n_ctx;
    return true;
}

/* The tower, if there is one and it is wanted; its path into `path`. */
static bool open_sight(carat_engine *e, const carat_options *opt, char path[4096], carat_err *err)
{
    bool needed = opt->vision == CARAT_VISION_REQUIRED || opt->mmproj;
    carat_err why;
    path[0] = '\0';
    if (opt->vision == CARAT_VISION_OFF)
        return true;
    bool ok = carat_vision_find(e->model, opt->mmproj, path, &why);
    if (ok && !path[0])
        return !needed ||
               carat_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                          "%s: this model cannot see: no vision tower in it, no mmproj file beside it", e->model->path);
    size_t n = opt->image_cache ? opt->image_cache : DEFAULT_IMAGES;
    const carat_sight_options o = { .exact = opt->is_exact,
                                    .n_slots = n > MAX_CHUNK ? MAX_CHUNK : n,
                                    .step_tokens = e->so.chunk };
    if (ok && carat_sight_open(path, e->model->cfg.hidden, &e->kernels, e->pool, &o, &e->sight, &why))
        return true;
    if (needed || why.code == CARAT_ENOMEM) {
        if (err)
            *err = why;
        return false;
    }
    path[0] = '\0';
    carat_logf(CARAT_LOG_WARN, "text only: %s", why.msg);
    return true;
}

static carat_text_options text_options(const carat_engine *e)
{
    return (carat_text_options){ .max_batch = e->so.batch + e->so.max_jobs,
                                 .max_context = e->n_ctx,
                                 .exact = e->is_exact,
                                 .embed_scale = e->embed_scale };
}

static bool open_text(carat_engine *e, carat_err *err)
{
    size_t n_soft = e->sight ? carat_sight_shape(e->sight)->tokens_per_image : 0;
    e->so.batch = n_soft > e->so.chunk ? n_soft : e->so.chunk;
    const carat_text_options o = text_options(e);
    return carat_text_open(e->model, &e->kernels, e->pool, &o, &e->text, err);
}

/* ---- keys and values ---- */

static carat_cache_options cache_options(const carat_engine *e, const carat_options *opt)
{
    carat_cache_options o = {
        .context = e->n_ctx,
        .n_seqs = e->so.max_jobs,
        .max_batch = carat_job_reach(e->so.batch, e->n_ctx),
        .elem = e->is_exact                      ? CARAT_KV_F32
                : opt->cache == CARAT_CACHE_Q8_0 ? CARAT_KV_Q8_0
                                                 : CARAT_KV_F16,
    };
    if (opt->prefix_cache)
        o.keep_bytes = opt->prefix_cache;
    else { /* three quarters are for local windows: two of them */
        const carat_config *c = &e->model->cfg;
        size_t n_local = 0;
        for (uint32_t i = 0; i < c->n_layer; i++)
            n_local += !c->is_global[i];
        size_t page = 2 * carat_kv_tile_bytes(o.elem, c->head_dim) * c->n_kv_head * n_local;
        o.keep_bytes = 2 * carat_cache_ring_pages(c, e->n_ctx, o.max_batch) * page / 3 * 4;
    }
    return o;
}

static bool open_cache(carat_engine *e, const carat_options *opt, carat_err *err)
{
    const carat_cache_options o = cache_options(e, opt);
    return carat_cache_open(&e->model->cfg, &o, &e->cache, err);
}

static bool open_scheduler(carat_engine *e, carat_err *err)
{
    const carat_scheduler_parts p = {
        .model = e->model, .pool = e->pool, .text = e->text, .sight = e->sight, .cache = e->cache
    };
    return carat_scheduler_open(&p, &e->so, &e->scheduler, err);
}

static void add_up(carat_engine *e, const carat_options *opt)
{
    carat_memory *m = &e->memory;
    carat_cache_stats kv;
    size_t bytes = 0;
    const carat_text_options to = text_options(e);
    const carat_cache_options co = cache_options(e, opt);
    m->weights = e->model->arena.size;
    carat_cache_get_stats(e->cache, &kv);
    m->kv_global = (uint64_t)kv.global.total * kv.global.page_bytes;
    m->kv_local = (uint64_t)kv.local.total * kv.local.page_bytes;
    if (carat_cache_bytes(&e->model->cfg, &co, &bytes))
        m->kv_index = bytes - m->kv_global - m->kv_local;
    if (carat_text_bytes(e->model, &e->kernels, carat_pool_threads(e->pool), &to, &bytes))
        m->work = bytes;
    if (carat_scheduler_bytes(&e->model->cfg, &e->so, &bytes))
        m->logits = bytes;
    if (e->sight) {
        m->vision_weights = e->info->vision_weight_bytes;
        m->vision_work = e->info->vision_work_bytes;
        m->images = carat_sight_memory(e->sight);
    }
    m->total = m->weights + m->vision_weights + m->kv_global + m->kv_local + m->kv_index + m->work + m->vision_work +
               m->images + m->logits;
}

bool carat_engine_open(const char *path, const carat_options *opt, carat_engine **out, carat_err *err)
{
    static const carat_options defaults;
    *out = NULL;
    if (!opt)
        opt = &defaults;
    carat_engine *e = calloc(1, sizeof *e);
    if (!e)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the engine");
    e->is_exact = opt->is_exact;
    e->embed_scale = opt->embed_scale;
    const carat_model_options mo = { .trust_header = opt->trust_header,
                                     .progress = opt->progress,
                                     .progress_arg = opt->progress_arg };
    char vision[4096];
    bool ok = choose_kernels(e, opt->cpu, err) && carat_pool_open(opt->n_threads, &e->pool, err) &&
              carat_model_open(path, &mo, e->pool, &e->model, err) && choose_limits(e, opt, err) &&
              open_sight(e, opt, vision, err) && open_text(e, err) && open_cache(e, opt, err) && list_banned(e, err) &&
              carat_info_new(e->model, e->model->arena.size, vision, &e->kernels, carat_pool_threads(e->pool),
                             e->is_exact, &e->info, err) &&
              open_scheduler(e, err);
    if (!ok) {
        carat_engine_close(e);
        return false;
    }
    add_up(e, opt);
    *out = e;
    return true;
}

void carat_engine_close(carat_engine *e)
{
    if (!e)
        return;
    carat_scheduler_close(e->scheduler);
    carat_cache_close(e->cache);
    carat_model_info_free(e->info);
    carat_text_close(e->text);
    carat_sight_close(e->sight);
    carat_model_close(e->model);
    carat_pool_close(e->pool);
    free(e->banned);
    free(e);
}

carat_memory carat_engine_memory(const carat_engine *e)
{
    return e->memory;
}

carat_stats carat_engine_stats(carat_engine *e)
{
    carat_cache_stats kv;
    carat_sight_stats seen = { 0 };
    carat_scheduler_stats s = carat_scheduler_counters(e->scheduler);
    carat_scheduler_visit(e->scheduler);
    carat_cache_get_stats(e->cache, &kv);
    if (e->sight)
        seen = carat_sight_counters(e->sight);
    carat_scheduler_leave(e->scheduler);
    return (carat_stats){
        .steps = s.steps,
        .prompt_tokens = s.read_tokens,
        .generated_tokens = s.decoded_tokens,
        .cached_tokens = s.cached_tokens,
        .images_encoded = seen.n_encoded,
        .images_cached = seen.n_cached,
        .requests_done = s.done,
        .requests_failed = s.failed,
        .requests_cancelled = s.cancelled,
        .running = s.running,
        .queued = s.queued,
        .kv_bytes_used = (uint64_t)(kv.global.total - kv.global.free) * kv.global.page_bytes +
                         (uint64_t)(kv.local.total - kv.local.free) * kv.local.page_bytes,
        .kv_bytes_promised =
            (uint64_t)kv.global.promised * kv.global.page_bytes + (uint64_t)kv.local.promised * kv.local.page_bytes,
        .evictions = kv.global.evictions + kv.local.evictions,
        .busy_seconds = s.busy_seconds,
    };
}

carat_vocabulary carat_engine_vocabulary(const carat_engine *e)
{
    return (
        carat_vocabulary){ .model = e->model, .kernels = &e->kernels, .banned = e->banned, .n_banned = e->n_banned };
}

size_t carat_engine_n_ctx(const carat_engine *e)
{
    return e->n_ctx;
}

const carat_model_info *carat_engine_info(const carat_engine *e)
{
    return e->info;
}

const carat_tokenizer *carat_engine_tokenizer(const carat_engine *e)
{
    return e->model->tok;
}

int carat_engine_threads(const carat_engine *e)
{
    return carat_pool_threads(e->pool);
}

const char *carat_engine_isa(const carat_engine *e)
{
    return e->kernels.isa;
}

const char *carat_best_isa(void)
{
    carat_kernels k;
    carat_kernels_for(&k, carat_cpu_detect());
    return k.isa;
}
