/* PNG through libspng. Every kind of file is read as RGBA of eight bits: palette and tRNS expanded, 1 to 4 bits scaled
 * up, 16 bits by their high byte, gAMA left alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <spng.h>

#include "image/decode.h"

#define KIND "PNG"

/* To libspng a zlib without memory is a damaged stream. So its memory comes from here, which remembers a refusal; of the
 * initial model, since others take memory at a thread's first access and abort where there is none. */
static _Thread_local bool was_refused __attribute__((tls_model("initial-exec")));

static void *noted(void *p)
{
    was_refused = was_refused || !p;
    return p;
}

static void *watched_malloc(size_t n)
{
    return noted(malloc(n));
}

static void *watched_realloc(void *p, size_t n)
{
    return noted(realloc(p, n));
}

static void *watched_calloc(size_t n, size_t size)
{
    return noted(calloc(n, size));
}

static bool wrong(int rc, carat_err *err)
{
    if (rc == SPNG_EMEM || was_refused)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": %s", spng_strerror(rc));
}

static bool run(spng_ctx *c, ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    struct spng_ihdr head;
    struct spng_exif exif;
    int rc = spng_set_png_buffer(c, in.data, in.len);
    spng_set_chunk_limits(c, l->file_bytes, l->file_bytes);
    if (rc || (rc = spng_get_ihdr(c, &head)))
        return wrong(rc, err);
    if (!ct_image_begin(out, KIND, head.width, head.height, l, err))
        return false;
    uint8_t *rgba = ct_rgba_new(KIND, head.width, head.height, err);
    if (!rgba)
        return false;
    size_t size;
    rc = spng_decoded_image_size(c, SPNG_FMT_RGBA8, &size);
    if (!rc && size != (size_t)head.width * head.height * 4)
        rc = SPNG_EINTERNAL;
    if (!rc)
        rc = spng_decode_image(c, rgba, size, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    if (!rc) {
        ct_flatten(out, rgba);
        if (spng_get_exif(c, &exif) == 0)
            *orientation = ct_exif_orientation((const uint8_t *)exif.data, exif.length);
    }
    free(rgba);
    return rc ? wrong(rc, err) : true;
}

bool ct_png_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    struct spng_alloc alloc = { watched_malloc, watched_realloc, watched_calloc, free };
    was_refused = false;
    spng_ctx *c = spng_ctx_new2(&alloc, 0);
    if (!c)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    bool ok = run(c, in, l, out, orientation, err);
    spng_ctx_free(c);
    return ok;
}
