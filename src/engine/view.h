/* view.h - one square of pixels that the vision tower is shown: a whole picture or a crop, with its name.
 *
 * The name is the SHA-256 of the pixels. It tells one image's soft tokens from another's, in the encoder's cache and in
 * the index of prefixes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_VIEW_H
#define CARAT_ENGINE_VIEW_H

#include <stdatomic.h>

#include "base/err.h"
#include "image/image.h"

#define CARAT_VIEW_HASH 32 /* bytes */

typedef struct carat_view {
    atomic_uint n_refs;
    uint8_t hash[CARAT_VIEW_HASH];
    uint32_t size; /* pixels along a side */
    uint8_t rgb[]; /* [size][size][3] */
} carat_view;

/* Cuts `part` of the image and resizes it to size x size. Errors: CARAT_ENOMEM, CARAT_EARG (as carat_image_resize). The
 * caller holds one reference. */
bool carat_view_new(const carat_image *image, carat_box part, uint32_t size, carat_view **out, carat_err *err);
carat_view *carat_view_hold(carat_view *v); /* one reference more; safe from any thread */
void carat_view_drop(carat_view *v);        /* accepts NULL */

/* The key of an image's i-th soft token (stream.h): every four of them hold the whole hash. */
uint64_t carat_view_key(const carat_view *v, size_t i);

#endif
