/* Regular expressions (ECMA-262, 22.2.1, with the u flag) -> expressions of a grammar.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/regex.h"

#include <string.h>

#include "base/utf8.h"

#define MOST_DEPTH  200
#define MOST_ROUNDS 1000000000u

/* What a part of the pattern matches, by whether it holds to the beginning (^) and to the end ($); NULL: nothing. */
typedef struct piece {
    const ct_expr *at[2][2];
} piece;

typedef struct parser {
    const char *what, *s;
    size_t len, pos;
    unsigned depth;
    ct_heap *heap;
    carat_err *err;
} parser;

static bool refuse(const parser *p, size_t at, const char *why)
{
    return ct_fail(p->err, CARAT_EARG, at, "%s: %s, at byte %zu of '%.*s'", p->what, why, at,
                   (int)(p->len < 80 ? p->len : 80), p->s);
}

static bool is_at(const parser *p, const char *text)
{
    const size_t n = strlen(text);
    return p->len - p->pos >= n && memcmp(p->s + p->pos, text, n) == 0;
}

static bool skip(parser *p, const char *text)
{
    const bool yes = is_at(p, text);
    if (yes)
        p->pos += strlen(text);
    return yes;
}

static bool next_char(parser *p, uint32_t *cp)
{
    if (p->pos >= p->len)
        return refuse(p, p->pos, "it ends too early");
    const size_t at = p->pos;
    p->pos += ct_utf8_next(p->s + p->pos, p->len - p->pos, cp);
    return *cp != CT_UTF8_BAD || refuse(p, at, "it is not valid UTF-8");
}

/* ---- pieces ---- */

static piece free_piece(const ct_expr *e)
{
    return (piece){ .at = { { e } } };
}

static bool put_after(parser *p, size_t where, piece *x, const piece *y)
{
    piece sum = { .at = { { NULL } } };
    for (int i = 0; i < 16; i++) {
        const int xl = i >> 3, xr = i >> 2 & 1, yl = i >> 1 & 1, yr = i & 1;
        const ct_expr *a = x->at[xl][xr], *b = y->at[yl][yr];
        if (!a || !b)
            continue;
        if (xr && b->kind != CT_EXPR_EMPTY)
            return refuse(p, where, "'$' where more must follow");
        if (yl && a->kind != CT_EXPR_EMPTY)
            return refuse(p, where, "'^' after something else");
        const ct_expr **to = &sum.at[xl | yl][xr | yr], *both = ct_expr_then(p->heap, a, b);
        *to = *to ? ct_expr_or(p->heap, *to, both) : both;
    }
    *x = sum;
    return true;
}

static void put_beside(const parser *p, piece *x, const piece *y)
{
    for (int i = 0; i < 4; i++) {
        const ct_expr **to = &x->at[i >> 1][i & 1], *other = y->at[i >> 1][i & 1];
        if (other)
            *to = *to ? ct_expr_or(p->heap, *to, other) : other;
    }
}

static bool is_free(const piece *x)
{
    return !x->at[0][1] && !x->at[1][0] && !x->at[1][1];
}

/* ---- characters and classes ---- */

static bool read_hex(parser *p, unsigned digits, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < digits; i++) {
        const char c = p->pos < p->len ? p->s[p->pos] : 0;
        const int value = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;
        if (value < 0)
            return refuse(p, p->pos, "a hexadecimal digit was expected");
        *out = *out << 4 | (uint32_t)value;
        p->pos++;
    }
    return true;
}

/* Behind \u: four digits, which may be half of a pair, or {digits}. */
static bool read_u(parser *p, uint32_t *cp)
{
    const size_t began = p->pos;
    if (skip(p, "{")) {
        *cp = 0;
        while (!skip(p, "}")) {
            uint32_t digit;
            if (!read_hex(p, 1, &digit))
                return false;
            *cp = *cp << 4 | digit;
            if (*cp > CT_MAX_CODE)
                return refuse(p, began, "there is no such character");
        }
    } else if (!read_hex(p, 4, cp)) {
        return false;
    }
    if (*cp >= 0xD800 && *cp <= 0xDBFF && is_at(p, "\\u")) {
        uint32_t low;
        p->pos += 2;
        if (!read_hex(p, 4, &low))
            return false;
        if (low >= 0xDC00 && low <= 0xDFFF)
            *cp = 0x10000 + ((*cp - 0xD800) << 10) + (low - 0xDC00);
    }
    return (*cp < 0xD800 || *cp > 0xDFFF) || refuse(p, began, "half of a surrogate pair");
}

static ct_charset ranges(const parser *p, const ct_range *v, size_t n)
{
    ct_range copy[16];
    memcpy(copy, v, n * sizeof *v);
    return ct_charset_of(p->heap, copy, n);
}

/* \d \w \s and their opposites; false: c is none of them. */
static bool named_class(const parser *p, char c, ct_charset *out)
{
    static const ct_range digit[] = { { '0', '9' } };
    static const ct_range word[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    static const ct_range space[] = { { 9, 13 },          { ' ', ' ' },       { 0xA0, 0xA0 },     { 0x1680, 0x1680 },
                                      { 0x2000, 0x200A }, { 0x2028, 0x2029 }, { 0x202F, 0x202F }, { 0x205F, 0x205F },
                                      { 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF } };
    switch (c | 32) {
    case 'd':
        *out = ranges(p, digit, 1);
        break;
    case 'w':
        *out = ranges(p, word, 4);
        break;
    case 's':
        *out = ranges(p, space, 10);
        break;
    default:
        return false;
    }
    if (c < 'a')
        *out = ct_charset_not(p->heap, *out);
    return true;
}

/* Behind a backslash: one character (*set is empty) or a class. */
static bool read_escape(parser *p, bool in_class, uint32_t *cp, ct_charset *set)
{
    static const char names[] = "tnvfr", values[] = "\t\n\v\f\r";
    const size_t at = p->pos;
    *set = (ct_charset){ 0 };
    if (!next_char(p, cp))
        return false;
    const char c = *cp < 0x80 ? (char)*cp : 0;
    const char *name = c ? strchr(names, c) : NULL;
    if (name) {
        *cp = (uint8_t)values[name - names];
        return true;
    }
    if (c && named_class(p, c, set))
        return true;
    if (c == 'u')
        return read_u(p, cp);
    if (c == 'x')
        return read_hex(p, 2, cp);
    if (c == '0' && !(p->pos < p->len && p->s[p->pos] >= '0' && p->s[p->pos] <= '9')) {
        *cp = 0;
        return true;
    }
    if (c == 'b' && in_class) {
        *cp = 8;
        return true;
    }
    if (c == 'b' || c == 'B')
        return refuse(p, at, "word boundaries (\\b) are not supported");
    if (c >= '0' && c <= '9')
        return refuse(p, at, "back-references are not supported");
    if (c == 'k')
        return refuse(p, at, "named back-references are not supported");
    if (c == 'p' || c == 'P')
        return refuse(p, at, "Unicode properties (\\p) are not supported");
    if ((c | 32) >= 'a' && (c | 32) <= 'z')
        return refuse(p, at, "an escape that does not exist");
    return true; /* punctuation and other characters stand for themselves */
}

static bool read_class_atom(parser *p, uint32_t *cp, ct_charset *set)
{
    *set = (ct_charset){ 0 };
    return skip(p, "\\") ? read_escape(p, true, cp, set) : next_char(p, cp);
}

/* Ranges that grow. */
typedef struct range_list {
    ct_range *v;
    size_t n, cap;
} range_list;

static void add_ranges(const parser *p, range_list *l, const ct_range *v, size_t n)
{
    if (n > l->cap - l->n) {
        const size_t cap = 2 * (l->cap + n);
        ct_range *larger = ct_heap_new(p->heap, cap, sizeof *larger);
        if (!larger)
            return;
        if (l->n)
            memcpy(larger, l->v, l->n * sizeof *larger);
        l->v = larger;
        l->cap = cap;
    }
    memcpy(l->v + l->n, v, n * sizeof *v);
    l->n += n;
}

static bool read_class(parser *p, const ct_expr **out)
{
    const bool is_not = skip(p, "^");
    range_list all = { .n = 0 };
    while (!skip(p, "]")) {
        const size_t at = p->pos;
        ct_range one;
        ct_charset set, last;
        if (!read_class_atom(p, &one.lo, &set))
            return false;
        const bool is_range = is_at(p, "-") && p->pos + 1 < p->len && p->s[p->pos + 1] != ']';
        one.hi = one.lo;
        if (is_range) {
            p->pos++;
            if (!read_class_atom(p, &one.hi, &last))
                return false;
            if (set.n || last.n || one.hi < one.lo)
                return refuse(p, at, "a range in the wrong order, or of classes");
        }
        add_ranges(p, &all, set.n ? set.v : &one, set.n ? set.n : 1);
    }
    const ct_charset chars = ct_charset_of(p->heap, all.v, all.n);
    *out = ct_expr_set(p->heap, is_not ? ct_charset_not(p->heap, chars) : chars);
    return true;
}

/* ---- atoms, quantifiers, alternatives ---- */

static bool read_alternatives(parser *p, piece *out);

static bool read_group(parser *p, piece *out)
{
    const size_t at = p->pos;
    if (skip(p, "?=") || skip(p, "?!") || skip(p, "?<=") || skip(p, "?<!"))
        return refuse(p, at, "look-around is not supported");
    if (skip(p, "?<")) {
        while (p->pos < p->len && p->s[p->pos] != '>')
            p->pos++;
        if (!skip(p, ">"))
            return refuse(p, at, "the name of a group has no end");
    } else if (!skip(p, "?:") && is_at(p, "?")) {
        return refuse(p, at, "flags in a group are not supported");
    }
    if (++p->depth > MOST_DEPTH)
        return refuse(p, at, "groups are nested more than 200 deep");
    const bool ok = read_alternatives(p, out);
    p->depth--;
    return ok && (skip(p, ")") || refuse(p, at, "a group has no end"));
}

static bool read_atom(parser *p, piece *out)
{
    static const ct_range line_ends[] = { { '\n', '\n' }, { '\r', '\r' }, { 0x2028, 0x2029 } };
    uint32_t cp;
    ct_charset set = { 0 };
    const ct_expr *e = NULL;
    const size_t at = p->pos;
    if (skip(p, "("))
        return read_group(p, out);
    *out = (piece){ .at = { { NULL } } };
    if (skip(p, "^") || skip(p, "$")) {
        out->at[p->s[at] == '^'][p->s[at] == '$'] = ct_expr_empty(p->heap);
        return true;
    }
    if (skip(p, "*") || skip(p, "+") || skip(p, "?"))
        return refuse(p, at, "there is nothing to repeat");
    if (skip(p, "[")) {
        if (!read_class(p, &e))
            return false;
    } else if (skip(p, ".")) {
        e = ct_expr_set(p->heap, ct_charset_not(p->heap, ranges(p, line_ends, 3)));
    } else {
        if (skip(p, "\\") ? !read_escape(p, false, &cp, &set) : !next_char(p, &cp))
            return false;
        e = ct_expr_set(p->heap, set.n ? set : ct_charset_one(p->heap, cp, cp));
    }
    *out = free_piece(e);
    return true;
}

static bool read_number(parser *p, uint32_t *out)
{
    const size_t at = p->pos;
    *out = 0;
    for (; p->pos < p->len && p->s[p->pos] >= '0' && p->s[p->pos] <= '9'; p->pos++)
        if (*out <= MOST_ROUNDS)
            *out = *out * 10 + (uint32_t)(p->s[p->pos] - '0');
    return p->pos > at;
}

/* {n}, {n,}, {n,m}; anything else in braces is text, and the position stays. */
static bool read_braces(parser *p, uint32_t *min, uint32_t *max)
{
    const size_t at = p->pos;
    bool ok = skip(p, "{") && read_number(p, min);
    *max = *min;
    if (ok && skip(p, ",") && !read_number(p, max))
        *max = CT_REPEAT_FOREVER;
    ok = ok && skip(p, "}");
    if (!ok)
        p->pos = at;
    return ok;
}

static bool read_quantified(parser *p, piece *out)
{
    if (!read_atom(p, out))
        return false;
    const size_t at = p->pos;
    uint32_t min = 0, max = CT_REPEAT_FOREVER;
    if (skip(p, "+"))
        min = 1;
    else if (skip(p, "?"))
        max = 1;
    else if (!skip(p, "*") && !read_braces(p, &min, &max))
        return true;
    if (min > MOST_ROUNDS || (max > MOST_ROUNDS && max != CT_REPEAT_FOREVER))
        return refuse(p, at, "more than a billion repetitions");
    if (max < min)
        return refuse(p, at, "a repetition with its numbers in the wrong order");
    if (!is_free(out))
        return refuse(p, at, "'^' or '$' inside what is repeated");
    skip(p, "?"); /* a lazy one matches the same texts */
    *out = free_piece(ct_expr_repeat(p->heap, out->at[0][0], min, max));
    return true;
}

static bool read_sequence(parser *p, piece *out)
{
    ct_exprs run = { .heap = p->heap }; /* what holds to nothing, gathered into one sequence */
    *out = free_piece(ct_expr_empty(p->heap));
    for (;;) {
        const bool is_end = p->pos >= p->len || is_at(p, "|") || is_at(p, ")");
        const size_t at = p->pos;
        piece next = { .at = { { NULL } } };
        if (!is_end && !read_quantified(p, &next))
            return false;
        if (!is_end && is_free(&next)) {
            ct_exprs_add(&run, next.at[0][0] ? next.at[0][0] : ct_expr_nothing(p->heap));
            continue;
        }
        const piece before = free_piece(ct_expr_seq(p->heap, run.v, run.n));
        run = (ct_exprs){ .heap = p->heap };
        if (!put_after(p, at, out, &before) || (!is_end && !put_after(p, at, out, &next)))
            return false;
        if (is_end)
            return true;
    }
}

static bool read_alternatives(parser *p, piece *out)
{
    if (!read_sequence(p, out))
        return false;
    ct_exprs free_ones = { .heap = p->heap };
    ct_exprs_add(&free_ones, out->at[0][0]);
    out->at[0][0] = NULL;
    while (skip(p, "|")) {
        piece other;
        if (!read_sequence(p, &other))
            return false;
        ct_exprs_add(&free_ones, other.at[0][0]);
        other.at[0][0] = NULL;
        put_beside(p, out, &other);
    }
    out->at[0][0] = ct_expr_alt(p->heap, free_ones.v, free_ones.n);
    if (out->at[0][0] && out->at[0][0]->kind == CT_EXPR_NOTHING && !is_free(out))
        out->at[0][0] = NULL;
    return true;
}

static const ct_expr *pad(const parser *p, const piece *x, ct_regex_extent extent)
{
    const ct_expr *any = ct_expr_set(p->heap, ct_charset_one(p->heap, 0, CT_MAX_CODE)), *v[4];
    const ct_expr *more = ct_expr_repeat(p->heap, any, 0, CT_REPEAT_FOREVER);
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        const ct_expr *e = x->at[i >> 1][i & 1];
        if (e && extent == CT_REGEX_PART && !(i >> 1))
            e = ct_expr_then(p->heap, more, e);
        if (e && extent == CT_REGEX_PART && !(i & 1))
            e = ct_expr_then(p->heap, e, more);
        if (e)
            v[n++] = e;
    }
    return ct_expr_alt(p->heap, v, n);
}

bool ct_regex_parse(const char *what, const char *pattern, size_t len, ct_regex_extent extent, ct_heap *a,
                    const ct_expr **out, carat_err *err)
{
    parser p = { .what = what, .s = pattern, .len = len, .heap = a, .err = err };
    piece all;
    if (!read_alternatives(&p, &all))
        return false;
    if (p.pos < len)
        return refuse(&p, p.pos, "a ')' without its '('");
    *out = pad(&p, &all, extent);
    return !a->failed || ct_heap_fail(a, what, err);
}
