/* UTF-8: decoding and encoding a character, checking a text, finding an unfinished character at its end, and what must
 * not reach a terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

/* Length of the character that lead byte b begins, and the bounds of its second byte (Unicode 15, table 3-7). */
static size_t lead(uint8_t b, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80, *hi = 0xBF;
    if (b >= 0xC2 && b <= 0xDF)
        return 2;
    if (b >= 0xE0 && b <= 0xEF) {
        if (b == 0xE0)
            *lo = 0xA0; /* no overlong forms */
        if (b == 0xED)
            *hi = 0x9F; /* no surrogates */
        return 3;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (b == 0xF0)
            *lo = 0x90;
        if (b == 0xF4)
            *hi = 0x8F; /* nothing above U+10FFFF */
        return 4;
    }
    return 0;
}

/* Bytes of s that are a well-formed beginning of the character; *need is its full length (0: not a lead byte). */
static size_t prefix(const uint8_t *s, size_t len, size_t *need)
{
    uint8_t lo, hi;
    *need = lead(s[0], &lo, &hi);
    if (!*need)
        return 0;
    size_t i = 1;
    while (i < *need && i < len && s[i] >= lo && s[i] <= hi)
        i++, lo = 0x80, hi = 0xBF;
    return i;
}

size_t ct_utf8_next(const char *text, size_t len, uint32_t *cp)
{
    const uint8_t *s = (const uint8_t *)text;
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    size_t need, got = prefix(s, len, &need);
    if (!need || got < need) {
        *cp = CT_UTF8_BAD;
        return got ? got : 1;
    }
    uint32_t c = s[0] & (0xFFu >> (need + 1));
    for (size_t i = 1; i < need; i++)
        c = c << 6 | (s[i] & 0x3Fu);
    *cp = c;
    return need;
}

size_t ct_utf8_incomplete(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        size_t need, got = prefix(s + len - back, back, &need);
        if (need)
            return got == back && got < need ? back : 0;
    }
    return 0;
}

size_t ct_utf8_put(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xF0) | cp);
    return n;
}

bool ct_utf8_is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x61c || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

void ct_utf8_tidy(char *s)
{
    char *to = s;
    for (size_t left = strlen(s), len; left; s += len, left -= len) {
        uint32_t cp;
        len = ct_utf8_next(s, left, &cp);
        const bool is_shown = cp != CT_UTF8_BAD && !ct_utf8_is_control(cp);
        if (is_shown)
            memmove(to, s, len);
        else
            *to = '?';
        to += is_shown ? len : 1;
    }
    *to = '\0';
}

size_t ct_utf8_count(const char *s)
{
    size_t n = 0;
    uint32_t cp;
    for (size_t len = strlen(s); len; n++) {
        const size_t k = ct_utf8_next(s, len, &cp);
        s += k;
        len -= k;
    }
    return n;
}

size_t ct_utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint32_t cp;
        size_t n = ct_utf8_next(s + i, len - i, &cp);
        if (cp == CT_UTF8_BAD)
            return i;
        i += n;
    }
    return len;
}
