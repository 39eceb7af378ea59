/* The engine: a model, its kernels and threads, and the one stream of steps its sessions share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/admit.h"
#include "api/internal.h"
#include "api/sized.h"
#include "base/log.h"

static bool choose_kernels(carat_engine *e, const char *cpu, carat_err *err)
{
    if (!cpu)
        cpu = getenv("CARAT_CPU");
    unsigned mask;
    char msg[160];
    if (!ct_cpu_by_name(cpu, &mask, msg))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    ct_kernels_for(&e->kernels, mask);
    return true;
}

/* Ids that exist but must not be drawn: image placeholders. */
static bool list_banned(carat_engine *e, carat_err *err)
{
    const ct_model *m = e->model;
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (uint32_t id = 0; m->tok && id < m->n_pieces; id++)
            if (!ct_tok_is_samplable(m->tok, (int32_t)id)) {
                if (e->banned)
                    e->banned[n] = (int32_t)id;
                n++;
            }
        e->n_banned = n;
        if (n == 0 || e->banned)
            return true;
        e->banned = calloc(n, sizeof *e->banned);
        if (!e->banned)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu token ids", n);
    }
    return true;
}

/* ---- parts ---- */

static bool make_plan(carat_engine *e, const carat_options *opt, carat_err *err)
{
    return ct_plan_make(&e->model->cfg, e->sight ? ct_image_cache_shape(e->sight) : NULL, opt, &e->plan, err);
}

/* The tower, if there is one and it is wanted; its path into `path`. */
static bool open_sight(carat_engine *e, const carat_options *opt, char path[4096], carat_err *err)
{
    bool needed = opt->vision == CARAT_VISION_REQUIRED || opt->mmproj;
    carat_err why;
    path[0] = '\0';
    if (opt->vision == CARAT_VISION_OFF)
        return true;
    bool ok = ct_vision_find(e->model, opt->mmproj, path, &why);
    if (ok && !path[0])
        return !needed ||
               ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: this model cannot see: no vision tower in it, no mmproj file beside it", e->model->path);
    if (ok && ct_image_cache_open(path, e->model->cfg.hidden, &e->kernels, e->pool, &e->plan.sight, &e->sight, &why))
        return true;
    if (needed || why.code == CARAT_ENOMEM) {
        if (err)
            *err = why;
        return false;
    }
    path[0] = '\0';
    ct_logf(CARAT_LOG_WARN, "text only: %s", why.msg);
    return true;
}

static bool open_scheduler(carat_engine *e, carat_err *err)
{
    const ct_scheduler_parts p = {
        .model = e->model, .pool = e->pool, .text = e->text, .sight = e->sight, .cache = e->cache
    };
    return ct_scheduler_open(&p, &e->plan.steps, &e->scheduler, err);
}

static void add_up(carat_engine *e)
{
    carat_memory *m = &e->memory;
    ct_cache_stats kv;
    size_t bytes = 0;
    m->weights = e->model->arena.size;
    ct_cache_get_stats(e->cache, &kv);
    m->kv_global = (uint64_t)kv.global.total * kv.global.page_bytes;
    m->kv_local = (uint64_t)kv.local.total * kv.local.page_bytes;
    if (ct_cache_bytes(&e->model->cfg, &e->plan.cache, &bytes))
        m->kv_index = bytes - m->kv_global - m->kv_local;
    if (ct_text_bytes(e->model, &e->kernels, ct_pool_threads(e->pool), &e->plan.text, &bytes))
        m->work = bytes;
    if (ct_scheduler_bytes(&e->model->cfg, &e->plan.steps, &bytes))
        m->logits = bytes;
    if (ct_seq_bytes(e->plan.n_ctx, e->model->cfg.hidden, &bytes))
        m->session = bytes;
    if (e->sight) {
        m->vision_weights = e->info->vision_weight_bytes;
        m->vision_work = e->info->vision_work_bytes;
        m->images = ct_image_cache_memory(e->sight);
    }
    m->total = m->weights + m->vision_weights + m->kv_global + m->kv_local + m->kv_index + m->work + m->vision_work +
               m->images + m->logits;
}

typedef struct opening {
    carat_engine *e;
    ct_admission admission;
} opening;

/* Threads have stacks: they wait until it is known that there is room. */
static bool admit(void *arg, const ct_model *m, size_t weight_bytes, carat_err *err)
{
    opening *o = arg;
    return ct_admit(&o->admission, m, weight_bytes, err) && ct_pool_start(o->e->pool, err);
}

/* opt may come back smaller: ct_admit. */
static bool open_model(opening *op, const char *path, carat_options *opt, carat_err *err)
{
    carat_engine *e = op->e;
    op->admission = (ct_admission){ .options = opt, .kernels = &e->kernels, .n_threads = ct_pool_threads(e->pool) };
    const ct_model_options o = { .trust_header = opt->trust_header,
                                 .admit = admit,
                                 .admit_arg = op,
                                 .progress = opt->progress,
                                 .progress_arg = opt->progress_arg };
    return ct_model_open(path, &o, e->pool, &e->model, err);
}

bool carat_engine_open(const char *path, const carat_options *opt, carat_engine **out, carat_err *err)
{
    *out = NULL;
    carat_err none;
    if (!err)
        err = &none;
    carat_options o; /* admission may make it smaller */
    if (!CT_TAKE(carat_options, opt, &o, err))
        return false;
    carat_engine *e = calloc(1, sizeof *e);
    if (!e)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the engine");
    e->is_exact = o.is_exact;
    e->embed_scale = o.embed_scale;
    char vision[4096];
    opening op = { .e = e };
    bool ok = choose_kernels(e, o.cpu, err) && ct_pool_new(o.n_threads, &e->pool, err) &&
              open_model(&op, path, &o, err) && make_plan(e, &o, err) && open_sight(e, &o, vision, err) &&
              make_plan(e, &o, err) && ct_text_open(e->model, &e->kernels, e->pool, &e->plan.text, &e->text, err) &&
              ct_cache_open(&e->model->cfg, &e->plan.cache, &e->cache, err) && list_banned(e, err) &&
              ct_info_new(e->model, e->model->arena.size, vision, &e->kernels, ct_pool_threads(e->pool), e->is_exact,
                          &e->info, err) &&
              open_scheduler(e, err);
    if (!ok) {
        carat_engine_close(e);
        ct_admit_explain(&op.admission, path, err);
        return false;
    }
    add_up(e);
    *out = e;
    return true;
}

void carat_engine_close(carat_engine *e)
{
    if (!e)
        return;
    ct_scheduler_close(e->scheduler);
    ct_cache_close(e->cache);
    carat_model_info_free(e->info);
    ct_text_close(e->text);
    ct_image_cache_close(e->sight);
    ct_model_close(e->model);
    ct_pool_close(e->pool);
    free(e->banned);
    free(e);
}

const carat_memory *carat_engine_memory(const carat_engine *e)
{
    return &e->memory;
}

bool carat_engine_stats(carat_engine *e, carat_stats *out, carat_err *err)
{
    if (!CT_CAN_GIVE(carat_stats, out, err))
        return false;
    const ct_scheduler_stats s = ct_scheduler_counters(e->scheduler);
    const carat_stats stats = {
        .steps = s.steps,
        .prompt_tokens = s.read_tokens,
        .generated_tokens = s.decoded_tokens,
        .cached_tokens = s.cached_tokens,
        .images_encoded = s.sight.n_encoded,
        .images_cached = s.sight.n_cached,
        .requests_done = s.done,
        .requests_failed = s.failed,
        .requests_cancelled = s.cancelled,
        .running = s.running,
        .queued = s.queued,
        .kv_bytes_used = s.kv.used_bytes,
        .kv_bytes_promised = s.kv.promised_bytes,
        .evictions = s.kv.evictions,
        .busy_seconds = s.busy_seconds,
    };
    CT_GIVE(carat_stats, &stats, out);
    return true;
}

bool carat_engine_drain(carat_engine *e, double seconds, carat_err *err)
{
    return ct_scheduler_drain(e->scheduler, seconds, err);
}

ct_vocabulary ct_engine_vocabulary(const carat_engine *e)
{
    return (ct_vocabulary){ .model = e->model, .kernels = &e->kernels, .banned = e->banned, .n_banned = e->n_banned };
}

size_t carat_engine_n_ctx(const carat_engine *e)
{
    return e->plan.n_ctx;
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
    return ct_pool_threads(e->pool);
}

const char *carat_engine_isa(const carat_engine *e)
{
    return e->kernels.isa;
}

const char *carat_best_isa(void)
{
    ct_kernels k;
    ct_kernels_for(&k, ct_cpu_detect());
    return k.isa;
}
