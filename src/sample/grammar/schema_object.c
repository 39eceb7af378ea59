/* JSON Schema: objects.
 *
 * Members come in the order in which the schema names them, then those that are only required, then others. A chain of
 * rules, one for each place and number of members so far, says what may come next; it grows with the number of
 * properties, not with the number of their subsets.
 *
 * Other members are sorted by the patterns that their names match: each set of patterns has names of its own and a
 * schema for their values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sample/grammar/regex.h"
#include "sample/grammar/schema_inside.h"

#define MOST_NAMES    2000
#define MOST_PATTERNS 6
#define MOST_COUNTED  64 /* minProperties and maxProperties */

typedef struct property {
    const char *name;
    bool is_required;
    const ct_expr *member; /* "name": value */
} property;

typedef struct object {
    ct_schema *s;
    const ct_conj *c;
    property *v;
    size_t n, cap;
    const ct_expr *other;     /* a member with another name; CT_EXPR_NOTHING: there is none */
    uint32_t min, max, count; /* count: how far members are counted */
    uint32_t *rules;          /* [n + 1][count + 1] */
} object;

/* ---- patterns of names ---- */

static bool pattern_expr(ct_schema *s, const char *pattern, const char *path, const ct_expr **out)
{
    return ct_regex_parse(path, pattern, strlen(pattern), CT_REGEX_PART, s->heap, out, s->err) ||
           ct_fail_in(s->err, "%s", s->what);
}

static bool matches_pattern(ct_schema *s, const char *pattern, const char *path, const char *name, bool *yes)
{
    const ct_expr *e;
    ct_machine m;
    if (!pattern_expr(s, pattern, path, &e) || !ct_machine_of_expr(path, e, s->heap, &m, s->err))
        return false;
    uint32_t at = m.start(m.self);
    for (const char *p = name; *p && at; p++)
        at = m.step(m.self, at, (uint8_t)*p);
    *yes = m.accepts(m.self, at);
    const bool ok = !m.failed(m.self, s->err);
    m.close(m.self);
    return ok;
}

/* Adds what one schema says of a property: `matches` tells which of its patterns hold. */
static bool add_property(ct_schema *s, const ct_member *m, const char *name,
                         bool (*matches)(ct_schema *s, const char *pattern, const char *path, void *arg, bool *yes),
                         void *arg, ct_conj *out)
{
    const json_t *properties = json_object_get(m->schema, "properties"), *own = NULL;
    json_t *patterns = json_object_get(m->schema, "patternProperties"), *schema;
    const json_t *others = json_object_get(m->schema, "additionalProperties");
    const char *pattern;
    if (name && properties)
        own = json_object_get(properties, name);
    bool is_named = own != NULL;
    if (own && !ct_conj_add(s, out, own, ct_schema_path(s, ct_schema_path(s, m->path, "properties"), name)))
        return false;
    json_object_foreach(patterns, pattern, schema) {
        bool yes;
        const char *path = ct_schema_path(s, ct_schema_path(s, m->path, "patternProperties"), pattern);
        if (!matches(s, pattern, path, arg, &yes) || (yes && !ct_conj_add(s, out, schema, path)))
            return false;
        is_named = is_named || yes;
    }
    return is_named || !others || ct_conj_add(s, out, others, ct_schema_path(s, m->path, "additionalProperties"));
}

static bool matches_name(ct_schema *s, const char *pattern, const char *path, void *arg, bool *yes)
{
    return matches_pattern(s, pattern, path, arg, yes);
}

bool ct_conj_property(ct_schema *s, const ct_conj *c, const char *name, ct_conj *out)
{
    *out = (ct_conj){ .n = 0 };
    for (size_t i = 0; i < c->n; i++)
        if (!add_property(s, &c->v[i], name, matches_name, (void *)(uintptr_t)name, out))
            return false;
    return true;
}

bool ct_conj_requires(ct_schema *s, const ct_conj *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        const json_t *required = json_object_get(c->v[i].schema, "required");
        ct_heap_work(s->heap, 10 + json_array_size(required));
        for (size_t k = 0; k < json_array_size(required); k++) {
            const char *other = json_string_value(json_array_get(required, k));
            if (other && strcmp(other, name) == 0)
                return true;
        }
    }
    return false;
}

/* ---- names ---- */

static bool add_name(object *o, const char *name, const char *path)
{
    if (!ct_heap_work(o->s->heap, o->n))
        return ct_schema_no_memory(o->s);
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->v[i].name, name) == 0)
            return true;
    if (o->n == MOST_NAMES)
        return ct_schema_refuse(o->s, path, "", "more than 2,000 properties");
    if (o->n == o->cap) {
        const size_t cap = o->cap ? o->cap * 2 : 16;
        property *v = ct_heap_new(o->s->heap, cap, sizeof *v);
        if (!v)
            return ct_schema_no_memory(o->s);
        if (o->n)
            memcpy(v, o->v, o->n * sizeof *v);
        o->v = v;
        o->cap = cap;
    }
    o->v[o->n++] = (property){ .name = name, .is_required = ct_conj_requires(o->s, o->c, name) };
    return true;
}

static bool is_object_or_absent(ct_schema *s, const ct_member *m, const char *keyword)
{
    const json_t *v = json_object_get(m->schema, keyword);
    return !v || json_is_object(v) || ct_schema_refuse(s, m->path, keyword, "expected an object");
}

static bool collect_names(object *o)
{
    for (size_t i = 0; i < o->c->n; i++) {
        const ct_member *m = &o->c->v[i];
        json_t *properties = json_object_get(m->schema, "properties"), *schema;
        const char *name;
        if (!is_object_or_absent(o->s, m, "properties") || !is_object_or_absent(o->s, m, "patternProperties"))
            return false;
        json_object_foreach(properties, name, schema)
            if (!add_name(o, name, m->path))
                return false;
    }
    for (size_t i = 0; i < o->c->n; i++) {
        const ct_member *m = &o->c->v[i];
        const json_t *required = json_object_get(m->schema, "required");
        if (required && !json_is_array(required))
            return ct_schema_refuse(o->s, m->path, "required", "expected names in a list");
        for (size_t k = 0; k < json_array_size(required); k++) {
            const char *name = json_string_value(json_array_get(required, k));
            if (!name)
                return ct_schema_refuse(o->s, m->path, "required", "expected names in a list");
            if (!add_name(o, name, m->path))
                return false;
        }
    }
    return true;
}

/* What propertyNames say; *says_something: there is any. */
static bool names_conj(ct_schema *s, const ct_conj *c, ct_conj *out, bool *says_something)
{
    *out = (ct_conj){ .n = 0 };
    *says_something = false;
    for (size_t i = 0; i < c->n; i++) {
        const json_t *names = json_object_get(c->v[i].schema, "propertyNames");
        *says_something = *says_something || names;
        if (names && !ct_conj_add(s, out, names, ct_schema_path(s, c->v[i].path, "propertyNames")))
            return false;
    }
    return true;
}

static const ct_expr *key(object *o, const ct_expr *quoted_name, const ct_expr *value)
{
    ct_heap *h = o->s->heap;
    const ct_expr *const v[] = { quoted_name, ct_expr_text(h, o->s->any.style->colon), value };
    return ct_expr_seq(h, v, 3);
}

static bool compile_member(object *o, property *p, const ct_conj *names, bool has_names)
{
    ct_conj c;
    bool may_be_called_so = true;
    ct_buf text;
    const ct_expr *value;
    json_t *name = json_string(p->name);
    if (!name)
        return ct_schema_no_memory(o->s);
    ct_buf_init(&text, (size_t)1 << 24);
    bool ok = ct_conj_property(o->s, o->c, p->name, &c) && ct_conj_compile(o->s, &c, &value) &&
              (!has_names || ct_conj_accepts(o->s, names, name, &may_be_called_so));
    if (ok && !ct_json_canonical(name, o->s->any.style, &text))
        ok = ct_schema_no_memory(o->s);
    if (ok)
        p->member = may_be_called_so ? key(o, ct_expr_bytes(o->s->heap, text.data, text.len), value)
                                     : ct_expr_nothing(o->s->heap);
    ct_buf_deinit(&text);
    json_decref(name);
    return ok;
}

/* ---- members with other names ---- */

typedef struct patterns {
    const char *v[MOST_PATTERNS], *path[MOST_PATTERNS];
    size_t n;
    unsigned holds; /* a bit for each: the set that is looked at */
} patterns;

static bool collect_patterns(object *o, patterns *p)
{
    p->n = 0;
    for (size_t i = 0; i < o->c->n; i++) {
        json_t *list = json_object_get(o->c->v[i].schema, "patternProperties"), *schema;
        const char *pattern;
        json_object_foreach(list, pattern, schema) {
            bool is_known = false;
            for (size_t k = 0; k < p->n; k++)
                is_known = is_known || strcmp(p->v[k], pattern) == 0;
            if (is_known)
                continue;
            if (p->n == MOST_PATTERNS)
                return ct_schema_refuse(o->s, o->c->v[i].path, "patternProperties", "more than 6 patterns");
            p->v[p->n] = pattern;
            p->path[p->n++] = ct_schema_path(o->s, o->c->v[i].path, "patternProperties");
        }
    }
    return true;
}

static bool holds(ct_schema *s, const char *pattern, const char *path, void *arg, bool *yes)
{
    (void)s, (void)path;
    const patterns *p = arg;
    *yes = false;
    for (size_t i = 0; i < p->n; i++)
        *yes = *yes || (strcmp(p->v[i], pattern) == 0 && (p->holds >> i & 1));
    return true;
}

/* The names that are none of the object's own, match exactly these patterns, and are allowed as names. */
static bool other_names(object *o, const patterns *p, const ct_conj *names, bool has_names, const ct_expr **out)
{
    ct_schema *s = o->s;
    ct_heap *h = s->heap;
    ct_machine m[32];
    size_t n = 0;
    if (p->n == 0 && o->n == 0 && !has_names) {
        *out = ct_json_any_string(&s->any);
        return true;
    }
    const ct_expr *any = ct_expr_repeat(h, ct_expr_set(h, ct_charset_one(h, 0, CT_MAX_CODE)), 0, CT_REPEAT_FOREVER);
    bool ok = ct_machine_of_expr(s->what, any, h, &m[n], s->err);
    n += ok;
    if (ok && o->n) {
        ct_word *own = ct_heap_new(h, o->n, sizeof *own);
        for (size_t i = 0; own && i < o->n; i++)
            own[i] = (ct_word){ o->v[i].name, strlen(o->v[i].name) };
        ok = own ? ct_machine_of_expr(s->what, ct_expr_words(h, own, o->n), h, &m[n], s->err) : ct_schema_no_memory(s);
        m[n].is_negated = true;
        n += ok;
    }
    for (size_t i = 0; ok && i < p->n; i++) {
        const ct_expr *e;
        ok = pattern_expr(s, p->v[i], p->path[i], &e) && ct_machine_of_expr(p->path[i], e, h, &m[n], s->err);
        if (ok)
            m[n++].is_negated = !(p->holds >> i & 1);
    }
    if (ok && has_names)
        ok = ct_conj_string_machines(s, names, m, sizeof m / sizeof *m, &n);
    ok = ok && ct_product(s->what, m, n, ct_json_written, s->rules, out, s->err);
    ct_machines_close(m, n);
    if (!ok)
        return false;
    const ct_expr *const quoted[] = { ct_expr_text(h, "\""), *out, ct_expr_text(h, "\"") };
    *out = ct_expr_seq(h, quoted, 3);
    return true;
}

/* propertyNames of other members are enforced as far as they are conditions on strings. */
static bool check_names(ct_schema *s, const ct_conj *names)
{
    static const char *const other[] = { "enum", "const", "anyOf", "oneOf" };
    unsigned kinds;
    if (!ct_conj_kinds(s, names, &kinds))
        return false;
    for (size_t i = 0; i < names->n; i++)
        for (size_t k = 0; k < sizeof other / sizeof *other; k++)
            if (json_object_get(names->v[i].schema, other[k]))
                return ct_schema_refuse(s, names->v[i].path, other[k],
                                        "cannot be enforced for names that are not listed");
    return true;
}

static bool compile_others(object *o, const ct_conj *names, bool has_names)
{
    patterns p = { .n = 0 };
    ct_exprs ways = { .heap = o->s->heap };
    unsigned kinds = CT_KIND_ALL;
    if (!collect_patterns(o, &p) || (has_names && !ct_conj_kinds(o->s, names, &kinds)))
        return false;
    for (p.holds = 0; p.holds < 1u << p.n && (kinds & CT_KIND_STRING); p.holds++) {
        ct_conj c = { .n = 0 };
        const ct_expr *name, *value;
        for (size_t i = 0; i < o->c->n; i++)
            if (!add_property(o->s, &o->c->v[i], NULL, holds, &p, &c))
                return false;
        if (c.is_false)
            continue;
        if (has_names && !check_names(o->s, names))
            return false;
        if (!other_names(o, &p, names, has_names, &name) || !ct_conj_compile(o->s, &c, &value))
            return false;
        ct_exprs_add(&ways, key(o, name, value));
    }
    o->other = ct_expr_alt(o->s->heap, ways.v, ways.n);
    return true;
}

/* ---- the chain ---- */

static uint32_t rule_at(const object *o, size_t i, uint32_t n_members)
{
    return o->rules[i * (o->count + 1) + (n_members < o->count ? n_members : o->count)];
}

/* A member, which is number n_members, and what may come behind it. */
static const ct_expr *then(const object *o, const ct_expr *member, size_t next, uint32_t n_members)
{
    ct_heap *h = o->s->heap;
    const ct_expr *const v[] = { ct_expr_text(h, n_members ? o->s->any.style->comma : ""), member,
                                 ct_expr_rule(h, rule_at(o, next, n_members + 1)) };
    return ct_expr_seq(h, v, 3);
}

/* What may come from property i on, after n_members. */
static const ct_expr *from(const object *o, size_t i, uint32_t n_members)
{
    ct_heap *h = o->s->heap;
    const bool may_grow = n_members < o->max;
    const ct_expr *more =
        may_grow ? then(o, i < o->n ? o->v[i].member : o->other, i < o->n ? i + 1 : i, n_members) : ct_expr_nothing(h);
    if (i == o->n)
        return n_members >= o->min ? ct_expr_or(h, ct_expr_empty(h), more) : more;
    return o->v[i].is_required ? more : ct_expr_or(h, more, ct_expr_rule(h, rule_at(o, i + 1, n_members)));
}

static bool make_chain(object *o)
{
    ct_schema *s = o->s;
    const size_t width = o->count + 1;
    o->rules = ct_heap_new(s->heap, (o->n + 1) * width, sizeof *o->rules);
    if (!o->rules)
        return ct_schema_no_memory(s);
    for (size_t k = 0; k < (o->n + 1) * width; k++) {
        o->rules[k] = ct_rules_add(s->rules, "members");
        if (o->rules[k] == CT_NO_RULE)
            return s->heap->failed ? ct_schema_no_memory(s) : ct_schema_refuse(s, "", "", "too large: too many rules");
    }
    for (size_t i = 0; i <= o->n; i++)
        for (uint32_t n = 0; n < width; n++)
            s->rules->v[rule_at(o, i, n)].expr = from(o, i, n);
    return true;
}

/* How far members must be counted: whether there is one, and as far as minProperties and maxProperties look. */
static bool read_counts(object *o)
{
    ct_schema *s = o->s;
    size_t n_required = 0;
    o->min = 0;
    o->max = CT_REPEAT_FOREVER;
    o->count = 1;
    if (!ct_conj_count(s, o->c, "minProperties", true, &o->min) ||
        !ct_conj_count(s, o->c, "maxProperties", false, &o->max))
        return false;
    for (size_t i = 0; i < o->n; i++)
        n_required += o->v[i].is_required;
    if (o->min <= n_required)
        o->min = 0;
    const uint32_t max = o->max == CT_REPEAT_FOREVER ? 0 : o->max;
    o->count = o->min > o->count ? o->min : o->count;
    o->count = max > o->count ? max : o->count;
    if (o->count > MOST_COUNTED)
        return ct_schema_refuse(s, o->c->v[0].path, o->min > MOST_COUNTED ? "minProperties" : "maxProperties",
                                "more than 64 cannot be enforced");
    /* Names that nobody listed may be equal, and an object that repeats one has fewer members than it seems. */
    if (o->min > n_required + 1 && o->other && o->other->kind != CT_EXPR_NOTHING)
        return ct_schema_refuse(s, o->c->v[0].path, "minProperties",
                                "cannot be enforced where more than one member may have any name");
    return true;
}

bool ct_conj_object(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    object o = { .s = s, .c = c };
    ct_conj names;
    bool has_names;
    if (!collect_names(&o) || !names_conj(s, c, &names, &has_names))
        return false;
    for (size_t i = 0; i < o.n; i++)
        if (!compile_member(&o, &o.v[i], &names, has_names))
            return false;
    if (!compile_others(&o, &names, has_names) || !read_counts(&o) || !make_chain(&o))
        return false;
    ct_heap *h = s->heap;
    const ct_expr *const all[] = { ct_expr_text(h, "{"), ct_expr_rule(h, rule_at(&o, 0, 0)), ct_expr_text(h, "}") };
    *out = ct_expr_seq(h, all, 3);
    return true;
}
