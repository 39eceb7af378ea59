/* The pictures of a prompt: taken in, cut, and put at their places.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/prompt_pictures.h"

#include <stdlib.h>

#include "api/picture.h"
#include "api/sized.h"

#define MAX_PICTURES 4096

/* The engine's tower; NULL: it has none. */
static const ct_vision_config *tower_of(const carat_engine *e)
{
    return e->images ? ct_image_cache_shape(e->images) : NULL;
}

size_t ct_api_n_soft(const carat_engine *e)
{
    return tower_of(e) ? tower_of(e)->tokens_per_image : 0;
}

bool ct_api_refuse_pictures(const carat_engine *e, carat_err *err)
{
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: a picture for a model without a vision tower: %s",
                   e->info->path,
                   e->model->cfg.vision.present || e->info->vision_path[0]
                       ? "it was opened without its vision tower"
                       : "it has none of its own, and there is no mmproj file beside it");
}

static bool grow(ct_prompt_pictures *p, carat_err *err)
{
    if (p->n == MAX_PICTURES)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d pictures in a prompt", MAX_PICTURES);
    if (p->n < p->cap)
        return true;
    size_t cap = p->cap ? p->cap * 2 : 8;
    struct ct_prompt_picture *grown = realloc(p->v, cap * sizeof *grown);
    if (!grown)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu pictures", cap);
    p->v = grown;
    p->cap = cap;
    return true;
}

bool ct_prompt_pictures_add(ct_prompt_pictures *p, const carat_picture *picture, const carat_pan_scan *own,
                            ct_chat_part *part, carat_err *err)
{
    if (!tower_of(p->engine))
        return ct_api_refuse_pictures(p->engine, err);
    if (!grow(p, err))
        return false;
    struct ct_prompt_picture *new = &p->v[p->n];
    ct_box boxes[CT_MAX_VIEWS];
    if (!CT_TAKE(carat_pan_scan, own ? own : p->pan_scan, &new->pan_scan, err))
        return false;
    new->picture = picture;
    *part = (ct_chat_part){ .image = p->n++, .n_crops = ct_picture_boxes(picture, &new->pan_scan, boxes) - 1 };
    return true;
}

bool ct_prompt_pictures_place(const ct_prompt_pictures *p, const ct_image_place *places, size_t n, ct_stream *s,
                              carat_err *err)
{
    s->places = n ? calloc(n, sizeof *s->places) : NULL;
    if (n && !s->places)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu views", n);
    for (size_t i = 0; i < n; i++) {
        ct_box boxes[CT_MAX_VIEWS];
        const struct ct_prompt_picture *of = &p->v[places[i].image];
        ct_picture_boxes(of->picture, &of->pan_scan, boxes);
        if (!ct_picture_view_of(of->picture, boxes[places[i].crop], tower_of(p->engine)->image_size, &s->places[i].view,
                                err))
            return false;
        s->places[i].at = places[i].at;
        s->n_places++;
    }
    return true;
}

/* ---- rows of a view ---- */

/* Encodes a view unless it is in the cache; CT_NO_SLOT on error. Between two steps. */
static uint32_t encode(carat_engine *e, const ct_view *view, carat_progress_fn *progress, void *arg, carat_err *err)
{
    size_t done = 0, total = ct_image_cache_shape(e->images)->n_layer;
    ct_image_cache_begin(e->images);
    uint32_t slot = ct_image_cache_find(e->images, view);
    if (slot != CT_NO_SLOT) {
        ct_image_cache_count_cached(e->images, 1);
        return slot;
    }
    while (done < total) {
        if (!ct_image_cache_encode(e->images, view, &done, err))
            return CT_NO_SLOT;
        if (progress && !progress(arg, done, total)) {
            ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled while an image was encoded");
            return CT_NO_SLOT;
        }
    }
    return ct_image_cache_find(e->images, view);
}

bool carat_prompt_soft_tokens(carat_engine *e, const carat_prompt *p, size_t view, float *rows,
                              carat_progress_fn *progress, void *arg, carat_err *err)
{
    if (view >= p->stream.n_places)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "view %zu of a prompt that has %zu", view, p->stream.n_places);
    if (!e->images)
        return ct_api_refuse_pictures(e, err);
    ct_scheduler_visit(e->scheduler);
    uint32_t slot = encode(e, p->stream.places[view].view, progress, arg, err);
    if (slot != CT_NO_SLOT)
        e->backend.soft_tokens(e->backend.self, slot, rows);
    ct_scheduler_leave(e->scheduler);
    return slot != CT_NO_SLOT;
}
