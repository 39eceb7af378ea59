/* Cuts a square of pixels from an image, scales it to the tower's size and names it by its hash.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/view.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "engine/stream.h"

bool ct_view_new(const ct_image *image, ct_box part, uint32_t size, ct_view **out, carat_err *err)
{
    size_t bytes = (size_t)size * size * 3; /* resize refuses sides that would make this overflow */
    *out = NULL;
    ct_view *v = size <= 16384 ? malloc(sizeof *v + bytes) : NULL;
    if (!v)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an image of %u x %u", size, size);
    if (!ct_image_resize(image, part, size, size, v->rgb, err)) {
        free(v);
        return false;
    }
    atomic_init(&v->n_refs, 1);
    v->size = size;
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, bytes, v->rgb);
    sha256_digest(&sha, sizeof v->hash, v->hash);
    *out = v;
    return true;
}

ct_view *ct_view_hold(ct_view *v)
{
    atomic_fetch_add_explicit(&v->n_refs, 1, memory_order_relaxed);
    return v;
}

void ct_view_drop(ct_view *v)
{
    if (v && atomic_fetch_sub_explicit(&v->n_refs, 1, memory_order_acq_rel) == 1)
        free(v);
}

uint64_t ct_view_key(const ct_view *v, size_t i)
{
    uint64_t part;
    memcpy(&part, v->hash + i % 4 * sizeof part, sizeof part);
    return CT_KEY_IMAGE | (i ? CT_KEY_INSIDE : 0) | (part & ~(CT_KEY_IMAGE | CT_KEY_INSIDE));
}
