/* BMP: uncompressed files of 8 (palette), 24 and 32 bits, the kinds that programs write.
 *
 *    0  "BM"
 *   10  u32 offset of the pixels
 *   14  u32 size of the second header
 *   18  i32 width
 *   22  i32 height; negative: the top row comes first
 *   26  u16 planes
 *   28  u16 bits of a pixel
 *   30  u32 compression; only 0, none, is read
 *   46  u32 colours of the palette; 0: 256
 *
 * Rows are padded to four bytes. Source: Microsoft, BITMAPINFOHEADER.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "image/decode.h"

#define KIND "BMP"

bool ct_bmp_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err)
{
    if (in.len < 54)
        return ct_fail(err, CARAT_EFORMAT, in.len, KIND ": %zu bytes, its headers alone have 54", in.len);
    const uint8_t *p = in.data;
    uint32_t pixels = ct_le32(p + 10), header = ct_le32(p + 14), bits = ct_le16(p + 28), packing = ct_le32(p + 30);
    int64_t width = (int32_t)ct_le32(p + 18), height = (int32_t)ct_le32(p + 22);
    if (header < 40 || width <= 0 || height == 0)
        return ct_fail(err, CARAT_EFORMAT, 14, KIND ": a header of %u bytes for %lld x %lld pixels", header,
                       (long long)width, (long long)height);
    if ((bits != 8 && bits != 24 && bits != 32) || packing != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, 28, KIND ": %u bits with packing %u, expected plain 8, 24 or 32 bits",
                       bits, packing);
    bool is_top_first = height < 0;
    height = is_top_first ? -height : height;
    uint64_t row = ((uint64_t)width * bits / 8 + 3) / 4 * 4;
    uint64_t palette = 14 + (uint64_t)header, colours = bits == 8 ? (ct_le32(p + 46) ? ct_le32(p + 46) : 256) : 0;
    if (colours > 256 || !ct_inside(palette, colours * 4, in.len) || row > UINT64_MAX / (uint64_t)height ||
        !ct_inside(pixels, row * (uint64_t)height, in.len))
        return ct_fail(err, CARAT_EFORMAT, in.len, KIND ": %zu bytes do not hold %lld x %lld pixels", in.len,
                       (long long)width, (long long)height);
    if (!ct_image_begin(out, KIND, (uint64_t)width, (uint64_t)height, l, err))
        return false;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *from = p + pixels + row * (uint64_t)(is_top_first ? y : height - 1 - y);
        uint8_t *to = out->rgb + (size_t)y * out->width * 3;
        for (int64_t x = 0; x < width; x++, to += 3) {
            const uint8_t *bgr = from + (size_t)x * (bits / 8);
            if (bits == 8) {
                if (*bgr >= colours)
                    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": colour %u of %llu", *bgr,
                                   (unsigned long long)colours);
                bgr = p + palette + 4u * *bgr;
            }
            to[0] = bgr[2], to[1] = bgr[1], to[2] = bgr[0];
        }
    }
    return true;
}
