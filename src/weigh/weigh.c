/* Adds up what the rooms report.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/weigh.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "engine/drafter.h"
#include "engine/seq.h"

#define STEP 256 /* tokens: contexts are tried in multiples of it */

/* ---- the parts ---- */

static void add_backend(const ct_footprint *f, const ct_estimate *s, carat_estimate_result *w)
{
    w->embedding = f->embedding;
    w->attention = f->attention;
    w->ffn_weights = f->ffn;
    w->norms = f->norms;
    w->vision = f->tower;
    w->scratch = f->scratch;
    w->image_cache = f->slots;
    w->adapters = f->adapters;
    w->mapped = f->mapped;
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        w->weight_bytes_of[t] = (double)f->bytes_of[t];
    if (!s->desc.tower)
        return;
    /* The tower's own, and the views of a prompt as RGB. */
    size_t size = s->desc.tower->cfg.image_size;
    w->image_scratch = f->tower_work + (uint64_t)size * size * 3 * w->n_images;
}

static bool add_context(const ct_estimate *s, const ct_plan *p, carat_estimate_result *w, carat_err *err)
{
    const ct_config *c = &s->desc.text->cfg;
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

/* What the rooms do not count, as measured on Linux (docs/WEIGH.md): program, libraries and buffers, and 14 MiB of
 * Gemma's vocabulary. The bytes that whole huge pages add to large blocks are computed (base/mem.h). */
#define PROGRAM_BYTES ((uint64_t)9 << 20)
#define PIECE_BYTES   ((uint64_t)58) /* of the vocabulary, a token */
#define THREAD_BYTES  ((uint64_t)64 << 10)
#define SESSION_BYTES ((uint64_t)96 << 10) /* a further session that generates: its sampler, its caller's thread */

static uint64_t overhead(const ct_estimate *s, const ct_plan *p, const ct_footprint *f, const carat_estimate_result *w)
{
    size_t books = 0;
    ct_cache_bytes(&s->desc.text->cfg, &p->cache, &books); /* weighed already */
    return PROGRAM_BYTES + s->desc.text->cfg.n_vocab * PIECE_BYTES + (uint64_t)s->n_threads * THREAD_BYTES +
           (s->desc.text->cfg.is_encoder ? 0 : (w->n_sessions - 1) * SESSION_BYTES) + f->rounding +
           (ct_block_bytes(books) - books) + (ct_block_bytes((size_t)w->steps) - w->steps);
}

/* The smaller model: weights, keys and values, scratch, its vocabulary. */
static bool add_draft(const ct_estimate *s, const ct_plan *p, carat_estimate_result *w, carat_err *err)
{
    ct_draft_plan plan;
    ct_footprint f;
    ct_estimate_cache kv;
    size_t own;
    if (!s->draft)
        return true;
    const ct_config *c = &s->draft->cfg;
    if (!ct_draft_plan_make(c, &p->cache, p->steps.chunk, &plan, err) ||
        !s->b->bytes(s->b->self, &(ct_desc){ .text = s->draft }, &plan.sizes, &f, err) ||
        !ct_estimate_kv(c, &plan.cache, &kv, err))
        return false;
    if (!ct_drafter_bytes(c, &plan, &own))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the draft's texts of %zu tokens do not fit the address space",
                       plan.n_ctx);
    w->mapped += f.mapped;
    w->draft = f.weights + kv.global + kv.window + kv.kept + f.scratch + own;
    w->overhead += c->n_vocab * PIECE_BYTES + f.rounding + (ct_block_bytes(own) - own);
    return true;
}

/* ---- the others' layout ---- */

/* llama.cpp in 2026 (b11434, 4B Q4_0, contexts of 8k, 32k and 128k with flash attention, as it reports them): tensors
 * as they stand in the file; keys and values in cells padded to 256, window plus one step for local layers, to the
 * byte; a compute buffer of a step's logits, some rows and the f16 mask, within 1 %. Not measured: about 300 MiB of a
 * GPU library's own; the tower's buffer is its attention over 4096 patches, 16 heads, f32. */
static uint64_t elsewhere(const ct_estimate *s, const carat_estimate_result *w)
{
    const ct_config *c = &s->desc.text->cfg;
    double block = s->options.cache == CARAT_CACHE_Q8_0 ? 34 : 64, step = 512;
    double kv = ct_estimate_kv_formula(c, w->n_ctx, 512, 256, block) * (double)w->n_sessions;
    double compute = step * (((double)c->n_vocab + 6.0 * c->hidden) * 4 + 2 * (double)w->n_ctx);
    if (c->is_encoder) { /* it keeps none, and a step is a whole text, without logits */
        kv = 0;
        compute = (double)w->n_ctx * (10.0 * c->hidden * 4 + 4 * (double)w->n_ctx);
    }
    double tower = w->includes_vision ? (double)w->vision_tensor_bytes + 0x1p30 : 0;
    return (uint64_t)((double)w->tensor_bytes + kv + compute + tower + 300 * 0x1p20);
}

/* ---- work ---- */

typedef struct ops {
    const ct_model *m;
    carat_estimate_result *w;
} ops;

/* All weights are read for a token; those of the embedding, which is the head, are multiplied for a prompt's last
 * alone. */
static bool add_ops(void *arg, ct_part part, size_t layer)
{
    const ops *o = arg;
    size_t rows, cols;
    if (part < CT_FIRST_LAYER_PART || ct_part_get(part)->is_norm)
        return true;
    ct_part_shape(&o->m->cfg, part, &rows, &cols);
    o->w->weight_ops_of[ct_model_type(o->m, part, layer)] += 2.0 * (double)rows * (double)cols;
    return true;
}

/* Multiplications and additions for a token by all adapters. */
static double adapter_ops(const ct_estimate *s)
{
    double n = 0;
    for (size_t i = 0; i < s->desc.n_adapters; i++)
        for (size_t k = 0; k < s->desc.adapters[i]->n; k++) {
            const ct_lora_pair *p = &s->desc.adapters[i]->pairs[k];
            size_t rows, cols;
            ct_part_shape(&s->desc.text->cfg, p->part, &rows, &cols);
            n += 2.0 * (double)p->rank * (double)(rows + cols);
        }
    return n;
}

static void add_work(const ct_estimate *s, carat_estimate_result *w)
{
    const ct_config *c = &s->desc.text->cfg;
    double text = (double)(w->embedding + w->attention + w->ffn_weights + w->norms);
    double dims = (double)c->n_head * c->head_dim, kv_dims = (double)c->n_kv_head * c->head_dim, t = (double)w->n_ctx;
    double local = t < c->window ? t : c->window, n_global = (double)w->n_global, n_local = c->n_layer - n_global;
    /* The ring holds more than a query attends to: only that is counted. */
    double value = s->options.is_exact ? 4 : s->options.cache == CARAT_CACHE_Q8_0 ? 34.0 / 32 : 2; /* bytes */
    double kv_bytes = 2 * kv_dims * value * (n_global * t + n_local * local);
    double per_layer = 2 * dims * c->hidden + 2 * kv_dims * c->hidden + 3.0 * c->hidden * c->ffn;
    double seen = n_global * t / 2 + n_local * local;
    ct_part_each(c, add_ops, &(ops){ s->desc.text, w });
    w->tower_type = s->desc.tower ? (int)ct_tower_main_type(s->desc.tower) : 0;
    w->decode_bytes[0] = text + (double)w->adapters;
    w->decode_bytes[1] = w->decode_bytes[0] + kv_bytes;
    w->prefill_ops[0] = 2 * per_layer * c->n_layer + adapter_ops(s);
    w->prefill_ops[1] = w->prefill_ops[0] + 4 * dims * seen;
    if (c->is_encoder) { /* every token sees all others on global layers, and writes none after it */
        w->prefill_ops[1] += 4 * dims * n_global * t / 2;
        w->decode_bytes[0] = w->decode_bytes[1] = 0;
        memset(w->weight_bytes_of, 0, sizeof w->weight_bytes_of);
    }
    if (w->includes_vision) {
        const ct_vision_config *v = &s->desc.tower->cfg;
        double n = ct_vision_patches(v), h = v->hidden;
        double matrices = 2 * n * (4 * h * h + 2 * h * v->ffn), attention = 4 * n * n * h;
        w->image_attention_ops = attention * v->n_layer;
        w->image_ops =
            matrices * v->n_layer + w->image_attention_ops + 2 * n * h * v->n_channel * v->patch_size * v->patch_size;
    }
}

static void fill_shape(const ct_estimate *s, const ct_plan *p, carat_estimate_result *w)
{
    const ct_config *c = &s->desc.text->cfg;
    snprintf(w->name, sizeof w->name, "%s", s->name);
    snprintf(w->quant, sizeof w->quant, "%s", s->quant);
    snprintf(w->note, sizeof w->note, "%s", s->note);
    w->is_file = s->is_file;
    w->is_custom = s->is_custom;
    w->includes_vision = s->desc.tower;
    w->has_vision = s->could_see;
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
    w->n_texts = c->is_encoder ? p->steps.max_jobs : 0;
    w->n_images = w->includes_vision ? s->q.n_images : 0;
    w->n_threads = s->n_threads;
    w->cache = s->options.cache;
    w->n_params = s->desc.text->n_params;
    w->n_vision_params = s->desc.tower ? s->desc.tower->n_params : 0;
    w->tensor_bytes = s->tensor_bytes;
    w->vision_tensor_bytes = s->vision_tensor_bytes;
}

bool ct_estimate_weigh(const ct_estimate *s, size_t n_ctx, carat_estimate_result *w, carat_err *err)
{
    const ct_config *c = &s->desc.text->cfg;
    carat_options o = s->options;
    ct_plan p;
    ct_footprint f;
    if (n_ctx > c->context)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a context of %zu tokens was requested, but %s has %u", n_ctx,
                       s->name, c->context);
    o.n_ctx = n_ctx;
    if (!ct_plan_make(c, s->desc.tower ? &s->desc.tower->cfg : NULL, &o, &p, err) ||
        !s->b->bytes(s->b->self, &s->desc, &p.sizes, &f, err))
        return false;
    *w = (carat_estimate_result){ .n_ctx = p.n_ctx };
    fill_shape(s, &p, w);
    add_backend(&f, s, w);
    if (!add_context(s, &p, w, err))
        return false;
    w->overhead = overhead(s, &p, &f, w);
    if (!add_draft(s, &p, w, err))
        return false;
    w->total = w->draft + f.weights + w->vision + w->kv_global + w->kv_window + w->kv_kept + w->sessions + w->steps +
               w->scratch + w->image_scratch + w->image_cache + w->adapters + w->overhead;
    w->elsewhere = elsewhere(s, w);
    add_work(s, w);
    return true;
}

/* More context is never less memory, so the largest that fits is found by halving. */
bool ct_estimate_largest(const ct_estimate *scale, uint64_t bytes, size_t *n_ctx, carat_err *err)
{
    ct_estimate s = *scale;
    carat_estimate_result w;
    size_t max = s.desc.text->cfg.context, low = 0, high = max / STEP;
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
