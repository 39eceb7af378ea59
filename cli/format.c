/* Options that bind an answer to a form: what they are and what is made of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "choices.h"
#include "input.h"

static struct {
    bool json_object;
    const char *schema, *regex, *grammar;
    cli_list choices;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "json-schema", NULL, CLI_TEXT, &opt.schema, "FILE|TEXT",
      "a JSON value that the schema describes, written compactly; TEXT begins with {" },
    { 0, "json-object", NULL, CLI_FLAG, &opt.json_object, NULL, "any JSON object, written compactly" },
    { 0, "regex", NULL, CLI_TEXT, &opt.regex, "R", "a text that the regular expression matches as a whole" },
    { 0, "choice", NULL, CLI_TEXTS, &opt.choices, "A,B,C", "one of these texts; repeatable" },
    { 0, "grammar", NULL, CLI_TEXT, &opt.grammar, "FILE", "a text of the grammar's rule root (GBNF, as llama.cpp has it)" },
};
/* clang-format on */
const cli_table cli_format_table = CLI_TABLE("form of the answer (at most one of them)", options);

static size_t n_given(void)
{
    return (size_t)opt.json_object + (opt.schema != NULL) + (opt.regex != NULL) + (opt.choices.n > 0) +
           (opt.grammar != NULL);
}

bool cli_format_given(void)
{
    return n_given() > 0;
}

bool cli_format_check(const cli_command *cmd)
{
    if (n_given() > 1) {
        cli_usage(cmd, "give at most one of --json-schema, --json-object, --regex, --choice and --grammar");
        return false;
    }
    for (size_t i = 0; i < opt.choices.n; i++)
        if (!cli_choices_check(cmd, "choice", opt.choices.v[i]))
            return false;
    return true;
}

static bool open_text(carat_engine *e, carat_format_kind kind, const char *text, size_t len, carat_format **out,
                      carat_err *err)
{
    const carat_format_options o = { .struct_size = sizeof o, .kind = kind, .text = text, .text_len = len };
    return carat_format_open(e, &o, out, err);
}

static bool open_file(carat_engine *e, carat_format_kind kind, const char *path, carat_format **out, carat_err *err)
{
    char *text;
    size_t len;
    if (!cli_read_prompt(path, &text, &len, err))
        return false;
    const bool ok = open_text(e, kind, text, len, out, err) || ct_fail_in(err, "%s", path);
    free(text);
    return ok;
}

static bool is_schema_text(const char *s)
{
    return s[strspn(s, " \t\r\n")] == '{';
}

static bool open_choices(carat_engine *e, carat_format **out, carat_err *err)
{
    cli_choices c = { 0 };
    bool ok = true;
    for (size_t i = 0; ok && i < opt.choices.n; i++)
        ok = cli_choices_split(&c, opt.choices.v[i], err);
    const carat_format_options o = {
        .struct_size = sizeof o, .kind = CARAT_FORMAT_CHOICE, .choices = (const char *const *)c.v, .n_choices = c.n
    };
    ok = ok && carat_format_open(e, &o, out, err);
    cli_choices_deinit(&c);
    return ok;
}

bool cli_format_open(carat_engine *e, carat_format **out, carat_err *err)
{
    *out = NULL;
    if (opt.json_object)
        return open_text(e, CARAT_FORMAT_JSON_OBJECT, NULL, 0, out, err);
    if (opt.schema && is_schema_text(opt.schema))
        return open_text(e, CARAT_FORMAT_JSON_SCHEMA, opt.schema, 0, out, err);
    if (opt.schema)
        return open_file(e, CARAT_FORMAT_JSON_SCHEMA, opt.schema, out, err);
    if (opt.regex)
        return open_text(e, CARAT_FORMAT_REGEX, opt.regex, 0, out, err);
    if (opt.grammar)
        return open_file(e, CARAT_FORMAT_GBNF, opt.grammar, out, err);
    return opt.choices.n == 0 || open_choices(e, out, err);
}
