/* JSON Schema: arrays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sample/grammar/schema_inside.h"

#define MOST_PREFIX  1000
#define MOST_UNIQUE  10 /* values of items that differ: 1,024 sets of them */
#define MOST_COUNTED 4096

/* The list of schemas for the first items: prefixItems, or items as draft 7 had it. NULL if there is none. */
static const json_t *prefix_of(const ct_member *m, const char **keyword)
{
    const json_t *prefix = json_object_get(m->schema, "prefixItems"), *items = json_object_get(m->schema, "items");
    *keyword = prefix ? "prefixItems" : "items";
    return prefix ? prefix : json_is_array(items) ? items : NULL;
}

/* The schema for the items behind these. NULL if anything goes. */
static const json_t *rest_of(const ct_member *m, const char **keyword)
{
    const json_t *items = json_object_get(m->schema, "items");
    *keyword = json_is_array(items) ? "additionalItems" : "items";
    return json_object_get(m->schema, *keyword);
}

/* What item i must satisfy; SIZE_MAX: those behind every prefix. */
static bool item_conj(ct_schema *s, const ct_conj *c, size_t i, ct_conj *out)
{
    *out = (ct_conj){ .n = 0 };
    for (size_t k = 0; k < c->n; k++) {
        const char *keyword;
        const json_t *prefix = prefix_of(&c->v[k], &keyword);
        const bool is_in_prefix = prefix && i < json_array_size(prefix);
        const json_t *item = is_in_prefix ? json_array_get(prefix, i) : rest_of(&c->v[k], &keyword);
        if (!item)
            continue;
        const char *path =
            is_in_prefix ? ct_schema_path_at(s, c->v[k].path, keyword, i) : ct_schema_path(s, c->v[k].path, keyword);
        if (!ct_conj_add(s, out, item, path))
            return false;
    }
    return true;
}

static bool read_unique(ct_schema *s, const ct_conj *c, const char **path)
{
    *path = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const json_t *unique = json_object_get(c->v[i].schema, "uniqueItems");
        if (unique && !json_is_boolean(unique))
            return ct_schema_refuse(s, c->v[i].path, "uniqueItems", "expected true or false");
        if (json_is_true(unique))
            *path = c->v[i].path;
    }
    return true;
}

static bool longest_prefix(ct_schema *s, const ct_conj *c, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < c->n; i++) {
        const char *keyword;
        const json_t *prefix = prefix_of(&c->v[i], &keyword);
        if (prefix && !json_is_array(prefix))
            return ct_schema_refuse(s, c->v[i].path, keyword, "expected schemas in a list");
        if (json_array_size(prefix) > MOST_PREFIX)
            return ct_schema_refuse(s, c->v[i].path, keyword, "more than 1,000 schemas");
        if (json_array_size(prefix) > *out)
            *out = json_array_size(prefix);
    }
    return true;
}

typedef struct array {
    ct_schema *s;
    const ct_conj *c;
    uint32_t min, max;  /* items */
    size_t n;           /* of a prefix */
    ct_conj rest;       /* what those behind it satisfy */
    const char *unique; /* the path of uniqueItems */
    const json_t *contains;
    const char *path;     /* of contains */
    uint32_t least, most; /* items that it wants */
} array;

static const ct_expr *in_brackets(ct_heap *h, const ct_expr *list)
{
    const ct_expr *const all[] = { ct_expr_text(h, "["), list, ct_expr_text(h, "]") };
    return ct_expr_seq(h, all, 3);
}

/* Adds `n` rules, whose numbers follow each other. */
static bool add_rules(array *a, size_t n, const char *path, uint32_t *first)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t rule = ct_rules_add(a->s->rules, "items");
        if (rule == CT_NO_RULE)
            return a->s->heap->failed ? ct_schema_no_memory(a->s)
                                      : ct_schema_refuse(a->s, path, "", "too large: too many rules");
        *first = i == 0 ? rule : *first;
    }
    return true;
}

/* ---- items that differ ---- */

/* The values that an item can have, each once, if they are few; NULL: they are not. */
static bool few_values(array *a, json_t **out)
{
    ct_schema *s = a->s;
    json_t *values;
    *out = NULL;
    for (size_t i = 0; i < a->rest.n; i++)
        if (json_object_get(a->rest.v[i].schema, "anyOf") || json_object_get(a->rest.v[i].schema, "oneOf"))
            return true;
    if (!ct_conj_values(s, &a->rest, &values))
        return false;
    if (!values)
        return true;
    json_t *distinct = json_array();
    bool ok = distinct || ct_schema_no_memory(s);
    for (size_t i = 0; ok && i < json_array_size(values) && json_array_size(distinct) <= MOST_UNIQUE; i++) {
        json_t *v = json_array_get(values, i);
        if (!ct_json_is_among(v, distinct))
            ok = json_array_append(distinct, v) == 0 || ct_schema_no_memory(s);
    }
    json_decref(values);
    if (ok && json_array_size(distinct) <= MOST_UNIQUE)
        *out = json_incref(distinct);
    json_decref(distinct);
    return ok;
}

/* A rule for each set of values that are there already: what may follow. */
static bool compile_unique(array *a, const json_t *values, const ct_expr **out)
{
    ct_schema *s = a->s;
    ct_heap *h = s->heap;
    const size_t n = json_array_size(values), n_sets = (size_t)1 << n;
    const ct_expr *text[MOST_UNIQUE];
    uint32_t first = 0;
    for (size_t i = 0; i < n; i++) {
        ct_buf b;
        ct_buf_init(&b, (size_t)1 << 24);
        const bool ok = ct_json_canonical(json_array_get(values, i), s->any.style, &b);
        text[i] = ok ? ct_expr_bytes(h, b.data, b.len) : NULL;
        ct_buf_deinit(&b);
        if (!ok)
            return ct_schema_no_memory(s);
    }
    if (!add_rules(a, n_sets, a->unique, &first))
        return false;
    for (size_t set = 0; set < n_sets; set++) {
        ct_exprs ways = { .heap = h };
        const uint32_t have = (uint32_t)__builtin_popcount((unsigned)set);
        if (have >= a->min && have <= a->max)
            ct_exprs_add(&ways, ct_expr_empty(h));
        for (size_t i = 0; i < n && have < a->max; i++) {
            const ct_expr *const v[] = { ct_expr_text(h, set ? s->any.style->comma : ""), text[i],
                                         ct_expr_rule(h, first + (uint32_t)(set | (size_t)1 << i)) };
            if (!(set >> i & 1))
                ct_exprs_add(&ways, ct_expr_seq(h, v, 3));
        }
        s->rules->v[first + set].expr = ct_expr_alt(h, ways.v, ways.n);
    }
    *out = in_brackets(h, ct_expr_rule(h, first));
    return true;
}

static bool compile_distinct(array *a, const ct_expr **out)
{
    json_t *values = NULL;
    if (a->n == 0 && !a->contains && !few_values(a, &values))
        return false;
    const bool ok =
        values
            ? compile_unique(a, values, out)
            : ct_schema_refuse(a->s, a->unique, "uniqueItems",
                               "cannot be enforced for more than one item, unless each is one of ten values at most");
    json_decref(values);
    return ok;
}

/* ---- items of which some satisfy contains ---- */

static bool read_contains(array *a)
{
    ct_schema *s = a->s;
    a->contains = NULL;
    for (size_t i = 0; i < a->c->n; i++) {
        const ct_member *m = &a->c->v[i];
        const json_t *contains = json_object_get(m->schema, "contains");
        const ct_conj one = { .v = &a->c->v[i], .n = 1 };
        uint32_t least = 0, most = CT_REPEAT_FOREVER;
        if (!contains)
            continue;
        if (!json_object_get(m->schema, "minContains"))
            least = 1;
        else if (!ct_conj_count(s, &one, "minContains", true, &least))
            return false;
        if (!ct_conj_count(s, &one, "maxContains", false, &most))
            return false;
        if (least == 0 && most == CT_REPEAT_FOREVER)
            continue;
        if (a->contains)
            return ct_schema_refuse(s, m->path, "contains", "cannot be enforced beside another");
        *a = (array){ .s = s,
                      .c = a->c,
                      .min = a->min,
                      .max = a->max,
                      .n = a->n,
                      .rest = a->rest,
                      .unique = a->unique,
                      .contains = contains,
                      .path = ct_schema_path(s, m->path, "contains"),
                      .least = least,
                      .most = most };
    }
    return true;
}

/* The item at place i, n of which is behind the prefix: any (one that satisfies contains; one that does not). */
static bool compile_item(array *a, size_t i, const ct_expr *out[3])
{
    ct_schema *s = a->s;
    const json_t *rest = NULL;
    if (a->most != CT_REPEAT_FOREVER && !ct_schema_negate(s, a->contains, a->path, &rest))
        return false;
    for (int k = 0; k < 3; k++) {
        ct_conj c;
        out[k] = NULL;
        if (k == 2 && !rest)
            continue;
        if (!item_conj(s, a->c, i < a->n ? i : SIZE_MAX, &c) || (k == 1 && !ct_conj_add(s, &c, a->contains, a->path)) ||
            (k == 2 && !ct_conj_add(s, &c, rest, a->path)) || !ct_conj_compile(s, &c, &out[k]))
            return false;
    }
    return true;
}

/* A rule for each number of items and of those that satisfy contains: what may follow. Both are counted as far as they matter;
 * without maxContains one that satisfies need not count. */
static bool compile_contains(array *a, const ct_expr **out)
{
    ct_schema *s = a->s;
    ct_heap *h = s->heap;
    const bool has_most = a->most != CT_REPEAT_FOREVER;
    const size_t longest = a->max == CT_REPEAT_FOREVER ? a->min : a->max, n_items = longest > a->n ? longest : a->n;
    const size_t n_found = has_most && a->most > a->least ? a->most : a->least, width = n_found + 1;
    uint32_t first = 0;
    if (n_items > MOST_COUNTED || n_found > MOST_COUNTED || (n_items + 1) * width > MOST_COUNTED)
        return ct_schema_refuse(s, a->path, "", "too many items would have to be counted");
    *out = ct_expr_nothing(h);
    if (a->most < a->least)
        return true;
    const size_t n_places = n_items + 1 > 1 ? n_items + 1 : 2; /* the first is behind no comma */
    if (!add_rules(a, n_places * width, a->path, &first))
        return false;
    for (size_t i = 0; i < n_places; i++) {
        const ct_expr *item[3], *comma = ct_expr_text(h, i ? s->any.style->comma : "");
        const size_t next = i + 1 < n_places ? i + 1 : i;
        if (!compile_item(a, i, item))
            return false;
        for (size_t found = 0; found < width; found++) {
            ct_exprs ways = { .heap = h };
            const size_t more = found + 1 < width ? found + 1 : found;
            const bool may_find = found < a->most;
            if (i >= a->min && i <= a->max && found >= a->least)
                ct_exprs_add(&ways, ct_expr_empty(h));
            const ct_expr *const other[] = { comma, has_most ? item[2] : item[0],
                                             ct_expr_rule(h, first + (uint32_t)(next * width + found)) };
            const ct_expr *const one[] = { comma, item[1], ct_expr_rule(h, first + (uint32_t)(next * width + more)) };
            if (i < a->max)
                ct_exprs_add(&ways, ct_expr_seq(h, other, 3));
            if (i < a->max && may_find)
                ct_exprs_add(&ways, ct_expr_seq(h, one, 3));
            s->rules->v[first + i * width + found].expr = ct_expr_alt(h, ways.v, ways.n);
        }
    }
    *out = in_brackets(h, ct_expr_rule(h, first));
    return true;
}

/* ---- all other arrays ---- */

static bool compile_plain(array *a, const ct_expr **out)
{
    ct_schema *s = a->s;
    ct_heap *h = s->heap;
    const char *comma = s->any.style->comma;
    const uint32_t min = a->min, max = a->max;
    const size_t n = a->n;
    const ct_expr *e = NULL, *list;
    if (max > n && !ct_conj_compile(s, &a->rest, &e))
        return false;
    /* Behind the prefix, then the prefix from its end: what may follow item i - 1. */
    const uint32_t least = min > n ? min - (uint32_t)n : 0, most = max == CT_REPEAT_FOREVER ? max : max - (uint32_t)n;
    if (n == 0) {
        list = e ? ct_json_list(h, e, comma, min, max) : ct_expr_empty(h);
    } else {
        list = e ? ct_expr_repeat(h, ct_expr_then(h, ct_expr_text(h, comma), e), least, most) : ct_expr_empty(h);
        for (size_t i = n; i-- > 0;) {
            ct_conj item;
            if (!item_conj(s, a->c, i, &item) || !ct_conj_compile(s, &item, &e))
                return false;
            const ct_expr *const step[] = { ct_expr_text(h, i ? comma : ""), e, list };
            list = ct_expr_seq(h, step, 3);
            if (i >= min)
                list = ct_expr_optional(h, list);
        }
    }
    *out = in_brackets(h, list);
    return true;
}

bool ct_conj_array(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    array a = { .s = s, .c = c, .max = CT_REPEAT_FOREVER };
    if (!ct_conj_count(s, c, "minItems", true, &a.min) || !ct_conj_count(s, c, "maxItems", false, &a.max) ||
        !read_unique(s, c, &a.unique) || !longest_prefix(s, c, &a.n) || !item_conj(s, c, SIZE_MAX, &a.rest))
        return false;
    if (a.rest.is_false && a.max > a.n)
        a.max = (uint32_t)a.n;
    if (a.n > a.max)
        a.n = a.max;
    *out = ct_expr_nothing(s->heap);
    if (!read_contains(&a))
        return false;
    if (a.max < a.min)
        return true;
    if (a.unique && a.max > 1)
        return compile_distinct(&a, out);
    return a.contains ? compile_contains(&a, out) : compile_plain(&a, out);
}
