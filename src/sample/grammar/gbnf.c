/* Grammars as llama.cpp writes them (GBNF) -> rules.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/gbnf.h"

#include <string.h>

#include "base/utf8.h"

#define MOST_DEPTH  200
#define MOST_ROUNDS 1000000000u

typedef struct parser {
    const char *s;
    size_t len, pos;
    unsigned depth;
    ct_rules *rules;
    uint32_t *slots; /* [n_slots], a power of two: rules by name, number + 1; 0 is free */
    size_t n_slots;
    carat_err *err;
} parser;

static bool refuse(const parser *p, size_t at, const char *why)
{
    unsigned line = 1;
    for (size_t i = 0; i < at && i < p->len; i++)
        line += p->s[i] == '\n';
    return ct_fail(p->err, CARAT_EARG, at, "the grammar, line %u: %s", line, why);
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

/* Blanks and comments; newlines too where a rule cannot end. */
static void skip_space(parser *p, bool newlines)
{
    while (p->pos < p->len) {
        const char c = p->s[p->pos];
        if (c == '#')
            while (p->pos < p->len && p->s[p->pos] != '\n' && p->s[p->pos] != '\r')
                p->pos++;
        else if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r')))
            p->pos++;
        else
            return;
    }
}

/* ---- names ---- */

static bool is_of_name(char c)
{
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static size_t name_length(const parser *p)
{
    size_t n = 0;
    while (p->pos + n < p->len && is_of_name(p->s[p->pos + n]))
        n++;
    return n;
}

static uint64_t hash_name(const char *name, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The slot of the name, or the free one where it goes. NULL: names were made to collide. */
static uint32_t *slot_of(const parser *p, const char *name, size_t len)
{
    for (uint64_t at = hash_name(name, len);; at++) {
        if (!ct_heap_work(p->rules->heap, 4))
            return NULL;
        uint32_t *slot = &p->slots[at & (p->n_slots - 1)];
        const char *other = *slot ? p->rules->v[*slot - 1].name : NULL;
        if (!other || (strlen(other) == len && memcmp(other, name, len) == 0))
            return slot;
    }
}

static bool enlarge(parser *p)
{
    ct_rules *r = p->rules;
    const size_t n = p->n_slots ? 2 * p->n_slots : 64;
    uint32_t *slots = ct_heap_new(r->heap, n, sizeof *slots);
    if (!slots)
        return false;
    p->slots = slots;
    p->n_slots = n;
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t *slot = slot_of(p, r->v[i].name, strlen(r->v[i].name));
        if (!slot)
            return false;
        *slot = i + 1;
    }
    return true;
}

/* The number of the rule that is named here; without memory CT_NO_RULE, which is told at the end. */
static bool rule_of_name(parser *p, size_t len, uint32_t *out)
{
    ct_rules *r = p->rules;
    *out = CT_NO_RULE;
    if (2 * (size_t)r->n >= p->n_slots && !enlarge(p))
        return true;
    uint32_t *slot = slot_of(p, p->s + p->pos, len);
    if (!slot)
        return true;
    if (!*slot) {
        const char *copy = ct_heap_text(r->heap, p->s + p->pos, len);
        *out = copy ? ct_rules_add(r, copy) : CT_NO_RULE;
        if (*out == CT_NO_RULE)
            return r->heap->failed || refuse(p, p->pos, "more rules than are supported (50,000)");
        *slot = *out + 1;
    }
    *out = *slot - 1;
    return true;
}

/* ---- characters ---- */

static bool read_hex(parser *p, unsigned digits, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < digits; i++, p->pos++) {
        const char c = p->pos < p->len ? p->s[p->pos] : 0;
        const int value = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;
        if (value < 0)
            return refuse(p, p->pos, "a hexadecimal digit was expected");
        *out = *out << 4 | (uint32_t)value;
    }
    return (*out <= CT_MAX_CODE && (*out < 0xD800 || *out > 0xDFFF)) || refuse(p, p->pos, "there is no such character");
}

/* One character of a literal or a class. */
static bool read_char(parser *p, uint32_t *cp)
{
    static const char names[] = "ntr", values[] = "\n\t\r";
    const size_t at = p->pos;
    if (p->pos >= p->len || p->s[p->pos] == '\n')
        return refuse(p, p->pos, "a literal or a class has no end");
    p->pos += ct_utf8_next(p->s + p->pos, p->len - p->pos, cp);
    if (*cp == CT_UTF8_BAD)
        return refuse(p, at, "it is not valid UTF-8");
    if (*cp != '\\')
        return true;
    const char c = p->pos < p->len ? p->s[p->pos++] : 0;
    const char *name = c ? strchr(names, c) : NULL;
    if (name) {
        *cp = (uint8_t)values[name - names];
        return true;
    }
    if (c == 'x' || c == 'u' || c == 'U')
        return read_hex(p, c == 'x' ? 2 : c == 'u' ? 4 : 8, cp);
    *cp = (uint8_t)c;
    return (c && strchr("\\\"[]-^", c)) || refuse(p, at, "an escape that does not exist");
}

static bool read_literal(parser *p, const ct_expr **out)
{
    ct_exprs chars = { .heap = p->rules->heap };
    while (!skip(p, "\"")) {
        uint32_t cp;
        char utf8[4];
        if (!read_char(p, &cp))
            return false;
        ct_exprs_add(&chars, ct_expr_bytes(p->rules->heap, utf8, ct_utf8_put(cp, utf8)));
    }
    *out = ct_expr_seq(p->rules->heap, chars.v, chars.n);
    return true;
}

static bool read_class(parser *p, const ct_expr **out)
{
    ct_heap *a = p->rules->heap;
    const bool is_not = skip(p, "^");
    ct_charset all = { 0 };
    while (!skip(p, "]")) {
        uint32_t lo, hi;
        const size_t at = p->pos;
        if (!read_char(p, &lo))
            return false;
        hi = lo;
        if (is_at(p, "-") && p->pos + 1 < p->len && p->s[p->pos + 1] != ']') {
            p->pos++;
            if (!read_char(p, &hi))
                return false;
        }
        if (hi < lo)
            return refuse(p, at, "a range in the wrong order");
        all = ct_charset_or(a, all, ct_charset_one(a, lo, hi));
    }
    *out = ct_expr_set(a, is_not ? ct_charset_not(a, all) : all);
    return true;
}

/* ---- sequences and alternatives ---- */

static bool read_alternatives(parser *p, bool in_group, const ct_expr **out);

static bool read_group(parser *p, const ct_expr **out)
{
    const size_t at = p->pos;
    if (++p->depth > MOST_DEPTH)
        return refuse(p, at, "groups are nested more than 200 deep");
    const bool ok = read_alternatives(p, true, out);
    p->depth--;
    return ok && (skip(p, ")") || refuse(p, at, "a group has no end"));
}

static bool read_call(parser *p, const ct_expr **out)
{
    uint32_t rule;
    const size_t len = name_length(p);
    if (!len)
        return refuse(p, p->pos,
                      is_at(p, "<") || is_at(p, "!") ? "tokens (<...>) are not supported"
                                                     : "a literal, class, group or rule was expected");
    if (!rule_of_name(p, len, &rule))
        return false;
    p->pos += len;
    *out = ct_expr_rule(p->rules->heap, rule);
    return true;
}

static bool read_number(parser *p, uint32_t *out)
{
    const size_t at = p->pos;
    *out = 0;
    for (; p->pos < p->len && p->s[p->pos] >= '0' && p->s[p->pos] <= '9'; p->pos++)
        if (*out <= MOST_ROUNDS)
            *out = *out * 10 + (uint32_t)(p->s[p->pos] - '0');
    skip_space(p, false);
    return p->pos > at;
}

/* Behind '{': {n} {n,} {n,m} {,m}. */
static bool read_braces(parser *p, uint32_t *min, uint32_t *max)
{
    const size_t at = p->pos;
    skip_space(p, false);
    const bool has_min = read_number(p, min);
    *max = *min;
    if (skip(p, ",")) {
        skip_space(p, false);
        if (!read_number(p, max))
            *max = CT_REPEAT_FOREVER;
    } else if (!has_min) {
        return refuse(p, at, "a number of repetitions was expected");
    }
    if (!skip(p, "}"))
        return refuse(p, at, "repetitions without a '}'");
    if (*min > MOST_ROUNDS || (*max > MOST_ROUNDS && *max != CT_REPEAT_FOREVER))
        return refuse(p, at, "more than a billion repetitions");
    return *max >= *min || refuse(p, at, "repetitions with their numbers in the wrong order");
}

static bool read_item(parser *p, bool in_group, const ct_expr **out)
{
    ct_heap *a = p->rules->heap;
    bool ok;
    if (skip(p, "\""))
        ok = read_literal(p, out);
    else if (skip(p, "["))
        ok = read_class(p, out);
    else if (skip(p, "("))
        ok = read_group(p, out);
    else if (skip(p, ".")) {
        *out = ct_expr_set(a, ct_charset_one(a, 0, CT_MAX_CODE));
        ok = true;
    } else {
        ok = read_call(p, out);
    }
    while (ok) {
        uint32_t min = 0, max = CT_REPEAT_FOREVER;
        skip_space(p, in_group);
        if (skip(p, "+"))
            min = 1;
        else if (skip(p, "?"))
            max = 1;
        else if (skip(p, "{"))
            ok = read_braces(p, &min, &max);
        else if (!skip(p, "*"))
            break;
        *out = ok ? ct_expr_repeat(a, *out, min, max) : NULL;
    }
    return ok;
}

static bool read_sequence(parser *p, bool in_group, const ct_expr **out)
{
    ct_exprs items = { .heap = p->rules->heap };
    for (;;) {
        skip_space(p, in_group);
        if (p->pos >= p->len || strchr("\r\n|)", p->s[p->pos]))
            break;
        const ct_expr *item = NULL;
        if (!read_item(p, in_group, &item))
            return false;
        ct_exprs_add(&items, item);
    }
    *out = ct_expr_seq(p->rules->heap, items.v, items.n);
    return true;
}

static bool read_alternatives(parser *p, bool in_group, const ct_expr **out)
{
    ct_exprs items = { .heap = p->rules->heap };
    do {
        const ct_expr *item = NULL;
        skip_space(p, true); /* behind '::=', '(' and '|' a line may end */
        if (!read_sequence(p, in_group, &item))
            return false;
        ct_exprs_add(&items, item);
    } while (skip(p, "|"));
    *out = ct_expr_alt(p->rules->heap, items.v, items.n);
    return true;
}

static bool read_rule(parser *p)
{
    const size_t at = p->pos, len = name_length(p);
    uint32_t rule;
    const ct_expr *e = NULL;
    if (!len)
        return refuse(p, at, "the name of a rule was expected");
    if (!rule_of_name(p, len, &rule))
        return false;
    p->pos += len;
    skip_space(p, false);
    if (!skip(p, "::="))
        return refuse(p, p->pos, "'::=' was expected behind the name of a rule");
    if (p->rules->heap->failed)
        return true; /* told at the end */
    if (p->rules->v[rule].expr)
        return refuse(p, at, "a rule is defined twice");
    if (!read_alternatives(p, false, &e))
        return false;
    if (!p->rules->heap->failed)
        p->rules->v[rule].expr = e;
    if (p->pos < p->len && p->s[p->pos] == ')')
        return refuse(p, p->pos, "a ')' without its '('");
    return true;
}

bool ct_gbnf_parse(const char *text, size_t len, ct_rules *rules, uint32_t *root, carat_err *err)
{
    parser p = { .s = text, .len = len, .rules = rules, .err = err };
    *root = CT_NO_RULE;
    for (skip_space(&p, true); p.pos < len && !rules->heap->failed; skip_space(&p, true))
        if (!read_rule(&p))
            return false;
    if (rules->heap->failed)
        return ct_heap_fail(rules->heap, "the grammar", err);
    for (uint32_t i = 0; i < rules->n; i++) {
        if (!rules->v[i].expr)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the grammar: rule '%.60s' is not defined",
                           rules->v[i].name);
        if (strcmp(rules->v[i].name, "root") == 0)
            *root = i;
    }
    return *root != CT_NO_RULE || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the grammar: it has no rule 'root'");
}
