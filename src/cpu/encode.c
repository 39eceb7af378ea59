/* One image through the tower and the projector; the formulas are in vision.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/finite.h"
#include "cpu/vision_work.h"

typedef struct work { /* one thread with one image */
    ct_vision *v;
    ct_vision_own *own;
    int thread, n_threads;
    size_t counter; /* calls by piece so far */
} work;

typedef struct block {
    size_t first, n;   /* rows */
    size_t begin, end; /* this thread's, counted from first */
} block;

static block block_at(const work *w, size_t first, size_t n_rows)
{
    size_t n = n_rows - first < w->v->block ? n_rows - first : w->v->block;
    size_t i = (size_t)w->thread, of = (size_t)w->n_threads, groups = (n + CT_SET_GROUP - 1) / CT_SET_GROUP;
    size_t begin = groups * i / of * CT_SET_GROUP, end = groups * (i + 1) / of * CT_SET_GROUP;
    return (block){ first, n, begin < n ? begin : n, end < n ? end : n };
}

/* Blocks of n_rows, one after another: for (block b = ...; b.n; b = ...) */
#define EACH_BLOCK(b, w, n_rows)                                                                                       \
    for (block b = block_at(w, 0, n_rows); b.first < (n_rows); b = block_at(w, b.first + b.n, n_rows))

size_t ct_vision_calls(const ct_vision *v)
{
    size_t blocks = (v->n_patch + v->block - 1) / v->block;
    /* patches; q/k/v, o, fc1, fc2 of a block and attention of a layer; the projector */
    return blocks + v->c->n_layer * (4 * blocks + 1) + blocks;
}

static void linear(work *w, const block *b, const float *x, const ct_product *products, size_t n_products)
{
    ct_vision *v = w->v;
    ct_linear_job j = { .k = v->k,
                        .pool = v->pool,
                        .exact = v->opt.exact,
                        .is_many = true,
                        .acts = v->acts,
                        .n = b->n,
                        .begin = b->begin,
                        .end = b->end,
                        .n_threads = w->n_threads,
                        .pieces = &v->counters[w->counter++],
                        .scratch = w->own->scratch };
    ct_linear_run(&j, x, products, n_products);
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* y += x + bias, the bracketed sum first, because the reference adds a whole sub-layer to the stream. */
static void add_biased(float *y, const float *x, const float *bias, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i] + bias[i];
}

static void show(const work *w, const char *name, const float *data, size_t rows, size_t cols)
{
    ct_vision *v = w->v;
    if (!v->trace)
        return;
    ct_pool_barrier(v->pool);
    if (w->thread == 0)
        v->trace(v->trace_arg, name, data, rows, cols);
    ct_pool_barrier(v->pool);
}

/* ---- patches ---- */

/* The values of one patch in the order of the convolution's weights: channel, row, column. */
static void gather(const ct_vision *v, size_t patch, float *to)
{
    size_t side = v->c->patch_size, size = v->c->image_size, grid = ct_vision_grid(v->c);
    size_t y0 = patch / grid * side, x0 = patch % grid * side;
    for (size_t c = 0; c < 3; c++)
        for (size_t y = y0; y < y0 + side; y++, to += side) {
            if (v->pixels) {
                memcpy(to, v->pixels + (c * size + y) * size + x0, side * sizeof *to);
                continue;
            }
            const uint8_t *from = v->rgb + (y * size + x0) * 3 + c;
            for (size_t x = 0; x < side; x++)
                to[x] = v->shade[from[3 * x]];
        }
}

static void embed(work *w)
{
    ct_vision *v = w->v;
    size_t n = v->hidden;
    EACH_BLOCK(b, w, v->n_patch) {
        float *x = v->x + b.first * n;
        for (size_t r = b.begin; r < b.end; r++)
            gather(v, b.first + r, v->wide + r * v->patch_cols);
        linear(w, &b, v->wide, (ct_product[]){ { &v->tower.patch.w, x } }, 1);
        for (size_t r = b.begin; r < b.end; r++)
            add(x + r * n, v->tower.patch.b, n);
    }
    show(w, "siglip.patch_conv", v->x, v->n_patch, n);
    EACH_BLOCK(b, w, v->n_patch)
        add(v->x + (b.first + b.begin) * n, v->tower.position + (b.first + b.begin) * n, (b.end - b.begin) * n);
    show(w, "siglip.embeddings", v->x, v->n_patch, n);
}

/* ---- attention ---- */

static ct_set set_of(const ct_vision *v, size_t head)
{
    return (ct_set){ .head_dim = v->head_dim,
                     .n_key = v->n_patch,
                     .k = v->keys + head * v->key_bytes,
                     .v = v->values + head * v->value_bytes };
}

/* The thread's rows of the block become keys and values. */
static void store(const ct_vision *v, const block *b)
{
    const float *k = v->kx + b->begin * v->hidden, *x = v->vx + b->begin * v->hidden;
    for (size_t h = 0; h < v->c->n_head; h++, k += v->head_dim, x += v->head_dim) {
        const ct_set set = set_of(v, h);
        v->k->set_put[v->form](&set, b->first + b->begin, b->end - b->begin, k, x, v->hidden);
    }
}

static void project_in(work *w, const ct_tower_layer *l)
{
    ct_vision *v = w->v;
    size_t n = v->hidden;
    EACH_BLOCK(b, w, v->n_patch) {
        float *q = v->q + b.first * n;
        for (size_t r = b.begin; r < b.end; r++)
            v->k->layernorm(v->norm + r * n, v->x + (b.first + r) * n, l->norm1_w, l->norm1_b, n, v->c->eps);
        linear(w, &b, v->norm, (ct_product[]){ { &l->q.w, q }, { &l->k.w, v->kx }, { &l->v.w, v->vx } }, 3);
        for (size_t r = b.begin; r < b.end; r++) {
            add(q + r * n, l->q.b, n);
            add(v->kx + r * n, l->k.b, n);
            add(v->vx + r * n, l->v.b, n);
        }
        store(v, &b);
    }
}

static void attend_item(const work *w, size_t head, size_t first, size_t n)
{
    const ct_vision *v = w->v;
    const ct_set set = set_of(v, head);
    const ct_set_rows rows = { .scale = 1.0f / sqrtf((float)v->head_dim),
                               .n = n,
                               .q = v->q + first * v->hidden + head * v->head_dim,
                               .out = v->heads + first * v->hidden + head * v->head_dim,
                               .stride = v->hidden };
    v->k->set_attend[v->form](&set, &rows, w->own->scratch);
}

static void attend(work *w)
{
    ct_vision *v = w->v;
    size_t parts = (v->n_patch + CT_VISION_ITEM_ROWS - 1) / CT_VISION_ITEM_ROWS;
    ct_pool_barrier(v->pool);
    for (size_t i; (i = ct_next_of(&v->counters[w->counter])) < parts * v->c->n_head;) {
        size_t first = i % parts * CT_VISION_ITEM_ROWS, left = v->n_patch - first;
        attend_item(w, i / parts, first, left < CT_VISION_ITEM_ROWS ? left : CT_VISION_ITEM_ROWS);
    }
    w->counter++;
    ct_pool_barrier(v->pool);
}

/* ---- the rest of a layer ---- */

static void finish(work *w, const ct_tower_layer *l)
{
    ct_vision *v = w->v;
    size_t n = v->hidden, ffn = v->c->ffn;
    EACH_BLOCK(b, w, v->n_patch) {
        float *x = v->x + b.first * n;
        linear(w, &b, v->heads + b.first * n, (ct_product[]){ { &l->o.w, v->kx } }, 1);
        for (size_t r = b.begin; r < b.end; r++) {
            add_biased(x + r * n, v->kx + r * n, l->o.b, n);
            v->k->layernorm(v->norm + r * n, x + r * n, l->norm2_w, l->norm2_b, n, v->c->eps);
        }
        linear(w, &b, v->norm, (ct_product[]){ { &l->fc1.w, v->wide } }, 1);
        for (size_t r = b.begin; r < b.end; r++) {
            float *wide = v->wide + r * ffn;
            add(wide, l->fc1.b, ffn);
            v->k->geglu(wide, wide, v->ones, ffn); /* a gate of ones: GELU alone */
        }
        linear(w, &b, v->wide, (ct_product[]){ { &l->fc2.w, v->kx } }, 1);
        for (size_t r = b.begin; r < b.end; r++)
            add_biased(x + r * n, v->kx + r * n, l->fc2.b, n);
    }
}

/* ---- tokens ---- */

/* The mean over the token's square of patches. */
static void pool(const ct_vision *v, size_t token, float *to)
{
    size_t n = v->hidden, grid = ct_vision_grid(v->c), side = ct_vision_side(v->c), kernel = ct_vision_pool(v->c);
    size_t first = token / side * kernel * grid + token % side * kernel;
    memset(to, 0, n * sizeof *to);
    for (size_t y = 0; y < kernel; y++)
        for (size_t x = 0; x < kernel; x++)
            add(to, v->heads + (first + y * grid + x) * n, n);
    for (size_t i = 0; i < n; i++)
        to[i] /= (float)(kernel * kernel);
}

static void project_out(work *w)
{
    ct_vision *v = w->v;
    size_t n = v->hidden, width = v->tower.desc->text_width;
    EACH_BLOCK(b, w, v->n_patch)
        for (size_t r = b.first + b.begin; r < b.first + b.end; r++)
            v->k->layernorm(v->heads + r * n, v->x + r * n, v->tower.post_w, v->tower.post_b, n, v->c->eps);
    show(w, "siglip.last_hidden_state", v->heads, v->n_patch, n);
    ct_pool_barrier(v->pool);
    EACH_BLOCK(b, w, v->n_token)
        for (size_t r = b.first + b.begin; r < b.first + b.end; r++)
            pool(v, r, v->q + r * n);
    show(w, "projector.avg_pool", v->q, v->n_token, n);
    EACH_BLOCK(b, w, v->n_token)
        for (size_t r = b.first + b.begin; r < b.first + b.end; r++)
            v->k->rmsnorm(v->x + r * n, v->q + r * n, v->tower.soft_norm, n, v->c->eps);
    show(w, "projector.soft_emb_norm", v->x, v->n_token, n);
    EACH_BLOCK(b, w, v->n_token) {
        linear(w, &b, v->x + b.first * n, (ct_product[]){ { &v->tower.project, v->out + b.first * width } }, 1);
        if (!ct_all_finite(v->out + (b.first + b.begin) * width, (b.end - b.begin) * width))
            atomic_store_explicit(&v->is_bad, true, memory_order_relaxed);
    }
    show(w, "projector.output", v->out, v->n_token, width);
}

static void encode_layer(work *w, size_t layer)
{
    ct_vision *v = w->v;
    const ct_tower_layer *l = &v->tower.layers[layer];
    char name[32];
    project_in(w, l);
    attend(w);
    finish(w, l);
    snprintf(name, sizeof name, "siglip.layer%02zu", layer);
    show(w, name, v->x, v->n_patch, v->hidden);
}

void ct_vision_layer(void *vision, int thread, int n_threads)
{
    ct_vision *v = vision;
    work w = { .v = v, .own = &v->own[thread], .thread = thread, .n_threads = n_threads, .counter = v->counter };
    if (v->layer == 0)
        embed(&w);
    encode_layer(&w, v->layer);
    if (v->layer + 1 == v->c->n_layer)
        project_out(&w);
    if (thread == 0)
        v->next_counter = w.counter;
}
