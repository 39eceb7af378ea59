/* The form of an answer by the names that other servers have for it: "grammar", "guided_regex" ...
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"

/* Where a form is asked for, and of which kind. */
typedef struct name {
    const char *param; /* its path; behind "structured_outputs." the field is in that object */
    carat_format_kind kind;
} name;

#define IN_SET "structured_outputs."

static const name names[] = {
    { "grammar", CARAT_FORMAT_GBNF },
    { "json_schema", CARAT_FORMAT_JSON_SCHEMA },
    { "guided_json", CARAT_FORMAT_JSON_SCHEMA },
    { "guided_regex", CARAT_FORMAT_REGEX },
    { "guided_choice", CARAT_FORMAT_CHOICE },
    { "guided_grammar", CARAT_FORMAT_GBNF },
    { "regex", CARAT_FORMAT_REGEX },
    { IN_SET "json", CARAT_FORMAT_JSON_SCHEMA },
    { IN_SET "regex", CARAT_FORMAT_REGEX },
    { IN_SET "choice", CARAT_FORMAT_CHOICE },
    { IN_SET "grammar", CARAT_FORMAT_GBNF },
    { IN_SET "json_object", CARAT_FORMAT_JSON_OBJECT },
};

static bool refuse(const char *param, const json_t *v, const char *expected, ct_openai_fault *f)
{
    return ct_openai_refuse(f, 400, "invalid_value", param, "body: '%s' is %s, expected %s", param, ct_json_kind(v),
                            expected);
}

static bool take_schema(const json_t *v, ct_openai_wanted *to, ct_openai_fault *f)
{
    if (json_is_string(v)) /* carat_format_open says what is wrong with it */
        return ct_openai_text(v, to->param, &to->text, f);
    to->schema = v;
    return json_is_object(v) || refuse(to->param, v, "a schema: an object, or its text", f);
}

static bool take_choices(const json_t *v, ct_openai_wanted *to, ct_openai_fault *f)
{
    to->choices = v;
    if (!json_is_array(v))
        return refuse(to->param, v, "a list of texts", f);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)))
            return ct_openai_refuse(f, 400, "invalid_value", to->param, "body: '%s'[%zu] is %s, expected a text",
                                    to->param, i, ct_json_kind(json_array_get(v, i)));
    return true;
}

/* An empty text, list or object of anything but a schema asks for nothing; neither does false. */
static bool asks(const json_t *v, carat_format_kind kind)
{
    if (!v || json_is_null(v))
        return false;
    if (kind == CARAT_FORMAT_JSON_OBJECT)
        return !json_is_false(v);
    if (kind == CARAT_FORMAT_CHOICE)
        return !json_is_array(v) || json_array_size(v) > 0;
    return !json_is_string(v) || json_string_length(v) > 0;
}

static bool take(const name *n, const json_t *v, ct_openai_wanted *to, ct_openai_fault *f)
{
    if (to->param)
        return ct_openai_refuse(f, 400, "invalid_value", n->param,
                                "'%s' and '%s' both give the answer a form: give one of them", to->param, n->param);
    to->param = n->param;
    to->kind = n->kind;
    switch (n->kind) {
    case CARAT_FORMAT_JSON_SCHEMA:
        return take_schema(v, to, f);
    case CARAT_FORMAT_CHOICE:
        return take_choices(v, to, f);
    case CARAT_FORMAT_JSON_OBJECT:
        return json_is_true(v) || refuse(n->param, v, "a boolean", f);
    default:
        return json_is_string(v) ? ct_openai_text(v, n->param, &to->text, f) : refuse(n->param, v, "a text", f);
    }
}

bool ct_openai_read_wanted(const json_t *body, ct_openai_list *unknown, ct_openai_wanted *to, ct_openai_fault *f)
{
    const json_t *set = json_object_get(body, "structured_outputs");
    *to = (ct_openai_wanted){ .param = NULL };
    if (set && !json_is_null(set) && !json_is_object(set))
        return refuse("structured_outputs", set, "an object", f);
    if (!ct_openai_check_fields(set, CT_IN_STRUCTURED, "structured_outputs", unknown, f))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *param = names[i].param;
        const bool is_in_set = strncmp(param, IN_SET, sizeof IN_SET - 1) == 0;
        const json_t *v = json_object_get(is_in_set ? set : body, is_in_set ? param + sizeof IN_SET - 1 : param);
        if (asks(v, names[i].kind) && !take(&names[i], v, to, f))
            return false;
    }
    return true;
}
