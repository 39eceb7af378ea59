/* decode.h - what the decoders share, inside image/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_IMAGE_DECODE_H
#define CT_IMAGE_DECODE_H

#include "image/image.h"

typedef struct ct_bytes {
    const uint8_t *data;
    size_t len;
} ct_bytes;

/* Checks a header's size against the limits and takes memory for the pixels. `kind` names the format; `beside` are the
 * bytes that decoding takes besides the pixels. A picture that is then turned takes its pixels a second time. */
bool ct_image_begin(ct_image *out, const char *kind, uint64_t width, uint64_t height, int orientation, uint64_t beside,
                    const ct_image_limits *l, carat_err *err);

/* Memory for width x height x 4 bytes of RGBA; NULL with an error. The caller frees it. */
uint8_t *ct_rgba_new(const char *kind, uint32_t width, uint32_t height, carat_err *err);
/* n pixels of RGBA composited on white: rgb [n][3]. */
void ct_flatten(uint8_t *rgb, const uint8_t *rgba, size_t n);

/* The orientation, 1 to 8, that an EXIF block ("II*\0..." or "MM\0*...", "Exif\0\0" in front or not) or an XMP packet
 * states: 0 where it states none, 1 where it is out of range. Sources: EXIF 2.32, tag 0x0112; TIFF 6.0, image file
 * directory; XMP specification part 2, the tiff namespace. */
int ct_exif_orientation(const uint8_t *exif, size_t len);
int ct_xmp_orientation(const uint8_t *xmp, size_t len);
/* Of the two the one that holds: as in the reference, EXIF's where it states one. */
int ct_orientation(int exif, int xmp);

/* Each fills *out and, where there is one, the orientation. Limits are checked before memory is taken. */
bool ct_jpeg_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_png_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_webp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_gif_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err);
bool ct_bmp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err);

#endif
