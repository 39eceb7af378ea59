/* image.h - files to pixels: the input of the model's vision tower.
 *
 * A file is recognised by its first bytes, never by its name: JPEG (libjpeg-turbo), PNG (libspng), WebP (libwebp), GIF
 * (giflib), BMP (ours). The result is that of the reference processor: EXIF or XMP orientation applied, gray, palette and CMYK
 * converted to RGB, ICC profiles and gAMA ignored, of an animation (GIF, WebP) the first picture. Where the reference
 * is inconsistent, one rule holds: transparency of every kind is composited on white, and 16-bit samples are scaled to
 * eight bits rather than clipped.
 *
 * No byte of a file is trusted. Sizes in the header are checked before memory is taken.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_IMAGE_IMAGE_H
#define CT_IMAGE_IMAGE_H

#include "base/err.h"

typedef struct ct_image {
    uint32_t width, height;
    uint8_t *rgb; /* [height][width][3], freed by ct_image_deinit */
} ct_image;

typedef struct ct_image_limits {
    size_t file_bytes; /* of the encoded file */
    uint64_t memory;   /* bytes that the pixels and whatever decoding needs besides may take */
    uint32_t ratio;    /* longer side over shorter side */
    uint64_t pixels;   /* 0: as many as memory allows */
} ct_image_limits;

/* Half of the memory that the process can still have, for file and pixels each, but at most 1 and 2 GiB; 1:20000. A pixel
 * takes three bytes; six where the picture must be turned; seven to eleven in an interlaced PNG or a WebP; up to nine in
 * a progressive JPEG. */
ct_image_limits ct_image_limits_default(void);

/* Errors: CARAT_EFORMAT (damaged, not an image), CARAT_EUNSUPPORTED (HEIC, AVIF, TIFF ..., by name), CARAT_ELIMIT
 * (with the figure and the limit), CARAT_ENOMEM. limits may be NULL: the defaults. */
bool ct_image_decode(const void *data, size_t len, const ct_image_limits *limits, ct_image *out, carat_err *err);
/* The same from a file; `path` stands in every message. */
bool ct_image_load(const char *path, const ct_image_limits *limits, ct_image *out, carat_err *err);
void ct_image_deinit(ct_image *image); /* accepts a zeroed one */

/* ---- geometry ---- */

typedef struct ct_box { /* in source pixels */
    uint32_t x, y, width, height;
} ct_box;

/* Resizes a part of an image as Pillow's BILINEAR does: a triangle filter whose support widens when shrinking, weights
 * in 22-bit fixed point, rounded to eight bits between the passes, which run in Pillow 13's order. out:
 * [height][width][3], the caller's. Errors: CARAT_ENOMEM, CARAT_EARG (a box outside the image, a side of 0 or over
 * 16384). Source: Pillow's src/libImaging/Resample.c, described there. */
bool ct_image_resize(const ct_image *image, ct_box part, uint32_t width, uint32_t height, uint8_t *out, carat_err *err);

/* Pan & Scan: carat.h has the rule's numbers. */
#define CT_MAX_CROPS 64

/* The crops besides the whole picture, in reading order; returns how many (0: it is not cut). boxes: room for
 * max_crops; at most CT_MAX_CROPS are made. */
size_t ct_pan_scan_boxes(const carat_pan_scan *p, uint32_t width, uint32_t height, ct_box *boxes);

/* An eight-bit sample as the tower's input: (v / 255 - 0.5) / 0.5 in float32, rounded as in the reference. */
static inline float ct_pixel_value(uint8_t v)
{
    return ((float)(v * (1.0 / 255)) - 0.5f) / 0.5f;
}

/* ---- writing a picture ---- */

/* Writes rgb [height][width][3] as a PNG; path is whole or untouched. Errors: CARAT_EARG (a side of 0 or over 16384),
 * CARAT_ENOMEM, CARAT_EIO. */
bool ct_image_write_png(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height, carat_err *err);

#endif
