/* JSON Schema: can no value satisfy two schemas at once? What makes oneOf the same as anyOf.
 *
 * Proven from what a person would look at: kinds of values, enumerations, ranges of numbers, and properties that both
 * require or that one requires and the other forbids. What is not proven counts as possible.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/schema_inside.h"

#define MOST_DEPTH 6

/* The enumerations and constants of c: a value must be in each. NULL in *out: there is none. */
static bool first_enum(ct_schema *s, const ct_conj *c, json_t **out)
{
    *out = NULL;
    for (size_t i = 0; i < c->n && !*out; i++) {
        json_t *list = json_object_get(c->v[i].schema, "enum"), *one = json_object_get(c->v[i].schema, "const");
        if (list && !json_is_array(list))
            return ct_schema_refuse(s, c->v[i].path, "enum", "expected values in a list");
        *out = one ? json_pack("[O]", one) : json_incref(list);
    }
    return true;
}

static bool in_every_enum(const ct_conj *c, const json_t *value)
{
    bool yes = true;
    for (size_t i = 0; i < c->n && yes; i++) {
        const json_t *list = json_object_get(c->v[i].schema, "enum"), *one = json_object_get(c->v[i].schema, "const");
        yes = (!one || ct_json_equals(value, one)) && (!list || ct_json_is_among(value, list));
    }
    return yes;
}

/* No value of a's enumeration satisfies b. */
static bool enum_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, bool *apart)
{
    json_t *list;
    *apart = false;
    if (!first_enum(s, a, &list))
        return false;
    if (!list)
        return true;
    bool ok = true, is_out = true;
    for (size_t i = 0; ok && is_out && i < json_array_size(list); i++) {
        if (!ct_heap_work(s->heap, 10))
            ok = ct_schema_no_memory(s);
        if (!ok || !in_every_enum(b, json_array_get(list, i))) /* which the costly question would tell, too */
            continue;
        ok = ct_conj_excludes(s, b, json_array_get(list, i), &is_out);
        if (ok && !is_out)
            ok = ct_conj_excludes(s, a, json_array_get(list, i), &is_out);
    }
    json_decref(list);
    *apart = ok && is_out;
    return ok;
}

static bool numbers_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, bool *apart)
{
    ct_number_rule x = { .is_integer = false }, y = { .is_integer = false };
    if (!ct_number_bounds(s, a, &x) || !ct_number_bounds(s, b, &y))
        return false;
    const ct_number_rule *const r[] = { &x, &y };
    *apart = false;
    for (int i = 0; i < 2; i++) {
        const ct_bound *max = &r[i]->max, *min = &r[1 - i]->min;
        if (max->is_there && min->is_there)
            *apart = *apart || ct_bounds_compare(max, min) < 0 ||
                     (ct_bounds_compare(max, min) == 0 && (max->is_exclusive || min->is_exclusive));
    }
    return true;
}

static bool property_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, const char *name, unsigned depth,
                           bool *apart)
{
    ct_conj x, y;
    *apart = false;
    const bool first = ct_conj_requires(s, a, name), second = ct_conj_requires(s, b, name);
    if (!first && !second)
        return true;
    if (!ct_conj_property(s, a, name, &x) || !ct_conj_property(s, b, name, &y))
        return false;
    if ((first && y.is_false) || (second && x.is_false)) {
        *apart = true;
        return true;
    }
    return !(first && second) || ct_conj_apart(s, &x, &y, depth + 1, apart);
}

static bool objects_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, unsigned depth, bool *apart)
{
    const ct_conj *const both[] = { a, b };
    *apart = false;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < both[k]->n; i++) {
            const json_t *required = json_object_get(both[k]->v[i].schema, "required");
            for (size_t j = 0; j < json_array_size(required); j++) {
                const char *name = json_string_value(json_array_get(required, j));
                if (name && !property_apart(s, a, b, name, depth, apart))
                    return false;
                if (*apart)
                    return true;
            }
        }
    return true;
}

bool ct_conj_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, unsigned depth, bool *apart)
{
    unsigned x, y;
    bool yes = true;
    *apart = a->is_false || b->is_false;
    if (*apart || depth > MOST_DEPTH)
        return true;
    if (!enum_apart(s, a, b, apart) || (!*apart && !enum_apart(s, b, a, apart)))
        return false;
    if (*apart)
        return true;
    if (!ct_conj_kinds(s, a, &x) || !ct_conj_kinds(s, b, &y))
        return false;
    const unsigned common = x & y;
    if (common & (CT_KIND_NULL | CT_KIND_BOOLEAN | CT_KIND_STRING | CT_KIND_ARRAY))
        return true;
    if ((common & (CT_KIND_INTEGER | CT_KIND_NUMBER)) && !numbers_apart(s, a, b, &yes))
        return false;
    if (yes && (common & CT_KIND_OBJECT) && !objects_apart(s, a, b, depth, &yes))
        return false;
    *apart = yes;
    return true;
}
