/* A decoded image, and the views of it that have been made.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/picture.h"

#include <stdlib.h>
#include <string.h>

#include "api/sized.h"

static bool new_picture(carat_picture **out, carat_err *err)
{
    carat_picture *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a picture");
    p->has_lock = pthread_mutex_init(&p->lock, NULL) == 0;
    return p->has_lock || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a picture's lock");
}

bool carat_picture_decode(const void *data, size_t len, carat_picture **out, carat_err *err)
{
    if (new_picture(out, err) && ct_image_decode(data, len, NULL, &(*out)->image, err))
        return true;
    carat_picture_free(*out);
    *out = NULL;
    return false;
}

bool carat_picture_decode_within(const void *data, size_t len, uint64_t max_pixels, carat_picture **out, carat_err *err)
{
    ct_image_limits limits = ct_image_limits_default();
    limits.pixels = max_pixels;
    if (new_picture(out, err) && ct_image_decode(data, len, &limits, &(*out)->image, err))
        return true;
    carat_picture_free(*out);
    *out = NULL;
    return false;
}

bool carat_picture_load(const char *path, carat_picture **out, carat_err *err)
{
    if (new_picture(out, err) && ct_image_load(path, NULL, &(*out)->image, err))
        return true;
    carat_picture_free(*out);
    *out = NULL;
    return false;
}

void carat_picture_free(carat_picture *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_made; i++)
        ct_view_drop(p->made[i].view);
    if (p->has_lock)
        pthread_mutex_destroy(&p->lock);
    ct_image_deinit(&p->image);
    free(p);
}

uint32_t carat_picture_width(const carat_picture *p)
{
    return p->image.width;
}

uint32_t carat_picture_height(const carat_picture *p)
{
    return p->image.height;
}

size_t ct_picture_boxes(const carat_picture *p, const carat_pan_scan *pan_scan, ct_box boxes[CT_MAX_VIEWS])
{
    boxes[0] = (ct_box){ 0, 0, p->image.width, p->image.height };
    return 1 + ct_pan_scan_boxes(pan_scan, p->image.width, p->image.height, boxes + 1);
}

bool carat_picture_n_views(const carat_picture *p, const carat_pan_scan *pan_scan, size_t *n, carat_err *err)
{
    ct_box boxes[CT_MAX_VIEWS];
    carat_pan_scan own;
    *n = 0;
    if (!CT_TAKE(carat_pan_scan, pan_scan, &own, err))
        return false;
    *n = ct_picture_boxes(p, &own, boxes);
    return true;
}

bool carat_picture_box(const carat_picture *p, const carat_pan_scan *pan_scan, size_t view, carat_box *out,
                       carat_err *err)
{
    ct_box boxes[CT_MAX_VIEWS];
    carat_pan_scan own;
    if (!CT_TAKE(carat_pan_scan, pan_scan, &own, err) || !CT_CAN_GIVE(carat_box, out, err))
        return false;
    size_t n = ct_picture_boxes(p, &own, boxes);
    if (view >= n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "view %zu of a picture that has %zu", view, n);
    const ct_box *b = &boxes[view];
    const carat_box box = { .x = b->x, .y = b->y, .width = b->width, .height = b->height };
    CT_GIVE(carat_box, &box, out);
    return true;
}

bool carat_picture_view(const carat_picture *p, const carat_pan_scan *pan_scan, size_t view, uint32_t size,
                        uint8_t *rgb, carat_err *err)
{
    ct_box boxes[CT_MAX_VIEWS];
    carat_pan_scan own;
    if (!CT_TAKE(carat_pan_scan, pan_scan, &own, err))
        return false;
    size_t n = ct_picture_boxes(p, &own, boxes);
    if (view >= n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "view %zu of a picture that has %zu", view, n);
    return ct_image_resize(&p->image, boxes[view], size, size, rgb, err);
}

bool carat_write_png(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height, carat_err *err)
{
    return ct_image_write_png(path, rgb, width, height, err);
}

static bool is_box(const ct_box *a, const ct_box *b)
{
    return a->x == b->x && a->y == b->y && a->width == b->width && a->height == b->height;
}

/* Under the lock: two prompts may be made of one picture at once. */
static bool view_of(carat_picture *p, ct_box box, uint32_t size, ct_view **out, carat_err *err)
{
    for (size_t i = 0; i < p->n_made; i++)
        if (p->made[i].view->size == size && is_box(&p->made[i].box, &box)) {
            *out = ct_view_hold(p->made[i].view);
            return true;
        }
    if (!ct_view_new(&p->image, box, size, out, err))
        return false;
    if (p->n_made < CT_MAX_VIEWS)
        p->made[p->n_made++] = (ct_made_view){ box, ct_view_hold(*out) };
    return true;
}

bool ct_picture_view_of(const carat_picture *p, ct_box box, uint32_t size, ct_view **out, carat_err *err)
{
    carat_picture *mine = (carat_picture *)(uintptr_t)p; /* cached views do not change the picture itself */
    pthread_mutex_lock(&mine->lock);
    bool ok = view_of(mine, box, size, out, err);
    pthread_mutex_unlock(&mine->lock);
    return ok;
}
