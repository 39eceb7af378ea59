/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

typedef struct slot {
    bool is_full;
    uint64_t used; /* the step that last wanted it */
    uint8_t hash[CARAT_VIEW_HASH];
} slot;

struct carat_sight {
    carat_vision *vision;
    size_t n_slots, row_values; /* of one image */
    slot *slots;
    float *rows; /* [n_slots][row_values] */
    size_t bytes;
    uint64_t step;
    slot *at_work; /* being filled a layer at a time; NULL: none */
    uint8_t work_hash[CARAT_VIEW_HASH];
    carat_sight_stats stats;
};

/* A step begins with a whole image even if it is longer than the step should be. */
static size_t slots_of(const carat_vision_config *c, const carat_sight_options *o)
{
    size_t step = o->step_tokens / c->tokens_per_image + 1;
    return step > o->n_slots ? step : o->n_slots;
}

bool carat_sight_slot_bytes(const carat_vision_config *c, size_t text_width, const carat_sight_options *o, size_t *out)
{
    return carat_mul_size((size_t)c->tokens_per_image * sizeof(float), text_width, out) &&
           carat_mul_size(*out, slots_of(c, o), out);
}

bool carat_sight_open(const char *path, size_t text_width, const carat_kernels *k, carat_pool *pool,
                      const carat_sight_options *o, carat_sight **out, carat_err *err)
{
    *out = NULL;
    carat_sight *s = calloc(1, sizeof *s);
    if (!s)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower");
    if (!carat_vision_open(path, text_width, k, pool, &(carat_vision_options){ .exact = o->exact }, &s->vision, err)) {
        carat_sight_close(s);
        return false;
    }
    const carat_vision_config *c = carat_vision_shape(s->vision);
    s->row_values = (size_t)c->tokens_per_image * text_width;
    s->n_slots = slots_of(c, o);
    s->slots = calloc(s->n_slots, sizeof *s->slots);
    if (carat_sight_slot_bytes(c, text_width, o, &s->bytes))
        s->rows = carat_block_new(s->bytes);
    if (!s->slots || !s->rows) {
        size_t n = s->n_slots;
        carat_sight_close(s);
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to remember %zu images", n);
    }
    *out = s;
    return true;
}

void carat_sight_close(carat_sight *s)
{
    if (!s)
        return;
    carat_vision_close(s->vision);
    carat_block_free(s->rows, s->bytes);
    free(s->slots);
    free(s);
}

const carat_vision_config *carat_sight_shape(const carat_sight *s)
{
    return carat_vision_shape(s->vision);
}

size_t carat_sight_memory(const carat_sight *s)
{
    return s->bytes;
}

carat_sight_stats carat_sight_counters(const carat_sight *s)
{
    return s->stats;
}

/* The slot that holds a view; NULL. */
static slot *find(const carat_sight *s, const carat_view *v)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].is_full && memcmp(s->slots[i].hash, v->hash, sizeof v->hash) == 0)
            return &s->slots[i];
    return NULL;
}

/* One that this step does not want: an empty one, else the one unused for longest. */
static slot *oldest(const carat_sight *s)
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

static float *rows_of(const carat_sight *s, const slot *t)
{
    return s->rows + (size_t)(t - s->slots) * s->row_values;
}

void carat_sight_begin(carat_sight *s)
{
    s->step++;
}

/* The slot for a view's rows: full, or one that may be filled. NULL on error. */
static slot *slot_for(carat_sight *s, const carat_view *view, carat_err *err)
{
    uint32_t size = carat_vision_shape(s->vision)->image_size;
    if (view->size != size) {
        carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "an image of %u pixels a side, the tower takes %u", view->size,
                   size);
        return NULL;
    }
    slot *t = find(s, view);
    if (!t && !(t = oldest(s)))
        carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "more than %zu images in a step", s->n_slots);
    if (t)
        t->used = s->step;
    return t;
}

static void filled(carat_sight *s, slot *t, const carat_view *v)
{
    t->is_full = true;
    memcpy(t->hash, v->hash, sizeof t->hash);
    s->stats.n_encoded++;
}

const float *carat_sight_rows(carat_sight *s, const carat_view *view,
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
    carat_vision_set_progress(s->vision, progress, arg);
    bool ok = carat_vision_encode_rgb(s->vision, view->rgb, 1, rows_of(s, t), err);
    carat_vision_set_progress(s->vision, NULL, NULL);
    if (!ok)
        return NULL;
    filled(s, t, view);
    return rows_of(s, t);
}

bool carat_sight_knows(const carat_sight *s, const carat_view *view)
{
    return find(s, view);
}

const float *carat_sight_find(carat_sight *s, const carat_view *view)
{
    slot *t = find(s, view);
    if (!t)
        return NULL;
    t->used = s->step;
    return rows_of(s, t);
}

void carat_sight_count_cached(carat_sight *s, size_t n)
{
    s->stats.n_cached += n;
}

bool carat_sight_work(carat_sight *s, const carat_view *view, size_t *done, carat_err *err)
{
    if (!s->at_work || memcmp(s->work_hash, view->hash, sizeof s->work_hash) != 0) {
        s->at_work = NULL;
        slot *t = slot_for(s, view, err);
        if (!t)
            return false;
        t->is_full = false;
        s->at_work = t;
        memcpy(s->work_hash, view->hash, sizeof s->work_hash);
        carat_vision_begin(s->vision, view->rgb, rows_of(s, t));
    }
    slot *t = s->at_work;
    t->used = s->step;
    if (!carat_vision_advance(s->vision, done, err)) {
        s->at_work = NULL;
        return false;
    }
    if (*done == carat_vision_shape(s->vision)->n_layer) {
        filled(s, t, view);
        s->at_work = NULL;
    }
    return true;
}
