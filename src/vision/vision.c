/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/vision.h"

#include <assert.h>
#include <stdlib.h>

#include "image/image.h"
#include "vision/work.h"

#define SCRATCH (CARAT_MUL_SCRATCH > CARAT_ATTEND_SCRATCH ? CARAT_MUL_SCRATCH : CARAT_ATTEND_SCRATCH)

/* ---- memory ---- */

static void widen(carat_vision *v, const carat_matrix *m)
{
    carat_acts_form form = carat_linear_form(v->k, v->opt.exact, m->type);
    if (m->cols > v->acts_cols[form])
        v->acts_cols[form] = m->cols;
}

static void find_forms(carat_vision *v)
{
    widen(v, &v->tower.patch.w);
    widen(v, &v->tower.project);
    for (size_t i = 0; i < v->tower.cfg.n_layer; i++) {
        const carat_tower_layer *l = &v->tower.layers[i];
        const carat_affine *all[] = { &l->q, &l->k, &l->v, &l->o, &l->fc1, &l->fc2 };
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            widen(v, &all[j]->w);
    }
}

/* One walk for the size and for the real thing. Widths are within the configuration's limits: rows of 2^19 floats. */
static void take_all(carat_vision *v, carat_arena *a)
{
    const carat_vision_config *c = &v->tower.cfg;
    size_t row = v->hidden * sizeof(float);
    size_t wide = c->ffn > v->patch_cols ? c->ffn : v->patch_cols;
    v->x = carat_arena_take(a, v->n_patch, row);
    v->q = carat_arena_take(a, v->n_patch, row);
    v->heads = carat_arena_take(a, v->n_patch, row);
    v->keys = carat_arena_take(a, c->n_head, v->key_bytes);
    v->values = carat_arena_take(a, c->n_head, v->value_bytes);
    v->norm = carat_arena_take(a, v->block, row);
    v->kx = carat_arena_take(a, v->block, row);
    v->vx = carat_arena_take(a, v->block, row);
    v->wide = carat_arena_take(a, v->block, wide * sizeof(float));
    v->ones = carat_arena_take(a, c->ffn, sizeof(float));
    v->shade = carat_arena_take(a, 256, sizeof(float));
    for (int f = 0; f < CARAT_N_ACTS; f++)
        if (v->acts_cols[f])
            v->acts[f] = carat_arena_take(a, v->block, carat_acts_stride((carat_acts_form)f, v->acts_cols[f]));
    v->counters = carat_arena_take(a, carat_vision_calls(v), sizeof *v->counters);
    carat_vision_own *own = carat_arena_take(a, (size_t)v->n_threads, sizeof *own), counted;
    for (int i = 0; i < v->n_threads; i++)
        (own ? &own[i] : &counted)->scratch = carat_arena_take(a, SCRATCH, 1);
    v->own = own;
}

/* What follows from the tower's shape; returns the bytes of the scratch. */
static bool describe(carat_vision *v, const carat_kernels *k, int n_threads, const carat_vision_options *o,
                     size_t *bytes, carat_err *err)
{
    const carat_vision_config *c = &v->tower.cfg;
    carat_arena count;
    v->k = k;
    v->n_threads = n_threads;
    v->opt = *o;
    v->hidden = c->hidden;
    v->head_dim = c->hidden / c->n_head;
    v->n_patch = carat_vision_patches(c);
    v->form = carat_linear_form(k, o->exact, CARAT_BF16); /* bf16 where the machine multiplies it */
    v->key_bytes = carat_set_k_bytes(v->form, v->head_dim, v->n_patch);
    v->value_bytes = carat_set_v_bytes(v->form, v->head_dim, v->n_patch);
    v->n_token = c->tokens_per_image;
    v->patch_cols = (size_t)c->n_channel * c->patch_size * c->patch_size;
    v->block = v->n_patch < CARAT_VISION_BLOCK ? v->n_patch : CARAT_VISION_BLOCK;
    find_forms(v);
    carat_arena_count(&count);
    take_all(v, &count);
    *bytes = count.used;
    if (count.overflow)
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "an image of %zu patches of width %zu is too large",
                          v->n_patch, v->hidden);
    return true;
}

/* ---- opening ---- */

bool carat_vision_bytes(const char *path, size_t text_width, const carat_kernels *k, int n_threads,
                        const carat_vision_options *o, carat_vision_size *out, carat_err *err)
{
    carat_vision v = { 0 };
    carat_source s = { 0 };
    bool ok = carat_tower_survey(&v.tower, &s, path, text_width, &out->weights, err) &&
              describe(&v, k, n_threads, o, &out->work, err);
    carat_source_close(&s);
    carat_tower_close(&v.tower);
    return ok;
}

static bool take_work(carat_vision *v, size_t bytes, carat_err *err)
{
    if (!carat_arena_init(&v->arena, bytes))
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to see an image of %zu patches (%zu MiB)",
                          v->n_patch, (bytes >> 20) + 1);
    take_all(v, &v->arena);
    for (size_t i = 0; i < v->tower.cfg.ffn; i++)
        v->ones[i] = 1.0f;
    for (int i = 0; i < 256; i++)
        v->shade[i] = carat_pixel_value((uint8_t)i);
    return true;
}

bool carat_vision_open(const char *path, size_t text_width, const carat_kernels *k, carat_pool *pool,
                       const carat_vision_options *o, carat_vision **out, carat_err *err)
{
    *out = NULL;
    carat_vision *v = calloc(1, sizeof *v);
    if (!v)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for the tower's description", path);
    carat_source s = { 0 };
    carat_vision_size size;
    bool ok = carat_tower_survey(&v->tower, &s, path, text_width, &size.weights, err) &&
              describe(v, k, carat_pool_threads(pool), o, &size.work, err) &&
              carat_tower_load(&v->tower, &s, pool, size.weights, err) && take_work(v, size.work, err);
    carat_source_close(&s);
    if (!ok) {
        carat_vision_close(v);
        return false;
    }
    v->pool = pool;
    *out = v;
    return true;
}

void carat_vision_close(carat_vision *v)
{
    if (!v)
        return;
    carat_tower_close(&v->tower);
    carat_arena_deinit(&v->arena);
    free(v);
}

const carat_vision_config *carat_vision_shape(const carat_vision *v)
{
    return &v->tower.cfg;
}

void carat_vision_set_trace(carat_vision *v, carat_vision_trace *fn, void *arg)
{
    v->trace = fn;
    v->trace_arg = arg;
}

void carat_vision_set_progress(carat_vision *v, bool (*fn)(void *arg, size_t done, size_t total), void *arg)
{
    v->progress = fn;
    v->progress_arg = arg;
}

/* ---- seeing ---- */

static void begin(carat_vision *v, const float *pixels, const uint8_t *rgb, float *out)
{
    v->pixels = pixels;
    v->rgb = rgb;
    v->out = out;
    v->is_busy = true;
    v->layer = v->counter = 0;
    atomic_store_explicit(&v->is_bad, false, memory_order_relaxed);
    for (size_t j = 0; j < carat_vision_calls(v); j++)
        atomic_store_explicit(&v->counters[j].next, 0, memory_order_relaxed);
}

void carat_vision_begin(carat_vision *v, const uint8_t *rgb, float *out)
{
    begin(v, NULL, rgb, out);
}

bool carat_vision_advance(carat_vision *v, size_t *done, carat_err *err)
{
    assert(v->is_busy);
    carat_pool_run(v->pool, carat_vision_see, v);
    v->counter = v->next_counter;
    *done = ++v->layer;
    v->is_busy = v->layer < v->tower.cfg.n_layer;
    return v->is_busy || !atomic_load_explicit(&v->is_bad, memory_order_relaxed) ||
           carat_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "the tokens of an image are not finite");
}

static bool encode(carat_vision *v, const float *pixels, const uint8_t *rgb, size_t n, float *out, carat_err *err)
{
    size_t size = v->tower.cfg.image_size, values = 3 * size * size, n_layer = v->tower.cfg.n_layer, done;
    for (size_t i = 0; i < n; i++) {
        begin(v, pixels ? pixels + i * values : NULL, rgb ? rgb + i * values : NULL,
              out + i * v->n_token * v->tower.text_width);
        while (v->is_busy) {
            if (!carat_vision_advance(v, &done, err))
                return carat_fail_in(err, "image %zu of %zu", i + 1, n);
            if (v->progress && !v->progress(v->progress_arg, i * n_layer + done, n * n_layer)) {
                v->is_busy = false;
                return carat_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "looking at image %zu of %zu was stopped",
                                  i + 1, n);
            }
        }
    }
    return true;
}

bool carat_vision_encode(carat_vision *v, const float *pixels, size_t n, float *out, carat_err *err)
{
    return encode(v, pixels, NULL, n, out, err);
}

bool carat_vision_encode_rgb(carat_vision *v, const uint8_t *rgb, size_t n, float *out, carat_err *err)
{
    return encode(v, NULL, rgb, n, out, err);
}
