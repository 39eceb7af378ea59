/* JSON Schema: kinds of values, strings, numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sample/grammar/formats.h"
#include "sample/grammar/regex.h"
#include "sample/grammar/schema_inside.h"

/* ---- kinds ---- */

static unsigned kind_named(const char *name)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } kinds[] = { { "null", CT_KIND_NULL },
                  { "boolean", CT_KIND_BOOLEAN },
                  { "integer", CT_KIND_INTEGER },
                  { "string", CT_KIND_STRING },
                  { "array", CT_KIND_ARRAY },
                  { "object", CT_KIND_OBJECT },
                  { "number", CT_KIND_INTEGER | CT_KIND_NUMBER } };
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kinds;
    return 0;
}

bool ct_member_kinds(ct_schema *s, const ct_member *m, unsigned *out)
{
    const json_t *type = json_object_get(m->schema, "type"), *nullable = json_object_get(m->schema, "nullable");
    if (m->schema == s->fractions) {
        *out = CT_KIND_NUMBER;
        return true;
    }
    *out = type ? 0 : CT_KIND_ALL;
    for (size_t i = 0; i < (json_is_array(type) ? json_array_size(type) : type != NULL); i++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        const unsigned kinds = kind_named(name);
        if (!kinds)
            return ct_schema_refuse(s, m->path, "type",
                                    "expected null, boolean, integer, number, string, array or object");
        *out |= kinds;
    }
    if (nullable && !json_is_boolean(nullable))
        return ct_schema_refuse(s, m->path, "nullable", "expected true or false");
    if (json_is_true(nullable))
        *out |= CT_KIND_NULL;
    return true;
}

bool ct_conj_kinds(ct_schema *s, const ct_conj *c, unsigned *kinds)
{
    *kinds = c->is_false ? 0 : CT_KIND_ALL;
    for (size_t i = 0; i < c->n; i++) {
        unsigned own;
        if (!ct_member_kinds(s, &c->v[i], &own))
            return false;
        *kinds &= own;
    }
    return true;
}

/* ---- counts ---- */

bool ct_conj_count(ct_schema *s, const ct_conj *c, const char *keyword, bool largest, uint32_t *out)
{
    for (size_t i = 0; i < c->n; i++) {
        const json_t *v = json_object_get(c->v[i].schema, keyword);
        const double x = v ? json_number_value(v) : 0;
        if (!v)
            continue;
        if (!json_is_number(v) || x < 0 || x != (double)(uint64_t)(x < 1e18 ? x : 1e18))
            return ct_schema_refuse(s, c->v[i].path, keyword, "expected a whole number that is not negative");
        if (x > 1e9 && largest)
            return ct_schema_refuse(s, c->v[i].path, keyword, "more than a billion");
        const uint32_t n = x > 1e9 ? CT_REPEAT_FOREVER : (uint32_t)x;
        if (largest ? n > *out : n < *out)
            *out = n;
    }
    return true;
}

/* ---- strings ---- */

static bool add_machine(ct_schema *s, const ct_expr *e, const char *path, ct_machine *m, size_t most, size_t *n)
{
    if (*n == most)
        return ct_schema_refuse(s, path, "", "too many conditions on one string");
    if (!ct_machine_of_expr(s->what, e, s->heap, &m[*n], s->err))
        return ct_fail_in(s->err, "'%.100s'", path);
    ++*n;
    return true;
}

/* A member's pattern and format. */
static bool member_expr(ct_schema *s, const ct_member *m, const ct_expr *out[2], size_t *n)
{
    const json_t *pattern = json_object_get(m->schema, "pattern"), *format = json_object_get(m->schema, "format");
    const char *text;
    *n = 0;
    if (pattern) {
        if (!json_is_string(pattern))
            return ct_schema_refuse(s, m->path, "pattern", "expected a string");
        const char *path = ct_schema_path(s, m->path, "pattern");
        if (!ct_regex_parse(path, json_string_value(pattern), json_string_length(pattern), CT_REGEX_PART, s->heap,
                            &out[*n], s->err))
            return ct_fail_in(s->err, "%s", s->what);
        ++*n;
    }
    if (!format)
        return true;
    const char *name = json_string_value(format);
    const ct_format_kind kind = name ? ct_format_find(name, &text) : CT_FORMAT_UNKNOWN;
    if (kind == CT_FORMAT_UNKNOWN)
        return ct_schema_refuse(s, m->path, "format", "not a format that can be enforced");
    if (kind == CT_FORMAT_TEXT) {
        if (!ct_regex_parse(name, text, strlen(text), CT_REGEX_WHOLE, s->heap, &out[*n], s->err))
            return false;
        ++*n;
    }
    return true;
}

static const ct_expr *length_expr(ct_heap *h, uint32_t min, uint32_t max)
{
    return ct_expr_repeat(h, ct_expr_set(h, ct_charset_one(h, 0, CT_MAX_CODE)), min, max);
}

static bool lengths(ct_schema *s, const ct_conj *c, uint32_t *min, uint32_t *max)
{
    *min = 0;
    *max = CT_REPEAT_FOREVER;
    return ct_conj_count(s, c, "minLength", true, min) && ct_conj_count(s, c, "maxLength", false, max);
}

bool ct_conj_string_machines(ct_schema *s, const ct_conj *c, ct_machine *m, size_t most, size_t *n)
{
    uint32_t min, max;
    if (!lengths(s, c, &min, &max))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        const ct_expr *e[2];
        size_t n_own;
        if (!member_expr(s, &c->v[i], e, &n_own))
            return false;
        for (size_t k = 0; k < n_own; k++)
            if (!add_machine(s, e[k], c->v[i].path, m, most, n))
                return false;
    }
    if (min == 0 && max == CT_REPEAT_FOREVER)
        return true;
    return max >= min ? add_machine(s, length_expr(s->heap, min, max), "", m, most, n)
                      : ct_schema_refuse(s, c->v[0].path, "maxLength", "less than minLength");
}

void ct_machines_close(ct_machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (m[i].close)
            m[i].close(m[i].self);
}

static const ct_expr *quoted(ct_heap *h, const ct_expr *e)
{
    const ct_expr *const v[] = { ct_expr_text(h, "\""), e, ct_expr_text(h, "\"") };
    return ct_expr_seq(h, v, 3);
}

bool ct_conj_string(ct_schema *s, const ct_conj *c, const ct_expr **out)
{
    uint32_t min, max;
    const ct_expr *only = NULL, *e[2];
    size_t n_exprs = 0, n_own, n = 0;
    ct_machine m[16];
    if (!lengths(s, c, &min, &max))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        if (!member_expr(s, &c->v[i], e, &n_own))
            return false;
        only = n_own ? e[n_own - 1] : only;
        n_exprs += n_own;
    }
    const bool has_length = min > 0 || max != CT_REPEAT_FOREVER;
    if (n_exprs == 0 && !has_length) {
        *out = ct_json_any_string(&s->any);
        return true;
    }
    if (max < min) {
        *out = ct_expr_nothing(s->heap);
        return true;
    }
    if (n_exprs + has_length == 1) { /* one condition needs no machine */
        *out = quoted(s->heap, ct_json_escaped(s->heap, only ? only : length_expr(s->heap, min, max)));
        return true;
    }
    bool ok = ct_conj_string_machines(s, c, m, sizeof m / sizeof *m, &n) &&
              ct_product(s->what, m, n, ct_json_written, s->rules, out, s->err);
    ct_machines_close(m, n);
    if (ok)
        *out = quoted(s->heap, *out);
    return ok;
}

/* ---- numbers ---- */

static bool number_at(ct_schema *s, const ct_member *m, const char *keyword, const json_t **out)
{
    *out = json_object_get(m->schema, keyword);
    return !*out || json_is_number(*out) || ct_schema_refuse(s, m->path, keyword, "expected a number");
}

static void tighten(ct_bound *b, const json_t *value, bool is_exclusive, bool is_min)
{
    const ct_bound new = { true, is_exclusive, json_is_integer(value), json_number_value(value),
                           json_integer_value(value) };
    const int order = b->is_there ? ct_bounds_compare(&new, b) : 0;
    if (!b->is_there || (is_min ? order > 0 : order < 0) || (order == 0 && is_exclusive))
        *b = new;
}

bool ct_number_bounds(ct_schema *s, const ct_conj *c, ct_number_rule *out)
{
    static const struct {
        const char *keyword;
        bool is_min, is_exclusive;
    } bounds[] = { { "minimum", true, false },
                   { "maximum", false, false },
                   { "exclusiveMinimum", true, true },
                   { "exclusiveMaximum", false, true } };
    for (size_t i = 0; i < c->n; i++) {
        const json_t *x;
        for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++) {
            if (!number_at(s, &c->v[i], bounds[k].keyword, &x))
                return false;
            if (x)
                tighten(bounds[k].is_min ? &out->min : &out->max, x, bounds[k].is_exclusive, bounds[k].is_min);
        }
        if (!number_at(s, &c->v[i], "multipleOf", &x))
            return false;
        if (!x)
            continue;
        if (!(json_number_value(x) > 0) || out->n_multiples == sizeof out->multiple_of / sizeof *out->multiple_of)
            return ct_schema_refuse(s, c->v[i].path, "multipleOf", "expected a number above 0, and at most 8 of them");
        out->multiple_of[out->n_multiples++] = json_number_value(x);
    }
    return true;
}

bool ct_conj_number(ct_schema *s, const ct_conj *c, unsigned kinds, const ct_expr **out)
{
    ct_number_rule r = { .is_integer = !(kinds & CT_KIND_NUMBER), .is_fraction = !(kinds & CT_KIND_INTEGER) };
    return ct_number_bounds(s, c, &r) && ct_number_text(s->what, &r, s->rules, out, s->err);
}
