/* Markdown that streams: a line is held back only from a mark on whose meaning is open.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "term.h"

#define MAX_HELD  400 /* bytes for which the end of a bold text is waited; then its mark is text */
#define MAX_BEGIN 80  /* bytes of blanks at a line's beginning */

/* ---- characters ---- */

static void put(view *v, const char *s, size_t n, unsigned style)
{
    for (size_t at = 0, len; at < n; at += len) {
        uint32_t cp;
        len = ct_utf8_next(s + at, n - at, &cp);
        wrap_char(&v->wrap, s + at, len, cp, style);
    }
}

static size_t run_of(const char *s, size_t n, size_t at, char c)
{
    size_t k = at;
    while (k < n && s[k] == c)
        k++;
    return k - at;
}

static bool is_ascii_alnum(char c)
{
    return (unsigned char)c < 0x80 && isalnum((unsigned char)c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* ---- marks within a line ---- */

typedef enum found { FOUND, NOT_THERE, NOT_YET } found;

/* The run of r backticks that closes one at `at`. */
static found closing_ticks(const char *s, size_t n, size_t at, size_t r, bool is_all, size_t *to)
{
    for (size_t k = at + r; k < n && s[k] != '\n';) {
        const size_t q = run_of(s, n, k, '`');
        if (q == r && (k + q < n || is_all)) {
            *to = k;
            return FOUND;
        }
        k += q ? q : 1;
    }
    return is_all || memchr(s + at, '\n', n - at) ? NOT_THERE : NOT_YET;
}

/* Asterisks are marks where a writer of prose puts them, and stay where code, formulas and names of files have them:
 *
 *     opening   at the beginning, or behind a blank, an opening bracket, a quote, a dash, other punctuation of prose or a
 *               letter beyond ASCII; before anything but a blank, a closing bracket, an operator, a comma or a point
 *     closing   behind anything but a blank, an opening bracket or an operator; before anything that is neither an ASCII
 *               letter or digit nor an opening bracket, a slash or an operator
 *     between   every bracket is closed that was opened, and none is that was not
 *
 * So nothing is taken from COUNT(*), SUM(*), f(*a)(*b), 2*3*4, a * b, t.*, u.* or
 * *.c and *.h. */
#define NO_OPENING_BEHIND ")]}/\\*=+%&_.$@#^"
#define NO_OPENING_BEFORE ")]}>,.;:!?*=%&|+"
#define NO_CLOSING_BEHIND "([{</\\*=+%&|"
#define NO_CLOSING_BEFORE "([{/\\*=+-%&_$@#^"

/* May the run of r asterisks at `at` open bold or italic text? */
static bool may_open(const char *s, size_t n, size_t at, size_t r, char before)
{
    const char last = at ? s[at - 1] : before;
    return r <= 3 && at + r < n && !is_blank(s[at + r]) && !is_one_of(s[at + r], NO_OPENING_BEFORE) &&
           !is_ascii_alnum(last) && !is_one_of(last, NO_OPENING_BEHIND);
}

/* May they close it? next: what follows; NUL: nothing. */
static bool may_close(char last, char next)
{
    return !is_blank(last) && !is_one_of(last, NO_CLOSING_BEHIND) && !is_ascii_alnum(next) &&
           !is_one_of(next, NO_CLOSING_BEFORE);
}

static found closing_stars(const char *s, size_t n, size_t at, size_t r, bool is_all, size_t *to)
{
    int depth = 0; /* of brackets */
    for (size_t k = at + r; k < n && s[k] != '\n';) {
        size_t q = run_of(s, n, k, '`'), end;
        if (q) {
            const found f = closing_ticks(s, n, k, q, is_all, &end);
            if (f == NOT_YET)
                return NOT_YET;
            k = f == FOUND ? end + q : k + q;
            continue;
        }
        q = run_of(s, n, k, '*');
        if (q == r && depth == 0 && may_close(s[k - 1], '\0')) {
            if (k + q == n && !is_all)
                return NOT_YET;
            if (may_close(s[k - 1], k + q < n ? s[k + q] : '\0')) {
                *to = k;
                return FOUND;
            }
        }
        depth += is_one_of(s[k], "([{") - is_one_of(s[k], ")]}");
        if (depth < 0)
            return NOT_THERE;
        k += q ? q : s[k] == '\\' && k + 1 < n && s[k + 1] != '\n' ? 2 : 1;
    }
    return is_all || memchr(s + at, '\n', n - at) ? NOT_THERE : NOT_YET;
}

static size_t show_text(view *v, const char *s, size_t n, unsigned style, bool is_all);

/* Text between marks of r characters, at `at`, that may be closed later. Returns where it goes on; `at`: not decided. */
static size_t show_marked(view *v, const char *s, size_t n, size_t at, unsigned style, bool is_all)
{
    const char c = s[at];
    const size_t r = run_of(s, n, at, c);
    const bool is_late = n - at > MAX_HELD;
    size_t to = 0;
    found f = NOT_THERE;
    if (at + r == n && !is_all && !is_late)
        return at;
    if (c == '`')
        f = closing_ticks(s, n, at, r, is_all, &to);
    else if (may_open(s, n, at, r, v->before))
        f = closing_stars(s, n, at, r, is_all, &to);
    if (f == NOT_YET && !is_late)
        return at;
    if (f != FOUND) {
        put(v, s + at, r, style);
        return at + r;
    }
    if (c == '*')
        show_text(v, s + at + r, to - at - r, style | (r & 1 ? STYLE_ITALIC : 0u) | (r & 2 ? STYLE_BOLD : 0u), true);
    else if (v->wrap.has_colour)
        put(v, s + at + r, to - at - r, style | STYLE_CODE);
    else /* nothing else would show that it is code */
        put(v, s + at, to + r - at, style);
    return to + r;
}

/* Shows of a line's text what is decided, at most to its newline. Returns how many bytes. is_all: no more will come. */
static size_t show_text(view *v, const char *s, size_t n, unsigned style, bool is_all)
{
    size_t at = 0;
    while (at < n) {
        size_t next;
        if (s[at] == '*' || s[at] == '`') {
            next = show_marked(v, s, n, at, style, is_all);
            if (next == at)
                break;
        } else if (s[at] == '\\') {
            if (at + 1 == n && !is_all)
                break;
            next = at + (at + 1 < n && (s[at + 1] == '*' || s[at + 1] == '`') ? 2 : 1);
            put(v, s + at, next - at, style);
        } else {
            next = at + strcspn(s + at, "*`\\\n");
            next = next < n ? next + (s[next] == '\n') : n;
            put(v, s + at, next - at, style);
        }
        at = next;
        if (s[at - 1] == '\n')
            break;
    }
    return at;
}

/* ---- beginnings of lines ---- */

/* What a line is by its beginning, n bytes so far. *marker: bytes of its mark, blanks before it included. */
typedef enum line_kind { LINE_OPEN, LINE_TEXT, LINE_HEADING, LINE_ITEM, LINE_FENCE, LINE_TABLE } line_kind;

static line_kind fence_kind(const char *s, size_t n, size_t at, bool is_all)
{
    const size_t r = run_of(s, n, at, s[at]);
    const char *end = memchr(s, '\n', n);
    if (r < 3)
        return at + r == n && !is_all ? LINE_OPEN : LINE_TEXT;
    if (!end && !is_all && n < MAX_HELD)
        return LINE_OPEN;
    const size_t len = end ? (size_t)(end - s) : n;
    return n >= MAX_HELD || (s[at] == '`' && memchr(s + at + r, '`', len - at - r)) ? LINE_TEXT : LINE_FENCE;
}

static line_kind kind_of(const char *s, size_t n, bool is_all, size_t *marker)
{
    const size_t at = strspn(s, " \t");
    size_t k = at;
    line_kind kind = LINE_ITEM;
    if (at == n)
        return is_all || n > MAX_BEGIN ? LINE_TEXT : LINE_OPEN;
    if (s[at] == '`' || s[at] == '~')
        return fence_kind(s, n, at, is_all);
    if (s[at] == '|')
        return LINE_TABLE;
    if (s[at] == '#') {
        k += run_of(s, n, at, '#');
        kind = k - at <= 6 ? LINE_HEADING : LINE_TEXT;
    } else if (s[at] == '-' || s[at] == '+' || s[at] == '*') {
        k++;
    } else {
        while (k < n && k - at < 9 && isdigit((unsigned char)s[k]))
            k++;
        if (k == at)
            return LINE_TEXT;
        if (k < n && s[k] != '.' && s[k] != ')')
            return LINE_TEXT;
        k += k < n;
    }
    if (k == n)
        return is_all ? LINE_TEXT : LINE_OPEN;
    *marker = k + 1;
    return s[k] == ' ' ? kind : LINE_TEXT;
}

/* Is a line in code the closing fence? */
static found closing_fence(const view *v, const char *s, size_t n, bool is_all)
{
    const size_t at = strspn(s, " \t"), r = run_of(s, n, at, v->fence);
    const size_t blanks = at + r < n ? strspn(s + at + r, " \t") : 0;
    if (at + r + blanks == n) /* so far it may be */
        return !is_all && n < MAX_HELD ? NOT_YET : r >= v->fence_len ? FOUND : NOT_THERE;
    return r >= v->fence_len && s[at + r + blanks] == '\n' ? FOUND : NOT_THERE;
}

static void begin_verbatim(view *v, unsigned style)
{
    v->state = VIEW_VERBATIM;
    v->style = style;
    v->wrap.is_verbatim = true;
}

/* Shows a line's mark. Returns its bytes. */
static size_t begin_marked(view *v, const char *s, line_kind kind, size_t marker)
{
    if (kind == LINE_HEADING) {
        put(v, s, marker, STYLE_DIM);
        v->style = STYLE_BOLD;
        return marker;
    }
    put(v, s, marker, 0);
    if ((int)marker <= v->wrap.width / 2 && !memchr(s, '\t', marker))
        v->wrap.indent = (int)marker;
    return marker;
}

/* Decides what the held line is. False: not yet. *used: bytes that were shown. */
static bool begin_line(view *v, bool is_all, size_t *used)
{
    const char *s = v->held.data;
    const size_t n = v->held.len;
    size_t marker = 0;
    *used = 0;
    v->style = 0;
    v->before = '\0';
    v->wrap.is_verbatim = false;
    v->state = VIEW_IN_TEXT;
    if (v->in_code) {
        const found f = closing_fence(v, s, n, is_all);
        if (f != NOT_YET)
            begin_verbatim(v, f == FOUND ? STYLE_DIM : STYLE_CODE);
        else
            v->state = VIEW_AT_START;
        v->in_code = f != FOUND;
        return f != NOT_YET;
    }
    const line_kind kind = kind_of(s, n, is_all, &marker);
    if (kind == LINE_OPEN)
        v->state = VIEW_AT_START;
    else if (kind == LINE_TABLE)
        begin_verbatim(v, 0);
    else if (kind == LINE_FENCE) {
        const size_t at = strspn(s, " \t");
        v->in_code = true;
        v->fence = s[at];
        v->fence_len = run_of(s, n, at, s[at]);
        begin_verbatim(v, STYLE_DIM);
    } else if (kind == LINE_HEADING || kind == LINE_ITEM)
        *used = begin_marked(v, s, kind, marker);
    return kind != LINE_OPEN;
}

/* Shows of what is held what is decided. */
static void show_held(view *v, bool is_all)
{
    size_t at = 0;
    while (at < v->held.len) {
        const char *s = v->held.data + at;
        const size_t n = v->held.len - at;
        size_t used = 0;
        if (v->state == VIEW_AT_START) {
            ct_buf rest = v->held; /* the held text from `at` on */
            v->held.data += at, v->held.len = n;
            const bool is_decided = begin_line(v, is_all, &used);
            v->held = rest;
            if (!is_decided)
                break;
        } else if (v->state == VIEW_VERBATIM) {
            const char *end = memchr(s, '\n', n);
            used = end ? (size_t)(end - s) + 1 : n;
            put(v, s, used, v->style);
        } else if (!(used = show_text(v, s, n, v->style, is_all))) {
            break;
        }
        if (used)
            v->before = s[used - 1];
        if (used && s[used - 1] == '\n')
            v->state = VIEW_AT_START;
        at += used;
    }
    if (at) {
        memmove(v->held.data, v->held.data + at, v->held.len - at + 1);
        v->held.len -= at;
    }
}

/* ---- the answer ---- */

view_looks view_looks_for(bool is_plain, bool is_markdown)
{
    return !term_is_tty(1)                ? VIEW_RAW
           : is_plain                     ? VIEW_PLAIN
           : is_markdown && term_obeys(1) ? VIEW_MARKDOWN
                                          : VIEW_LINES;
}

void view_begin(view *v, FILE *out, view_looks looks)
{
    *v = (view){ .looks = looks };
    wrap_begin(&v->wrap, out);
    v->wrap.has_styles = looks == VIEW_MARKDOWN;
    v->wrap.has_colour = looks == VIEW_MARKDOWN && term_may_colour();
    ct_buf_init(&v->held, (size_t)1 << 20);
}

static bool is_written(FILE *f)
{
    return fflush(f) == 0 && !ferror(f);
}

bool view_add(view *v, const char *text, size_t len)
{
    if (v->looks == VIEW_RAW)
        return fwrite(text, 1, len, v->wrap.out) == len && is_written(v->wrap.out);
    if (v->looks != VIEW_PLAIN)
        v->wrap.width = v->fixed_width ? v->fixed_width : term_width(1);
    for (size_t at = 0; at < len; at++) { /* a mark is decided as soon as it can be, however the text is cut */
        const char c = text[at] ? text[at] : '\x01'; /* held text has no NUL; a sign stands for either */
        ct_buf_char(&v->held, c);
        if (ct_utf8_incomplete(v->held.data, v->held.len))
            continue;
        if (v->looks == VIEW_MARKDOWN) {
            show_held(v, false);
        } else {
            put(v, v->held.data, v->held.len, 0);
            ct_buf_clear(&v->held);
        }
    }
    return is_written(v->wrap.out);
}

bool view_end(view *v)
{
    if (v->looks == VIEW_MARKDOWN)
        show_held(v, true);
    put(v, v->held.data ? v->held.data : "", v->held.len, v->style);
    wrap_end(&v->wrap);
    ct_buf_deinit(&v->held);
    return is_written(v->wrap.out);
}
