/* Adding up what the rooms say.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

#include "base/mem.h"
#include "base/size.h"
#include "engine/scheduler.h"
#include "engine/seq.h"
#include "text/text.h"
#include "weigh/plan.h"

#define STEP 256 /* tokens: contexts are looked for in multiples of it */

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64; /* as the arena does */
}

static void add_weights(const ct_estimate *s, carat_weight *w)
{
    const ct_model *m = s->m;
    w->embedding = round_up(m->embed.bytes) + (m->cfg.tied ? 0 : round_up(m->head.bytes));
    for (uint32_t i = 0; i < m->cfg.n_layer; i++) {
        const ct_layer *l = &m->layers[i];
        w->attention += round_up(l->q.bytes) + round_up(l->k.bytes) + round_up(l->v.bytes) + round_up(l->o.bytes);
        w->ffn_weights += round_up(l->gate.bytes) + round_up(l->up.bytes) + round_up(l->down.bytes);
    }
    w->norms = s->weight_bytes - w->embedding - w->attention - w->ffn_weights;
    w->vision = s->vision.weights;
}

/* ---- the parts that depend on the context ---- */

static bool add_context(const ct_estimate *s, const ct_plan *p, carat_weight *w, carat_err *err)
{
    const ct_config *c = &s->m->cfg;
    ct_estimate_cache kv;
    size_t seq, seqs, steps;
    if (s->q.shared > w->n_ctx)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu shared tokens, but a context of %zu", s->q.shared,
                       w->n_ctx);
    if (!ct_estimate_kv(c, &p->cache, &kv, err))
        return false;
    if (!ct_estimate_kv_shared(c, &p->cache, s->q.shared, &w->kv_shared) || !ct_seq_bytes(w->n_ctx, c->hidden, &seq) ||
        !ct_scheduler_bytes(c, &p->steps, &steps) || !ct_mul_size(p->steps.max_jobs, seq, &seqs))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu sessions of %zu tokens do not fit the address space",
                       p->steps.max_jobs, w->n_ctx);
    w->kv_global = kv.global;
    w->kv_window = kv.window;
    w->kv_kept = kv.kept;
    w->sessions = seqs;
    w->steps = steps;
    return true;
}

static bool add_scratch(const ct_estimate *s, const ct_plan *p, carat_weight *w, carat_err *err)
{
    size_t bytes;
    if (!ct_text_bytes(s->m, &s->kernels, s->n_threads, &p->text, &bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "steps of %zu tokens are too large", p->text.max_batch);
    w->scratch = bytes;
    if (!s->vision.weights)
        return true;
    if (!ct_image_cache_slot_bytes(&s->tower, s->m->cfg.hidden, &p->sight, &bytes))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu images are too many to remember", p->sight.n_slots);
    /* The tower's own, and the views of a prompt as RGB. */
    w->image_scratch = s->vision.work + (uint64_t)s->tower.image_size * s->tower.image_size * 3 * w->n_images;
    w->image_cache = bytes;
    return true;
}

/* What the rooms do not count, measured on Linux (docs/WEIGH.md): program, libraries and buffers, and 14 MiB of Gemma's
 * vocabulary. What is added to blocks that are mapped in whole huge pages is known (base/mem.h). */
#define PROGRAM_BYTES ((uint64_t)9 << 20)
#define PIECE_BYTES   ((uint64_t)58) /* of the vocabulary, a token */
#define THREAD_BYTES  ((uint64_t)64 << 10)
#define SESSION_BYTES ((uint64_t)96 << 10) /* a further session that generates: its sampler, its caller's thread */

static uint64_t overhead(const ct_estimate *s, const carat_weight *w)
{
    const uint64_t blocks[] = { s->weight_bytes, w->kv_global + w->kv_window + w->kv_kept,
                                w->steps,        w->scratch,
                                w->vision,       s->vision.work,
                                w->image_cache };
    uint64_t sum = PROGRAM_BYTES + s->m->cfg.n_vocab * PIECE_BYTES + (uint64_t)s->n_threads * THREAD_BYTES +
                   (w->n_sessions - 1) * SESSION_BYTES;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        sum += ct_block_bytes((size_t)blocks[i]) - blocks[i];
    return sum;
}

/* ---- the others' layout ---- */

/* llama.cpp in 2026 (b11434, 4B Q4_0, contexts of 8k, 32k and 128k with flash attention, as it reports them): tensors
 * as they stand in the file; keys and values in cells padded to 256, window plus one step for local layers, to the
 * byte; a compute buffer of a step's logits, some rows and the f16 mask, within 1 %. Not measured: about 300 MiB of a
 * GPU library's own; the tower's buffer is its attention over 4096 patches, 16 heads, f32. */
static uint64_t elsewhere(const ct_estimate *s, const carat_weight *w)
{
    const ct_config *c = &s->m->cfg;
    double block = s->options.cache == CARAT_CACHE_Q8_0 ? 34 : 64, step = 512;
    double kv = ct_estimate_kv_formula(c, w->n_ctx, 512, 256, block) * (double)w->n_sessions;
    double compute = step * (((double)c->n_vocab + 6.0 * c->hidden) * 4 + 2 * (double)w->n_ctx);
    double tower = w->has_vision ? (double)w->vision_tensor_bytes + 0x1p30 : 0;
    return (uint64_t)((double)w->tensor_bytes + kv + compute + tower + 300 * 0x1p20);
}

/* ---- work ---- */

static void add_matrix(carat_weight *w, const ct_matrix *m, double ops)
{
    w->weight_bytes_of[m->type] += (double)m->bytes;
    w->weight_ops_of[m->type] += ops;
}

/* All weights are read for a token; those of the embedding, which is the head, are multiplied for a prompt's last
 * alone. */
static void add_types(const ct_model *m, carat_weight *w)
{
    add_matrix(w, &m->head, 0);
    for (uint32_t i = 0; i < m->cfg.n_layer; i++) {
        const ct_layer *l = &m->layers[i];
        const ct_matrix *all[] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            add_matrix(w, all[k], 2.0 * (double)all[k]->rows * (double)all[k]->cols);
    }
    w->weight_bytes_of[CT_F32] += (double)w->norms;
}

static void add_work(const ct_estimate *s, carat_weight *w)
{
    const ct_config *c = &s->m->cfg;
    double text = (double)(w->embedding + w->attention + w->ffn_weights + w->norms);
    double dims = (double)c->n_head * c->head_dim, kv_dims = (double)c->n_kv_head * c->head_dim, t = (double)w->n_ctx;
    double local = t < c->window ? t : c->window, n_global = (double)w->n_global, n_local = c->n_layer - n_global;
    /* The ring holds more than a query sees: count what is seen. */
    double value = s->options.is_exact ? 4 : s->options.cache == CARAT_CACHE_Q8_0 ? 34.0 / 32 : 2; /* bytes */
    double kv_bytes = 2 * kv_dims * value * (n_global * t + n_local * local);
    double per_layer = 2 * dims * c->hidden + 2 * kv_dims * c->hidden + 3.0 * c->hidden * c->ffn;
    double seen = n_global * t / 2 + n_local * local;
    add_types(s->m, w);
    w->tower_type = (int)s->tower_type;
    w->decode_bytes[0] = text;
    w->decode_bytes[1] = text + kv_bytes;
    w->prefill_ops[0] = 2 * per_layer * c->n_layer;
    w->prefill_ops[1] = w->prefill_ops[0] + 4 * dims * seen;
    if (w->has_vision) {
        const ct_vision_config *v = &s->tower;
        double n = ct_vision_patches(v), h = v->hidden;
        double matrices = 2 * n * (4 * h * h + 2 * h * v->ffn), attention = 4 * n * n * h;
        w->image_attention_ops = attention * v->n_layer;
        w->image_ops =
            matrices * v->n_layer + w->image_attention_ops + 2 * n * h * v->n_channel * v->patch_size * v->patch_size;
    }
}

static void fill_shape(const ct_estimate *s, const ct_plan *p, carat_weight *w)
{
    const ct_config *c = &s->m->cfg;
    snprintf(w->name, sizeof w->name, "%s", s->name);
    snprintf(w->quant, sizeof w->quant, "%s", s->quant);
    snprintf(w->note, sizeof w->note, "%s", s->note);
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
    w->chunk = p->steps.chunk;
    w->n_sessions = p->steps.max_jobs;
    w->n_images = w->has_vision ? s->q.n_images : 0;
    w->n_threads = s->n_threads;
    w->cache = s->options.cache;
    w->n_params = s->m->n_params;
    w->n_vision_params = s->n_vision_params;
    w->tensor_bytes = s->tensor_bytes;
    w->vision_tensor_bytes = s->vision_tensor_bytes;
}

bool ct_estimate_weigh(const ct_estimate *s, size_t n_ctx, carat_weight *w, carat_err *err)
{
    size_t max = s->m->cfg.context;
    carat_options o = s->options;
    ct_plan p;
    if (n_ctx > max)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was asked for, %s has %zu", n_ctx,
                       s->name, max);
    o.n_ctx = n_ctx;
    if (!ct_plan_make(&s->m->cfg, s->vision.weights ? &s->tower : NULL, &o, &p, err))
        return false;
    *w = (carat_weight){ .n_ctx = p.n_ctx };
    fill_shape(s, &p, w);
    add_weights(s, w);
    if (!add_context(s, &p, w, err) || !add_scratch(s, &p, w, err))
        return false;
    w->overhead = overhead(s, w);
    w->total = s->weight_bytes + w->vision + w->kv_global + w->kv_window + w->kv_kept + w->sessions + w->steps +
               w->scratch + w->image_scratch + w->image_cache + w->overhead;
    w->elsewhere = elsewhere(s, w);
    add_work(s, w);
    return true;
}

/* More context is never less memory, so the largest that fits is found by halving. */
bool ct_estimate_largest(const ct_estimate *scale, uint64_t bytes, size_t *n_ctx, carat_err *err)
{
    ct_estimate s = *scale;
    carat_weight w;
    size_t max = s.m->cfg.context, low = 0, high = max / STEP;
    s.q.shared = 0;
    *n_ctx = 0;
    if (!ct_estimate_weigh(&s, max, &w, err))
        return false;
    if (w.total <= bytes) {
        *n_ctx = max;
        return true;
    }
    while (low < high) {
        size_t mid = (low + high + 1) / 2;
        if (!ct_estimate_weigh(&s, mid * STEP, &w, err))
            return false;
        if (w.total <= bytes)
            low = mid;
        else
            high = mid - 1;
    }
    *n_ctx = low * STEP;
    return true;
}
