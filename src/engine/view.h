/* view.h - one square of pixels as input of the vision tower: a whole picture or a crop, with its name.
 *
 * The name is the SHA-256 of the pixels. It identifies an image's soft tokens in the image cache and in the prefix
 * index.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_VIEW_H
#define CT_ENGINE_VIEW_H

#include <stdatomic.h>

#include "base/err.h"
#include "image/image.h"

#define CT_VIEW_HASH 32 /* bytes */

typedef struct ct_view {
    atomic_uint n_refs;
    uint8_t hash[CT_VIEW_HASH];
    uint32_t size; /* pixels along a side */
    uint8_t rgb[]; /* [size][size][3] */
} ct_view;

/* Cuts `part` of the image and resizes it to size x size. Errors: CARAT_ENOMEM, CARAT_EARG (as ct_image_resize). The
 * caller holds one reference. */
bool ct_view_new(const ct_image *image, ct_box part, uint32_t size, ct_view **out, carat_err *err);
ct_view *ct_view_hold(ct_view *v); /* one reference more; safe from any thread */
void ct_view_drop(ct_view *v);     /* accepts NULL */

/* The key of an image's i-th soft token (stream.h): every four of them hold the whole hash. */
uint64_t ct_view_key(const ct_view *v, size_t i);

#endif
