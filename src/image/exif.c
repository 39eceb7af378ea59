/* Which way up a picture is to be shown, from its metadata: EXIF, or XMP where EXIF does not say.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/size.h"
#include "image/decode.h"

#define TAG_ORIENTATION 0x0112
#define PREFIX          "Exif\0" /* with the NUL that ends the literal: what JPEG has in front of the TIFF header */

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

/* Bytes of a whole number of this TIFF type; 0 for the other types. The standard says SHORT, cameras write all. */
static size_t whole_bytes(uint32_t type)
{
    switch (type) {
    case 1: /* BYTE, SBYTE */
    case 6:
        return 1;
    case 3: /* SHORT, SSHORT */
    case 8:
        return 2;
    case 4: /* LONG, SLONG */
    case 9:
        return 4;
    default:
        return 0;
    }
}

int ct_exif_orientation(const uint8_t *exif, size_t len)
{
    for (int i = 0; i < 2 && len >= sizeof PREFIX && memcmp(exif, PREFIX, sizeof PREFIX) == 0; i++)
        exif += sizeof PREFIX,
            len -= sizeof PREFIX; /* some writers put it in front twice, or where it does not belong */
    tiff t = { exif, len, false };
    if (len < 8 || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0))
        return 0;
    t.is_big = exif[0] == 'M';
    size_t dir = number(&t, 4, 4);
    if (!ct_inside(dir, 2, len))
        return 0;
    size_t entries = number(&t, dir, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t at = dir + 2 + 12 * i;
        if (!ct_inside(at, 12, len))
            return 0;
        size_t bytes = whole_bytes(number(&t, at + 2, 2));
        if (number(&t, at, 2) != TAG_ORIENTATION || bytes == 0 || number(&t, at + 4, 4) != 1)
            continue;
        uint32_t v = number(&t, at + 8, bytes);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 0;
}

int ct_xmp_orientation(const uint8_t *xmp, size_t len)
{
    static const char name[] = "tiff:Orientation";
    const uint8_t *end = xmp + len;
    for (const uint8_t *p = xmp; p && (p = memmem(p, (size_t)(end - p), name, sizeof name - 1));) {
        p += sizeof name - 1;
        size_t n = end - p > 2 && memcmp(p, "=\"", 2) == 0 ? 2
                   : end - p > 1 && *p == '>'              ? 1
                                                           : 0; /* attribute, element */
        if (n && p[n] >= '0' && p[n] <= '9')
            return p[n] >= '1' && p[n] <= '8' ? p[n] - '0' : 1;
    }
    return 0;
}

int ct_orientation(int exif, int xmp)
{
    return exif ? exif : xmp ? xmp : 1;
}
