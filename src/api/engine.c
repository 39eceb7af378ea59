/* The engine: a checkpoint, the backend that computes with it, and the one stream of steps its sessions share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/adapter.h"
#include "api/internal.h"
#include "api/numerics.h"
#include "api/sized.h"
#include "base/log.h"
#include "weigh/fit.h"

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

bool ct_api_check_row(const ct_model *m, int32_t id, size_t at, carat_err *err)
{
    size_t len, n = m->tok && id >= 0 && (size_t)id >= m->cfg.n_vocab ? ct_tok_facts(m->tok)->n_pieces : 0;
    if ((size_t)id >= n)
        return ct_api_check_id(id, at, m->cfg.n_vocab, err);
    const char *piece = ct_tok_bytes(m->tok, id, &len);
    return ct_fail(
        err, CARAT_EARG, at,
        "token %d '%.*s' has no row in the embedding table, which has %u: it was added to the tokenizer alone", id,
        (int)(len < 60 ? len : 60), piece, m->cfg.n_vocab);
}

/* ---- opening ---- */

/* The state of one opening, besides the engine that it fills. */
typedef struct opening {
    carat_engine *e;
    const char *path;
    carat_options options; /* fitting may make them smaller */
    ct_adapter_files adapters;
    ct_fit fit;
} opening;

static ct_desc desc_of(const opening *o)
{
    return (ct_desc){ .text = o->e->checkpoint.model,
                      .tower = o->e->checkpoint.tower,
                      .adapters = (const ct_lora *const *)o->adapters.v,
                      .n_adapters = o->adapters.n };
}

/* The checkpoint, from its headers. */
static bool describe(opening *o, carat_err *err)
{
    const ct_checkpoint_options c = { .trust_header = o->options.trusts_header,
                                      .vision = o->options.vision,
                                      .mmproj = o->options.mmproj };
    if (!ct_checkpoint_open(o->path, &c, &o->e->checkpoint, err))
        return false;
    if (*o->e->checkpoint.note)
        ct_logf(CARAT_LOG_WARN, "%s", o->e->checkpoint.note);
    return true;
}

/* The sizes of everything, made to fit. */
static bool plan(opening *o, carat_err *err)
{
    carat_engine *e = o->e;
    const ct_desc d = desc_of(o);
    o->fit = (ct_fit){
        .desc = d, .draft = e->draft.checkpoint.model, .b = &e->backend, .n_threads = ct_pool_threads(e->pool)
    };
    return ct_fit_options(&o->fit, &o->options, err) &&
           ct_plan_make(&d.text->cfg, d.tower ? &d.tower->cfg : NULL, &o->options, &e->plan, err) &&
           e->backend.bytes(e->backend.self, &d, &e->plan.sizes, &e->footprint, err) &&
           (!o->options.draft || ct_api_draft_plan(&e->draft, &e->plan.cache, e->plan.steps.chunk, err));
}

/* A chat adapter's template: the model's own may be none, or another one than the adapter was trained with. */
static bool take_template(opening *o, carat_err *err)
{
    ct_model *m = o->e->checkpoint.model;
    const char *text = ct_adapter_files_template(&o->adapters, true);
    if (!text && !m->chat_template)
        text = ct_adapter_files_template(&o->adapters, false);
    if (!text)
        return true;
    char *copy = strdup(text);
    if (!copy)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a chat template");
    free(m->chat_template);
    m->chat_template = copy;
    return true;
}

/* What the model's files hold besides weights; a model that was made up has none. */
static bool read_rest(opening *o, carat_err *err)
{
    carat_engine *e = o->e;
    const ct_source *src = &e->checkpoint.text;
    if (src->tensors && !(ct_model_read_vocab(e->checkpoint.model, src, err) &&
                          ct_fingerprint(e->model, src, o->options.embed_scale, e->fingerprint, err)))
        return false;
    if (!take_template(o, err))
        return false;
    ct_turn_format_choose(e->checkpoint.model, o->options.chat_template, &e->turns);
    if (*e->turns.note)
        ct_logf(CARAT_LOG_WARN, "%s: %s", o->path, e->turns.note);
    return true;
}

/* Threads have stacks and the vocabulary is large: both come after the check that there is memory. */
static bool load(opening *o, carat_err *err)
{
    carat_engine *e = o->e;
    const ct_desc d = desc_of(o);
    const ct_files files = { &e->checkpoint.text, &e->checkpoint.vision };
    const ct_load_progress how = { o->options.progress, o->options.progress_arg };
    bool ok = ct_pool_start(e->pool, err) && read_rest(o, err) &&
              e->backend.load(e->backend.self, &d, &files, &e->plan.sizes, &how, err) &&
              ct_adapters_load(e, &o->adapters, err);
    ct_checkpoint_close_files(&e->checkpoint);
    return ok && (!o->options.draft || ct_api_draft_load(&e->draft, e->model, &how, err));
}

static bool open_caches(carat_engine *e, carat_err *err)
{
    const ct_tower *t = e->checkpoint.tower;
    return ct_cache_open(&e->model->cfg, &e->plan.cache, &e->backend, &e->cache, err) &&
           (!t || ct_image_cache_open(&e->backend, &t->cfg, e->plan.sizes.n_slots, &e->images, err)) &&
           (!e->draft.checkpoint.model || ct_api_draft_open(&e->draft, err));
}

static bool open_scheduler(carat_engine *e, carat_err *err)
{
    const ct_sizes *s = &e->plan.sizes;
    const ct_tower *t = e->checkpoint.tower;
    const ct_scheduler_parts p = { .model = e->model,
                                   .pool = e->pool,
                                   .backend = &e->backend,
                                   .images = e->images,
                                   .cache = e->cache,
                                   .drafter = e->draft.drafter,
                                   .limits = { .max_batch = s->max_batch,
                                               .max_context = s->max_context,
                                               .n_vocab = e->model->cfg.n_vocab,
                                               .n_layer = e->model->cfg.n_layer,
                                               .n_slots = s->n_slots,
                                               .n_soft = t ? t->cfg.tokens_per_image : 0 } };
    return ct_scheduler_open(&p, &e->plan.steps, &e->scheduler, err);
}

static void add_up(carat_engine *e)
{
    carat_memory *m = &e->memory;
    const ct_footprint *f = &e->footprint;
    ct_cache_stats kv;
    size_t bytes = 0;
    ct_cache_get_stats(e->cache, &kv);
    m->weights = f->weights;
    m->kv_global = (uint64_t)kv.global.total * kv.global.page_bytes;
    m->kv_local = (uint64_t)kv.local.total * kv.local.page_bytes;
    if (ct_cache_bytes(&e->model->cfg, &e->plan.cache, &bytes))
        m->kv_index = bytes;
    m->work = f->scratch;
    if (ct_scheduler_bytes(&e->model->cfg, &e->plan.steps, &bytes))
        m->logits = bytes;
    if (ct_seq_bytes(e->plan.n_ctx, e->model->cfg.hidden, &bytes))
        m->session = bytes;
    m->vision_weights = f->tower;
    m->vision_work = f->tower_work;
    m->images = f->slots;
    m->adapters = f->adapters;
    m->draft = ct_api_draft_bytes(&e->draft);
    m->mapped = f->mapped + ct_api_draft_mapped(&e->draft);
    m->total = m->draft + m->weights + m->vision_weights + m->kv_global + m->kv_local + m->kv_index + m->work +
               m->vision_work + m->images + m->logits + m->adapters;
}

/* From the description and the backend on: plan, load, caches, scheduler. */
static bool set_up(opening *o, carat_err *err)
{
    carat_engine *e = o->e;
    e->model = e->checkpoint.model;
    e->looks_up = o->options.lookup != CARAT_LOOKUP_OFF;
    e->guesses_always = o->options.lookup == CARAT_LOOKUP_ALWAYS;
    e->n_guesses = o->options.n_guesses;
    e->max_memory = o->options.max_memory;
    if ((o->options.draft && !ct_api_draft_describe(&e->draft, &o->options, e->model, e->pool, err)) ||
        !ct_adapter_files_open(&o->options, &o->adapters, err) || !plan(o, err) || !load(o, err) ||
        !open_caches(e, err) || !list_banned(e, err) ||
        !ct_info_new(&e->checkpoint, &e->turns, &e->footprint, &e->info, err) || !open_scheduler(e, err))
        return false;
    if (o->options.importance && !ct_api_note_inputs(e, o->options.importance, err))
        return false;
    add_up(e);
    ct_numerics_of(e, &o->options);
    return true;
}

static bool finish(opening *o, bool ok, carat_engine **out, carat_err *err)
{
    *out = ok ? o->e : NULL;
    ct_adapter_files_close(&o->adapters);
    if (ok)
        return true;
    carat_engine_close(o->e);
    ct_fit_explain(&o->fit, o->path, err);
    return false;
}

static bool begin(opening *o, const char *path, const carat_options *opt, carat_err *err)
{
    *o = (opening){ .path = path };
    if (!ct_api_options(opt, &o->options, err))
        return false;
    o->e = calloc(1, sizeof *o->e);
    if (!o->e)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the engine");
    pthread_mutex_init(&o->e->trie_lock, NULL);
    ct_blends_init(&o->e->blends);
    return true;
}

bool carat_engine_open(const char *path, const carat_options *opt, carat_engine **out, carat_err *err)
{
    carat_err none;
    opening o;
    *out = NULL;
    if (!err)
        err = &none;
    if (!begin(&o, path, opt, err))
        return false;
    carat_engine *e = o.e;
    bool ok = ct_pool_share(o.options.n_threads, &e->pool, err) &&
              ct_api_open_backend(&o.options, e->pool, &e->backend, err) && describe(&o, err) && set_up(&o, err);
    return finish(&o, ok, out, err);
}

bool ct_api_open_on(const ct_checkpoint *c, const ct_backend *b, const carat_options *opt, carat_engine **out,
                    carat_err *err)
{
    opening o;
    *out = NULL;
    if (!begin(&o, c->model->path, opt, err))
        return false;
    o.e->checkpoint = *c;
    o.e->backend = *b;
    return finish(&o, ct_pool_share(o.options.n_threads, &o.e->pool, err) && set_up(&o, err), out, err);
}

void carat_engine_close(carat_engine *e)
{
    if (!e)
        return;
    ct_scheduler_close(e->scheduler);
    ct_api_draft_close(&e->draft);
    ct_cache_close(e->cache);
    ct_image_cache_close(e->images);
    ct_adapters_free(e);
    if (e->backend.close)
        e->backend.close(e->backend.self);
    carat_model_info_free(e->info);
    ct_checkpoint_close(&e->checkpoint);
    ct_pool_close(e->pool);
    ct_trie_close(&e->trie);
    pthread_mutex_destroy(&e->trie_lock);
    ct_imatrix_deinit(&e->importance);
    ct_blends_deinit(&e->blends);
    free(e->banned);
    free(e);
}

const char *carat_engine_numerics(const carat_engine *e)
{
    return e->numerics;
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
        .images_encoded = s.images.n_encoded,
        .images_cached = s.images.n_cached,
        .requests_done = s.done,
        .requests_failed = s.failed,
        .requests_cancelled = s.cancelled,
        .running = s.running,
        .queued = s.queued,
        .kv_bytes_used = s.kv.used_bytes,
        .kv_bytes_promised = s.kv.promised_bytes,
        .evictions = s.kv.evictions,
        .busy_seconds = s.busy_seconds,
        .image_seconds = s.images.seconds,
        .drafted_tokens = s.drafted_tokens,
        .accepted_tokens = s.accepted_tokens,
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
    return (ct_vocabulary){
        .model = e->model, .banned = e->banned, .n_banned = e->n_banned, .end_text = e->turns.end_text
    };
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
    return e->backend.name;
}
