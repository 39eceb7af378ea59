/* White space at both ends of a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/trim.h"

#include "base/utf8.h"

/* Python's str.isspace: bidirectional type WS, B or S, or category Zs. */
static bool is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

/* Bytes of the white space character that s ends with; 0: it ends with something else. */
static size_t space_at_end(const char *s, size_t len)
{
    for (size_t n = 1; n <= 3 && n <= len; n++) { /* no space has four bytes */
        uint32_t cp;
        if (((uint8_t)s[len - n] & 0xC0) != 0x80)
            return ct_utf8_next(s + len - n, n, &cp) == n && cp != CT_UTF8_BAD && is_space(cp) ? n : 0;
    }
    return 0;
}

void ct_trim(const char **s, size_t *len)
{
    uint32_t cp;
    for (size_t n; *len; *s += n, *len -= n) {
        n = ct_utf8_next(*s, *len, &cp);
        if (cp == CT_UTF8_BAD || !is_space(cp))
            break;
    }
    for (size_t n; (n = space_at_end(*s, *len)) > 0;)
        *len -= n;
}
