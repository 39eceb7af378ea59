/* picture.h - what a carat_picture is made of.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_API_PICTURE_H
#define CT_API_PICTURE_H

#include <pthread.h>

#include "engine/view.h"

#define CT_MAX_VIEWS (1 + CT_MAX_CROPS)

typedef struct ct_made_view {
    ct_box box;
    ct_view *view; /* a reference */
} ct_made_view;

struct carat_picture {
    ct_image image;
    pthread_mutex_t lock; /* of what follows */
    bool has_lock;
    size_t n_made; /* so that a conversation's next turn need not resize and hash its pictures again */
    ct_made_view made[CT_MAX_VIEWS];
};

/* The boxes of its views, the whole first; returns how many. */
size_t ct_picture_boxes(const carat_picture *p, const carat_pan_scan *pan_scan, ct_box boxes[CT_MAX_VIEWS]);
/* A view of size x size; the caller gets a reference. Errors as ct_view_new. */
bool ct_picture_view_of(const carat_picture *p, ct_box box, uint32_t size, ct_view **out, carat_err *err);

#endif
