/* Which slot of the backend holds which view.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/image_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

typedef struct slot {
    bool is_full;
    uint64_t used; /* the step that last used it */
    uint8_t hash[CT_VIEW_HASH];
} slot;

struct ct_image_cache {
    const ct_backend *b;
    const ct_vision_config *shape;
    size_t n_slots;
    slot *slots;
    uint64_t step;
    slot *at_work; /* being filled a layer at a time; NULL: none */
    uint8_t work_hash[CT_VIEW_HASH];
    ct_image_cache_stats stats;
};

size_t ct_image_cache_slots(const ct_vision_config *c, size_t wanted, size_t step_tokens)
{
    size_t step = step_tokens / c->tokens_per_image + 1;
    return step > wanted ? step : wanted;
}

bool ct_image_cache_open(const ct_backend *b, const ct_vision_config *c, size_t n_slots, ct_image_cache **out,
                         carat_err *err)
{
    ct_image_cache *s = *out = calloc(1, sizeof *s);
    if (s)
        s->slots = calloc(n_slots, sizeof *s->slots);
    if (!s || !s->slots) {
        ct_image_cache_close(s);
        *out = NULL;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu images", n_slots);
    }
    s->b = b;
    s->shape = c;
    s->n_slots = n_slots;
    return true;
}

void ct_image_cache_close(ct_image_cache *s)
{
    if (!s)
        return;
    free(s->slots);
    free(s);
}

const ct_vision_config *ct_image_cache_shape(const ct_image_cache *s)
{
    return s->shape;
}

ct_image_cache_stats ct_image_cache_counters(const ct_image_cache *s)
{
    return s->stats;
}

/* ---- slots ---- */

/* The slot that holds a view; NULL. */
static slot *find(const ct_image_cache *s, const ct_view *v)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].is_full && memcmp(s->slots[i].hash, v->hash, sizeof v->hash) == 0)
            return &s->slots[i];
    return NULL;
}

/* A slot that this step does not use: an empty one, else the one unused for longest. */
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

static uint32_t number_of(const ct_image_cache *s, const slot *t)
{
    return (uint32_t)(t - s->slots);
}

void ct_image_cache_begin(ct_image_cache *s)
{
    s->step++;
}

bool ct_image_cache_knows(const ct_image_cache *s, const ct_view *view)
{
    return find(s, view);
}

uint32_t ct_image_cache_find(ct_image_cache *s, const ct_view *view)
{
    slot *t = find(s, view);
    if (!t)
        return CT_NO_SLOT;
    t->used = s->step;
    return number_of(s, t);
}

void ct_image_cache_count_cached(ct_image_cache *s, size_t n)
{
    s->stats.n_cached += n;
}

/* ---- encoding ---- */

static bool begin(ct_image_cache *s, const ct_view *view, carat_err *err)
{
    s->at_work = NULL;
    if (view->size != s->shape->image_size)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an image of %u pixels a side, the tower takes %u", view->size,
                       s->shape->image_size);
    slot *t = oldest(s);
    if (!t)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "more than %zu images in a step", s->n_slots);
    t->is_full = false; /* until its rows are whole */
    s->at_work = t;
    memcpy(s->work_hash, view->hash, sizeof s->work_hash);
    s->b->encode_begin(s->b->self, view->rgb, number_of(s, t));
    return true;
}

bool ct_image_cache_encode(ct_image_cache *s, const ct_view *view, size_t *done, carat_err *err)
{
    const double since = ct_now();
    bool is_under_way = s->at_work && memcmp(s->work_hash, view->hash, sizeof s->work_hash) == 0;
    if (!is_under_way && !begin(s, view, err))
        return false;
    slot *t = s->at_work;
    t->used = s->step;
    bool ok = s->b->encode_layer(s->b->self, done, err);
    s->stats.seconds += ct_now() - since;
    if (ok && *done < s->shape->n_layer)
        return true;
    s->at_work = NULL;
    if (ok) {
        t->is_full = true;
        memcpy(t->hash, view->hash, sizeof t->hash);
        s->stats.n_encoded++;
    }
    return ok;
}
