/* JSON Schema: alternatives, and what is said by means of them: not, if, dependencies.
 *
 * Conditions become schemas with ordinary keywords: "if C then T else E" is anyOf(C and T, not C and E). oneOf is anyOf where no
 * value can satisfy two branches; where that is not proven, each branch is taken without the values of the others.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sample/grammar/schema_inside.h"

/* A copy of c in which member i's anyOf (oneOf) is done and one of its branches holds. */
static bool with_branch(ct_schema *s, const ct_conj *c, size_t i, uint8_t which, const json_t *branch, const char *path,
                        ct_conj *out)
{
    *out = (ct_conj){ .is_false = c->is_false };
    for (size_t k = 0; k < c->n; k++) {
        ct_member m = c->v[k];
        m.done |= k == i ? which : 0;
        if (!ct_conj_push(s, out, m))
            return false;
    }
    return ct_conj_add(s, out, branch, path);
}

/* Of branches that are not proven apart each is left what no other has. */
static bool keep_apart(ct_schema *s, const json_t *list, const char *path, ct_conj *branches, const bool *apart)
{
    const size_t n = json_array_size(list);
    for (size_t k = 0; k < n; k++)
        for (size_t other = 0; other < n; other++) {
            const json_t *rest;
            const char *at = ct_schema_path_at(s, path, "oneOf", other);
            if (other == k || apart[k * n + other])
                continue;
            carat_err why = { .code = CARAT_OK };
            carat_err *const err = s->err;
            s->err = &why;
            const bool ok =
                ct_schema_negate(s, json_array_get(list, other), at, &rest) && ct_conj_add(s, &branches[k], rest, at);
            s->err = err;
            if (!ok && why.code == CARAT_EARG)
                return ct_schema_refuse(
                    s, ct_schema_path_at(s, path, "oneOf", k), "",
                    "a value might satisfy another branch of oneOf too: make them differ by a type or by "
                    "the value of a required property, or use anyOf");
            if (!ok) {
                *s->err = why;
                return false;
            }
        }
    return true;
}

static bool compare_branches(ct_schema *s, const json_t *list, const char *path, ct_conj *branches)
{
    const size_t n = json_array_size(list);
    bool *apart = ct_heap_new(s->heap, n * n, sizeof *apart);
    if (!apart)
        return ct_schema_no_memory(s);
    for (size_t k = 0; k < n; k++)
        for (size_t other = 0; other < k; other++) {
            if (!ct_conj_apart(s, &branches[other], &branches[k], 0, &apart[k * n + other]))
                return false;
            apart[other * n + k] = apart[k * n + other];
        }
    return keep_apart(s, list, path, branches, apart);
}

bool ct_conj_branches(ct_schema *s, const ct_conj *c, size_t i, uint8_t which, const ct_expr **out)
{
    const char *keyword = which == CT_ANY_OF ? "anyOf" : "oneOf", *path = c->v[i].path;
    const json_t *list = json_object_get(c->v[i].schema, keyword);
    const size_t n = json_array_size(list);
    ct_exprs ways = { .heap = s->heap };
    ct_conj *branches = ct_heap_new(s->heap, n, sizeof *branches);
    if (!branches)
        return ct_schema_no_memory(s);
    if (!json_is_array(list) || n == 0)
        return ct_schema_refuse(s, path, keyword, "expected schemas in a list");
    for (size_t k = 0; k < n; k++)
        if (!with_branch(s, c, i, which, json_array_get(list, k), ct_schema_path_at(s, path, keyword, k), &branches[k]))
            return false;
    if (which == CT_ONE_OF && !compare_branches(s, list, path, branches))
        return false;
    for (size_t k = 0; k < n; k++) {
        const ct_expr *e;
        if (!ct_conj_compile(s, &branches[k], &e))
            return false;
        ct_exprs_add(&ways, e);
    }
    *out = ct_expr_alt(s->heap, ways.v, ways.n);
    return true;
}

/* ---- conditions ---- */

bool ct_schema_keep(ct_schema *s, const char *key, json_t *made, const json_t **out)
{
    *out = made;
    return (made && json_object_set_new(s->made, key, made) == 0) || ct_schema_no_memory(s);
}

static bool add_not(ct_schema *s, ct_conj *c, const json_t *schema, const char *path)
{
    const json_t *no = json_object_get(schema, "not"), *rest;
    const char *at = no ? ct_schema_path(s, path, "not") : path;
    return !no || (ct_schema_negate(s, no, at, &rest) && ct_conj_add(s, c, rest, at));
}

static bool add_if(ct_schema *s, ct_conj *c, const json_t *schema, const char *path)
{
    json_t *condition = json_object_get(schema, "if"), *yes = json_object_get(schema, "then"),
           *no = json_object_get(schema, "else");
    char key[40];
    if (!condition || (!yes && !no))
        return true;
    snprintf(key, sizeof key, "if %p", (const void *)schema);
    const json_t *made = json_object_get(s->made, key);
    if (!made && !ct_schema_keep(s, key,
                                 json_pack("{s[{s[OO]}{s[{sO}O]}]}", "anyOf", "allOf", condition,
                                           yes ? yes : json_true(), "allOf", "not", condition, no ? no : json_true()),
                                 &made))
        return false;
    return ct_conj_add(s, c, made, ct_schema_path(s, path, "if"));
}

/* For each name: it is not there, or what it needs is. */
static json_t *dependencies_as_any_of(const json_t *value)
{
    const char *name;
    json_t *needs, *all = json_array();
    json_object_foreach((json_t *)(uintptr_t)value, name, needs) {
        json_t *one = json_is_array(needs)
                          ? json_pack("{s[{s{sb}}{sO}]}", "anyOf", "properties", name, 0, "required", needs)
                          : json_pack("{s[{s{sb}}O]}", "anyOf", "properties", name, 0, needs);
        if (json_array_append_new(all, one) != 0) { /* which takes one, or there is none */
            json_decref(all);
            return NULL;
        }
    }
    return json_array_size(all) ? json_pack("{so}", "allOf", all) : (json_decref(all), json_true());
}

static bool add_dependencies(ct_schema *s, ct_conj *c, const json_t *schema, const char *keyword, const char *path)
{
    const json_t *value = json_object_get(schema, keyword);
    char key[60];
    if (!value)
        return true;
    if (!json_is_object(value))
        return ct_schema_refuse(s, path, keyword, "expected an object");
    snprintf(key, sizeof key, "%s %p", keyword, (const void *)schema);
    const json_t *made = json_object_get(s->made, key);
    return (made || ct_schema_keep(s, key, dependencies_as_any_of(value), &made)) &&
           ct_conj_add(s, c, made, ct_schema_path(s, path, keyword));
}

bool ct_conj_add_conditions(ct_schema *s, ct_conj *c, const json_t *schema, const char *path)
{
    return add_not(s, c, schema, path) && add_if(s, c, schema, path) &&
           add_dependencies(s, c, schema, "dependencies", path) &&
           add_dependencies(s, c, schema, "dependentRequired", path) &&
           add_dependencies(s, c, schema, "dependentSchemas", path);
}
