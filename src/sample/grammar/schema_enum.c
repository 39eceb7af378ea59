/* JSON Schema: enumerations and constants, and whether a given value satisfies a schema.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "sample/grammar/automaton.h"
#include "sample/grammar/schema_inside.h"

bool ct_json_equals(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_is_integer(a) && json_is_integer(b) ? json_integer_value(a) == json_integer_value(b)
                                                        : json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = ct_json_equals(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (!json_is_object(a))
        return json_equal(a, b);
    const char *key;
    json_t *value;
    bool same = json_object_size(a) == json_object_size(b);
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
        same = same && json_object_get(b, key) && ct_json_equals(value, json_object_get(b, key));
    return same;
}

bool ct_json_is_among(const json_t *value, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (ct_json_equals(value, json_array_get(list, i)))
            return true;
    return false;
}

/* A schema without enum and const, for the rest of its keywords; NULL: nothing else is said. */
static bool without_enum(ct_schema *s, const ct_member *m, json_t **out)
{
    *out = json_copy((json_t *)(uintptr_t)m->schema);
    if (!*out)
        return ct_schema_no_memory(s);
    static const char *const away[] = { "enum", "const", "$ref", "allOf", "nullable" };
    for (size_t i = 0; i < sizeof away / sizeof *away; i++)
        json_object_del(*out, away[i]);
    return true;
}

unsigned ct_json_kind_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return CT_KIND_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return CT_KIND_BOOLEAN;
    case JSON_INTEGER:
        return CT_KIND_INTEGER;
    case JSON_REAL: {
        const double x = json_real_value(v);
        return x == floor(x) ? CT_KIND_INTEGER : CT_KIND_NUMBER;
    }
    case JSON_STRING:
        return CT_KIND_STRING;
    case JSON_ARRAY:
        return CT_KIND_ARRAY;
    default:
        return CT_KIND_OBJECT;
    }
}

bool ct_conj_accepts(ct_schema *s, const ct_conj *c, const json_t *value, bool *yes)
{
    /* Rules of their own, for those of the grammar are being made. */
    ct_rules rules = { .heap = s->heap };
    ct_schema inner = *s;
    const ct_expr *e;
    ct_program p;
    ct_automaton *a = NULL;
    ct_buf text;
    *yes = false;
    if (!ct_heap_work(s->heap, 5000))
        return ct_schema_no_memory(s);
    inner.rules = &rules;
    inner.known = NULL;
    inner.n_known = 0;
    ct_json_rules_init(&inner.any, &rules, s->any.style);
    if (c->is_false)
        return true;
    const uint32_t root = ct_rules_add(&rules, "value");
    if (root == CT_NO_RULE || !ct_conj_compile(&inner, c, &e))
        return root == CT_NO_RULE ? ct_schema_no_memory(s) : false;
    rules.v[root].expr = e;
    if (!ct_program_build(s->what, &rules, root, &p, s->err))
        return p.matches_nothing;
    ct_buf_init(&text, (size_t)1 << 24);
    bool ok = ct_automaton_open(&p, (size_t)32 << 20, &a, s->err);
    if (ok && !ct_json_canonical(value, s->any.style, &text))
        ok = ct_schema_no_memory(s);
    if (ok) {
        uint32_t at = ct_automaton_start(a);
        for (size_t i = 0; i < text.len && at != CT_DEAD; i++)
            at = ct_automaton_step(a, at, (uint8_t)text.data[i]);
        *yes = ct_automaton_may_end(a, at);
        ok = !ct_automaton_failed(a, s->err);
    }
    ct_buf_deinit(&text);
    ct_automaton_close(a);
    ct_program_free(&p);
    return ok;
}

/* Is there one text of this value, so that no other could be generated? Members may come in another order, and numbers be
 * written without the exponent or the digits that theirs has. */
static bool has_one_text(const json_t *v, unsigned depth)
{
    const double x = fabs(json_number_value(v));
    bool yes = depth < 20;
    for (size_t i = 0; json_is_array(v) && yes && i < json_array_size(v); i++)
        yes = has_one_text(json_array_get(v, i), depth + 1);
    if (json_is_object(v))
        return json_object_size(v) == 0;
    return yes && (!json_is_real(v) || (x < 1e9 && x * 1024 == floor(x * 1024))); /* at most 9 and 10 digits */
}

static bool says(const json_t *v, const char *keyword, unsigned depth)
{
    const char *key;
    json_t *member;
    bool yes = depth > 20;
    for (size_t i = 0; json_is_array(v) && !yes && i < json_array_size(v); i++)
        yes = says(json_array_get(v, i), keyword, depth + 1);
    if (!json_is_object(v))
        return yes;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
        yes = yes || strcmp(key, keyword) == 0 || says(member, keyword, depth + 1);
    return yes;
}

bool ct_conj_excludes(ct_schema *s, const ct_conj *c, const json_t *value, bool *yes)
{
    unsigned kinds;
    bool accepts;
    *yes = true;
    if (!ct_conj_kinds(s, c, &kinds))
        return false;
    if (!(ct_json_kind_of(value) & kinds))
        return true;
    if (!ct_conj_accepts(s, c, value, &accepts))
        return false;
    /* Accepted are the canonical texts alone, and formats in their narrower form. */
    bool is_exact = has_one_text(value, 0);
    for (size_t i = 0; i < c->n && is_exact && (json_is_string(value) || json_is_array(value)); i++)
        is_exact = !says(c->v[i].schema, "format", 0) && !says(c->v[i].schema, "$ref", 0);
    *yes = !accepts && is_exact;
    return true;
}

static bool first_list(ct_schema *s, const ct_conj *c, json_t **out)
{
    *out = NULL;
    for (size_t i = 0; i < c->n && !*out; i++) {
        json_t *list = json_object_get(c->v[i].schema, "enum"), *one = json_object_get(c->v[i].schema, "const");
        if (list && !json_is_array(list))
            return ct_schema_refuse(s, c->v[i].path, "enum", "expected values in a list");
        *out = one ? json_pack("[O]", one) : json_incref(list);
        if (one && !*out)
            return ct_schema_no_memory(s);
    }
    return true;
}

/* Is a value of the first list in all others too, and of the kinds that are left? */
static bool is_listed(ct_schema *s, const ct_conj *c, unsigned kinds, const json_t *first, const json_t *value)
{
    bool fits = ct_json_kind_of(value) & kinds;
    for (size_t i = 0; fits && i < c->n; i++) {
        const json_t *list = json_object_get(c->v[i].schema, "enum"), *one = json_object_get(c->v[i].schema, "const");
        if (list != first && !ct_heap_work(s->heap, json_array_size(list)))
            return false; /* the heap has failed, which is looked at */
        fits = (!list || list == first || ct_json_is_among(value, list)) && (!one || ct_json_equals(value, one));
    }
    return fits;
}

static bool says_more(const ct_conj *others)
{
    for (size_t i = 0; i < others->n; i++)
        if (json_object_size(others->v[i].schema) > (json_object_get(others->v[i].schema, "type") != NULL))
            return true;
    return false;
}

bool ct_conj_values(ct_schema *s, const ct_conj *c, json_t **out)
{
    json_t *first, *rest[CT_MOST_MEMBERS];
    size_t n_rest = 0;
    unsigned kinds;
    ct_conj others = { .n = 0 };
    *out = NULL;
    if (!first_list(s, c, &first))
        return false;
    if (!first)
        return true;
    bool ok = ct_conj_kinds(s, c, &kinds) && ((*out = json_array()) || ct_schema_no_memory(s));
    for (size_t i = 0; ok && i < c->n; i++) {
        ok = without_enum(s, &c->v[i], &rest[n_rest]);
        n_rest += ok;
        ok = ok && ct_conj_push(s, &others, (ct_member){ rest[n_rest - 1], c->v[i].path, c->v[i].done });
    }
    for (size_t k = 0; ok && k < json_array_size(first); k++) {
        json_t *value = json_array_get(first, k);
        bool fits = is_listed(s, c, kinds, first, value);
        ok = !s->heap->failed || ct_schema_no_memory(s);
        if (ok && fits && says_more(&others))
            ok = ct_conj_accepts(s, &others, value, &fits);
        if (ok && fits)
            ok = json_array_append(*out, value) == 0 || ct_schema_no_memory(s);
    }
    for (size_t i = 0; i < n_rest; i++)
        json_decref(rest[i]);
    json_decref(first);
    if (!ok) {
        json_decref(*out);
        *out = NULL;
    }
    return ok;
}

bool ct_conj_enum(ct_schema *s, const ct_conj *c, bool *found, const ct_expr **out)
{
    json_t *values;
    size_t n_words = 0;
    if (!ct_conj_values(s, c, &values))
        return false;
    *found = values != NULL;
    if (!values)
        return true;
    ct_word *words = ct_heap_new(s->heap, json_array_size(values), sizeof *words);
    bool ok = words || ct_schema_no_memory(s);
    for (size_t k = 0; ok && k < json_array_size(values); k++) {
        ct_buf text;
        ct_buf_init(&text, (size_t)1 << 24);
        ok = ct_json_canonical(json_array_get(values, k), s->any.style, &text) || ct_schema_no_memory(s);
        if (ok)
            words[n_words++] = (ct_word){ ct_heap_text(s->heap, text.data, text.len), text.len };
        ct_buf_deinit(&text);
    }
    json_decref(values);
    ok = ok && (!s->heap->failed || ct_schema_no_memory(s));
    *out = ok ? ct_expr_words(s->heap, words, n_words) : NULL;
    return ok;
}
