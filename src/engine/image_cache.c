/* Slots of soft tokens by view: finds, encodes, and evicts the one unused for longest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/image_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

typedef struct slot {
    bool is_full;
    uint64_t used; /* the step that last wanted it */
    uint8_t hash[CT_VIEW_HASH];
} slot;

struct ct_image_cache {
    ct_vision *vision;
    size_t n_slots, row_values; /* of one image */
    slot *slots;
    float *rows; /* [n_slots][row_values] */
    size_t bytes;
    uint64_t step;
    slot *at_work; /* being filled a layer at a time; NULL: none */
    uint8_t work_hash[CT_VIEW_HASH];
    ct_image_cache_stats stats;
};

/* A step begins with a whole image even if it is longer than the step should be. */
static size_t slots_of(const ct_vision_config *c, const ct_image_cache_options *o)
{
    size_t step = o->step_tokens / c->tokens_per_image + 1;
    return step > o->n_slots ? step : o->n_slots;
}

bool ct_image_cache_slot_bytes(const ct_vision_config *c, size_t text_width, const ct_image_cache_options *o,
                               size_t *out)
{
    return ct_mul_size((size_t)c->tokens_per_image * sizeof(float), text_width, out) &&
           ct_mul_size(*out, slots_of(c, o), out);
}

bool ct_image_cache_open(const char *path, size_t text_width, const ct_kernels *k, ct_pool *pool,
                         const ct_image_cache_options *o, ct_image_cache **out, carat_err *err)
{
    *out = NULL;
    ct_image_cache *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower");
    if (!ct_vision_open(path, text_width, k, pool, &(ct_vision_options){ .exact = o->exact }, &s->vision, err)) {
        ct_image_cache_close(s);
        return false;
    }
    const ct_vision_config *c = ct_vision_shape(s->vision);
    s->row_values = (size_t)c->tokens_per_image * text_width;
    s->n_slots = slots_of(c, o);
    s->slots = calloc(s->n_slots, sizeof *s->slots);
    if (ct_image_cache_slot_bytes(c, text_width, o, &s->bytes))
        s->rows = ct_block_new(s->bytes);
    if (!s->slots || !s->rows) {
        size_t n = s->n_slots;
        ct_image_cache_close(s);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to remember %zu images", n);
    }
    *out = s;
    return true;
}

void ct_image_cache_close(ct_image_cache *s)
{
    if (!s)
        return;
    ct_vision_close(s->vision);
    ct_block_free(s->rows, s->bytes);
    free(s->slots);
    free(s);
}

const ct_vision_config *ct_image_cache_shape(const ct_image_cache *s)
{
    return ct_vision_shape(s->vision);
}

size_t ct_image_cache_memory(const ct_image_cache *s)
{
    return s->bytes;
}

ct_image_cache_stats ct_image_cache_counters(const ct_image_cache *s)
{
    return s->stats;
}

/* The slot that holds a view; NULL. */
static slot *find(const ct_image_cache *s, const ct_view *v)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].is_full && memcmp(s->slots[i].hash, v->hash, sizeof v->hash) == 0)
            return &s->slots[i];
    return NULL;
}

/* One that this step does not want: an empty one, else the one unused for longest. */
static slot *oldest(const ct_image_cache *s)
{
    slot *best = NULL;
    for (size_t i = 0; i < s->n_slots; i++) {
        slot *t = &s->slots[i];
        if (t == s->at_work)
            continue;
        if (!t->is_full)
            return t;
        if (t->used != s->step && (!best || t->used < best->used))
            best = t;
    }
    return best;
}

static float *rows_of(const ct_image_cache *s, const slot *t)
{
    return s->rows + (size_t)(t - s->slots) * s->row_values;
}

void ct_image_cache_begin(ct_image_cache *s)
{
    s->step++;
}

/* The slot for a view's rows: full, or one that may be filled. NULL on error. */
static slot *slot_for(ct_image_cache *s, const ct_view *view, carat_err *err)
{
    uint32_t size = ct_vision_shape(s->vision)->image_size;
    if (view->size != size) {
        ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an image of %u pixels a side, the tower takes %u", view->size, size);
        return NULL;
    }
    slot *t = find(s, view);
    if (!t && !(t = oldest(s)))
        ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "more than %zu images in a step", s->n_slots);
    if (t)
        t->used = s->step;
    return t;
}

static void filled(ct_image_cache *s, slot *t, const ct_view *v)
{
    t->is_full = true;
    memcpy(t->hash, v->hash, sizeof t->hash);
    s->stats.n_encoded++;
}

const float *ct_image_cache_rows(ct_image_cache *s, const ct_view *view,
                                 bool (*progress)(void *arg, size_t done, size_t total), void *arg, carat_err *err)
{
    slot *t = slot_for(s, view, err);
    if (!t)
        return NULL;
    if (t->is_full && memcmp(t->hash, view->hash, sizeof t->hash) == 0) {
        s->stats.n_cached++;
        return rows_of(s, t);
    }
    t->is_full = false; /* until its rows are whole */
    s->at_work = NULL;
    ct_vision_set_progress(s->vision, progress, arg);
    bool ok = ct_vision_encode_rgb(s->vision, view->rgb, 1, rows_of(s, t), err);
    ct_vision_set_progress(s->vision, NULL, NULL);
    if (!ok)
        return NULL;
    filled(s, t, view);
    return rows_of(s, t);
}

bool ct_image_cache_knows(const ct_image_cache *s, const ct_view *view)
{
    return find(s, view);
}

const float *ct_image_cache_find(ct_image_cache *s, const ct_view *view)
{
    slot *t = find(s, view);
    if (!t)
        return NULL;
    t->used = s->step;
    return rows_of(s, t);
}

void ct_image_cache_count_cached(ct_image_cache *s, size_t n)
{
    s->stats.n_cached += n;
}

bool ct_image_cache_work(ct_image_cache *s, const ct_view *view, size_t *done, carat_err *err)
{
    if (!s->at_work || memcmp(s->work_hash, view->hash, sizeof s->work_hash) != 0) {
        s->at_work = NULL;
        slot *t = slot_for(s, view, err);
        if (!t)
            return false;
        t->is_full = false;
        s->at_work = t;
        memcpy(s->work_hash, view->hash, sizeof s->work_hash);
        ct_vision_begin(s->vision, view->rgb, rows_of(s, t));
    }
    slot *t = s->at_work;
    t->used = s->step;
    if (!ct_vision_advance(s->vision, done, err)) {
        s->at_work = NULL;
        return false;
    }
    if (*done == ct_vision_shape(s->vision)->n_layer) {
        filled(s, t, view);
        s->at_work = NULL;
    }
    return true;
}
