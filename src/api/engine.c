/* The engine: a model, its kernels and threads, and the one stream of steps its sessions share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "base/log.h"

#define DEFAULT_CHUNK  512
#define MAX_CHUNK      8192
#define DEFAULT_IMAGES 32 /* remembered */

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

static bool choose_chunk(carat_engine *e, const carat_options *opt, carat_err *err)
{
    e->chunk = opt->chunk ? opt->chunk : DEFAULT_CHUNK;
    if (e->chunk > MAX_CHUNK)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a chunk of %zu tokens, expected at most %d", e->chunk,
                          MAX_CHUNK);
    if (e->chunk > e->model->cfg.context)
        e->chunk = e->model->cfg.context;
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
                                    .step_tokens = e->chunk };
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

static bool open_text(carat_engine *e, const carat_options *opt, carat_err *err)
{
    e->max_batch = e->chunk;
    if (e->sight && carat_sight_shape(e->sight)->tokens_per_image > e->max_batch)
        e->max_batch = carat_sight_shape(e->sight)->tokens_per_image;
    const carat_text_options o = {
        .max_batch = e->max_batch,
        .max_context = e->model->cfg.context,
        .exact = opt->is_exact,
        .embed_scale = opt->embed_scale,
    };
    return carat_text_open(e->model, &e->kernels, e->pool, &o, &e->text, err);
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
    e->has_lock = pthread_mutex_init(&e->lock, NULL) == 0;
    const carat_model_options mo = { .trust_header = opt->trust_header,
                                     .progress = opt->progress,
                                     .progress_arg = opt->progress_arg };
    char vision[4096];
    bool ok = (e->has_lock || carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the engine's lock")) &&
              choose_kernels(e, opt->cpu, err) && carat_pool_open(opt->n_threads, &e->pool, err) &&
              carat_model_open(path, &mo, e->pool, &e->model, err) && choose_chunk(e, opt, err) &&
              open_sight(e, opt, vision, err) && open_text(e, opt, err) && list_banned(e, err) &&
              carat_info_new(e->model, e->model->arena.size, vision, &e->kernels, carat_pool_threads(e->pool),
                             e->is_exact, &e->info, err);
    if (!ok) {
        carat_engine_close(e);
        return false;
    }
    *out = e;
    return true;
}

void carat_engine_close(carat_engine *e)
{
    if (!e)
        return;
    carat_model_info_free(e->info);
    carat_text_close(e->text);
    carat_sight_close(e->sight);
    carat_model_close(e->model);
    carat_pool_close(e->pool);
    if (e->has_lock)
        pthread_mutex_destroy(&e->lock);
    free(e->banned);
    free(e);
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
