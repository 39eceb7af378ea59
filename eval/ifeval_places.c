/* What IFEval's checks have in common: their arguments, places in a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/utf8.h"
#include "eval/ifeval_inside.h"
#include "eval/text.h"

/* ---- arguments ---- */

const char *ct_eval_arg_text(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

/* A whole number, also as 300.0. */
size_t ct_eval_arg_number(const json_t *args, const char *key)
{
    const double x = json_number_value(json_object_get(args, key));
    return x > 0 && x < 1e9 ? (size_t)x : 0;
}

/* ---- places in a text ---- */

uint32_t ct_eval_char_at(const char *s)
{
    uint32_t c = 0;
    if (*s)
        ct_utf8_next(s, strnlen(s, 4), &c);
    return c;
}

size_t ct_eval_len_of(const char *s)
{
    uint32_t c;
    return *s ? ct_utf8_next(s, strnlen(s, 4), &c) : 0;
}

const char *ct_eval_skip_space(const char *s)
{
    while (*s && ct_eval_is_space(ct_eval_char_at(s)))
        s += ct_eval_len_of(s);
    return s;
}

bool ct_eval_is_blank(const char *s, size_t len)
{
    for (const char *end = s + len; s < end; s += ct_eval_len_of(s))
        if (!ct_eval_is_space(ct_eval_char_at(s)))
            return false;
    return true;
}

bool ct_eval_has_metachar(const char *word)
{
    return strpbrk(word, ".^$*+?{}[]\\|()") != NULL;
}

/* Parts between marks; a blank one counts only inside, and there it is wrong. SIZE_MAX: there was one. */
size_t ct_eval_parts_between(const char *text, const char *mark)
{
    size_t n = 0;
    const size_t len = strlen(mark);
    for (const char *at = text, *next;; at = next + len) {
        next = strstr(at, mark);
        const bool is_blank = ct_eval_is_blank(at, next ? (size_t)(next - at) : strlen(at));
        if (is_blank && next && at != text)
            return SIZE_MAX;
        n += !is_blank;
        if (!next)
            return n;
    }
}
