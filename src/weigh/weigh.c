/* SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "engine/sight.h"
#include "model/layout.h"
#include "model/source.h"
#include "text/text.h"
#include "weigh/names.h"
#include "weigh/tower.h"

/* As the engine has them. */
#define DEFAULT_CHUNK  512
#define MAX_CHUNK      8192
#define DEFAULT_CTX    8192
#define DEFAULT_IMAGES 32

/* ---- which model ---- */

static bool override(const char *name, size_t value, uint32_t *field, bool *differs, carat_err *err)
{
    if (value > UINT32_MAX)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s is %zu, expected at most %u", name, value, UINT32_MAX);
    *differs = *differs || (value && value != *field);
    if (value)
        *field = (uint32_t)value;
    return true;
}

static bool apply_shape(const carat_shape *s, carat_config *c, bool *differs, carat_err *err)
{
    if (!override("layers", s->n_layer, &c->n_layer, differs, err) ||
        !override("hidden", s->hidden, &c->hidden, differs, err) || !override("ffn", s->ffn, &c->ffn, differs, err) ||
        !override("heads", s->n_head, &c->n_head, differs, err) ||
        !override("kv heads", s->n_kv_head, &c->n_kv_head, differs, err) ||
        !override("head dim", s->head_dim, &c->head_dim, differs, err) ||
        !override("vocabulary", s->n_vocab, &c->n_vocab, differs, err) ||
        !override("window", s->window, &c->window, differs, err) ||
        !override("context", s->context, &c->context, differs, err))
        return false;
    if (s->pattern > CARAT_MAX_LAYERS)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "pattern is %zu, expected at most %d", s->pattern,
                          CARAT_MAX_LAYERS);
    if (s->pattern && s->pattern != 6) {
        carat_config_pattern(c, (uint32_t)s->pattern);
        *differs = true;
    }
    return carat_config_finish(c, "shape", true, err);
}

static bool open_name(carat_scale *s, carat_err *err)
{
    carat_named named;
    carat_config c;
    if (!carat_weigh_name(s->q.model ? s->q.model : "4b", &named, err))
        return false;
    carat_config_of(named.p, &c);
    c.vision.present = named.has_vision;
    if (s->q.shape && !apply_shape(s->q.shape, &c, &s->is_custom, err))
        return false;
    snprintf(s->name, sizeof s->name, "%s%s", s->is_custom ? "a shape made from " : "", named.title);
    snprintf(s->quant, sizeof s->quant, "%s", s->q.quant ? s->q.quant : named.quant ? named.quant : "q4_k_m");
    s->could_see = named.has_vision;
    return carat_scale_describe(&c, s->quant, &s->m, &s->weight_bytes, &s->tensor_bytes, err);
}

static void list_types(const carat_model *m, char *out, size_t size)
{
    size_t len = 0;
    for (uint32_t t = 0; t < CARAT_N_TYPE && len < size; t++)
        if (m->type_tensors[t])
            len += (size_t)snprintf(out + len, size - len, "%s%s %u", len ? ", " : "", carat_type_get(t)->name,
                                    m->type_tensors[t]);
}

typedef struct file_sum {
    const carat_source *source;
    const carat_config *c;
    uint64_t bytes;
} file_sum;

static bool add_tensor(void *arg, carat_part part, size_t layer)
{
    file_sum *f = arg;
    const carat_tensor *t;
    if (!carat_source_tensor(f->source, f->c, part, layer, &t, NULL))
        return false;
    f->bytes += t->bytes;
    return true;
}

/* Bytes of the text model's tensors and of all tensors of a file or folder. */
static bool sum_file(const carat_scale *s, uint64_t *text, uint64_t *all, carat_err *err)
{
    carat_source source = { 0 };
    carat_config c;
    bool ok = carat_source_open(&source, s->q.model, false, &c, err);
    file_sum f = { &source, &s->m->cfg, 0 };
    *all = 0;
    if (ok && !carat_layout_each(&s->m->cfg, add_tensor, &f))
        ok = carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: changed while it was read", s->q.model);
    for (size_t i = 0; ok && i < source.tensors->n; i++)
        *all += source.tensors->items[i].bytes;
    *text = f.bytes;
    carat_source_close(&source);
    return ok;
}

static bool open_file(carat_scale *s, carat_err *err)
{
    const carat_model_options o = { .no_tokenizer = true };
    if (s->q.shape)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a file has its own shape", s->q.model);
    if (s->q.quant)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a file has its own types; --quant is for models by name",
                          s->q.model);
    if (!carat_model_peek(s->q.model, &o, &s->m, &s->weight_bytes, err))
        return false;
    s->is_file = true;
    snprintf(s->name, sizeof s->name, "%s", *s->m->cfg.name ? s->m->cfg.name : s->q.model);
    list_types(s->m, s->quant, sizeof s->quant);
    s->could_see = s->m->cfg.vision.present || s->q.mmproj;
    uint64_t all;
    if (!sum_file(s, &s->tensor_bytes, &all, err))
        return false;
    s->vision_tensor_bytes = all - s->tensor_bytes; /* of a tower in the same file */
    return true;
}

static bool is_there(const char *path)
{
    struct stat st;
    size_t n = strlen(path);
    return stat(path, &st) == 0 || (n > 5 && strcmp(path + n - 5, ".gguf") == 0);
}

/* ---- the tower ---- */

/* Towers are published in half precision beside every quantisation of the text model. */
static bool weigh_named_tower(carat_scale *s, const carat_vision_options *o, carat_err *err)
{
    char path[64];
    int fd;
    carat_type type = strcasecmp(s->quant, "f32") == 0    ? CARAT_F32
                      : strcasecmp(s->quant, "bf16") == 0 ? CARAT_BF16
                                                          : CARAT_F16;
    s->tower = s->m->cfg.vision;
    if (!carat_weigh_tower_file(&s->tower, s->m->cfg.hidden, type, &fd, &s->vision_tensor_bytes, &s->n_vision_params,
                                err))
        return false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = carat_vision_bytes(path, s->m->cfg.hidden, &s->kernels, s->n_threads, o, &s->vision, err);
    close(fd);
    return ok;
}

static bool weigh_tower(carat_scale *s, carat_err *err)
{
    const carat_vision_options o = { .exact = s->q.is_exact };
    if (!s->could_see || s->q.text_only) {
        s->vision_tensor_bytes = 0;
        return true;
    }
    if (!s->is_file)
        return weigh_named_tower(s, &o, err);
    const char *path = s->q.mmproj ? s->q.mmproj : s->q.model;
    carat_source source = { 0 };
    bool ok = carat_vision_bytes(path, s->m->cfg.hidden, &s->kernels, s->n_threads, &o, &s->vision, err) &&
              carat_source_open_vision(&source, path, &s->tower, err);
    if (ok && s->q.mmproj) {
        s->vision_tensor_bytes = 0;
        for (size_t i = 0; i < source.tensors->n; i++)
            s->vision_tensor_bytes += source.tensors->items[i].bytes;
    }
    carat_source_close(&source);
    return ok;
}

/* ---- opening ---- */

static bool check_query(carat_scale *s, carat_err *err)
{
    carat_weigh_query *q = &s->q;
    char msg[160];
    unsigned mask;
    if (!q->chunk)
        q->chunk = DEFAULT_CHUNK;
    if (!q->n_sessions)
        q->n_sessions = 1;
    if (!q->n_images)
        q->n_images = 1;
    if (!q->image_cache)
        q->image_cache = DEFAULT_IMAGES;
    if (q->image_cache > MAX_CHUNK)
        q->image_cache = MAX_CHUNK;
    if (q->chunk > MAX_CHUNK)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a chunk of %zu tokens, expected at most %d", q->chunk,
                          MAX_CHUNK);
    if (q->n_sessions > 1 << 20 || q->n_images > 1 << 20)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu sessions with %zu images, expected at most %d of either",
                          q->n_sessions, q->n_images, 1 << 20);
    if (q->n_threads < 0 || q->n_threads > CARAT_MAX_THREADS)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d threads, expected 1 to %d", q->n_threads,
                          CARAT_MAX_THREADS);
    if (q->quant && !carat_weigh_knows_quant(q->quant))
        return carat_scale_describe(&(carat_config){ .n_layer = 1 }, q->quant, &s->m, &s->weight_bytes,
                                    &s->tensor_bytes, err);
    if (!carat_cpu_by_name(q->cpu ? q->cpu : getenv("CARAT_CPU"), &mask, msg))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s", msg);
    carat_kernels_for(&s->kernels, mask);
    s->n_threads = q->n_threads ? q->n_threads : carat_cpu_default();
    return true;
}

bool carat_scale_open(const carat_weigh_query *q, carat_scale *s, carat_err *err)
{
    *s = (carat_scale){ .q = *q };
    if (!check_query(s, err))
        return false;
    bool is_path = q->model && is_there(q->model);
    if (!(is_path ? open_file(s, err) : open_name(s, err)))
        return false;
    if (s->q.chunk > s->m->cfg.context)
        s->q.chunk = s->m->cfg.context;
    return weigh_tower(s, err);
}

void carat_scale_close(carat_scale *s)
{
    carat_model_close(s->m);
    s->m = NULL;
}

/* ---- adding up ---- */

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64; /* as the arena does */
}

static void add_weights(const carat_scale *s, carat_weight *w)
{
    const carat_model *m = s->m;
    w->embedding = round_up(m->embed.bytes) + (m->cfg.tied ? 0 : round_up(m->head.bytes));
    for (uint32_t i = 0; i < m->cfg.n_layer; i++) {
        const carat_layer *l = &m->layers[i];
        w->attention += round_up(l->q.bytes) + round_up(l->k.bytes) + round_up(l->v.bytes) + round_up(l->o.bytes);
        w->ffn_weights += round_up(l->gate.bytes) + round_up(l->up.bytes) + round_up(l->down.bytes);
    }
    w->norms = s->weight_bytes - w->embedding - w->attention - w->ffn_weights;
    w->vision = s->vision.weights;
}

/* Tokens of the longest step: an image stays whole. */
static size_t max_batch(const carat_scale *s)
{
    bool is_longer = s->vision.weights && s->tower.tokens_per_image > s->q.chunk;
    return is_longer ? s->tower.tokens_per_image : s->q.chunk;
}

static bool add_context(const carat_scale *s, carat_weight *w, carat_err *err)
{
    const carat_config *c = &s->m->cfg;
    size_t most = max_batch(s), batch = most < w->n_ctx ? most : w->n_ctx, shared = s->q.shared / 64 * 64;
    uint64_t n = s->q.n_sessions, none;
    if (!carat_scale_kv(c, w->n_ctx, batch, s->q.kv, s->q.is_exact, &w->kv_global, &w->kv_window, err))
        return false;
    if (s->q.shared > w->n_ctx)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu shared tokens, but a context of %zu", s->q.shared,
                          w->n_ctx);
    if (shared && !carat_scale_kv(c, shared, batch, s->q.kv, s->q.is_exact, &w->kv_shared, &none, err))
        return false;
    /* As carat_session_bytes: ids and keys, logits, inputs. */
    w->sessions = w->n_ctx * (sizeof(int32_t) + sizeof(uint64_t)) + c->n_vocab * sizeof(float) +
                  (s->q.chunk + most) * sizeof(carat_input);
    /* Each at most 2^52 bytes by the limits of a configuration. */
    if (n > ((uint64_t)1 << 60) / (w->kv_global + w->kv_window + w->sessions))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu sessions of %zu tokens do not fit the address space",
                          s->q.n_sessions, w->n_ctx);
    w->kv_global *= n;
    w->kv_window *= n;
    w->kv_shared *= n - 1;
    w->sessions *= n;
    return true;
}

static bool add_scratch(const carat_scale *s, carat_weight *w, carat_err *err)
{
    const carat_text_options o = { .max_batch = max_batch(s),
                                   .max_context = s->m->cfg.context,
                                   .exact = s->q.is_exact };
    size_t bytes;
    if (!carat_text_bytes(s->m, &s->kernels, s->n_threads, &o, &bytes))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", s->q.chunk);
    w->scratch = bytes;
    if (!s->vision.weights)
        return true;
    const carat_sight_options slots = { .exact = s->q.is_exact,
                                        .n_slots = s->q.image_cache,
                                        .step_tokens = s->q.chunk };
    if (!carat_sight_slot_bytes(&s->tower, s->m->cfg.hidden, &slots, &bytes))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu images are too many to remember", s->q.image_cache);
    /* The tower's own, the views of a prompt as RGB, and the soft tokens of the images remembered. */
    w->image_scratch = s->vision.work + (uint64_t)s->tower.image_size * s->tower.image_size * 3 * w->n_images;
    w->image_cache = bytes;
    return true;
}

/* What the rooms do not count, measured on Linux (docs/WEIGH.md): 6 to 7 MiB of program, libraries and buffers and 14
 * MiB of Gemma's vocabulary; what is above that is for blocks of 2 MiB or more, which are mapped in whole huge pages.
 */
#define PROGRAM_BYTES ((uint64_t)9 << 20)
#define PIECE_BYTES   ((uint64_t)58) /* of the vocabulary, a token */
#define THREAD_BYTES  ((uint64_t)64 << 10)
#define BLOCK_BYTES   ((uint64_t)1 << 20) /* half a huge page for each further block: sessions, tower */

static uint64_t overhead(const carat_scale *s)
{
    uint64_t blocks = s->q.n_sessions - 1 + (s->vision.weights ? 2 : 0);
    return PROGRAM_BYTES + s->m->cfg.n_vocab * PIECE_BYTES + (uint64_t)s->n_threads * THREAD_BYTES +
           blocks * BLOCK_BYTES;
}

/* ---- the others' layout ---- */

/* llama.cpp in 2026: tensors as they stand in the file; keys and values in cells padded to 256, window plus one step
 * for local layers; a compute buffer that logits of a step fill; about 300 MiB of the compute library's own. The
 * tower's buffer is its attention over 4096 patches, 16 heads, f32. */
static uint64_t elsewhere(const carat_scale *s, const carat_weight *w)
{
    const carat_config *c = &s->m->cfg;
    double block = s->q.kv == CARAT_KV_TYPE_Q8_0 ? 34 : 64, step = 512;
    double kv = carat_scale_kv_formula(c, w->n_ctx, 512, 256, block) * (double)w->n_sessions;
    double compute = step * ((double)c->n_vocab + 4.0 * c->hidden) * 4;
    double tower = w->has_vision ? (double)w->vision_tensor_bytes + 0x1p30 : 0;
    return (uint64_t)((double)w->tensor_bytes + kv + compute + tower + 300 * 0x1p20);
}

/* ---- work ---- */

static void add_work(const carat_scale *s, carat_weight *w)
{
    const carat_config *c = &s->m->cfg;
    double text = (double)(w->embedding + w->attention + w->ffn_weights + w->norms);
    double dims = (double)c->n_head * c->head_dim, kv_dims = (double)c->n_kv_head * c->head_dim, t = (double)w->n_ctx;
    double local = t < c->window ? t : c->window, n_global = (double)w->n_global, n_local = c->n_layer - n_global;
    /* The ring holds more than a query sees: count what is seen. */
    double kv_bytes = 2 * kv_dims * 2 * (n_global * t + n_local * local);
    double per_layer = 2 * dims * c->hidden + 2 * kv_dims * c->hidden + 3.0 * c->hidden * c->ffn;
    double seen = n_global * t / 2 + n_local * local;
    w->decode_bytes[0] = text;
    w->decode_bytes[1] = text + kv_bytes;
    w->prefill_ops[0] = 2 * per_layer * c->n_layer;
    w->prefill_ops[1] = w->prefill_ops[0] + 4 * dims * seen;
    if (w->has_vision) {
        const carat_vision_config *v = &s->tower;
        double n = carat_vision_patches(v), h = v->hidden;
        double layer = 2 * n * (4 * h * h + 2 * h * v->ffn) + 4 * n * n * h;
        w->image_ops = layer * v->n_layer + 2 * n * h * v->n_channel * v->patch_size * v->patch_size;
    }
}

static void fill_shape(const carat_scale *s, carat_weight *w)
{
    const carat_config *c = &s->m->cfg;
    snprintf(w->name, sizeof w->name, "%s", s->name);
    snprintf(w->quant, sizeof w->quant, "%s", s->quant);
    w->is_file = s->is_file;
    w->is_custom = s->is_custom;
    w->has_vision = s->vision.weights > 0;
    w->could_see = s->could_see;
    w->n_layer = c->n_layer;
    for (uint32_t i = 0; i < c->n_layer; i++)
        w->n_global += c->is_global[i];
    w->hidden = c->hidden;
    w->ffn = c->ffn;
    w->n_head = c->n_head;
    w->n_kv_head = c->n_kv_head;
    w->head_dim = c->head_dim;
    w->n_vocab = c->n_vocab;
    w->window = c->window;
    w->context = c->context;
    w->chunk = s->q.chunk;
    w->n_sessions = s->q.n_sessions;
    w->n_images = w->has_vision ? s->q.n_images : 0;
    w->n_threads = s->n_threads;
    w->n_params = s->m->n_params;
    w->n_vision_params = s->n_vision_params;
    w->tensor_bytes = s->tensor_bytes;
    w->vision_tensor_bytes = s->vision_tensor_bytes;
}

bool carat_scale_weigh(const carat_scale *s, size_t n_ctx, carat_weight *w, carat_err *err)
{
    size_t max = s->m->cfg.context;
    *w = (carat_weight){ .n_ctx = n_ctx ? n_ctx : max < DEFAULT_CTX ? max : DEFAULT_CTX };
    if (w->n_ctx > max)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was asked for, %s has %zu", w->n_ctx,
                          s->name, max);
    fill_shape(s, w);
    add_weights(s, w);
    if (!add_context(s, w, err) || !add_scratch(s, w, err))
        return false;
    w->overhead = overhead(s);
    w->total = s->weight_bytes + w->vision + w->kv_global + w->kv_window + w->sessions + w->scratch + w->image_scratch +
               w->image_cache + w->overhead;
    w->elsewhere = elsewhere(s, w);
    add_work(s, w);
    return true;
}
