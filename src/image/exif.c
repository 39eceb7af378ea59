/* Finds the orientation in an image's EXIF data.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/size.h"
#include "image/decode.h"

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3

typedef struct tiff {
    const uint8_t *data;
    size_t len;
    bool is_big;
} tiff;

/* An unsigned number of n bytes at off, which the caller has checked. */
static uint32_t number(const tiff *t, size_t off, size_t n)
{
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | t->data[off + (t->is_big ? i : n - 1 - i)];
    return v;
}

int ct_exif_orientation(const uint8_t *exif, size_t len)
{
    tiff t = { exif, len, false };
    if (len < 8 || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0))
        return 1;
    t.is_big = exif[0] == 'M';
    size_t dir = number(&t, 4, 4);
    if (!ct_inside(dir, 2, len))
        return 1;
    size_t entries = number(&t, dir, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t at = dir + 2 + 12 * i;
        if (!ct_inside(at, 12, len))
            return 1;
        if (number(&t, at, 2) != TAG_ORIENTATION)
            continue;
        uint32_t v = number(&t, at + 8, 2);
        return number(&t, at + 2, 2) == TYPE_SHORT && number(&t, at + 4, 4) == 1 && v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}
