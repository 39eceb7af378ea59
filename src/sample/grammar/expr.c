/* Expressions over characters: the builders, which simplify as they build.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/expr.h"

#include <stdlib.h>
#include <string.h>

static ct_expr *make(ct_heap *a, ct_expr_kind kind)
{
    ct_expr *e = ct_heap_new(a, 1, sizeof *e);
    if (e) {
        e->kind = kind;
        e->depth = 1;
        e->size = 1;
    }
    return e;
}

/* Counts what has been put into e. */
static const ct_expr *measure(ct_heap *a, ct_expr *e, const ct_expr *const *v, size_t n)
{
    for (size_t i = 0; e && i < n; i++) {
        if (v[i]->depth >= CT_MAX_EXPR_DEPTH || v[i]->size >= CT_MAX_EXPR_SIZE - e->size)
            return ct_heap_overflow(a);
        if (e->depth <= v[i]->depth)
            e->depth = (uint16_t)(v[i]->depth + 1);
        e->size += v[i]->size;
    }
    return e;
}

const ct_expr *ct_expr_nothing(ct_heap *a)
{
    return make(a, CT_EXPR_NOTHING);
}

const ct_expr *ct_expr_empty(ct_heap *a)
{
    ct_expr *e = make(a, CT_EXPR_EMPTY);
    if (e)
        e->is_nullable = true;
    return e;
}

const ct_expr *ct_expr_bytes(ct_heap *a, const char *s, size_t len)
{
    if (len == 0)
        return ct_expr_empty(a);
    ct_expr *e = make(a, CT_EXPR_BYTES);
    if (e) {
        e->bytes.s = ct_heap_text(a, s, len);
        e->bytes.len = len;
    }
    return e;
}

const ct_expr *ct_expr_text(ct_heap *a, const char *s)
{
    return ct_expr_bytes(a, s, strlen(s));
}

const ct_expr *ct_expr_byte(ct_heap *a, const ct_byteset *set)
{
    if (!(set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3]))
        return ct_expr_nothing(a);
    ct_expr *e = make(a, CT_EXPR_BYTE);
    ct_byteset *copy = ct_heap_new(a, 1, sizeof *copy);
    if (!e || !copy)
        return NULL;
    *copy = *set;
    e->byte = copy;
    return e;
}

const ct_expr *ct_expr_set(ct_heap *a, ct_charset set)
{
    ct_expr *e = make(a, set.n ? CT_EXPR_SET : CT_EXPR_NOTHING);
    if (e && set.n)
        e->set = set;
    return e;
}

/* Copies v without `left_out`, which is the list's neutral element. */
static size_t copy_list(ct_heap *a, const ct_expr *const *v, size_t n, ct_expr_kind left_out, const ct_expr ***out)
{
    size_t kept = 0;
    *out = ct_heap_new(a, n, sizeof **out);
    for (size_t i = 0; *out && i < n; i++)
        if (v[i] && v[i]->kind != left_out)
            (*out)[kept++] = v[i];
    return kept;
}

static const ct_expr *list(ct_heap *a, ct_expr_kind kind, const ct_expr *const *v, size_t n, bool is_nullable)
{
    ct_expr *e = make(a, kind);
    if (e) {
        e->is_nullable = is_nullable;
        e->list.v = v;
        e->list.n = n;
    }
    return measure(a, e, v, n);
}

const ct_expr *ct_expr_seq(ct_heap *a, const ct_expr *const *v, size_t n)
{
    const ct_expr **kept;
    n = copy_list(a, v, n, CT_EXPR_EMPTY, &kept);
    bool is_nullable = true;
    for (size_t i = 0; i < n; i++) {
        if (kept[i]->kind == CT_EXPR_NOTHING)
            return kept[i];
        is_nullable = is_nullable && kept[i]->is_nullable;
    }
    return n == 0 ? ct_expr_empty(a) : n == 1 ? kept[0] : list(a, CT_EXPR_SEQ, kept, n, is_nullable);
}

const ct_expr *ct_expr_alt(ct_heap *a, const ct_expr *const *v, size_t n)
{
    const ct_expr **kept;
    n = copy_list(a, v, n, CT_EXPR_NOTHING, &kept);
    bool is_nullable = false;
    for (size_t i = 0; i < n; i++)
        is_nullable = is_nullable || kept[i]->is_nullable;
    return n == 0 ? ct_expr_nothing(a) : n == 1 ? kept[0] : list(a, CT_EXPR_ALT, kept, n, is_nullable);
}

const ct_expr *ct_expr_then(ct_heap *a, const ct_expr *x, const ct_expr *y)
{
    const ct_expr *const v[] = { x, y };
    return ct_expr_seq(a, v, 2);
}

const ct_expr *ct_expr_or(ct_heap *a, const ct_expr *x, const ct_expr *y)
{
    const ct_expr *const v[] = { x, y };
    return ct_expr_alt(a, v, 2);
}

const ct_expr *ct_expr_repeat(ct_heap *a, const ct_expr *body, uint32_t min, uint32_t max)
{
    if (!body || max < min)
        return ct_expr_nothing(a);
    if (max == 0 || body->kind == CT_EXPR_EMPTY || (body->kind == CT_EXPR_NOTHING && min == 0))
        return ct_expr_empty(a);
    if (body->kind == CT_EXPR_NOTHING || (min == 1 && max == 1))
        return body;
    ct_expr *e = make(a, CT_EXPR_REPEAT);
    if (e) {
        e->is_nullable = min == 0 || body->is_nullable;
        e->repeat.body = body;
        e->repeat.min = min;
        e->repeat.max = max;
    }
    return measure(a, e, &body, 1);
}

const ct_expr *ct_expr_optional(ct_heap *a, const ct_expr *body)
{
    return ct_expr_repeat(a, body, 0, 1);
}

const ct_expr *ct_expr_rule(ct_heap *a, uint32_t rule)
{
    ct_expr *e = make(a, CT_EXPR_RULE);
    if (e)
        e->rule = rule;
    return e;
}

const ct_expr *ct_expr_commit(ct_heap *a, uint32_t rank)
{
    ct_expr *e = make(a, CT_EXPR_COMMIT);
    if (e) {
        e->is_nullable = true;
        e->rank = rank;
    }
    return e;
}

/* ---- words ---- */

static int by_text(const void *x, const void *y)
{
    const ct_word *a = x, *b = y;
    const size_t n = a->len < b->len ? a->len : b->len;
    const int order = n ? memcmp(a->s, b->s, n) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* The ends of sorted words that are equal up to `at`. */
static const ct_expr *ends(ct_heap *a, const ct_word *v, size_t n, size_t at, unsigned depth)
{
    ct_exprs ways = { .heap = a };
    if (depth > CT_MAX_EXPR_DEPTH / 2)
        ct_heap_overflow(a);
    for (size_t i = 0; i < n && !a->failed;) {
        size_t same = 1, common = v[i].len;
        while (i + same < n && v[i].len > at && v[i + same].s[at] == v[i].s[at])
            same++;
        const ct_word *last = &v[i + same - 1];
        for (size_t k = at; same > 1 && k < common; k++)
            if (k == last->len || v[i].s[k] != last->s[k])
                common = k;
        const ct_expr *begin = ct_expr_bytes(a, v[i].s + at, common - at);
        const ct_expr *end = same > 1 ? ends(a, v + i, same, common, depth + 1) : v[i].tail;
        ct_exprs_add(&ways, end ? ct_expr_then(a, begin, end) : begin);
        i += same;
    }
    return ct_expr_alt(a, ways.v, ways.n);
}

const ct_expr *ct_expr_words(ct_heap *a, ct_word *v, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(v, n, sizeof *v, by_text);
    for (size_t i = 0; i < n; i++)
        if (!kept || by_text(&v[kept - 1], &v[i]) != 0)
            v[kept++] = v[i];
    return ends(a, v, kept, 0, 0);
}

/* ---- lists and rules that grow ---- */

void ct_exprs_add(ct_exprs *l, const ct_expr *e)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap ? l->cap * 2 : 8;
        const ct_expr **v = ct_heap_new(l->heap, cap, sizeof *v);
        if (!v)
            return;
        if (l->n)
            memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = e;
}

uint32_t ct_rules_add(ct_rules *r, const char *name)
{
    if (r->n == r->cap && r->n < CT_MAX_RULES) {
        const uint32_t cap = r->cap ? r->cap * 2 : 16;
        struct ct_rule *v = ct_heap_new(r->heap, cap, sizeof *v);
        if (!v)
            return CT_NO_RULE;
        if (r->n)
            memcpy(v, r->v, r->n * sizeof *v);
        r->v = v;
        r->cap = cap;
    }
    if (r->n == r->cap)
        return CT_NO_RULE;
    r->v[r->n].name = name;
    return r->n++;
}
