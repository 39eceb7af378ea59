/* WebP through libwebp, of an animation the first picture; EXIF by walking the RIFF chunks (WebP container
 * specification, "Metadata").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/le.h"
#include "base/size.h"
#include "image/decode.h"

#define KIND "WebP"

/* libwebp 1.2.4 as Debian has it, and the others between the mending of CVE-2023-4863 and 1.4.0, free what was never set when
 * 512 bytes for a lossless picture's first codes are refused. It has no allocator of ours to be given. So it is not asked
 * to decode where memory is short: the default limit leaves as much again as is counted, and this is counted too. */
#define TABLES ((uint64_t)2 << 20)

/* Bytes a pixel besides RGB: before it is composited, and what libwebp's decoder of lossless pictures works in. */
#define RGBA_BYTES     4
#define LOSSLESS_BYTES 4

static int find_orientation(ct_bytes in)
{
    int exif = 0, xmp = 0;
    for (size_t at = 12; ct_inside(at, 8, in.len);) {
        const uint8_t *p = in.data + at;
        const size_t size = ct_le32(p + 4);
        if (!ct_inside(at + 8, size, in.len))
            break;
        if (memcmp(p, "EXIF", 4) == 0 && !exif)
            exif = ct_exif_orientation(p + 8, size);
        if (memcmp(p, "XMP ", 4) == 0 && !xmp)
            xmp = ct_xmp_orientation(p + 8, size);
        at += 8 + size + size % 2;
    }
    return ct_orientation(exif, xmp);
}

/* A coded picture and its place on the canvas. */
typedef struct part {
    const uint8_t *data;
    size_t len;
    size_t x, y, width, height;
} part;

/* The first picture of an animation. It leaves the rest of the canvas transparent, or black where the file has no
 * alpha, as libwebp's own player does, which the reference uses. */
static bool first_part(WebPDemuxer *d, const ct_image *canvas, part *p, carat_err *err)
{
    WebPIterator it;
    if (!d || !WebPDemuxGetFrame(d, 1, &it))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       KIND ": an animation that is damaged or cut off, or no memory for it");
    *p = (part){ it.fragment.bytes,   it.fragment.size, (size_t)it.x_offset,
                 (size_t)it.y_offset, (size_t)it.width, (size_t)it.height };
    WebPDemuxReleaseIterator(&it);
    if (!ct_inside(p->x, p->width, canvas->width) || !ct_inside(p->y, p->height, canvas->height))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       KIND ": a frame of %zu x %zu at %zu, %zu on a canvas of %u x %u", p->width, p->height, p->x,
                       p->y, canvas->width, canvas->height);
    return true;
}

static VP8StatusCode decode(const part *p, WEBP_CSP_MODE mode, uint8_t *to, size_t bytes, size_t row)
{
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c))
        return VP8_STATUS_INVALID_PARAM; /* another libwebp than was built with */
    c.output = (WebPDecBuffer){ .colorspace = mode,
                                .is_external_memory = 1,
                                .u.RGBA = { .rgba = to, .stride = (int)row, .size = bytes } };
    VP8StatusCode rc = WebPDecode(p->data, p->len, &c);
    WebPFreeDecBuffer(&c.output);
    return rc;
}

/* Could as much be had as a decoder works in? */
static bool has_memory(size_t bytes)
{
    void *p = malloc(bytes);
    free(p);
    return p;
}

/* The part on a canvas of zeros, `samples` bytes a pixel. libwebp calls some of its shortages a damaged file, or a user's
 * abort where there is no user: it is believed when it says so twice, and there is memory. */
static bool draw(const part *p, WEBP_CSP_MODE mode, uint8_t *to, const ct_image *canvas, size_t samples, carat_err *err)
{
    size_t row = canvas->width * samples, bytes = row * canvas->height, at = p->y * row + p->x * samples;
    memset(to, 0, bytes);
    VP8StatusCode rc = decode(p, mode, to + at, bytes - at, row);
    if (rc != VP8_STATUS_OK && !has_memory(bytes))
        rc = VP8_STATUS_OUT_OF_MEMORY;
    else if (rc != VP8_STATUS_OK)
        rc = decode(p, mode, to + at, bytes - at, row);
    if (rc == VP8_STATUS_OUT_OF_MEMORY)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    return rc == VP8_STATUS_OK || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": damaged or cut off");
}

static bool draw_over_white(const part *p, ct_image *out, carat_err *err)
{
    uint8_t *rgba = ct_rgba_new(KIND, out->width, out->height, err);
    bool ok = rgba && draw(p, MODE_RGBA, rgba, out, 4, err);
    if (ok)
        ct_flatten(out->rgb, rgba, (size_t)out->width * out->height);
    free(rgba);
    return ok;
}

bool ct_webp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(in.data, in.len, &f) != VP8_STATUS_OK)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": damaged header");
    *orientation = find_orientation(in);
    uint64_t beside =
        (uint64_t)f.width * (uint64_t)f.height * (f.has_alpha ? RGBA_BYTES + LOSSLESS_BYTES : LOSSLESS_BYTES) + TABLES;
    if (!ct_image_begin(out, KIND, (uint64_t)f.width, (uint64_t)f.height, *orientation, beside, l, err))
        return false;
    WebPDemuxer *d = f.has_animation ? WebPDemux(&(WebPData){ in.data, in.len }) : NULL;
    part p = { in.data, in.len, 0, 0, out->width, out->height };
    bool ok = (!f.has_animation || first_part(d, out, &p, err)) &&
              (f.has_alpha ? draw_over_white(&p, out, err) : draw(&p, MODE_RGB, out->rgb, out, 3, err));
    WebPDemuxDelete(d); /* takes NULL */
    return ok;
}
