/* JSON Schema -> rules of a grammar: what must hold at once for one value.
 *
 * A value's schema is a conjunction: the schema itself, what it refers to, the parts of its allOf. Everything else asks
 * all members of a conjunction: the strictest bound, the union of what is required. So allOf needs no merging, and a
 * recursive schema meets a conjunction that it has a rule for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

#include "sample/grammar/schema_inside.h"

#define MOST_DEPTH 120
#define MOST_REFS  64
#define MOST_KNOWN 4000

struct ct_known_conj {
    ct_conj conj;
    uint64_t hash;
    uint32_t rule;
    ct_known_conj *next;
};

/* ---- conjunctions ---- */

static bool has_member(const ct_conj *c, const json_t *schema)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].schema == schema)
            return true;
    return false;
}

bool ct_conj_push(ct_schema *s, ct_conj *c, ct_member m)
{
    if (c->n == CT_MOST_MEMBERS)
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
    if (!ct_schema_resolve(s, ref, path, &target))
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
    return ct_schema_check_keywords(s, schema, path) && ct_conj_push(s, c, (ct_member){ schema, path, 0 }) &&
           (!ref || add_target(s, c, ref, path)) && add_all_of(s, c, schema, path) &&
           ct_conj_add_conditions(s, c, schema, path);
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
    ct_member x[CT_MOST_MEMBERS], y[CT_MOST_MEMBERS];
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
    if (kinds & (CT_KIND_INTEGER | CT_KIND_NUMBER)) {
        if (!ct_conj_number(s, c, kinds, &e))
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
        if (json_object_get(c->v[i].schema, "anyOf") && !(c->v[i].done & CT_ANY_OF))
            return ct_conj_branches(s, c, i, CT_ANY_OF, out);
        if (json_object_get(c->v[i].schema, "oneOf") && !(c->v[i].done & CT_ONE_OF))
            return ct_conj_branches(s, c, i, CT_ONE_OF, out);
    }
    return ct_conj_enum(s, c, &found, out) && (found || compile_kinds(s, c, out));
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

/* The draft that a schema names; 0: none that is known. */
static unsigned draft_of(const json_t *document)
{
    static const struct {
        const char *name;
        unsigned draft;
    } drafts[] = { { "draft-03", 3 }, { "draft-04", 4 },         { "draft-06", 6 },
                   { "draft-07", 7 }, { "draft/2019-09", 2019 }, { "draft/2020-12", 2020 } };
    const char *name = json_string_value(json_object_get(document, "$schema"));
    for (size_t i = 0; name && i < sizeof drafts / sizeof *drafts; i++)
        if (strstr(name, drafts[i].name))
            return drafts[i].draft;
    return 0;
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
    s.draft = draft_of(schema);
    s.ref_stands_alone = s.draft && s.draft <= 7;
    ct_json_rules_init(&s.any, rules, style);
    *root = ct_rules_add(rules, what);
    s.made = json_object();
    const bool is_done = (s.made || ct_schema_no_memory(&s)) &&
                         ct_schema_keep(&s, "fractions", json_pack("{ss}", "type", "number"), &s.fractions) &&
                         (*root != CT_NO_RULE || ct_schema_no_memory(&s)) && compile_document(&s, is_object, &e);
    json_decref(s.made);
    if (!is_done)
        return false;
    rules->v[*root].expr = e;
    return !rules->heap->failed || ct_schema_no_memory(&s);
}
