/* json_halves.h - JSON without halves of surrogate pairs, for comparing our reader with jansson's, which refuses them.
 *
 * A second opinion: it looks at the text alone, and knows nothing of strings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_JSON_HALVES_H
#define CT_TESTS_JSON_HALVES_H

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Is an escape of D800..DBFF (or DC00..DFFF) at s? */
static inline bool is_half_escape(const char *s, size_t len, bool is_low)
{
    if (len < 6 || s[0] != '\\' || s[1] != 'u' || (s[2] | 0x20) != 'd' || !isxdigit((unsigned char)s[3]) ||
        !isxdigit((unsigned char)s[4]) || !isxdigit((unsigned char)s[5]))
        return false;
    return strchr(is_low ? "cdefCDEF" : "89abAB", s[3]) != NULL;
}

/* Escapes of half a pair become "\ufffd". */
static inline void mend_halves(char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        bool is_high = is_half_escape(text + i, len - i, false), is_low = is_half_escape(text + i, len - i, true);
        if (is_high && is_half_escape(text + i + 6, len - i - 6, true)) {
            i += 12;
        } else if (is_high || is_low) {
            memcpy(text + i, "\\ufffd", 6);
            i += 6;
        } else {
            i += text[i] == '\\' && i + 1 < len ? 2 : 1;
        }
    }
}

#endif
