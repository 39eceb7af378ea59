/* IFEval's instructions of content and format, combinations, beginnings and ends, each on one text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/ifeval_inside.h"
#include "eval/text.h"

/* ---- content and format ---- */

ct_eval_verdict ct_eval_check_placeholders(const json_t *args, const char *text)
{
    size_t n = 0;
    for (const char *at = strchr(text, '['); at;) {
        const size_t len = strcspn(at, "]\n");
        n += at[len] == ']';
        at = strchr(at[len] == ']' ? at + len + 1 : at + 1, '[');
    }
    return YES(n >= ct_eval_arg_number(args, "num_placeholders"));
}

/* "." is any character but the end of a line, as in an expression. */
static bool has_marker(const char *text, const char *marker)
{
    for (; *text; text++) {
        size_t i = 0, k = 0;
        while (marker[k] && text[i] && (marker[k] == '.' ? text[i] != '\n' : marker[k] == text[i])) {
            i += marker[k] == '.' ? ct_eval_len_of(text + i) : 1;
            k++;
        }
        if (!marker[k])
            return true;
    }
    return false;
}

/* Letters each with a point behind it, a space between them or not; last: the last one's point may be missing. */
static bool has_initials(const char *text, const char *letters, bool bare_end)
{
    for (; *text; text++) {
        const char *at = text;
        const char *l = letters;
        for (; *l && *at == *l; l++) {
            at++;
            if (!l[1] && bare_end)
                continue;
            if (*at != '.')
                break;
            at++;
            if (l[1] && ct_eval_is_space(ct_eval_char_at(at)))
                at += ct_eval_len_of(at);
        }
        if (!*l)
            return true;
    }
    return false;
}

ct_eval_verdict ct_eval_check_postscript(const json_t *args, const char *text)
{
    char *small = ct_eval_lower(text), *marker = ct_eval_trimmed(ct_eval_arg_text(args, "postscript_marker")),
         *wanted = marker ? ct_eval_lower(marker) : NULL;
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (small && wanted && strcmp(marker, "P.P.S") == 0)
        v = YES(has_initials(small, "pps", true));
    else if (small && wanted && strcmp(marker, "P.S.") == 0)
        v = YES(has_initials(small, "ps", false));
    else if (small && wanted && !strpbrk(wanted, "^$*+?{}[]\\|()"))
        v = YES(has_marker(small, wanted));
    free(small);
    free(marker);
    free(wanted);
    return v;
}

/* Lines that begin with the mark, white space aside, which may be lines itself; behind "*" anything but another one. */
static size_t bullets(const char *text, char mark)
{
    size_t n = 0;
    for (const char *line = text; line;) {
        const char *at = ct_eval_skip_space(line), *from = line;
        if (*at == mark && (mark != '*' || (at[1] && at[1] != '*'))) {
            n++;
            from = mark == '*' ? at + 1 + ct_eval_len_of(at + 1) : at;
        }
        line = strchr(from, '\n');
        line = line ? line + 1 : NULL;
    }
    return n;
}

ct_eval_verdict ct_eval_check_bullets(const json_t *args, const char *text)
{
    return YES(bullets(text, '*') + bullets(text, '-') == ct_eval_arg_number(args, "num_bullets"));
}

ct_eval_verdict ct_eval_check_constrained(const json_t *args, const char *text)
{
    (void)args;
    return YES(strstr(text, "My answer is yes.") || strstr(text, "My answer is no.") ||
               strstr(text, "My answer is maybe."));
}

/* "*like this*" with so many asterisks on either side and none within; what is not blank counts. */
static size_t highlighted(const char *text, size_t stars)
{
    size_t n = 0;
    const char mark[] = "**";
    for (const char *at = strstr(text, mark + 2 - stars); at;) {
        const size_t len = strcspn(at + stars, "*\n");
        const char *end = at + stars + len;
        if (strncmp(end, mark + 2 - stars, stars) != 0) {
            at = strstr(at + 1, mark + 2 - stars);
            continue;
        }
        n += !ct_eval_is_blank(at + stars, len);
        at = strstr(end + stars, mark + 2 - stars);
    }
    return n;
}

ct_eval_verdict ct_eval_check_highlights(const json_t *args, const char *text)
{
    return YES(highlighted(text, 1) + highlighted(text, 2) >= ct_eval_arg_number(args, "num_highlights"));
}

ct_eval_verdict ct_eval_check_sections(const json_t *args, const char *text)
{
    char *splitter = ct_eval_trimmed(ct_eval_arg_text(args, "section_spliter"));
    const size_t len = splitter ? strlen(splitter) : 0;
    size_t n = 0;
    if (!len || ct_eval_has_metachar(splitter)) {
        free(splitter);
        return CT_EVAL_NOT_JUDGED;
    }
    for (const char *at = strstr(text, splitter); at; at = strstr(at, splitter)) {
        at += len;
        const char *digits = ct_eval_is_space(ct_eval_char_at(at)) ? at + ct_eval_len_of(at) : at;
        n += *digits >= '0' && *digits <= '9';
    }
    free(splitter);
    return YES(n >= ct_eval_arg_number(args, "num_sections"));
}

ct_eval_verdict ct_eval_check_title(const json_t *args, const char *text)
{
    (void)args;
    for (const char *line = text; line && *line;) {
        const char *end = line + strcspn(line, "\n"), *from = strstr(line, "<<"), *to = NULL;
        for (const char *at = from; from && from < end && at + 1 < end; at++)
            if (at > from + 2 && at[0] == '>' && at[1] == '>')
                to = at; /* the last in the line */
        if (to) {
            from += strspn(from, "<");
            while (to > from && to[-1] == '>')
                to--;
            if (to > from && !ct_eval_is_blank(from, (size_t)(to - from)))
                return CT_EVAL_FOLLOWED;
        }
        line = *end ? end + 1 : NULL;
    }
    return CT_EVAL_NOT_FOLLOWED;
}

/* ---- JSON, combinations, beginnings and ends ---- */

ct_eval_verdict ct_eval_check_json(const json_t *args, const char *text)
{
    static const char *const marks[] = { "```json", "```Json", "```JSON", "```" };
    (void)args;
    char *s = ct_eval_trimmed(text);
    if (!s)
        return CT_EVAL_NOT_JUDGED;
    const char *at = s;
    for (int i = 0; i < 4; i++)
        if (strncmp(at, marks[i], strlen(marks[i])) == 0)
            at += strlen(marks[i]);
    size_t len = strlen(at);
    if (len >= 3 && strcmp(at + len - 3, "```") == 0)
        len -= 3;
    char *inner = strndup(at, len), *whole = inner ? ct_eval_trimmed(inner) : NULL;
    const ct_eval_verdict v = whole ? YES(ct_eval_is_python_json(whole)) : CT_EVAL_NOT_JUDGED;
    free(s);
    free(inner);
    free(whole);
    return v;
}

ct_eval_verdict ct_eval_check_two(const json_t *args, const char *text)
{
    (void)args;
    if (ct_eval_parts_between(text, "******") != 2)
        return CT_EVAL_NOT_FOLLOWED;
    char *parts[2] = { NULL, NULL };
    int n = 0;
    for (const char *at = text, *next; at && n < 2; at = next) {
        next = strstr(at, "******");
        char *part = strndup(at, next ? (size_t)(next - at) : strlen(at));
        parts[n] = part ? ct_eval_trimmed(part) : NULL;
        free(part);
        if (parts[n] && *parts[n])
            n++;
        else
            free(parts[n]), parts[n] = NULL;
        next = next ? next + 6 : NULL;
    }
    const ct_eval_verdict v = n == 2 ? YES(strcmp(parts[0], parts[1]) != 0) : CT_EVAL_NOT_JUDGED;
    free(parts[0]);
    free(parts[1]);
    return v;
}

/* Both trimmed, in small letters; quotes: those at the text's ends taken off too. */
static ct_eval_verdict at_end(const char *text, const char *what, bool begins)
{
    char *a = ct_eval_trimmed(text), *b = ct_eval_trimmed(what), *x = NULL, *y = b ? ct_eval_lower(b) : NULL;
    const char *from = a;
    size_t len = a ? strlen(a) : 0;
    while (!begins && len && *from == '"')
        from++, len--;
    while (!begins && len && from[len - 1] == '"')
        len--;
    char *inner = a ? strndup(from, len) : NULL;
    x = inner ? ct_eval_lower(inner) : NULL;
    ct_eval_verdict v = CT_EVAL_NOT_JUDGED;
    if (x && y) {
        const size_t n = strlen(x), m = strlen(y);
        v = YES(n >= m && memcmp(begins ? x : x + n - m, y, m) == 0);
    }
    free(a);
    free(b);
    free(x);
    free(y);
    free(inner);
    return v;
}

ct_eval_verdict ct_eval_check_repeat(const json_t *args, const char *text)
{
    return at_end(text, ct_eval_arg_text(args, "prompt_to_repeat"), true);
}

ct_eval_verdict ct_eval_check_end(const json_t *args, const char *text)
{
    return at_end(text, ct_eval_arg_text(args, "end_phrase"), false);
}

ct_eval_verdict ct_eval_check_quotation(const json_t *args, const char *text)
{
    (void)args;
    char *s = ct_eval_trimmed(text);
    const size_t len = s ? strlen(s) : 0;
    const ct_eval_verdict v = s ? YES(len > 1 && s[0] == '"' && s[len - 1] == '"') : CT_EVAL_NOT_JUDGED;
    free(s);
    return v;
}
