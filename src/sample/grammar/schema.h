/* schema.h - JSON Schema -> rules of a grammar.
 *
 * Drafts 7 and 2020-12. What a schema says is enforced whole or refused by keyword and path: nothing is ignored but
 * annotations (title, description, default, examples ...). The texts are canonical (json_text.h); properties stand in
 * the order of the schema, those that are only required behind them, others last.
 *
 *   enforced   type enum const; minimum maximum exclusiveMinimum exclusiveMaximum multipleOf; minLength maxLength pattern
 *              format; properties required additionalProperties patternProperties propertyNames minProperties
 *              maxProperties; items prefixItems additionalItems minItems maxItems; allOf anyOf; oneOf where no value can
 *              satisfy two of its branches; $ref within the schema, $anchor; nullable
 *   refused    not, if/then/else, contains, uniqueItems (but for at most one item), dependent*, unevaluated*, $dynamicRef,
 *              references to other documents, unknown formats, keywords that are not JSON Schema's
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_SCHEMA_H
#define CT_SAMPLE_GRAMMAR_SCHEMA_H

#include "sample/grammar/json_text.h"

/* Adds rules for the schema's values, or for those that are objects; *root becomes the number of the first. `what` names the
 * schema in messages, which add a JSON pointer: "the schema: '/properties/a/not' cannot be enforced"; it lives as long as
 * the rules. The schema is borrowed for the call. Errors: CARAT_EARG, CARAT_ENOMEM. */
bool ct_schema_compile(const char *what, const json_t *schema, bool is_object, const ct_json_style *style,
                       ct_rules *rules, uint32_t *root, carat_err *err);

#endif
