/* Forms for the tests of response formats, and whether an answer has one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "base/json.h"
#include "forms.h"
#include "sample/grammar/json_text.h"

static const char *const colours[] = { "red", "light blue", "light", "gr\xc3\xbcn", "\"quoted\"" };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":12},"
    "\"how many of them there are\":{\"type\":\"integer\",\"minimum\":-3,\"maximum\":120},"
    "\"kind\":{\"enum\":[\"a\",\"ab\",null,{\"x\":[1,2]}]},"
    "\"when\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"parts\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/part\"},\"maxItems\":3}},"
    "\"required\":[\"name\",\"how many of them there are\",\"kind\",\"parts\"],\"additionalProperties\":false,"
    "\"$defs\":{\"part\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/part\"},"
    "\"maxItems\":2}]}}}";

const carat_format_options forms[N_FORMS] = {
    [FORM_SCHEMA] = { .struct_size = sizeof(carat_format_options), .kind = CARAT_FORMAT_JSON_SCHEMA, .text = schema },
    [FORM_SPACED] = { .struct_size = sizeof(carat_format_options),
                      .kind = CARAT_FORMAT_JSON_SCHEMA,
                      .text = schema,
                      .has_spaces = true },
    [FORM_REGEX] = { .struct_size = sizeof(carat_format_options),
                     .kind = CARAT_FORMAT_REGEX,
                     .text = "(ab+c?|[0-9]{2,4}-\\d\\d|\\u00e9{3})" },
    [FORM_CHOICE] = { .struct_size = sizeof(carat_format_options),
                      .kind = CARAT_FORMAT_CHOICE,
                      .choices = colours,
                      .n_choices = 5 },
    [FORM_GBNF] = { .struct_size = sizeof(carat_format_options),
                    .kind = CARAT_FORMAT_GBNF,
                    .text =
                        "root ::= \"(\" item (\", \" item){0,4} \")\"\nitem ::= \"one\" | \"two\" | \"(\" item \")\"" },
};

carat_format *open_form(const carat_format_options *o)
{
    carat_format *f;
    carat_err e;
    must(carat_format_open(engine, o, &f, &e), &e);
    return f;
}

carat_generation with(const carat_format *f, const carat_sampling *s)
{
    return (carat_generation){ .struct_size = sizeof(carat_generation), .sampling = s, .max_tokens = 400, .format = f };
}

/* ---- is it one? ---- */

static bool is_part(const json_t *v)
{
    bool ok = json_is_boolean(v) || (json_is_array(v) && json_array_size(v) <= 2);
    for (size_t i = 0; i < json_array_size(v); i++)
        ok = ok && is_part(json_array_get(v, i));
    return ok;
}

static size_t n_chars(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

static void check_schema(const answer *a, bool has_spaces)
{
    const ct_json_style style = { has_spaces ? ", " : ",", has_spaces ? ": " : ":" };
    json_t *v;
    carat_err e;
    ct_buf text;
    if (!ct_json_parse("the answer", a->text, a->len, &v, &e))
        fail_msg("'%s': %s", a->text, e.msg);
    const json_t *name = json_object_get(v, "name"), *count = json_object_get(v, "how many of them there are"),
                 *kind = json_object_get(v, "kind"), *when = json_object_get(v, "when"),
                 *parts = json_object_get(v, "parts");
    assert_true(json_object_size(v) == (when ? 5 : 4));
    assert_true(json_is_string(name) && n_chars(json_string_value(name)) <= 12);
    assert_true(json_is_integer(count) && json_integer_value(count) >= -3 && json_integer_value(count) <= 120);
    assert_true(json_is_null(kind) || json_is_string(kind) || json_array_size(json_object_get(kind, "x")) == 2);
    assert_true(!when || json_string_length(when) == 10);
    assert_true(json_is_array(parts) && json_array_size(parts) <= 3);
    for (size_t i = 0; i < json_array_size(parts); i++)
        assert_true(is_part(json_array_get(parts, i)));
    ct_buf_init(&text, sizeof a->text);
    assert_true(ct_json_canonical(v, &style, &text));
    assert_int_equal(text.len, a->len);
    assert_memory_equal(text.data, a->text, a->len);
    ct_buf_deinit(&text);
    json_decref(v);
}

static void check_regex(const char *s)
{
    const size_t n = strlen(s), digits = strspn(s, "0123456789");
    if (s[0] == 'a') {
        const size_t b = strspn(s + 1, "b");
        assert_true(b >= 1 && (!s[1 + b] || strcmp(s + 1 + b, "c") == 0));
    } else if (digits) {
        assert_true(digits >= 2 && digits <= 4 && n == digits + 3 && s[digits] == '-');
    } else {
        assert_string_equal(s, "\xc3\xa9\xc3\xa9\xc3\xa9");
    }
}

static const char *skip_item(const char *s)
{
    if (strncmp(s, "one", 3) == 0 || strncmp(s, "two", 3) == 0)
        return s + 3;
    assert_true(*s == '(');
    s = skip_item(s + 1);
    assert_true(*s == ')');
    return s + 1;
}

static void check_gbnf(const char *s)
{
    size_t n = 1;
    assert_true(*s == '(');
    for (s = skip_item(s + 1); *s == ','; n++) {
        assert_true(s[1] == ' ');
        s = skip_item(s + 2);
    }
    assert_string_equal(s, ")");
    assert_true(n <= 5);
}

void check_form(const carat_format_options *o, const answer *a)
{
    bool found = false;
    if (a->has_failed)
        fail_msg("%s", a->err.msg);
    if (a->result.finish != CARAT_FINISH_STOP)
        return;
    switch (o->kind) {
    case CARAT_FORMAT_JSON_OBJECT:
    case CARAT_FORMAT_JSON_SCHEMA:
        check_schema(a, o->has_spaces);
        break;
    case CARAT_FORMAT_REGEX:
        check_regex(a->text);
        break;
    case CARAT_FORMAT_CHOICE:
        for (size_t i = 0; i < o->n_choices; i++)
            found = found || strcmp(a->text, o->choices[i]) == 0;
        assert_true(found);
        break;
    case CARAT_FORMAT_GBNF:
        check_gbnf(a->text);
        break;
    case CARAT_FORMAT_CALLS: /* test_call_formats.c */
    case CARAT_FORMAT_TEXT_OR_CALLS:
        break;
    }
}
