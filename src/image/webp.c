/* WebP through libwebp; EXIF by walking the RIFF chunks (WebP container specification, "Metadata").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "base/size.h"
#include "image/decode.h"

#define KIND "WebP"

static int find_orientation(carat_bytes in)
{
    for (size_t at = 12; carat_inside(at, 8, in.len);) {
        const uint8_t *p = in.data + at;
        size_t size = (size_t)p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
        if (!carat_inside(at + 8, size, in.len))
            return 1;
        if (memcmp(p, "EXIF", 4) == 0) {
            bool has_prefix = size > 6 && memcmp(p + 8, "Exif\0", 6) == 0; /* some writers keep JPEG's */
            return carat_exif_orientation(p + 8 + (has_prefix ? 6 : 0), size - (has_prefix ? 6 : 0));
        }
        at += 8 + size + size % 2;
    }
    return 1;
}

bool carat_webp_decode(carat_bytes in, const carat_image_limits *l, carat_image *out, int *orientation, carat_err *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(in.data, in.len, &f) != VP8_STATUS_OK)
        return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": damaged header");
    if (f.has_animation)
        return carat_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "an animated " KIND ", expected a still picture");
    if (!carat_image_begin(out, KIND, (uint64_t)f.width, (uint64_t)f.height, l, err))
        return false;
    *orientation = find_orientation(in);
    if (!f.has_alpha) {
        size_t row = (size_t)out->width * 3;
        if (!WebPDecodeRGBInto(in.data, in.len, out->rgb, row * out->height, (int)row))
            return carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": damaged or cut off");
        return true;
    }
    uint8_t *rgba = carat_rgba_new(KIND, out->width, out->height, err);
    if (!rgba)
        return false;
    size_t row = (size_t)out->width * 4;
    bool ok = WebPDecodeRGBAInto(in.data, in.len, rgba, row * out->height, (int)row) != NULL;
    if (ok)
        carat_flatten(out, rgba);
    free(rgba);
    return ok || carat_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": damaged or cut off");
}
