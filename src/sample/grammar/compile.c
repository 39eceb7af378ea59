/* What a program asks of an answer -> rules of a grammar: one function for each kind.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/compile.h"

#include <string.h>

#include "base/utf8.h"
#include "sample/grammar/gbnf.h"
#include "sample/grammar/regex.h"
#include "sample/grammar/schema.h"

const char *ct_format_what(carat_format_kind kind)
{
    switch (kind) {
    case CARAT_FORMAT_JSON_OBJECT:
        return "the JSON object";
    case CARAT_FORMAT_JSON_SCHEMA:
        return "the JSON schema";
    case CARAT_FORMAT_REGEX:
        return "the regular expression";
    case CARAT_FORMAT_CHOICE:
        return "the choices";
    case CARAT_FORMAT_GBNF:
        return "the grammar";
    case CARAT_FORMAT_CALLS:
    case CARAT_FORMAT_TEXT_OR_CALLS:
        return "the calls";
    }
    return "the response format";
}

static ct_json_style style_of(const carat_format_options *o)
{
    return o->has_spaces ? (ct_json_style){ ", ", ": " } : (ct_json_style){ ",", ":" };
}

/* The root rule is this expression. */
static bool define(const char *what, ct_rules *rules, uint32_t *root, const ct_expr *e, carat_err *err)
{
    *root = ct_rules_add(rules, what);
    if (*root == CT_NO_RULE || rules->heap->failed)
        return ct_heap_fail(rules->heap, what, err);
    rules->v[*root].expr = e;
    return true;
}

static bool object_rules(const carat_format_options *o, ct_rules *rules, uint32_t *root, carat_err *err)
{
    const ct_json_style style = style_of(o);
    ct_json_rules any;
    ct_json_rules_init(&any, rules, &style);
    const ct_expr *e = ct_json_any_object(&any);
    return define(ct_format_what(o->kind), rules, root, e, err);
}

static bool schema_rules(const carat_format_options *o, ct_rules *rules, uint32_t *root, carat_err *err)
{
    const ct_json_style style = style_of(o);
    json_t *schema;
    if (!ct_json_parse("the JSON schema", o->text, o->text_len, &schema, err))
        return false;
    const bool ok = ct_schema_compile("the JSON schema", schema, false, &style, rules, root, err);
    json_decref(schema);
    return ok;
}

static bool regex_rules(const carat_format_options *o, ct_rules *rules, uint32_t *root, carat_err *err)
{
    const char *what = ct_format_what(o->kind);
    const ct_expr *e = NULL;
    return ct_regex_parse(what, o->text, o->text_len, CT_REGEX_WHOLE, rules->heap, &e, err) &&
           define(what, rules, root, e, err);
}

static size_t length_of(const carat_format_options *o, size_t i)
{
    return o->choice_lens ? o->choice_lens[i] : strlen(o->choices[i]);
}

static bool check_choices(const carat_format_options *o, carat_err *err)
{
    size_t sum = 0;
    if (!o->choices || o->n_choices == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a choice without any choices");
    if (o->n_choices > CT_FORMAT_MOST_TEXT)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the choices: %zu of them, expected at most %zu", o->n_choices,
                       CT_FORMAT_MOST_TEXT);
    for (size_t i = 0; i < o->n_choices; i++) {
        if (!o->choices[i])
            return ct_fail(err, CARAT_EARG, i, "choice %zu is NULL", i);
        const size_t len = length_of(o, i);
        if (len > CT_FORMAT_MOST_TEXT || (sum += len) > CT_FORMAT_MOST_TEXT)
            return ct_fail(err, CARAT_ELIMIT, i, "the choices: more than %zu bytes", CT_FORMAT_MOST_TEXT);
        if (ct_utf8_valid(o->choices[i], len) != len)
            return ct_fail(err, CARAT_EARG, i, "choice %zu is not valid UTF-8", i);
    }
    return true;
}

static bool choice_rules(const carat_format_options *o, ct_rules *rules, uint32_t *root, carat_err *err)
{
    if (!check_choices(o, err))
        return false;
    ct_word *words = ct_heap_new(rules->heap, o->n_choices, sizeof *words);
    for (size_t i = 0; words && i < o->n_choices; i++)
        words[i] = (ct_word){ o->choices[i], length_of(o, i) };
    const ct_expr *e = words ? ct_expr_words(rules->heap, words, o->n_choices) : NULL;
    return define(ct_format_what(o->kind), rules, root, e, err);
}

/* *root, or calls. */
static bool or_calls(const carat_format_options *o, const ct_call_form *calls, size_t n_calls, ct_rules *rules,
                     uint32_t *root, carat_err *err)
{
    const uint32_t json = *root, most = o->is_single ? 1 : CT_MOST_CALLS;
    const char *what = ct_format_what(o->kind);
    if (!ct_call_rules(what, calls, n_calls, most, rules, root, err))
        return false;
    return define(what, rules, root,
                  ct_expr_or(rules->heap, ct_expr_rule(rules->heap, json), ct_expr_rule(rules->heap, *root)), err);
}

/* What is of one kind alone is given for it, and for no other. */
static bool check_fields(const carat_format_options *o, carat_err *err)
{
    const char *what = ct_format_what(o->kind), *why = NULL;
    const bool is_json = o->kind == CARAT_FORMAT_JSON_OBJECT || o->kind == CARAT_FORMAT_JSON_SCHEMA,
               is_choice = o->kind == CARAT_FORMAT_CHOICE,
               is_calls = o->kind == CARAT_FORMAT_CALLS || o->kind == CARAT_FORMAT_TEXT_OR_CALLS,
               wants_text = o->kind != CARAT_FORMAT_JSON_OBJECT && !is_choice && !is_calls;
    if (wants_text ? !o->text : o->text || o->text_len)
        why = wants_text ? "no text was given" : "it takes no text";
    else if (!is_choice && (o->choices || o->choice_lens || o->n_choices))
        why = "it takes no choices";
    else if (!is_calls && !is_json && (o->tools || o->names || o->n_names || o->is_single))
        why = "it takes no tools";
    else if (is_json && !o->tools && (o->names || o->n_names || o->is_single))
        why = "it has no tools";
    else if (o->has_spaces && !is_json)
        why = "has_spaces is of JSON alone";
    if (why)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: %s", what, why);
    if (o->text_len > CT_FORMAT_MOST_TEXT)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s has %zu bytes, expected at most %zu", what, o->text_len,
                       CT_FORMAT_MOST_TEXT);
    return true;
}

bool ct_format_rules(const carat_format_options *from, const ct_call_form *calls, size_t n_calls, ct_rules *rules,
                     uint32_t *root, carat_err *err)
{
    carat_format_options o = *from;
    const char *what = ct_format_what(o.kind);
    const uint32_t most = o.is_single ? 1 : CT_MOST_CALLS;
    if (o.text && o.text_len == 0)
        o.text_len = strlen(o.text);
    if (!check_fields(&o, err))
        return false;
    switch (o.kind) {
    case CARAT_FORMAT_JSON_OBJECT:
        return object_rules(&o, rules, root, err) && (!calls || or_calls(&o, calls, n_calls, rules, root, err));
    case CARAT_FORMAT_JSON_SCHEMA:
        return schema_rules(&o, rules, root, err) && (!calls || or_calls(&o, calls, n_calls, rules, root, err));
    case CARAT_FORMAT_REGEX:
        return regex_rules(&o, rules, root, err);
    case CARAT_FORMAT_CHOICE:
        return choice_rules(&o, rules, root, err);
    case CARAT_FORMAT_GBNF:
        return ct_gbnf_parse(o.text, o.text_len, rules, root, err);
    case CARAT_FORMAT_CALLS:
        return ct_call_rules(what, calls, n_calls, most, rules, root, err);
    case CARAT_FORMAT_TEXT_OR_CALLS:
        return ct_text_or_call_rules(what, calls, n_calls, most, rules, root, err);
    }
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "response format %d is unknown", (int)o.kind);
}
