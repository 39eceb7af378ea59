/* Widths of characters, from the C library where it knows them; breaks in scripts without blanks.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

#include <locale.h>
#include <stddef.h>
#include <wchar.h>

typedef struct range {
    uint32_t from, to;
} range;

static bool is_in(uint32_t cp, const range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i].from && cp <= r[i].to)
            return true;
    return false;
}
#define IS_IN(cp, ranges) is_in(cp, ranges, sizeof(ranges) / sizeof *(ranges))

/* Blocks, where the C library has no UTF-8 locale (Unicode 15, EastAsianWidth.txt). */
static const range wide[] = { { 0x1100, 0x115f },  { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xa960, 0xa97c },
                              { 0xac00, 0xd7a3 },  { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
                              { 0xffe0, 0xffe6 },  { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
                              { 0x20000, 0x3fffd } };
static const range combining[] = { { 0x300, 0x36f },   { 0x483, 0x489 },   { 0x591, 0x5bd },   { 0x610, 0x61a },
                                   { 0x64b, 0x65f },   { 0x200b, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x206f },
                                   { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff } };
static const range hangul[] = { { 0x1100, 0x11ff }, { 0x3130, 0x318f }, { 0xa960, 0xa97f }, { 0xac00, 0xd7ff } };

int char_columns(uint32_t cp)
{
    static locale_t utf8;
    static bool was_tried;
    if (cp < 0x300)
        return 1;
    if (!was_tried)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    was_tried = true;
    int n = -1;
    if (utf8) {
        const locale_t before = uselocale(utf8);
        n = wcwidth((wchar_t)cp);
        uselocale(before);
    }
    if (n >= 0)
        return n;
    return IS_IN(cp, combining) ? 0 : IS_IN(cp, wide) ? 2 : 1;
}

static bool is_one_of(uint32_t cp, const wchar_t *list)
{
    return wcschr(list, (wchar_t)cp) != NULL;
}

static bool stands_alone(uint32_t cp)
{
    return char_columns(cp) == 2 && !IS_IN(cp, hangul);
}

bool char_may_break(uint32_t a, uint32_t b)
{
    static const wchar_t closing[] =
        L",.;:!?)]}%'\"\x2019\x201d\x2026\x3001\x3002\x3005\x3009\x300b\x300d\x300f\x3011\x3015"
        L"\x3017\x301c\x30fb\x30fc\xff01\xff05\xff09\xff0c\xff0e\xff1a\xff1b\xff1f\xff3d\xff5d";
    static const wchar_t opening[] = L"([{'\"\x2018\x201c\x3008\x300a\x300c\x300e\x3010\x3014\x3016\xff08\xff3b\xff5b";
    const bool is_joined = a == 0x200d || (b >= 0x1f3fb && b <= 0x1f3ff); /* of an emoji */
    if (!a || is_joined || char_columns(b) == 0 || (!stands_alone(a) && !stands_alone(b)))
        return false;
    return !is_one_of(b, closing) && !is_one_of(a, opening);
}
