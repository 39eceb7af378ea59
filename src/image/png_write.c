/* RGB of eight bits as a PNG, through libspng.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <spng.h>

#include "base/new_file.h"
#include "base/size.h"
#include "image/image.h"

#define MAX_SIDE 16384

/* The whole file in memory, which the caller frees; NULL with spng's code in *rc. */
static void *encode(spng_ctx *c, const uint8_t *rgb, uint32_t width, uint32_t height, size_t *len, int *rc)
{
    struct spng_ihdr head = {
        .width = width, .height = height, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR
    };
    size_t bytes;
    if (!ct_mul_size((size_t)width * 3, height, &bytes)) {
        *rc = SPNG_EOVERFLOW;
        return NULL;
    }
    if ((*rc = spng_set_option(c, SPNG_ENCODE_TO_BUFFER, 1)) || (*rc = spng_set_ihdr(c, &head)) ||
        (*rc = spng_encode_image(c, rgb, bytes, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE)))
        return NULL;
    return spng_get_png_buffer(c, len, rc);
}

bool ct_image_write_png(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height, carat_err *err)
{
    if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a PNG of %u x %u, expected sides of 1 to %d", path, width,
                       height, MAX_SIDE);
    size_t len = 0;
    int rc = SPNG_EMEM;
    spng_ctx *c = spng_ctx_new(SPNG_CTX_ENCODER);
    void *file = c ? encode(c, rgb, width, height, &len, &rc) : NULL;
    spng_ctx_free(c);
    if (!file)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a PNG of %u x %u (%s)", path, width, height,
                       spng_strerror(rc));
    bool ok = ct_write_file(path, file, len, err);
    free(file);
    return ok;
}
