/* JSON Schema -> rules of a grammar: references, what must hold at once, enumerations, alternatives.
 *
 * A value's schema is a conjunction: the schema itself, what it refers to, the parts of its allOf. Everything else asks
 * all members of a conjunction: the strictest bound, the union of what is required. So allOf needs no merging, and a
 * recursive schema meets a conjunction that it has a rule for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

#include "sample/grammar/automaton.h"
#include "sample/grammar/schema_inside.h"

#define MOST_DEPTH   120
#define MOST_MEMBERS 64
#define MOST_REFS    64
#define MOST_KNOWN   4000

enum { ANY_OF = 1, ONE_OF = 2 };

struct ct_known_conj {
    ct_conj conj;
    uint64_t hash;
    uint32_t rule;
    ct_known_conj *next;
};

/* ---- keywords ---- */

enum class { ENFORCED, ANNOTATION, REFUSED };

static const struct {
    const char *name;
    enum class class;
    const char *why;
} keywords[] = {
    { "type", ENFORCED, NULL },
    { "enum", ENFORCED, NULL },
    { "const", ENFORCED, NULL },
    { "nullable", ENFORCED, NULL },
    { "allOf", ENFORCED, NULL },
    { "anyOf", ENFORCED, NULL },
    { "oneOf", ENFORCED, NULL },
    { "$ref", ENFORCED, NULL },
    { "minimum", ENFORCED, NULL },
    { "maximum", ENFORCED, NULL },
    { "exclusiveMinimum", ENFORCED, NULL },
    { "exclusiveMaximum", ENFORCED, NULL },
    { "multipleOf", ENFORCED, NULL },
    { "minLength", ENFORCED, NULL },
    { "maxLength", ENFORCED, NULL },
    { "pattern", ENFORCED, NULL },
    { "format", ENFORCED, NULL },
    { "properties", ENFORCED, NULL },
    { "required", ENFORCED, NULL },
    { "additionalProperties", ENFORCED, NULL },
    { "patternProperties", ENFORCED, NULL },
    { "propertyNames", ENFORCED, NULL },
    { "minProperties", ENFORCED, NULL },
    { "maxProperties", ENFORCED, NULL },
    { "items", ENFORCED, NULL },
    { "prefixItems", ENFORCED, NULL },
    { "additionalItems", ENFORCED, NULL },
    { "minItems", ENFORCED, NULL },
    { "maxItems", ENFORCED, NULL },
    { "uniqueItems", ENFORCED, NULL },
    { "$schema", ANNOTATION, NULL },
    { "$id", ANNOTATION, NULL },
    { "$anchor", ANNOTATION, NULL },
    { "$defs", ANNOTATION, NULL },
    { "definitions", ANNOTATION, NULL },
    { "$comment", ANNOTATION, NULL },
    { "$vocabulary", ANNOTATION, NULL },
    { "title", ANNOTATION, NULL },
    { "description", ANNOTATION, NULL },
    { "default", ANNOTATION, NULL },
    { "examples", ANNOTATION, NULL },
    { "example", ANNOTATION, NULL },
    { "deprecated", ANNOTATION, NULL },
    { "readOnly", ANNOTATION, NULL },
    { "writeOnly", ANNOTATION, NULL },
    { "contentEncoding", ANNOTATION, NULL },
    { "contentMediaType", ANNOTATION, NULL },
    { "contentSchema", ANNOTATION, NULL },
    { "externalDocs", ANNOTATION, NULL },
    { "xml", ANNOTATION, NULL },
    { "not", REFUSED, NULL },
    { "if", REFUSED, NULL },
    { "then", REFUSED, NULL },
    { "else", REFUSED, NULL },
    { "contains", REFUSED, NULL },
    { "minContains", REFUSED, NULL },
    { "maxContains", REFUSED, NULL },
    { "dependencies", REFUSED, NULL },
    { "dependentRequired", REFUSED, NULL },
    { "dependentSchemas", REFUSED, NULL },
    { "unevaluatedItems", REFUSED, NULL },
    { "unevaluatedProperties", REFUSED, NULL },
    { "$dynamicRef", REFUSED, NULL },
    { "$dynamicAnchor", REFUSED, NULL },
    { "$recursiveRef", REFUSED, NULL },
    { "$recursiveAnchor", REFUSED, NULL },
    { "discriminator", REFUSED, "state the value of the deciding property in each branch instead" },
};

bool ct_schema_refuse(ct_schema *s, const char *path, const char *keyword, const char *why)
{
    return ct_fail(s->err, CARAT_EARG, CARAT_NOWHERE, "%s: '%.100s%s%.40s': %s", s->what, path, *keyword ? "/" : "",
                   keyword, why);
}

bool ct_schema_no_memory(ct_schema *s)
{
    return ct_heap_fail(s->heap, s->what, s->err);
}

static bool check_keywords(ct_schema *s, const json_t *schema, const char *path)
{
    const char *key, *id = json_string_value(json_object_get(schema, "$id"));
    if (id && *id != '#' && schema != s->document) /* "#/..." inside it would mean its own parts */
        return ct_schema_refuse(s, path, "$id", "an address of its own within the schema cannot be followed");
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
        size_t i = 0;
        while (i < sizeof keywords / sizeof *keywords && strcmp(keywords[i].name, key) != 0)
            i++;
        if (i == sizeof keywords / sizeof *keywords)
            return ct_schema_refuse(s, path, key, "no keyword of JSON Schema that is known");
        if (keywords[i].class == REFUSED)
            return ct_schema_refuse(s, path, key, keywords[i].why ? keywords[i].why : "cannot be enforced");
    }
    return true;
}

/* ---- paths ---- */

const char *ct_schema_path(ct_schema *s, const char *path, const char *keyword)
{
    const size_t n = strlen(path), len = strlen(keyword);
    char *out = ct_heap_new(s->heap, n + 2 * len + 2, 1);
    if (!out)
        return "";
    memcpy(out, path, n);
    char *p = out + n;
    *p++ = '/';
    for (size_t i = 0; i < len; i++) {
        if (keyword[i] != '~' && keyword[i] != '/') {
            *p++ = keyword[i];
            continue;
        }
        *p++ = '~';
        *p++ = keyword[i] == '~' ? '0' : '1';
    }
    return out;
}

const char *ct_schema_path_at(ct_schema *s, const char *path, const char *keyword, size_t i)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    return ct_schema_path(s, ct_schema_path(s, path, keyword), number);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One token of a JSON pointer in a URI fragment: ~0 ~1 and %XX are decoded. Returns what is behind it. */
static const char *pointer_token(const char *p, char *out, size_t size)
{
    size_t n = 0;
    for (; *p && *p != '/'; p++) {
        char c = *p;
        if (c == '~' && (p[1] == '0' || p[1] == '1'))
            c = *++p == '0' ? '~' : '/';
        else if (c == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            c = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        }
        if (n + 1 < size)
            out[n++] = c;
    }
    out[n] = '\0';
    return p;
}

static const json_t *at_pointer(const json_t *v, const char *p)
{
    char token[256];
    while (v && *p == '/') {
        p = pointer_token(p + 1, token, sizeof token);
        if (json_is_array(v)) {
            char *end;
            const unsigned long i = strtoul(token, &end, 10);
            v = *token && !*end ? json_array_get(v, i) : NULL;
        } else {
            v = json_object_get(v, token);
        }
    }
    return *p ? NULL : v;
}

/* The schema with this $anchor, or with this $id as draft 7 had it ("#name"); NULL if there is none. */
static const json_t *at_anchor(ct_schema *s, const json_t *v, const char *name, unsigned depth)
{
    const char *key;
    json_t *member;
    const json_t *found = NULL;
    if (depth > MOST_DEPTH || !ct_heap_work(s->heap, 10))
        return NULL;
    for (size_t i = 0; json_is_array(v) && !found && i < json_array_size(v); i++)
        found = at_anchor(s, json_array_get(v, i), name, depth + 1);
    if (!json_is_object(v))
        return found;
    const char *anchor = json_string_value(json_object_get(v, "$anchor")),
               *id = json_string_value(json_object_get(v, "$id"));
    if ((anchor && strcmp(anchor, name) == 0) || (id && id[0] == '#' && strcmp(id + 1, name) == 0))
        return v;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
        if (!found && strcmp(key, "enum") != 0 && strcmp(key, "const") != 0)
            found = at_anchor(s, member, name, depth + 1);
    return found;
}

static bool resolve(ct_schema *s, const json_t *ref, const char *path, const json_t **out)
{
    const char *text = json_string_value(ref);
    if (!text)
        return ct_schema_refuse(s, path, "$ref", "expected a string");
    const json_t *id = json_object_get(s->document, "$id");
    if (text[0] != '#' && json_is_string(id)) { /* the document's own address in front */
        const size_t n = strlen(json_string_value(id));
        if (strncmp(text, json_string_value(id), n) == 0 && (text[n] == '#' || !text[n]))
            text += n;
    }
    if (*text && *text != '#')
        return ct_schema_refuse(s, path, "$ref",
                                "a reference to another document; only those within the schema are followed");
    text += *text == '#';
    *out = !*text ? s->document : *text == '/' ? at_pointer(s->document, text) : at_anchor(s, s->document, text, 0);
    return *out || ct_schema_refuse(s, path, "$ref", "there is nothing at that place");
}

/* ---- conjunctions ---- */

static bool has_member(const ct_conj *c, const json_t *schema)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].schema == schema)
            return true;
    return false;
}

static bool push(ct_schema *s, ct_conj *c, ct_member m)
{
    if (c->n == MOST_MEMBERS)
        return ct_schema_refuse(s, m.path, "", "more than 64 schemas must hold at once");
    if (c->n == c->cap) {
        const size_t cap = c->cap ? c->cap * 2 : 4;
        ct_member *v = ct_heap_new(s->heap, cap, sizeof *v);
        if (!v)
            return ct_schema_no_memory(s);
        if (c->n)
            memcpy(v, c->v, c->n * sizeof *v);
        c->v = v;
        c->cap = cap;
    }
    c->v[c->n++] = m;
    return true;
}

static bool add_all_of(ct_schema *s, ct_conj *c, const json_t *schema, const char *path)
{
    const json_t *all = json_object_get(schema, "allOf");
    if (!all)
        return true;
    if (!json_is_array(all) || json_array_size(all) == 0)
        return ct_schema_refuse(s, path, "allOf", "expected schemas in a list");
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!ct_conj_add(s, c, json_array_get(all, i), ct_schema_path_at(s, path, "allOf", i)))
            return false;
    return true;
}

/* What $ref says. References that only lead to each other say nothing, and never end. */
static bool add_target(ct_schema *s, ct_conj *c, const json_t *ref, const char *path)
{
    const json_t *target = NULL;
    if (!resolve(s, ref, path, &target))
        return false;
    if (s->n_refs == MOST_REFS)
        return ct_schema_refuse(s, path, "$ref", "more than 64 references that lead to each other");
    const char *name =
        ct_heap_text(s->heap, json_string_value(ref), json_string_length(ref)); /* rules are named by it */
    if (!name)
        return ct_schema_no_memory(s);
    s->n_refs++;
    const bool ok = ct_conj_add(s, c, target, name);
    s->n_refs--;
    return ok;
}

bool ct_conj_add(ct_schema *s, ct_conj *c, const json_t *schema, const char *path)
{
    if (json_is_true(schema))
        return true;
    if (json_is_false(schema)) {
        c->is_false = true;
        return true;
    }
    if (!json_is_object(schema))
        return ct_schema_refuse(s, path, "", "a schema is an object, true or false");
    if (has_member(c, schema))
        return true;
    const json_t *ref = json_object_get(schema, "$ref");
    if (ref && s->ref_stands_alone)
        return add_target(s, c, ref, path);
    return check_keywords(s, schema, path) && push(s, c, (ct_member){ schema, path, 0 }) &&
           (!ref || add_target(s, c, ref, path)) && add_all_of(s, c, schema, path);
}

static int by_address(const void *x, const void *y)
{
    const ct_member *a = x, *b = y;
    const uintptr_t p = (uintptr_t)a->schema, q = (uintptr_t)b->schema;
    return (p > q) - (p < q);
}

/* Whatever the order of the members. */
static uint64_t hash_of(const ct_conj *c)
{
    uint64_t sum = c->n;
    for (size_t i = 0; i < c->n; i++) {
        uint64_t h = ((uint64_t)(uintptr_t)c->v[i].schema ^ c->v[i].done) * 0x9E3779B97F4A7C15u;
        sum += h ^ h >> 29;
    }
    return sum;
}

static bool is_same(const ct_conj *a, const ct_conj *b)
{
    ct_member x[MOST_MEMBERS], y[MOST_MEMBERS];
    if (a->n != b->n)
        return false;
    if (a->n == 0)
        return true;
    memcpy(x, a->v, a->n * sizeof *x);
    memcpy(y, b->v, b->n * sizeof *y);
    qsort(x, a->n, sizeof *x, by_address);
    qsort(y, b->n, sizeof *y, by_address);
    for (size_t i = 0; i < a->n; i++)
        if (x[i].schema != y[i].schema || x[i].done != y[i].done)
            return false;
    return true;
}

/* ---- alternatives ---- */

/* A copy of c in which member i's anyOf (oneOf) is done and one of its branches holds. */
static bool with_branch(ct_schema *s, const ct_conj *c, size_t i, uint8_t which, const json_t *branch, const char *path,
                        ct_conj *out)
{
    *out = (ct_conj){ .is_false = c->is_false };
    for (size_t k = 0; k < c->n; k++) {
        ct_member m = c->v[k];
        m.done |= k == i ? which : 0;
        if (!push(s, out, m))
            return false;
    }
    return ct_conj_add(s, out, branch, path);
}

static bool compile_branches(ct_schema *s, const ct_conj *c, size_t i, uint8_t which, const ct_expr **out)
{
    const char *keyword = which == ANY_OF ? "anyOf" : "oneOf", *path = c->v[i].path;
    const json_t *list = json_object_get(c->v[i].schema, keyword);
    const size_t n = json_array_size(list);
    ct_exprs ways = { .heap = s->heap };
    ct_conj *branches = ct_heap_new(s->heap, n, sizeof *branches);
    if (!branches)
        return ct_schema_no_memory(s);
    if (!json_is_array(list) || n == 0)
        return ct_schema_refuse(s, path, keyword, "expected schemas in a list");
    for (size_t k = 0; k < n; k++) {
        const ct_expr *e;
        const char *at = ct_schema_path_at(s, path, keyword, k);
        if (!with_branch(s, c, i, which, json_array_get(list, k), at, &branches[k]))
            return false;
        for (size_t other = 0; which == ONE_OF && other < k; other++) {
            bool apart;
            if (!ct_conj_apart(s, &branches[other], &branches[k], 0, &apart))
                return false;
            if (!apart)
                return ct_schema_refuse(
                    s, at, "",
                    "a value might satisfy another branch of oneOf too: make them differ by a type or by "
                    "the value of a required property, or use anyOf");
        }
        if (!ct_conj_compile(s, &branches[k], &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    *out = ct_expr_alt(s->heap, ways.v, ways.n);
    return true;
}

/* ---- enumerations ---- */

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

static unsigned kind_of(const json_t *v)
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
        return x > -1e18 && x < 1e18 && x == (double)(int64_t)x ? CT_KIND_INTEGER : CT_KIND_NUMBER;
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

/* The values of the first enumeration that all of c accepts. *found: there is one. */
static bool compile_enum(ct_schema *s, const ct_conj *c, bool *found, const ct_expr **out)
{
    json_t *first = NULL, *rest[MOST_MEMBERS];
    size_t n_rest = 0;
    unsigned kinds;
    bool ok = true;
    ct_conj others = { .n = 0 };
    for (size_t i = 0; i < c->n && !first; i++) {
        json_t *list = json_object_get(c->v[i].schema, "enum"), *one = json_object_get(c->v[i].schema, "const");
        if (list && !json_is_array(list))
            return ct_schema_refuse(s, c->v[i].path, "enum", "expected values in a list");
        first = one ? json_pack("[O]", one) : json_incref(list);
    }
    *found = first != NULL;
    if (!first)
        return true;
    ok = ct_conj_kinds(s, c, &kinds);
    for (size_t i = 0; ok && i < c->n; i++) {
        ok = without_enum(s, &c->v[i], &rest[n_rest]);
        n_rest += ok;
        ok = ok && push(s, &others, (ct_member){ rest[n_rest - 1], c->v[i].path, c->v[i].done });
    }
    size_t n_words = 0;
    ct_word *words = ct_heap_new(s->heap, json_array_size(first), sizeof *words);
    ok = ok && (words || ct_schema_no_memory(s));
    for (size_t k = 0; ok && k < json_array_size(first); k++) {
        const json_t *value = json_array_get(first, k);
        bool fits = kind_of(value) & kinds;
        for (size_t i = 0; fits && i < c->n; i++) {
            const json_t *list = json_object_get(c->v[i].schema, "enum"),
                         *one = json_object_get(c->v[i].schema, "const");
            if (list != first && !ct_heap_work(s->heap, json_array_size(list)))
                ok = ct_schema_no_memory(s);
            fits = (!list || list == first || ct_json_is_among(value, list)) && (!one || ct_json_equals(value, one));
        }
        bool says_more = false;
        for (size_t i = 0; i < others.n; i++)
            says_more = says_more ||
                        json_object_size(others.v[i].schema) > (json_object_get(others.v[i].schema, "type") != NULL);
        if (fits && says_more)
            ok = ct_conj_accepts(s, &others, value, &fits);
        ct_buf text;
        ct_buf_init(&text, (size_t)1 << 24);
        if (ok && fits && !ct_json_canonical(value, s->any.style, &text))
            ok = ct_schema_no_memory(s);
        if (ok && fits)
            words[n_words++] = (ct_word){ ct_heap_text(s->heap, text.data, text.len), text.len };
        ct_buf_deinit(&text);
    }
    for (size_t i = 0; i < n_rest; i++)
        json_decref(rest[i]);
    json_decref(first);
    ok = ok && (!s->heap->failed || ct_schema_no_memory(s));
    *out = ok ? ct_expr_words(s->heap, words, n_words) : NULL;
    return ok;
}

/* ---- one conjunction ---- */

static bool compile_kinds(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    unsigned kinds;
    ct_exprs ways = { .heap = s->heap };
    const ct_expr *e = NULL;
    if (!ct_conj_kinds(s, c, &kinds))
        return false;
    if (kinds & CT_KIND_OBJECT) {
        if (!ct_conj_object(s, c, &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    if (kinds & CT_KIND_ARRAY) {
        if (!ct_conj_array(s, c, &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    if (kinds & CT_KIND_STRING) {
        if (!ct_conj_string(s, c, &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    if (kinds & CT_KIND_INTEGER) {
        if (!ct_conj_number(s, c, !(kinds & CT_KIND_NUMBER), &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    if (kinds & CT_KIND_BOOLEAN) {
        ct_exprs_add(&ways, ct_expr_text(s->heap, "true"));
        ct_exprs_add(&ways, ct_expr_text(s->heap, "false"));
    }
    if (kinds & CT_KIND_NULL)
        ct_exprs_add(&ways, ct_expr_text(s->heap, "null"));
    *out = ct_expr_alt(s->heap, ways.v, ways.n);
    return true;
}

static bool compile_new(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    bool found;
    for (size_t i = 0; i < c->n; i++) {
        if (json_object_get(c->v[i].schema, "anyOf") && !(c->v[i].done & ANY_OF))
            return compile_branches(s, c, i, ANY_OF, out);
        if (json_object_get(c->v[i].schema, "oneOf") && !(c->v[i].done & ONE_OF))
            return compile_branches(s, c, i, ONE_OF, out);
    }
    return compile_enum(s, c, &found, out) && (found || compile_kinds(s, c, out));
}

bool ct_conj_compile(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    const ct_expr *e;
    if (c->is_false || s->heap->failed) {
        *out = ct_expr_nothing(s->heap);
        return !s->heap->failed || ct_schema_no_memory(s);
    }
    bool says_nothing = true;
    for (size_t i = 0; i < c->n; i++)
        says_nothing = says_nothing && json_object_size(c->v[i].schema) == 0;
    if (says_nothing) {
        *out = ct_json_any_value(&s->any);
        return true;
    }
    const uint64_t hash = hash_of(c);
    if (!ct_heap_work(s->heap, 100 + s->n_known))
        return ct_schema_no_memory(s);
    for (const ct_known_conj *k = s->known; k; k = k->next)
        if (k->hash == hash && is_same(&k->conj, c)) {
            *out = ct_expr_rule(s->heap, k->rule);
            return true;
        }
    if (s->depth == MOST_DEPTH)
        return ct_schema_refuse(s, c->v[0].path, "", "nested more than 120 deep");
    if (s->n_known == MOST_KNOWN)
        return ct_schema_refuse(s, c->v[0].path, "", "too large: more than 4,000 different schemas of values");
    ct_known_conj *k = ct_heap_new(s->heap, 1, sizeof *k);
    const uint32_t rule = ct_rules_add(s->rules, c->v[0].path);
    if (!k || rule == CT_NO_RULE)
        return ct_schema_no_memory(s);
    *k = (ct_known_conj){ *c, hash, rule, s->known };
    s->known = k;
    s->n_known++;
    s->depth++;
    const bool ok = compile_new(s, c, &e);
    s->depth--;
    if (ok)
        s->rules->v[rule].expr = e;
    *out = ct_expr_rule(s->heap, rule);
    return ok;
}

static bool is_old_draft(const json_t *document)
{
    const char *draft = json_string_value(json_object_get(document, "$schema"));
    static const char *const old[] = { "draft-03", "draft-04", "draft-06", "draft-07" };
    for (size_t i = 0; draft && i < sizeof old / sizeof *old; i++)
        if (strstr(draft, old[i]))
            return true;
    return false;
}

/* Where only objects will do, that is a schema that holds beside the document. */
static bool compile_document(ct_schema *s, bool is_object, const ct_expr **out)
{
    ct_conj c = { .n = 0 };
    json_t *object = is_object ? json_pack("{ss}", "type", "object") : json_true();
    const bool ok =
        object ? ct_conj_add(s, &c, s->document, "") && ct_conj_add(s, &c, object, "") && ct_conj_compile(s, &c, out)
               : ct_schema_no_memory(s);
    json_decref(object);
    return ok;
}

bool ct_schema_compile(const char *what, const json_t *schema, bool is_object, const ct_json_style *style,
                       ct_rules *rules, uint32_t *root, carat_err *err)
{
    ct_schema s = { .what = what, .document = schema, .rules = rules, .heap = rules->heap, .err = err };
    const ct_expr *e;
    carat_err dropped;
    s.err = err ? err : &dropped;
    s.ref_stands_alone = is_old_draft(schema);
    ct_json_rules_init(&s.any, rules, style);
    *root = ct_rules_add(rules, what);
    if (*root == CT_NO_RULE)
        return ct_schema_no_memory(&s);
    if (!compile_document(&s, is_object, &e))
        return false;
    rules->v[*root].expr = e;
    return !rules->heap->failed || ct_schema_no_memory(&s);
}
