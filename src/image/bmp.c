/* BMP: 1, 4 and 8 bits (palette, also run-length coded), 16, 24 and 32 bits (also with masks), of Windows and OS/2.
 *
 *    0  "BM"
 *   10  u32 offset of the pixels; 0: behind the palette
 *   14  u32 size of the second header: 12 (OS/2), or 40, 52, 56, 64 (OS/2 2), 108, 124
 *
 *    of 12 bytes              of 40 and more
 *   18  u16 width            18  i32 width
 *   20  u16 height           22  i32 height; negative: the top row comes first
 *   22  u16 planes           26  u16 planes
 *   24  u16 bits of a pixel  28  u16 bits of a pixel
 *                            30  u32 packing: 0 none, 1 runs of 8 bits, 2 runs of 4 bits, 3 masks
 *                            46  u32 colours of the palette; 0: all that the bits can name
 *                            54  u32 masks of red, green, blue, from 56 bytes on also of alpha; behind a header of 40
 *                                bytes they follow it
 *
 * A colour of the palette is blue, green, red, of 40 bytes and more with a fourth byte. A plain pixel of 16 bits has five
 * for each colour, one of 32 bits has no alpha. Rows are padded to four bytes. A sample of n bits is v * 255 / (2^n - 1),
 * rounded down, which is Pillow's; alpha that is 0 everywhere is a field that the writer left empty.
 *
 * Source: Microsoft, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV5HEADER, "Bitmap Compression". Pillow takes the sets of
 * masks that programs write; here any do.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "image/decode.h"

#define KIND       "BMP"
#define FILE_BYTES 14 /* of the first header */
#define CORE_BYTES 12 /* of the second one in its oldest form */

enum { PLAIN, RUNS_8, RUNS_4, MASKS };
enum { RED, GREEN, BLUE, ALPHA };

typedef struct reader {
    ct_bytes in;
    uint32_t header, bits, packing, n_colours;
    uint32_t width, height;
    bool is_top_first;
    uint64_t palette, pixels; /* offsets */
    uint32_t mask[4], shift[4], most[4];
    uint8_t colour[256][3];
} reader;

/* ---- headers ---- */

static bool is_known_header(uint32_t bytes)
{
    return bytes == CORE_BYTES || bytes == 40 || bytes == 52 || bytes == 56 || bytes == 64 || bytes == 108 ||
           bytes == 124;
}

static bool too_short(const reader *r, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, r->in.len, KIND ": %zu bytes do not hold %u x %u pixels", r->in.len, r->width,
                   r->height);
}

static bool read_sizes(reader *r, carat_err *err)
{
    const uint8_t *p = r->in.data;
    bool is_core = r->header == CORE_BYTES;
    int64_t width = is_core ? ct_le16(p + 18) : (int32_t)ct_le32(p + 18);
    int64_t height = is_core ? ct_le16(p + 20) : (int32_t)ct_le32(p + 22);
    r->bits = ct_le16(p + (is_core ? 24 : 28));
    r->packing = is_core ? PLAIN : ct_le32(p + 30);
    r->n_colours = is_core ? 0 : ct_le32(p + 46);
    r->is_top_first = height < 0;
    height = height < 0 ? -height : height;
    if (width <= 0 || height == 0)
        return ct_fail(err, CARAT_EFORMAT, 18, KIND " of %lld x %lld pixels", (long long)width, (long long)height);
    r->width = (uint32_t)width, r->height = (uint32_t)height;
    return true;
}

static bool is_known_packing(const reader *r)
{
    switch (r->packing) {
    case PLAIN:
        return r->bits == 1 || r->bits == 4 || r->bits == 8 || r->bits == 16 || r->bits == 24 || r->bits == 32;
    case RUNS_8:
        return r->bits == 8;
    case RUNS_4:
        return r->bits == 4;
    case MASKS:
        return (r->bits == 16 || r->bits == 24 || r->bits == 32) && r->header != 64; /* OS/2 2: Huffman codes */
    default:
        return false;
    }
}

static bool read_header(reader *r, carat_err *err)
{
    size_t len = r->in.len;
    if (len < FILE_BYTES + CORE_BYTES)
        return ct_fail(err, CARAT_EFORMAT, len, KIND ": %zu bytes, its headers alone have 26", len);
    r->header = ct_le32(r->in.data + 14);
    if (!is_known_header(r->header))
        return ct_fail(err, CARAT_EFORMAT, 14, KIND ": a header of %u bytes, expected 12, 40, 52, 56, 64, 108 or 124",
                       r->header);
    if (len < FILE_BYTES + r->header)
        return ct_fail(err, CARAT_EFORMAT, len, KIND ": %zu bytes, its headers alone have %u", len,
                       FILE_BYTES + r->header);
    if (!read_sizes(r, err))
        return false;
    if (!is_known_packing(r))
        return ct_fail(err, CARAT_EUNSUPPORTED, r->header == CORE_BYTES ? 24 : 28,
                       KIND ": %u bits with packing %u, expected 1, 4, 8, 16, 24 or 32 bits, plain, in runs of 4 or 8, "
                            "or with masks",
                       r->bits, r->packing);
    return true;
}

/* ---- colours ---- */

static bool read_mask(reader *r, int c, uint32_t mask, carat_err *err)
{
    uint32_t shift = mask ? (uint32_t)__builtin_ctz(mask) : 0, most = mask >> shift;
    if (most & (most + 1)) /* 2^32 - 1 + 1 is 0, too */
        return ct_fail(err, CARAT_EUNSUPPORTED, 54, KIND ": a mask of %08x, expected bits beside each other", mask);
    r->mask[c] = mask, r->shift[c] = shift, r->most[c] = most;
    return true;
}

/* Where the pixels are plain, too. */
static bool read_masks(reader *r, carat_err *err)
{
    static const uint32_t of_16[4] = { 0x7c00, 0x3e0, 0x1f, 0 }, of_32[4] = { 0xff0000, 0xff00, 0xff, 0 };
    uint32_t mask[4];
    memcpy(mask, r->bits == 16 ? of_16 : of_32, sizeof mask);
    size_t n = r->header >= 56 ? 4 : 3, at = FILE_BYTES + 40;
    if (r->packing == MASKS) {
        if (!ct_inside(at, 4 * n, r->in.len))
            return too_short(r, err);
        for (size_t c = 0; c < n; c++)
            mask[c] = ct_le32(r->in.data + at + 4 * c);
        if (r->bits == 32 && !mask[RED] && !mask[GREEN] && !mask[BLUE] && !mask[ALPHA])
            mask[RED] = 0xff0000, mask[GREEN] = 0xff00, mask[BLUE] = 0xff, mask[ALPHA] = 0xff000000;
        if (!mask[RED] || !mask[GREEN] || !mask[BLUE])
            return ct_fail(err, CARAT_EUNSUPPORTED, at, KIND ": masks of %08x, %08x and %08x, expected bits for each",
                           mask[RED], mask[GREEN], mask[BLUE]);
    }
    for (int c = RED; c <= ALPHA; c++)
        if (!read_mask(r, c, mask[c], err))
            return false;
    return true;
}

static bool read_palette(reader *r, carat_err *err)
{
    size_t step = r->header == CORE_BYTES ? 3 : 4;
    uint64_t all = r->n_colours ? r->n_colours : 1u << r->bits;
    if (r->pixels == FILE_BYTES + (uint64_t)r->header)
        r->pixels += step * all; /* some writers leave the palette out of their sum */
    r->n_colours = (uint32_t)(all < 1u << r->bits ? all : 1u << r->bits);
    if (!ct_inside(r->palette, step * r->n_colours, r->in.len))
        return too_short(r, err);
    const uint8_t *p = r->in.data + r->palette;
    for (uint32_t i = 0; i < r->n_colours; i++, p += step)
        r->colour[i][RED] = p[2], r->colour[i][GREEN] = p[1], r->colour[i][BLUE] = p[0];
    if (r->pixels == 0)
        r->pixels = r->palette + step * all;
    return true;
}

static bool read_colours(reader *r, carat_err *err)
{
    r->palette = FILE_BYTES + (uint64_t)r->header;
    r->pixels = ct_le32(r->in.data + 10);
    if (r->bits <= 8)
        return read_palette(r, err);
    if (r->pixels == 0)
        r->pixels = r->palette + (r->packing == MASKS && r->header == 40 ? 12 : 0);
    return read_masks(r, err);
}

/* ---- pixels ---- */

static uint8_t *row_of(const reader *r, ct_image *out, uint32_t y)
{
    return out->rgb + (size_t)(r->is_top_first ? y : r->height - 1 - y) * out->width * 3;
}

static bool put_colour(const reader *r, uint32_t index, uint8_t *to, carat_err *err)
{
    if (index >= r->n_colours)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": colour %u of %u", index, r->n_colours);
    memcpy(to, r->colour[index], 3);
    return true;
}

static bool read_indices(const reader *r, const uint8_t *from, uint8_t *to, carat_err *err)
{
    uint32_t per_byte = 8 / r->bits, low = (1u << r->bits) - 1;
    for (uint32_t x = 0; x < r->width; x++, to += 3) {
        uint32_t index = from[x / per_byte] >> (per_byte - 1 - x % per_byte) * r->bits & low;
        if (!put_colour(r, index, to, err))
            return false;
    }
    return true;
}

static uint32_t pixel_at(const uint8_t *p, uint32_t bits)
{
    return bits == 32 ? ct_le32(p) : (uint32_t)ct_le16(p) | (bits == 24 ? (uint32_t)p[2] << 16 : 0);
}

static uint8_t sample(const reader *r, uint32_t pixel, int c)
{
    return (uint8_t)((uint64_t)((pixel & r->mask[c]) >> r->shift[c]) * 255 / r->most[c]);
}

/* Is there a pixel that is not wholly transparent? */
static bool has_alpha(const reader *r, const uint8_t *from, size_t stride)
{
    for (uint32_t y = 0; r->mask[ALPHA] && y < r->height; y++)
        for (uint32_t x = 0; x < r->width; x++)
            if (pixel_at(from + y * stride + (size_t)x * (r->bits / 8), r->bits) & r->mask[ALPHA])
                return true;
    return false;
}

static void read_samples(const reader *r, const uint8_t *from, bool is_rgba, uint8_t *to)
{
    for (uint32_t x = 0; x < r->width; x++, from += r->bits / 8, to += 3) {
        uint32_t pixel = pixel_at(from, r->bits);
        uint8_t rgba[4];
        for (int c = RED; c <= BLUE; c++)
            rgba[c] = sample(r, pixel, c);
        rgba[ALPHA] = is_rgba ? sample(r, pixel, ALPHA) : 255;
        ct_flatten(to, rgba, 1);
    }
}

static bool read_rows(const reader *r, ct_image *out, carat_err *err)
{
    size_t stride = ((size_t)r->width * r->bits + 31) / 32 * 4;
    const uint8_t *from = r->in.data + r->pixels;
    bool is_rgba = r->bits > 8 && has_alpha(r, from, stride);
    for (uint32_t y = 0; y < r->height; y++, from += stride) {
        uint8_t *to = row_of(r, out, y);
        if (r->bits > 8)
            read_samples(r, from, is_rgba, to);
        else if (!read_indices(r, from, to, err))
            return false;
    }
    return true;
}

/* ---- runs ---- */

/* Codes of two bytes: n > 0 and an index (of 4 bits: two, in turn) for n pixels; or 0 and
 *   0  the row ends      2  the next two bytes: so many pixels to the right, so many rows on
 *   1  the picture ends  n  n indices as they are follow, padded to two bytes
 * What no code reaches has colour 0, and pixels beyond a row's end are dropped, as in Pillow. */
typedef struct place {
    uint64_t x, y;
} place;

static bool put_run(const reader *r, ct_image *out, place *at, const uint8_t *from, uint32_t n, bool is_repeated,
                    carat_err *err)
{
    for (uint32_t i = 0; i < n && at->x < r->width && at->y < r->height; i++, at->x++) {
        uint32_t k = is_repeated ? (r->bits == 4 ? i & 1 : 0) : i;
        uint32_t index = r->bits == 8 ? from[k] : k & 1 ? from[k / 2] & 15 : from[k / 2] >> 4;
        if (!put_colour(r, index, row_of(r, out, (uint32_t)at->y) + 3 * at->x, err))
            return false;
    }
    return true;
}

static bool read_runs(const reader *r, ct_image *out, carat_err *err)
{
    const uint8_t *p = r->in.data + r->pixels, *end = r->in.data + r->in.len;
    place at = { 0, 0 };
    for (size_t i = 0, n = (size_t)out->width * out->height; i < n; i++)
        memcpy(out->rgb + 3 * i, r->colour[0], 3);
    /* The last row needs no end. */
    while (at.y < r->height && !(at.y + 1 == r->height && at.x == r->width)) {
        if (end - p < 2)
            return too_short(r, err);
        uint8_t n = p[0], code = p[1];
        p += 2;
        if (n == 0 && code == 0) {
            at = (place){ 0, at.y + 1 };
        } else if (n == 0 && code == 1) {
            return true;
        } else if (n == 0 && code == 2) {
            if (end - p < 2)
                return too_short(r, err);
            at = (place){ at.x + p[0], at.y + p[1] };
            p += 2;
        } else if (n == 0) {
            size_t bytes = ((size_t)code * r->bits + 7) / 8, left = (size_t)(end - p);
            if (left < bytes)
                return too_short(r, err);
            if (!put_run(r, out, &at, p, code, false, err))
                return false;
            p += bytes < left ? bytes + bytes % 2 : left;
        } else if (!put_run(r, out, &at, &code, n, true, err)) {
            return false;
        }
    }
    return true;
}

bool ct_bmp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    r->in = in;
    bool ok = read_header(r, err) && read_colours(r, err);
    bool is_coded = r->packing == RUNS_8 || r->packing == RUNS_4;
    uint64_t stride = ((uint64_t)r->width * r->bits + 31) / 32 * 4; /* below 2^34 */
    uint64_t bytes = is_coded ? 0 : stride * r->height;
    if (ok && (stride > UINT64_MAX / r->height || !ct_inside(r->pixels, bytes, in.len)))
        ok = too_short(r, err);
    ok = ok && ct_image_begin(out, KIND, r->width, r->height, 1, 0, l, err) &&
         (is_coded ? read_runs(r, out, err) : read_rows(r, out, err));
    free(r);
    return ok;
}
