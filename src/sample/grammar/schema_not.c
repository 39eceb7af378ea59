/* JSON Schema: the values that a schema rejects, as a schema of its own.
 *
 * A schema rejects what one of its keywords rejects: its complement is anyOf the complements of its keywords, each of which
 * speaks of one kind of value. What is made here are schemas with ordinary keywords, which are compiled like any other, so that
 * nothing else needs to know of negation. A keyword whose complement cannot be said so is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "sample/grammar/schema_inside.h"

#define MOST_WORDS 1000

typedef struct negation {
    ct_schema *s;
    const json_t *schema; /* whose complement is made */
    const char *path;
    json_t *ways; /* of its being wrong */
} negation;

/* Takes way, which is NULL if there was no memory. */
static bool add_way(negation *n, json_t *way)
{
    return (way && json_array_append_new(n->ways, way) == 0) || ct_schema_no_memory(n->s);
}

static bool refuse(negation *n, const char *keyword, const char *why)
{
    return ct_schema_refuse(n->s, n->path, keyword, why);
}

/* ---- kinds ---- */

static json_t *names_of_kinds(unsigned kinds)
{
    static const struct {
        unsigned kind;
        const char *name;
    } names[] = { { CT_KIND_NULL, "null" },     { CT_KIND_BOOLEAN, "boolean" }, { CT_KIND_NUMBER, "number" },
                  { CT_KIND_STRING, "string" }, { CT_KIND_ARRAY, "array" },     { CT_KIND_OBJECT, "object" } };
    json_t *out = json_array();
    for (size_t i = 0; out && i < sizeof names / sizeof *names; i++)
        if ((kinds & names[i].kind) && json_array_append_new(out, json_string(names[i].name)) != 0) {
            json_decref(out);
            return NULL;
        }
    return out;
}

/* Any value of these kinds, numbers with the integers among them. */
static bool add_kinds(negation *n, unsigned kinds)
{
    json_t *names = names_of_kinds(kinds);
    return names ? add_way(n, json_pack("{so}", "type", names)) : ct_schema_no_memory(n->s);
}

static bool of_type(negation *n, const char *keyword, const json_t *value)
{
    unsigned kinds;
    (void)keyword, (void)value;
    const ct_member m = { n->schema, n->path, 0 };
    if (!ct_member_kinds(n->s, &m, &kinds))
        return false;
    unsigned others = CT_KIND_ALL & ~kinds;
    if ((kinds & CT_KIND_INTEGER) && (others & CT_KIND_NUMBER)) {
        if (!add_way(n, json_incref((json_t *)(uintptr_t)n->s->fractions)))
            return false;
        others &= ~(unsigned)CT_KIND_NUMBER;
    }
    return !others || add_kinds(n, others);
}

/* ---- numbers and counts ---- */

static bool of_bound(negation *n, const char *keyword, const json_t *value)
{
    static const char *const other[][2] = { { "minimum", "exclusiveMaximum" },
                                            { "maximum", "exclusiveMinimum" },
                                            { "exclusiveMinimum", "maximum" },
                                            { "exclusiveMaximum", "minimum" } };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(other[i][0], keyword) == 0)
            return add_way(n, json_pack("{sssO}", "type", "number", other[i][1], value));
    return false;
}

static bool of_count(negation *n, const char *keyword, const json_t *value)
{
    static const struct {
        const char *keyword, *type, *other;
        bool is_min;
    } counts[] = { { "minLength", "string", "maxLength", true },
                   { "maxLength", "string", "minLength", false },
                   { "minItems", "array", "maxItems", true },
                   { "maxItems", "array", "minItems", false },
                   { "minProperties", "object", "maxProperties", true },
                   { "maxProperties", "object", "minProperties", false } };
    const double x = json_number_value(value);
    size_t i = 0;
    if (!json_is_number(value) || x < 0 || x > 1e9 || x != (double)(int64_t)x)
        return refuse(n, keyword, "expected a whole number that is not negative, and at most a billion");
    while (strcmp(counts[i].keyword, keyword) != 0)
        i++;
    if (counts[i].is_min && x == 0)
        return true;
    return add_way(
        n, json_pack("{sssI}", "type", counts[i].type, counts[i].other, (json_int_t)x + (counts[i].is_min ? -1 : 1)));
}

/* ---- enumerations ---- */

typedef struct word {
    const char *s; /* what is left of it */
} word;

static int by_text(const void *x, const void *y)
{
    return strcmp(((const word *)x)->s, ((const word *)y)->s);
}

/* A pattern for all texts but these, which are sorted, differ, and share what has been written so far. */
static bool write_others(word *w, size_t n, ct_buf *out)
{
    const bool may_end = n == 0 || *w[0].s; /* the one that ends here is the first */
    word *const rest = may_end ? w : w + 1;
    const size_t n_rest = may_end ? n : n - 1;
    if (n_rest == 0)
        return ct_buf_str(out, may_end ? "[\\s\\S]*" : "[\\s\\S]+");
    bool ok = ct_buf_str(out, "(?:[^");
    for (size_t i = 0; ok && i < n_rest; i++) {
        uint32_t c;
        ct_utf8_next(rest[i].s, strlen(rest[i].s), &c);
        ok = ct_buf_fmt(out, "\\u{%x}", (unsigned)c);
    }
    ok = ok && ct_buf_str(out, "][\\s\\S]*");
    for (size_t i = 0, end; ok && i < n_rest; i = end) {
        uint32_t c, d;
        const size_t len = ct_utf8_next(rest[i].s, strlen(rest[i].s), &c);
        for (end = i; end < n_rest && ct_utf8_next(rest[end].s, strlen(rest[end].s), &d) && d == c; end++)
            rest[end].s += len;
        ok = ct_buf_fmt(out, "|\\u{%x}", (unsigned)c) && write_others(rest + i, end - i, out);
    }
    return ok && ct_buf_str(out, may_end ? ")?" : ")");
}

/* The strings that are not in the list. */
static bool add_other_strings(negation *n, const char *keyword, const json_t *list)
{
    word *w = ct_heap_new(n->s->heap, json_array_size(list), sizeof *w);
    size_t n_words = 0, longest = 0;
    if (!w)
        return ct_schema_no_memory(n->s);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const size_t len = json_string_length(v);
        if (!json_is_string(v))
            continue;
        if (strlen(json_string_value(v)) != len || len > 200)
            return refuse(n, keyword, "the complement of a string with NUL or of more than 200 bytes");
        w[n_words++].s = json_string_value(v);
        longest = len > longest ? len : longest;
    }
    if (n_words > MOST_WORDS || !ct_heap_work(n->s->heap, 100 * n_words * (longest + 1)))
        return refuse(n, keyword, "the complement of so many values");
    qsort(w, n_words, sizeof *w, by_text);
    size_t n_distinct = 0;
    for (size_t i = 0; i < n_words; i++)
        if (i == 0 || strcmp(w[i].s, w[n_distinct - 1].s) != 0)
            w[n_distinct++] = w[i];
    if (n_distinct == 0)
        return add_kinds(n, CT_KIND_STRING);
    ct_buf pattern;
    ct_buf_init(&pattern, (size_t)1 << 22);
    const bool ok = ct_buf_str(&pattern, "^") && write_others(w, n_distinct, &pattern) && ct_buf_str(&pattern, "$");
    json_t *way = ok ? json_pack("{ssss}", "type", "string", "pattern", pattern.data) : NULL;
    ct_buf_deinit(&pattern);
    return add_way(n, way);
}

static int by_value(const void *x, const void *y)
{
    const double a = json_number_value(*(json_t *const *)x), b = json_number_value(*(json_t *const *)y);
    return (a > b) - (a < b);
}

/* The numbers below, between and above those in the list. */
static bool add_other_numbers(negation *n, const char *keyword, const json_t *list)
{
    json_t **v = ct_heap_new(n->s->heap, json_array_size(list) + 1, sizeof *v);
    size_t count = 0;
    bool ok = true;
    if (!v)
        return ct_schema_no_memory(n->s);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_number(json_array_get(list, i)))
            v[count++] = json_array_get(list, i);
    if (count > MOST_WORDS)
        return refuse(n, keyword, "the complement of so many values");
    qsort(v, count, sizeof *v, by_value);
    for (size_t i = 0; ok && i <= count; i++) {
        json_t *way = json_pack("{ss}", "type", "number");
        ok = way && (i == 0 || json_object_set(way, "exclusiveMinimum", v[i - 1]) == 0) &&
             (i == count || json_object_set(way, "exclusiveMaximum", v[i]) == 0);
        if (!ok) {
            json_decref(way);
            return ct_schema_no_memory(n->s);
        }
        if (i > 0 && i < count && json_number_value(v[i - 1]) >= json_number_value(v[i]))
            json_decref(way); /* nothing is between equal ones */
        else
            ok = add_way(n, way);
    }
    return ok;
}

/* Values that are none of the list's: those of other kinds, and the others of its kinds. */
static bool add_other_values(negation *n, const char *keyword, const json_t *list)
{
    unsigned kinds = 0;
    bool has_true = false, has_false = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (json_is_array(v) || json_is_object(v))
            return refuse(n, keyword, "the complement of a list or an object");
        if (json_is_number(v) && !(fabs(json_number_value(v)) <= 9007199254740992.0))
            return refuse(n, keyword, "the complement of a number that a double does not keep");
        has_true = has_true || json_is_true(v);
        has_false = has_false || json_is_false(v);
        kinds |= ct_json_kind_of(v) == CT_KIND_INTEGER ? CT_KIND_NUMBER : ct_json_kind_of(v);
    }
    if (has_true != has_false && !add_way(n, json_pack("{s[b]}", "enum", has_false)))
        return false;
    if ((kinds & CT_KIND_NUMBER) && !add_other_numbers(n, keyword, list))
        return false;
    if ((kinds & CT_KIND_STRING) && !add_other_strings(n, keyword, list))
        return false;
    return add_kinds(n, CT_KIND_ALL & ~kinds);
}

static bool of_enum(negation *n, const char *keyword, const json_t *value)
{
    return json_is_array(value) ? add_other_values(n, keyword, value) : refuse(n, keyword, "expected values in a list");
}

static bool of_const(negation *n, const char *keyword, const json_t *value)
{
    json_t *list = json_pack("[O]", value);
    const bool ok = list ? add_other_values(n, keyword, list) : ct_schema_no_memory(n->s);
    json_decref(list);
    return ok;
}

/* ---- objects and arrays ---- */

static bool of_required(negation *n, const char *keyword, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        if (!name)
            return refuse(n, keyword, "expected names in a list");
        if (!add_way(n, json_pack("{sss{sb}}", "type", "object", "properties", name, 0)))
            return false;
    }
    return json_is_array(value) || refuse(n, keyword, "expected names in a list");
}

static bool of_properties(negation *n, const char *keyword, const json_t *value)
{
    const char *name;
    json_t *schema;
    if (!json_is_object(value))
        return refuse(n, keyword, "expected an object");
    json_object_foreach((json_t *)(uintptr_t)value, name, schema)
        if (!json_is_true(schema) && !add_way(n, json_pack("{sss[s]s{s{sO}}}", "type", "object", "required", name,
                                                           "properties", name, "not", schema)))
            return false;
    return true;
}

static bool of_dependencies(negation *n, const char *keyword, const json_t *value)
{
    const char *name;
    json_t *needs;
    if (!json_is_object(value))
        return refuse(n, keyword, "expected an object");
    if (strcmp(keyword, "dependencies") == 0 && !n->s->ref_stands_alone)
        return refuse(n, keyword, "drafts after 7 do not have it, so what it rejects is open");
    json_object_foreach((json_t *)(uintptr_t)value, name, needs) {
        json_t *other =
            json_is_array(needs) ? json_pack("{s{sO}}", "not", "required", needs) : json_pack("{sO}", "not", needs);
        if (!other)
            return ct_schema_no_memory(n->s);
        if (!add_way(n, json_pack("{sss[s]s[o]}", "type", "object", "required", name, "allOf", other)))
            return false;
    }
    return true;
}

static bool of_items(negation *n, const char *keyword, const json_t *value)
{
    if (json_is_array(value) || json_object_get(n->schema, "prefixItems"))
        return refuse(n, keyword, "the complement of items that differ by their place");
    return add_way(n, json_pack("{sss{sO}}", "type", "array", "contains", "not", value));
}

static bool of_contains(negation *n, const char *keyword, const json_t *value)
{
    if (json_object_get(n->schema, "minContains") || json_object_get(n->schema, "maxContains"))
        return refuse(n, keyword, "the complement of a count of items");
    return add_way(n, json_pack("{sss{sO}}", "type", "array", "items", "not", value));
}

/* ---- schemas of schemas ---- */

static bool of_all_of(negation *n, const char *keyword, const json_t *value)
{
    bool ok = json_is_array(value) || refuse(n, keyword, "expected schemas in a list");
    for (size_t i = 0; ok && i < json_array_size(value); i++)
        ok = add_way(n, json_pack("{sO}", "not", json_array_get(value, i)));
    return ok;
}

static bool of_any_of(negation *n, const char *keyword, const json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return refuse(n, keyword, "expected schemas in a list");
    json_t *all = json_array();
    for (size_t i = 0; all && i < json_array_size(value); i++)
        if (json_array_append_new(all, json_pack("{sO}", "not", json_array_get(value, i))) != 0) {
            json_decref(all);
            all = NULL;
        }
    return all ? add_way(n, json_pack("{so}", "allOf", all)) : ct_schema_no_memory(n->s);
}

static bool of_not(negation *n, const char *keyword, const json_t *value)
{
    (void)keyword;
    return add_way(n, json_incref((json_t *)(uintptr_t)value));
}

static bool of_if(negation *n, const char *keyword, const json_t *value)
{
    const json_t *then = json_object_get(n->schema, "then"), *other = json_object_get(n->schema, "else");
    (void)keyword;
    if (then && !add_way(n, json_pack("{s[O{sO}]}", "allOf", value, "not", then)))
        return false;
    return !other || add_way(n, json_pack("{s[{sO}{sO}]}", "allOf", "not", value, "not", other));
}

/* Without a say of its own: it is another keyword's part. */
static bool of_part(negation *n, const char *keyword, const json_t *value)
{
    (void)n, (void)keyword, (void)value;
    return true;
}

static bool of_ref(negation *n, const char *keyword, const json_t *value)
{
    const json_t *target;
    (void)keyword;
    return ct_schema_resolve(n->s, value, n->path, &target) && add_way(n, json_pack("{sO}", "not", target));
}

static const struct {
    const char *name;
    bool (*negate)(negation *n, const char *keyword, const json_t *value);
} complements[] = {
    { "$ref", of_ref },
    { "type", of_type },
    { "nullable", of_part },
    { "enum", of_enum },
    { "const", of_const },
    { "minimum", of_bound },
    { "maximum", of_bound },
    { "exclusiveMinimum", of_bound },
    { "exclusiveMaximum", of_bound },
    { "minLength", of_count },
    { "maxLength", of_count },
    { "minItems", of_count },
    { "maxItems", of_count },
    { "minProperties", of_count },
    { "maxProperties", of_count },
    { "required", of_required },
    { "properties", of_properties },
    { "dependencies", of_dependencies },
    { "dependentRequired", of_dependencies },
    { "dependentSchemas", of_dependencies },
    { "items", of_items },
    { "contains", of_contains },
    { "minContains", of_part },
    { "maxContains", of_part },
    { "allOf", of_all_of },
    { "anyOf", of_any_of },
    { "not", of_not },
    { "if", of_if },
    { "then", of_part },
    { "else", of_part },
};

static bool negate_keyword(negation *n, const char *keyword, const json_t *value)
{
    for (size_t i = 0; i < sizeof complements / sizeof *complements; i++)
        if (strcmp(complements[i].name, keyword) == 0)
            return complements[i].negate(n, keyword, value);
    return ct_schema_is_annotation(keyword) ||
           refuse(n, keyword, "what it rejects cannot be enforced, so not below not, if or oneOf");
}

static bool negate(negation *n)
{
    const char *keyword;
    json_t *value;
    if (!json_is_object(n->schema))
        return refuse(n, "", "a schema is an object, true or false");
    const json_t *ref = json_object_get(n->schema, "$ref");
    if (ref && n->s->ref_stands_alone)
        return of_ref(n, "$ref", ref);
    if (!ct_schema_check_keywords(n->s, n->schema, n->path))
        return false;
    json_object_foreach((json_t *)(uintptr_t)n->schema, keyword, value)
        if (!negate_keyword(n, keyword, value))
            return false;
    return true;
}

bool ct_schema_negate(ct_schema *s, const json_t *schema, const char *path, const json_t **out)
{
    char key[40];
    if (json_is_boolean(schema)) {
        *out = json_boolean(!json_is_true(schema));
        return true;
    }
    snprintf(key, sizeof key, "not %p", (const void *)schema);
    *out = json_object_get(s->made, key);
    if (*out)
        return true;
    negation n = { s, schema, path, json_array() };
    if (!n.ways || !ct_heap_work(s->heap, 1000)) {
        json_decref(n.ways);
        return ct_schema_no_memory(s);
    }
    const bool ok = negate(&n);
    json_t *made = !ok ? NULL : json_array_size(n.ways) > 0 ? json_pack("{sO}", "anyOf", n.ways) : json_false();
    json_decref(n.ways);
    return ok && ct_schema_keep(s, key, made, out);
}
