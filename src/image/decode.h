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

/* Checks a header's size against the limits and takes memory for the pixels; `kind` names the format. */
bool ct_image_begin(ct_image *out, const char *kind, uint64_t width, uint64_t height, const ct_image_limits *l,
                    carat_err *err);

/* Memory for width x height x 4 bytes of RGBA; NULL with an error. The caller frees it. */
uint8_t *ct_rgba_new(const char *kind, uint32_t width, uint32_t height, carat_err *err);
/* RGBA composited on white into the image. */
void ct_flatten(ct_image *out, const uint8_t *rgba);

/* Orientation 1..8 of an EXIF block ("II*\0..." or "MM\0*..."); 1 where it is missing or invalid. Source: EXIF 2.32,
 * tag 0x0112; TIFF 6.0, image file directory. */
int ct_exif_orientation(const uint8_t *exif, size_t len);

/* Each fills *out and, where there is one, the orientation. Limits are checked before memory is taken. */
bool ct_jpeg_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_png_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_webp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err);
bool ct_gif_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err);
bool ct_bmp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err);

#endif
