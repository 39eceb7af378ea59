/* schema.h - JSON Schema -> rules of a grammar.
 *
 * Drafts 7 and 2020-12. What a schema says is enforced whole or refused by keyword and path: nothing is ignored but
 * annotations (title, description, default, examples ...). The texts are canonical (json_text.h); properties stand in
 * the order of the schema, those that are only required behind them, others last.
 *
 * The parts: schema.c what must hold at once; schema_keywords.c which keywords there are; schema_refs.c $ref; schema_enum.c
 * enum, const; schema_combine.c anyOf, oneOf, and what is said by them: not, if, dependencies; schema_not.c the values that a
 * schema rejects; schema_apart.c whether two can hold; schema_values.c, schema_object.c, schema_array.c kinds of values.
 * What is enforced and what refused: docs/GRAMMAR.md.
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
