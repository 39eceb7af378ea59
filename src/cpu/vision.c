/* The vision tower's scratch, and images through it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/vision.h"

#include <assert.h>
#include <stdlib.h>

#include "cpu/vision_work.h"
#include "image/image.h"

/* ---- memory ---- */

static void widen(ct_vision *v, const ct_matrix *m)
{
    ct_acts_form form = ct_linear_form(v->k, v->opt.exact, true, m->type);
    if (m->cols > v->acts_cols[form])
        v->acts_cols[form] = m->cols;
}

static void find_forms(ct_vision *v)
{
    widen(v, &v->tower.patch.w);
    widen(v, &v->tower.project);
    for (size_t i = 0; i < v->c->n_layer; i++) {
        const ct_tower_layer *l = &v->tower.layers[i];
        const ct_affine *all[] = { &l->q, &l->k, &l->v, &l->o, &l->fc1, &l->fc2 };
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            widen(v, &all[j]->w);
    }
}

/* One walk for counting and for allocating. Widths are within the configuration's limits: rows of 2^19 floats. */
static void take_all(ct_vision *v, ct_arena *a)
{
    const ct_vision_config *c = v->c;
    size_t row = v->hidden * sizeof(float);
    size_t wide = c->ffn > v->patch_cols ? c->ffn : v->patch_cols;
    v->x = ct_arena_take(a, v->n_patch, row);
    v->q = ct_arena_take(a, v->n_patch, row);
    v->heads = ct_arena_take(a, v->n_patch, row);
    v->keys = ct_arena_take(a, c->n_head, v->key_bytes);
    v->values = ct_arena_take(a, c->n_head, v->value_bytes);
    v->norm = ct_arena_take(a, v->block, row);
    v->kx = ct_arena_take(a, v->block, row);
    v->vx = ct_arena_take(a, v->block, row);
    v->wide = ct_arena_take(a, v->block, wide * sizeof(float));
    v->ones = ct_arena_take(a, c->ffn, sizeof(float));
    v->shade = ct_arena_take(a, 256, sizeof(float));
    for (int f = 0; f < CT_N_ACTS; f++)
        if (v->acts_cols[f])
            v->acts[f] = ct_arena_take(a, ct_linear_acts_rows(v->k, (ct_acts_form)f, v->block),
                                       ct_acts_stride((ct_acts_form)f, v->acts_cols[f]));
    v->counters = ct_arena_take(a, ct_vision_calls(v), sizeof *v->counters);
    ct_vision_own *own = ct_arena_take(a, (size_t)v->n_threads, sizeof *own), counted;
    for (int i = 0; i < v->n_threads; i++)
        (own ? &own[i] : &counted)->scratch = ct_arena_take(a, ct_linear_scratch(v->k), 1);
    v->own = own;
}

/* What follows from the tower's shape; returns the bytes of the scratch. */
static bool describe(ct_vision *v, const ct_kernels *k, int n_threads, const ct_vision_options *o, size_t *bytes,
                     carat_err *err)
{
    const ct_vision_config *c = v->c = &v->tower.desc->cfg;
    ct_arena count;
    v->k = k;
    v->n_threads = n_threads;
    v->opt = *o;
    v->hidden = c->hidden;
    v->head_dim = c->hidden / c->n_head;
    v->n_patch = ct_vision_patches(c);
    v->form = ct_linear_form(k, o->exact, true, CT_BF16); /* bf16 where the machine multiplies it */
    v->key_bytes = ct_set_k_bytes(k->set_layout[v->form], v->head_dim, v->n_patch);
    v->value_bytes = ct_set_v_bytes(k->set_layout[v->form], v->head_dim, v->n_patch);
    v->n_token = c->tokens_per_image;
    v->patch_cols = (size_t)c->n_channel * c->patch_size * c->patch_size;
    v->block = k->piece_tokens[v->form] ? CT_VISION_PIECES : CT_VISION_BLOCK;
    v->block = v->n_patch < v->block ? v->n_patch : v->block;
    find_forms(v);
    ct_arena_count(&count);
    take_all(v, &count);
    *bytes = count.used;
    if (count.overflow)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "an image of %zu patches of width %zu is too large",
                       v->n_patch, v->hidden);
    return true;
}

/* ---- opening ---- */

bool ct_vision_bytes(const ct_tower *desc, const ct_kernels *k, int n_threads, const ct_vision_options *o,
                     ct_vision_size *out, carat_err *err)
{
    ct_vision v = { 0 };
    bool ok = ct_tower_weights_describe(&v.tower, desc, err) && describe(&v, k, n_threads, o, &out->work, err);
    out->weights = v.tower.bytes;
    ct_tower_weights_close(&v.tower);
    return ok;
}

static bool take_work(ct_vision *v, size_t bytes, carat_err *err)
{
    if (!ct_arena_init(&v->arena, bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to encode an image of %zu patches (%zu MiB)",
                       v->n_patch, (bytes >> 20) + 1);
    take_all(v, &v->arena);
    for (size_t i = 0; i < v->c->ffn; i++)
        v->ones[i] = 1.0f;
    for (int i = 0; i < 256; i++)
        v->shade[i] = ct_pixel_value((uint8_t)i);
    return true;
}

bool ct_vision_open(const ct_tower *desc, const ct_source *src, const ct_kernels *k, ct_pool *pool,
                    const ct_vision_options *o, ct_vision **out, carat_err *err)
{
    size_t work;
    ct_vision *v = *out = calloc(1, sizeof *v);
    if (!v)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tower's description");
    v->pool = pool;
    if (ct_tower_weights_describe(&v->tower, desc, err) && describe(v, k, ct_pool_threads(pool), o, &work, err) &&
        ct_tower_weights_load(&v->tower, src, pool, err) && take_work(v, work, err))
        return true;
    ct_vision_close(v);
    *out = NULL;
    return false;
}

void ct_vision_close(ct_vision *v)
{
    if (!v)
        return;
    ct_tower_weights_close(&v->tower);
    ct_arena_deinit(&v->arena);
    free(v);
}

const ct_vision_config *ct_vision_shape(const ct_vision *v)
{
    return v->c;
}

void ct_vision_set_trace(ct_vision *v, ct_vision_trace *fn, void *arg)
{
    v->trace = fn;
    v->trace_arg = arg;
}

/* ---- encoding ---- */

static void begin(ct_vision *v, const float *pixels, const uint8_t *rgb, float *out)
{
    v->pixels = pixels;
    v->rgb = rgb;
    v->out = out;
    v->is_busy = true;
    v->layer = v->counter = 0;
    atomic_store_explicit(&v->is_bad, false, memory_order_relaxed);
    for (size_t j = 0; j < ct_vision_calls(v); j++)
        atomic_store_explicit(&v->counters[j].next, 0, memory_order_relaxed);
}

void ct_vision_begin(ct_vision *v, const uint8_t *rgb, float *out)
{
    begin(v, NULL, rgb, out);
}

bool ct_vision_advance(ct_vision *v, size_t *done, carat_err *err)
{
    assert(v->is_busy);
    ct_pool_run(v->pool, ct_vision_layer, v);
    v->counter = v->next_counter;
    *done = ++v->layer;
    v->is_busy = v->layer < v->c->n_layer;
    return v->is_busy || !atomic_load_explicit(&v->is_bad, memory_order_relaxed) ||
           ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "the tokens of an image are not finite");
}

static bool encode(ct_vision *v, const float *pixels, const uint8_t *rgb, size_t n, float *out, carat_err *err)
{
    size_t size = v->c->image_size, values = 3 * size * size, done;
    for (size_t i = 0; i < n; i++) {
        begin(v, pixels ? pixels + i * values : NULL, rgb ? rgb + i * values : NULL,
              out + i * v->n_token * v->tower.desc->text_width);
        while (v->is_busy)
            if (!ct_vision_advance(v, &done, err))
                return ct_fail_in(err, "image %zu of %zu", i + 1, n);
    }
    return true;
}

bool ct_vision_encode(ct_vision *v, const float *pixels, size_t n, float *out, carat_err *err)
{
    return encode(v, pixels, NULL, n, out, err);
}

bool ct_vision_encode_rgb(ct_vision *v, const uint8_t *rgb, size_t n, float *out, carat_err *err)
{
    return encode(v, NULL, rgb, n, out, err);
}
