/* Recognises an image by its first bytes, decodes it within limits, and turns it upright.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/looks_like.h"
#include "base/map.h"
#include "base/memlimit.h"
#include "base/size.h"
#include "image/decode.h"

#define KNOWN "JPEG, PNG, WebP, GIF or BMP"

#define MAX_FILE   ((uint64_t)1 << 30) /* bytes: what scanners and cameras write is below a quarter of it */
#define MAX_MEMORY ((uint64_t)2 << 30)
#define MAX_RATIO  20000 /* memory bounds the pixels; this, the filters that a long line is resized with */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

ct_image_limits ct_image_limits_default(void)
{
    ct_memlimit m;
    ct_memlimit_now(&m);
    return (ct_image_limits){ .file_bytes = (size_t)least(MAX_FILE, m.left / 2),
                              .memory = least(MAX_MEMORY, m.left / 2),
                              .ratio = MAX_RATIO };
}

void ct_image_deinit(ct_image *image)
{
    free(image->rgb);
    *image = (ct_image){ 0 };
}

/* Bytes that decoding takes at the most; UINT64_MAX where they cannot be counted. */
static uint64_t bytes_of(uint64_t width, uint64_t height, int orientation, uint64_t beside)
{
    uint64_t rgb, all;
    if (__builtin_mul_overflow(width, height, &rgb) || __builtin_mul_overflow(rgb, 3, &rgb))
        return UINT64_MAX;
    uint64_t turned = orientation > 1 ? rgb : 0; /* after decoding: `beside` is given back then */
    return __builtin_add_overflow(rgb, beside > turned ? beside : turned, &all) ? UINT64_MAX : all;
}

bool ct_image_begin(ct_image *out, const char *kind, uint64_t width, uint64_t height, int orientation, uint64_t beside,
                    const ct_image_limits *l, carat_err *err)
{
    if (width == 0 || height == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s of %llu x %llu pixels", kind, (unsigned long long)width,
                       (unsigned long long)height);
    if (l->pixels && height > l->pixels / width)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s of %llu x %llu pixels, expected at most %llu of them",
                       kind, (unsigned long long)width, (unsigned long long)height, (unsigned long long)l->pixels);
    uint64_t bytes = bytes_of(width, height, orientation, beside);
    if (width > UINT32_MAX || height > UINT32_MAX || bytes > l->memory)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "%s of %llu x %llu pixels: %llu MiB of memory to decode, the limit is %llu MiB", kind,
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)(bytes >> 20),
                       (unsigned long long)(l->memory >> 20));
    uint64_t longer = width > height ? width : height, shorter = width > height ? height : width;
    if (longer / shorter > l->ratio || (longer / shorter == l->ratio && longer % shorter))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s of %llu x %llu pixels, expected sides of at most 1 : %u",
                       kind, (unsigned long long)width, (unsigned long long)height, l->ratio);
    *out = (ct_image){ .width = (uint32_t)width, .height = (uint32_t)height };
    out->rgb = width * height * 3 <= SIZE_MAX ? malloc((size_t)(width * height * 3)) : NULL;
    return out->rgb || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a %s of %llu x %llu pixels", kind,
                               (unsigned long long)width, (unsigned long long)height);
}

uint8_t *ct_rgba_new(const char *kind, uint32_t width, uint32_t height, carat_err *err)
{
    size_t bytes;
    uint8_t *p = ct_mul_size((size_t)width * 4, height, &bytes) ? malloc(bytes) : NULL;
    if (!p)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a %s of %u x %u pixels", kind, width, height);
    return p;
}

/* One sample over white, in the fixed point of Pillow's alpha_composite, so that the bits agree: the sum carries seven
 * bits below the point, and / 255 is ((t >> 8) + t) >> 8. */
static uint8_t over_white(uint32_t s, uint32_t a)
{
    uint32_t t = s * (a << 7) + 255 * ((255 - a) << 7) + (0x80 << 7);
    return (uint8_t)((((t >> 8) + t) >> 8) >> 7);
}

void ct_flatten(uint8_t *rgb, const uint8_t *rgba, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = over_white(rgba[4 * i + c], rgba[4 * i + 3]);
}

/* Where the upright picture's pixel (x, y) lies in the stored one. */
static size_t source_of(const ct_image *in, int orientation, uint32_t x, uint32_t y)
{
    uint32_t w = in->width, h = in->height, sx, sy;
    switch (orientation) {
    case 2: /* mirrored */
        sx = w - 1 - x, sy = y;
        break;
    case 3: /* upside down */
        sx = w - 1 - x, sy = h - 1 - y;
        break;
    case 4: /* upside down and mirrored */
        sx = x, sy = h - 1 - y;
        break;
    case 5: /* transposed */
        sx = y, sy = x;
        break;
    case 6: /* to be turned clockwise */
        sx = y, sy = h - 1 - x;
        break;
    case 7: /* transposed over the other diagonal */
        sx = w - 1 - y, sy = h - 1 - x;
        break;
    default: /* 8: to be turned counterclockwise */
        sx = w - 1 - y, sy = x;
    }
    return ((size_t)sy * w + sx) * 3;
}

static bool turn(ct_image *image, int orientation, carat_err *err)
{
    if (orientation < 2 || orientation > 8)
        return true;
    bool swaps = orientation >= 5;
    ct_image up = { .width = swaps ? image->height : image->width, .height = swaps ? image->width : image->height };
    up.rgb = malloc((size_t)up.width * up.height * 3);
    if (!up.rgb)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to turn a picture of %u x %u", image->width,
                       image->height);
    for (uint32_t y = 0; y < up.height; y++)
        for (uint32_t x = 0; x < up.width; x++)
            memcpy(up.rgb + ((size_t)y * up.width + x) * 3, image->rgb + source_of(image, orientation, x, y), 3);
    ct_image_deinit(image);
    *image = up;
    return true;
}

static bool begins(ct_bytes in, size_t at, const char *magic, size_t n)
{
    return in.len >= at + n && memcmp(in.data + at, magic, n) == 0;
}

/* Formats that people use and Carat does not read, so that the message can name them. */
static const char *known_other(ct_bytes in)
{
    static const struct {
        size_t at, n;
        const char *magic, *name;
    } others[] = {
        { 4, 8, "ftypheic", "a HEIC" },  { 4, 8, "ftypheix", "a HEIC" },    { 4, 8, "ftypmif1", "a HEIF" },
        { 4, 8, "ftypavif", "an AVIF" }, { 0, 4, "II*\0", "a TIFF" },       { 0, 4, "MM\0*", "a TIFF" },
        { 0, 4, "%PDF", "a PDF" },       { 0, 2, "\xff\x0a", "a JPEG XL" }, { 0, 8, "\0\0\0\x0cJXL ", "a JPEG XL" },
        { 0, 4, "<svg", "an SVG" },      { 0, 5, "<?xml", "an XML" },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(in, others[i].at, others[i].magic, others[i].n))
            return others[i].name;
    return NULL;
}

static bool decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    if (begins(in, 0, "\xff\xd8\xff", 3))
        return ct_jpeg_decode(in, l, out, orientation, err);
    if (begins(in, 0, "\x89PNG\r\n\x1a\n", 8))
        return ct_png_decode(in, l, out, orientation, err);
    if (begins(in, 0, "RIFF", 4) && begins(in, 8, "WEBP", 4))
        return ct_webp_decode(in, l, out, orientation, err);
    if (begins(in, 0, "GIF87a", 6) || begins(in, 0, "GIF89a", 6))
        return ct_gif_decode(in, l, out, err);
    if (begins(in, 0, "BM", 2))
        return ct_bmp_decode(in, l, out, err);
    const char *other = known_other(in);
    if (other)
        return ct_fail(err, CARAT_EUNSUPPORTED, 0, "%s, expected " KNOWN, other);
    other = ct_looks_like(in.data, in.len);
    if (other)
        return ct_fail(err, CARAT_EUNSUPPORTED, 0, "not an image: it looks like %s", other);
    return ct_fail(err, CARAT_EFORMAT, 0, "not an image of a known format: expected " KNOWN);
}

bool ct_image_decode(const void *data, size_t len, const ct_image_limits *limits, ct_image *out, carat_err *err)
{
    ct_image_limits l = limits ? *limits : ct_image_limits_default();
    *out = (ct_image){ 0 };
    if (len > l.file_bytes)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "an image file of %zu bytes, the limit is %zu", len,
                       l.file_bytes);
    if (len == 0)
        return ct_fail(err, CARAT_EFORMAT, 0, "an image file of 0 bytes");
    int orientation = 1;
    if (decode((ct_bytes){ data, len }, &l, out, &orientation, err) && turn(out, orientation, err))
        return true;
    ct_image_deinit(out);
    return false;
}

bool ct_image_load(const char *path, const ct_image_limits *limits, ct_image *out, carat_err *err)
{
    ct_map m;
    ct_image_limits l = limits ? *limits : ct_image_limits_default();
    *out = (ct_image){ 0 };
    if (!ct_map_read(&m, path, l.file_bytes, err))
        return false;
    bool ok = ct_image_decode(m.data, m.size, limits, out, err) || ct_fail_in(err, "%s", path);
    ct_map_close(&m);
    return ok;
}
