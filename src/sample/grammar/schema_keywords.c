/* JSON Schema: which keywords there are, and which of them nothing can be done about.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sample/grammar/schema_inside.h"

enum class { ENFORCED, ANNOTATION, REFUSED };

static const struct {
    const char *name;
    enum class class;
    unsigned since; /* the draft that has it first; 0: it makes no difference */
    const char *why;
} keywords[] = {
    { "type", ENFORCED, 0, NULL },
    { "enum", ENFORCED, 0, NULL },
    { "const", ENFORCED, 6, NULL },
    { "nullable", ENFORCED, 0, NULL },
    { "allOf", ENFORCED, 0, NULL },
    { "anyOf", ENFORCED, 0, NULL },
    { "oneOf", ENFORCED, 0, NULL },
    { "$ref", ENFORCED, 0, NULL },
    { "minimum", ENFORCED, 0, NULL },
    { "maximum", ENFORCED, 0, NULL },
    { "exclusiveMinimum", ENFORCED, 0, NULL },
    { "exclusiveMaximum", ENFORCED, 0, NULL },
    { "multipleOf", ENFORCED, 0, NULL },
    { "minLength", ENFORCED, 0, NULL },
    { "maxLength", ENFORCED, 0, NULL },
    { "pattern", ENFORCED, 0, NULL },
    { "format", ENFORCED, 0, NULL },
    { "properties", ENFORCED, 0, NULL },
    { "required", ENFORCED, 0, NULL },
    { "additionalProperties", ENFORCED, 0, NULL },
    { "patternProperties", ENFORCED, 0, NULL },
    { "propertyNames", ENFORCED, 6, NULL },
    { "minProperties", ENFORCED, 0, NULL },
    { "maxProperties", ENFORCED, 0, NULL },
    { "items", ENFORCED, 0, NULL },
    { "prefixItems", ENFORCED, 2020, NULL },
    { "additionalItems", ENFORCED, 0, NULL },
    { "minItems", ENFORCED, 0, NULL },
    { "maxItems", ENFORCED, 0, NULL },
    { "uniqueItems", ENFORCED, 0, NULL },
    { "$schema", ANNOTATION, 0, NULL },
    { "$id", ANNOTATION, 0, NULL },
    { "$anchor", ANNOTATION, 0, NULL },
    { "$defs", ANNOTATION, 0, NULL },
    { "definitions", ANNOTATION, 0, NULL },
    { "$comment", ANNOTATION, 0, NULL },
    { "$vocabulary", ANNOTATION, 0, NULL },
    { "title", ANNOTATION, 0, NULL },
    { "description", ANNOTATION, 0, NULL },
    { "default", ANNOTATION, 0, NULL },
    { "examples", ANNOTATION, 0, NULL },
    { "example", ANNOTATION, 0, NULL },
    { "deprecated", ANNOTATION, 0, NULL },
    { "readOnly", ANNOTATION, 0, NULL },
    { "writeOnly", ANNOTATION, 0, NULL },
    { "contentEncoding", ANNOTATION, 0, NULL },
    { "contentMediaType", ANNOTATION, 0, NULL },
    { "contentSchema", ANNOTATION, 0, NULL },
    { "externalDocs", ANNOTATION, 0, NULL },
    { "xml", ANNOTATION, 0, NULL },
    { "not", ENFORCED, 0, NULL },
    { "if", ENFORCED, 7, NULL },
    { "then", ENFORCED, 7, NULL },
    { "else", ENFORCED, 7, NULL },
    { "contains", ENFORCED, 6, NULL },
    { "minContains", ENFORCED, 2019, NULL },
    { "maxContains", ENFORCED, 2019, NULL },
    { "dependencies", ENFORCED, 0, NULL },
    { "dependentRequired", ENFORCED, 2019, NULL },
    { "dependentSchemas", ENFORCED, 2019, NULL },
    { "unevaluatedItems", REFUSED, 0, NULL },
    { "unevaluatedProperties", REFUSED, 0, NULL },
    { "$dynamicRef", REFUSED, 0, NULL },
    { "$dynamicAnchor", REFUSED, 0, NULL },
    { "$recursiveRef", REFUSED, 0, NULL },
    { "$recursiveAnchor", REFUSED, 0, NULL },
    { "discriminator", REFUSED, 0, "state the value of the deciding property in each branch instead" },
};

#define N_KEYWORDS (sizeof keywords / sizeof *keywords)

bool ct_schema_refuse(ct_schema *s, const char *path, const char *keyword, const char *why)
{
    return ct_fail(s->err, CARAT_EARG, CARAT_NOWHERE, "%s: '%.100s%s%.40s': %s", s->what, path, *keyword ? "/" : "",
                   keyword, why);
}

bool ct_schema_no_memory(ct_schema *s)
{
    return ct_heap_fail(s->heap, s->what, s->err);
}

/* Of a keyword in no list: OpenAPI keeps names with x- for what others say beside a schema; "id" is draft 4's $id. */
static bool is_harmless(const ct_schema *s, const json_t *schema, const char *keyword)
{
    return strncmp(keyword, "x-", 2) == 0 ||
           (strcmp(keyword, "id") == 0 && schema == s->document && json_is_string(json_object_get(schema, keyword)));
}

static size_t place_of(const char *keyword)
{
    size_t i = 0;
    while (i < N_KEYWORDS && strcmp(keywords[i].name, keyword) != 0)
        i++;
    return i;
}

bool ct_schema_is_annotation(const char *keyword)
{
    const size_t i = place_of(keyword);
    return i == N_KEYWORDS || keywords[i].class == ANNOTATION;
}

bool ct_schema_check_keywords(ct_schema *s, const json_t *schema, const char *path)
{
    const char *key, *id = json_string_value(json_object_get(schema, "$id"));
    if (id && *id != '#' && schema != s->document) /* "#/..." inside it would mean its own parts */
        return ct_schema_refuse(s, path, "$id", "an address of its own within the schema cannot be followed");
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
        const size_t i = place_of(key);
        if (i == N_KEYWORDS && is_harmless(s, schema, key))
            continue;
        if (i == N_KEYWORDS)
            return ct_schema_refuse(s, path, key, "no keyword of JSON Schema that is known");
        if (s->draft && s->draft < keywords[i].since)
            return ct_schema_refuse(s, path, key, "the draft that $schema names does not have it");
        if (keywords[i].class == REFUSED)
            return ct_schema_refuse(s, path, key, keywords[i].why ? keywords[i].why : "cannot be enforced");
    }
    return true;
}
