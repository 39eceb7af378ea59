/* picture.h - what a carat_picture is made of.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_API_PICTURE_H
#define CARAT_API_PICTURE_H

#include <pthread.h>

#include "engine/view.h"

#define CARAT_MAX_VIEWS (1 + CARAT_MAX_CROPS)

typedef struct carat_made_view {
    carat_box box;
    carat_view *view; /* a reference */
} carat_made_view;

struct carat_picture {
    carat_image image;
    pthread_mutex_t lock; /* of what follows */
    bool has_lock;
    size_t n_made; /* so that a conversation's next turn need not resize and hash its pictures again */
    carat_made_view made[CARAT_MAX_VIEWS];
};

/* The boxes of its views, the whole first; returns how many. */
size_t carat_picture_boxes(const carat_picture *p, const carat_pan_scan *pan_scan, carat_box boxes[CARAT_MAX_VIEWS]);
/* A view of size x size; the caller gets a reference. Errors as carat_view_new. */
bool carat_picture_view_of(const carat_picture *p, carat_box box, uint32_t size, carat_view **out, carat_err *err);

#endif
