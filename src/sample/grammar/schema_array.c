/* JSON Schema: arrays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sample/grammar/schema_inside.h"

#define MOST_PREFIX 1000

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

static bool check_unique(ct_schema *s, const ct_conj *c, uint32_t max)
{
    for (size_t i = 0; i < c->n; i++) {
        const json_t *unique = json_object_get(c->v[i].schema, "uniqueItems");
        if (unique && !json_is_boolean(unique))
            return ct_schema_refuse(s, c->v[i].path, "uniqueItems", "expected true or false");
        if (json_is_true(unique) && max > 1)
            return ct_schema_refuse(s, c->v[i].path, "uniqueItems", "cannot be enforced for more than one item");
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

bool ct_conj_array(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    ct_heap *h = s->heap;
    const char *comma = s->any.style->comma;
    uint32_t min = 0, max = CT_REPEAT_FOREVER;
    size_t n;
    ct_conj rest;
    const ct_expr *e = NULL, *list;
    if (!ct_conj_count(s, c, "minItems", true, &min) || !ct_conj_count(s, c, "maxItems", false, &max) ||
        !check_unique(s, c, max) || !longest_prefix(s, c, &n) || !item_conj(s, c, SIZE_MAX, &rest))
        return false;
    if (rest.is_false && max > n)
        max = (uint32_t)n;
    if (n > max)
        n = max;
    *out = ct_expr_nothing(h);
    if (max < min)
        return true;
    if (max > n && !ct_conj_compile(s, &rest, &e))
        return false;
    /* Behind the prefix, then the prefix from its end: what may follow item i - 1. */
    const uint32_t least = min > n ? min - (uint32_t)n : 0, most = max == CT_REPEAT_FOREVER ? max : max - (uint32_t)n;
    if (n == 0) {
        list = e ? ct_json_list(h, e, comma, min, max) : ct_expr_empty(h);
    } else {
        list = e ? ct_expr_repeat(h, ct_expr_then(h, ct_expr_text(h, comma), e), least, most) : ct_expr_empty(h);
        for (size_t i = n; i-- > 0;) {
            ct_conj item;
            if (!item_conj(s, c, i, &item) || !ct_conj_compile(s, &item, &e))
                return false;
            const ct_expr *const step[] = { ct_expr_text(h, i ? comma : ""), e, list };
            list = ct_expr_seq(h, step, 3);
            if (i >= min)
                list = ct_expr_optional(h, list);
        }
    }
    const ct_expr *const all[] = { ct_expr_text(h, "["), list, ct_expr_text(h, "]") };
    *out = ct_expr_seq(h, all, 3);
    return true;
}
