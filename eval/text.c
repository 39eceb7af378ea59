/* Small letters, white space, replacing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MOST_TEXT ((size_t)64 << 20)

uint32_t ct_eval_lower_char(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7))
        return c + 32;
    if (c >= 0x100 && c <= 0x17E) { /* pairs, of which the even one is large; from U+0139 and U+0179 the odd one */
        if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149)
            return c;
        if (c == 0x178)
            return 0xFF;
        const bool is_odd_large = (c >= 0x139 && c <= 0x148) || c >= 0x179;
        return (c & 1) == is_odd_large ? c + 1 : c;
    }
    if ((c >= 0x1DE && c <= 0x1EF) || (c >= 0x1F8 && c <= 0x21F) || (c >= 0x222 && c <= 0x233))
        return c & 1 ? c : c + 1;
    if ((c >= 0x391 && c <= 0x3A9 && c != 0x3A2) || (c >= 0x410 && c <= 0x42F))
        return c + 32;
    if (c >= 0x400 && c <= 0x40F)
        return c + 80;
    if ((c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F) ||
        (c >= 0x1E00 && c <= 0x1E95) || (c >= 0x1EA0 && c <= 0x1EFF))
        return c & 1 ? c : c + 1;
    return c >= 0x531 && c <= 0x556 ? c + 48 : c;
}

bool ct_eval_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static char *taken(ct_buf *b)
{
    if (!b->len && !b->failed)
        ct_buf_add(b, "", 0);
    char *s = b->failed ? NULL : ct_buf_take(b);
    ct_buf_deinit(b);
    return s;
}

char *ct_eval_lower(const char *text)
{
    ct_buf b;
    char bytes[4];
    uint32_t c;
    ct_buf_init(&b, MOST_TEXT);
    for (const char *end = text + strlen(text); text < end;) {
        const size_t n = ct_utf8_next(text, (size_t)(end - text), &c);
        const uint32_t small = c == CT_UTF8_BAD ? c : ct_eval_lower_char(c);
        if (small == c)
            ct_buf_add(&b, text, n);
        else
            ct_buf_add(&b, bytes, ct_utf8_put(small, bytes));
        text += n;
    }
    return taken(&b);
}

/* single: of a run of white space one space is left. */
static char *without_space(const char *text, bool single)
{
    ct_buf b;
    uint32_t c;
    const char *space = NULL; /* where the run began that is being read */
    ct_buf_init(&b, MOST_TEXT);
    for (const char *end = text + strlen(text); text < end;) {
        const size_t n = ct_utf8_next(text, (size_t)(end - text), &c);
        if (!ct_eval_is_space(c)) {
            if (space && b.len && single)
                ct_buf_char(&b, ' ');
            else if (space && b.len)
                ct_buf_add(&b, space, (size_t)(text - space));
            ct_buf_add(&b, text, n);
            space = NULL;
        } else if (!space) {
            space = text;
        }
        text += n;
    }
    return taken(&b);
}

char *ct_eval_trimmed(const char *text)
{
    return without_space(text, false);
}

char *ct_eval_collapsed(const char *text)
{
    return without_space(text, true);
}

char *ct_eval_replaced(const char *text, const char *what, const char *by)
{
    const size_t n = strlen(what);
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    for (const char *at; (at = strstr(text, what)); text = at + n) {
        ct_buf_add(&b, text, (size_t)(at - text));
        ct_buf_str(&b, by);
    }
    ct_buf_str(&b, text);
    return taken(&b);
}

const char *ct_eval_last(const char *text, const char *what)
{
    const char *last = *what ? NULL : text + strlen(text);
    for (const char *at = *what ? strstr(text, what) : NULL; at; at = strstr(at + 1, what))
        last = at;
    return last;
}
