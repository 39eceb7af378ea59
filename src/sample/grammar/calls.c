/* Answers that call functions, as rules: calls alone, and calls that may come up in a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/calls.h"

#include <stdio.h>
#include <string.h>

#include "sample/grammar/rules_check.h"
#include "sample/grammar/schema.h"

#define MOST_WHITE 8

enum { SPACED, TIGHT, N_STYLES };

static const ct_json_style styles[N_STYLES] = { { ", ", ": " }, { ",", ":" } };

typedef struct calls {
    const char *what;
    const ct_call_form *v;
    size_t n;
    uint32_t most;
    ct_rules *rules;
    ct_heap *h;
    uint32_t *arguments; /* [n, N_STYLES]: rules; CT_NO_RULE: not made */
    uint32_t *ends;      /* [n]: rules of what is behind a call's name, in either style */
    carat_err *err;
} calls;

static const ct_expr *text(const calls *c, const char *s)
{
    return ct_expr_text(c->h, s);
}

static const ct_expr *white(const calls *c)
{
    ct_range v[] = { { '\t', '\n' }, { '\r', '\r' }, { ' ', ' ' } };
    return ct_expr_repeat(c->h, ct_expr_set(c->h, ct_charset_of(c->h, v, 3)), 0, MOST_WHITE);
}

/* ---- rules ---- */

static bool define(calls *c, const char *name, const ct_expr *e, uint32_t *rule)
{
    *rule = ct_rules_add(c->rules, name);
    if (*rule == CT_NO_RULE || c->h->failed)
        return c->h->failed ? ct_heap_fail(c->h, c->what, c->err)
                            : ct_fail(c->err, CARAT_EARG, CARAT_NOWHERE, "%s: more rules than are supported", c->what);
    c->rules->v[*rule].expr = e;
    return true;
}

/* The arguments of function i in one style. */
static bool define_arguments(calls *c, size_t i, int style)
{
    const ct_call_form *t = &c->v[i];
    uint32_t *rule = &c->arguments[i * N_STYLES + (size_t)style];
    char name[96]; /* longer than any */
    const int len = snprintf(name, sizeof name, "function '%.64s'", t->name);
    const char *what = ct_heap_text(c->h, name, (size_t)len);
    json_t *schema;
    if (!what)
        return ct_heap_fail(c->h, c->what, c->err);
    if (!t->schema)
        return define(c, what, text(c, "{}"), rule);
    if (!ct_json_parse(what, t->schema, t->schema_len, &schema, c->err))
        return false;
    const bool ok = ct_schema_compile(what, schema, true, &styles[style], c->rules, rule, c->err);
    json_decref(schema);
    return ok;
}

/* `, "parameters": {...}}` */
static const ct_expr *end_of(const calls *c, size_t i, int style, const ct_expr *key)
{
    const ct_json_style *s = &styles[style];
    const ct_expr *const v[] = { text(c, s->comma), key, text(c, s->colon),
                                 ct_expr_rule(c->h, c->arguments[i * N_STYLES + (size_t)style]), text(c, "}") };
    return ct_expr_seq(c->h, v, 5);
}

static bool begin(calls *c, int n_styles)
{
    size_t n_callable = 0;
    c->arguments = ct_heap_new(c->h, c->n * N_STYLES, sizeof *c->arguments);
    c->ends = ct_heap_new(c->h, c->n, sizeof *c->ends);
    if (!c->arguments || !c->ends)
        return ct_heap_fail(c->h, c->what, c->err);
    for (size_t i = 0; i < c->n; i++) {
        n_callable += c->v[i].may_be_called;
        for (int style = 0; style < n_styles && c->v[i].may_be_called; style++)
            if (!define_arguments(c, i, style))
                return false;
    }
    return n_callable || ct_fail(c->err, CARAT_EARG, CARAT_NOWHERE, "%s: there is no function to call", c->what);
}

/* A function whose arguments nothing satisfies would never be called, in silence. */
static bool check_arguments(const calls *c)
{
    ct_rule_facts facts;
    if (!ct_rules_check(c->what, c->rules, &facts, c->err))
        return false;
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].may_be_called && !facts.matches[c->arguments[i * N_STYLES]])
            return ct_fail(c->err, CARAT_EARG, CARAT_NOWHERE, "function '%.64s': no object satisfies its parameters",
                           c->v[i].name);
    return true;
}

/* One after the other: first, then up to most - 1 of the others. */
static const ct_expr *list_of(const calls *c, const ct_expr *first, const ct_expr *comma, const ct_expr *other)
{
    return ct_expr_then(c->h, first, ct_expr_repeat(c->h, ct_expr_then(c->h, comma, other), 0, c->most - 1));
}

/* One of the names, its closing quote and its end. */
static const ct_expr *name_of(const calls *c, const ct_expr *const *ends)
{
    ct_word *words = ct_heap_new(c->h, c->n, sizeof *words);
    size_t n = 0;
    for (size_t i = 0; words && i < c->n; i++)
        if (ends[i])
            words[n++] = (ct_word){ c->v[i].name, strlen(c->v[i].name), ct_expr_then(c->h, text(c, "\""), ends[i]) };
    return words ? ct_expr_words(c->h, words, n) : NULL;
}

/* ---- calls alone ---- */

static const ct_expr *call_in(const calls *c, int style, const ct_expr *const *ends)
{
    const ct_expr *const v[] = { text(c, "{\"name\""), text(c, styles[style].colon), text(c, "\""), name_of(c, ends) };
    return ct_expr_seq(c->h, v, 4);
}

bool ct_call_rules(const char *what, const ct_call_form *v, size_t n, uint32_t most, ct_rules *rules, uint32_t *root,
                   carat_err *err)
{
    calls c = { .what = what, .v = v, .n = n, .most = most, .rules = rules, .h = rules->heap, .err = err };
    uint32_t call;
    if (!begin(&c, SPACED + 1))
        return false;
    const ct_expr **ends = ct_heap_new(c.h, n, sizeof *ends);
    for (size_t i = 0; ends && i < n; i++)
        if (v[i].may_be_called)
            ends[i] = end_of(&c, i, SPACED, text(&c, "\"parameters\""));
    if (!ends)
        return ct_heap_fail(c.h, what, err);
    if (!define(&c, "a call", call_in(&c, SPACED, ends), &call))
        return false;
    const ct_expr *one = ct_expr_rule(c.h, call);
    const ct_expr *const list[] = { text(&c, "["), list_of(&c, one, text(&c, ", "), one), text(&c, "]") };
    return define(&c, what, most > 1 ? ct_expr_or(c.h, one, ct_expr_seq(c.h, list, 3)) : one, root) &&
           check_arguments(&c);
}

/* ---- calls in a text ---- */

/* What is behind the names: in either style, under either key. */
static bool define_ends(calls *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const ct_expr *ways[N_STYLES];
        if (!c->v[i].may_be_called)
            continue;
        for (int style = 0; style < N_STYLES; style++)
            ways[style] = end_of(c, i, style, ct_expr_or(c->h, text(c, "\"parameters\""), text(c, "\"arguments\"")));
        if (!define(c, "the end of a call", ct_expr_alt(c->h, ways, N_STYLES), &c->ends[i]))
            return false;
    }
    return true;
}

/* A later call of a list. */
static bool define_later(calls *c, uint32_t *rule)
{
    const ct_expr **ends = ct_heap_new(c->h, c->n, sizeof *ends);
    const ct_expr *ways[N_STYLES];
    for (size_t i = 0; ends && i < c->n; i++)
        if (c->v[i].may_be_called)
            ends[i] = ct_expr_rule(c->h, c->ends[i]);
    if (!ends)
        return ct_heap_fail(c->h, c->what, c->err);
    for (int style = 0; style < N_STYLES; style++)
        ways[style] = call_in(c, style, ends);
    return define(c, "a later call", ct_expr_alt(c->h, ways, N_STYLES), rule);
}

/* From its "{" on; `rank` decides between this and other ways to have begun. */
static const ct_expr *first_call(const calls *c, uint32_t rank)
{
    const ct_expr **ends = ct_heap_new(c->h, c->n, sizeof *ends);
    for (size_t i = 0; ends && i < c->n; i++)
        ends[i] = c->v[i].may_be_called ? ct_expr_then(c->h, ct_expr_commit(c->h, rank), ct_expr_rule(c->h, c->ends[i]))
                                        : ct_expr_commit(c->h, CT_COMMIT_TO_NOTHING);
    if (!ends)
        return NULL;
    const ct_expr *const v[] = { text(c, "{"), white(c), text(c, "\"name\""), white(c),
                                 text(c, ":"), white(c), text(c, "\""),       name_of(c, ends) };
    return ct_expr_seq(c->h, v, 8);
}

/* One of the four ways for a call to begin and end. What began on an earlier line decides: "[" or the fence in front of it. */
static const ct_expr *called(const calls *c, bool is_fenced, bool is_list, const ct_expr *later)
{
    const ct_expr *v[12];
    size_t n = 0;
    if (is_fenced) {
        ct_range blanks[] = { { '\t', '\t' }, { '\r', '\r' }, { ' ', ' ' } };
        v[n++] = text(c, "```");
        v[n++] = ct_expr_optional(c->h, text(c, "json"));
        v[n++] = ct_expr_repeat(c->h, ct_expr_set(c->h, ct_charset_of(c->h, blanks, 3)), 0, MOST_WHITE);
        v[n++] = text(c, "\n");
        v[n++] = white(c);
    }
    if (is_list) {
        v[n++] = text(c, "[");
        v[n++] = white(c);
    }
    const ct_expr *one = first_call(c, 2 * is_fenced + is_list);
    v[n++] = is_list ? list_of(c, one, ct_expr_or(c->h, text(c, ", "), text(c, ",")), later) : one;
    if (is_list)
        v[n++] = text(c, "]");
    if (is_fenced) {
        v[n++] = white(c);
        v[n++] = text(c, "```");
    }
    v[n++] = white(c);
    return ct_expr_seq(c->h, v, n);
}

/* Calls, or the rest of a line and other lines: any bytes, for a model may break off within a character. */
static bool define_lines(calls *c, uint32_t called_rule, uint32_t *lines)
{
    ct_byteset others = { { ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0) } };
    others.bits[0] &= ~(UINT64_C(1) << '\n');
    if (!define(c, "lines", NULL, lines))
        return false;
    const ct_expr *more = ct_expr_then(c->h, text(c, "\n"), ct_expr_rule(c->h, *lines));
    const ct_expr *rest = ct_expr_then(c->h, ct_expr_repeat(c->h, ct_expr_byte(c->h, &others), 0, CT_REPEAT_FOREVER),
                                       ct_expr_optional(c->h, more));
    c->rules->v[*lines].expr = ct_expr_or(c->h, ct_expr_rule(c->h, called_rule), rest);
    return true;
}

bool ct_text_or_call_rules(const char *what, const ct_call_form *v, size_t n, uint32_t most, ct_rules *rules,
                           uint32_t *root, carat_err *err)
{
    calls c = { .what = what, .v = v, .n = n, .most = most, .rules = rules, .h = rules->heap, .err = err };
    uint32_t later = 0, called_rule = 0, lines = 0;
    if (!begin(&c, N_STYLES) || !define_ends(&c) || !define_later(&c, &later))
        return false;
    const ct_expr *ways[4];
    for (unsigned i = 0; i < 4; i++)
        ways[i] = called(&c, i & 2, i & 1, ct_expr_rule(c.h, later));
    if (!define(&c, "calls", ct_expr_alt(c.h, ways, 4), &called_rule) || !define_lines(&c, called_rule, &lines))
        return false;
    const ct_expr *at_once = ct_expr_then(c.h, white(&c), ct_expr_rule(c.h, called_rule));
    return define(&c, what, ct_expr_or(c.h, at_once, ct_expr_rule(c.h, lines)), root) && check_arguments(&c);
}
