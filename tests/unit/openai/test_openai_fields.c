/* The table of fields of the OpenAI protocol: every one has a row, and every row is kept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "base/map.h"
#include "openai/fields.h"

/* Values that ask for something. */
static const char *const wishes[] = { "true", "\"x\"", "[1]", "{\"a\": 1}", "1", "0.5" };

/* ---- fields ---- */

static void test_what_is_ignored(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        ", \"user\": \"me\", \"metadata\": {\"a\": [1]}, \"store\": true, \"service_tier\": \"x\", \"unheard\": null",
        ", \"tools\": [], \"tool_choice\": \"auto\", \"function_call\": \"none\", \"stream\": false, \"echo\": false",
        ", \"suffix\": \"\", \"grammar\": null, \"json_schema\": null, \"response_format\": {\"type\": \"text\"}",
        ", \"modalities\": [\"text\"], \"best_of\": 1, \"prompt_logprobs\": false, \"model\": \"any\"",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        asked a;
        asked_accept(&a, ASKED_CHAT, harmless[i]);
        asked_done(&a);
        asked_accept(&a, ASKED_COMPL, harmless[i]);
        asked_done(&a);
    }
}

/* As deep as JSON is read at all, in a field of no meaning and in one that would be refused by its type. */
static void test_deep_json(void **state)
{
    (void)state;
    enum { DEPTH = 2000 };
    static char rest[2 * DEPTH + 64];
    static const char *const fields[] = { "metadata", "temperature" };
    for (size_t i = 0; i < 2; i++) {
        int n = snprintf(rest, sizeof rest, ", \"%s\": ", fields[i]);
        memset(rest + n, '[', DEPTH);
        memset(rest + n + DEPTH, ']', DEPTH);
        rest[n + 2 * DEPTH] = '\0';
        asked a;
        asked_read(&a, ASKED_CHAT, rest);
        assert_true(a.ok == (i == 0));
        asked_done(&a);
    }
}

static void test_what_cannot_be_honoured_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const never[] = {
        "structural_tag", "ebnf", "audio", "suffix", "stream", "bad_words", "n_probs",
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        for (size_t k = 0; k < sizeof wishes / sizeof *wishes; k++) {
            char rest[96];
            snprintf(rest, sizeof rest, ", \"%s\": %s", never[i], wishes[k]);
            asked_refuse(ASKED_CHAT, rest, never[i], "unsupported_parameter");
            asked_refuse(ASKED_COMPL, rest, never[i], "unsupported_parameter");
        }
    asked_refuse(ASKED_CHAT, ", \"echo\": true", "echo", "unsupported_parameter");
    asked_refuse(ASKED_COMPL, ", \"tools\": [{}]", "tools", "unsupported_parameter");
    asked_refuse(ASKED_COMPL, ", \"functions\": [{}]", "functions", "unsupported_parameter");
    asked_refuse(ASKED_COMPL, ", \"tool_choice\": \"required\"", "tool_choice", "unsupported_parameter");
    asked_refuse(ASKED_CHAT, ", \"response_format\": {\"type\": \"grammar\"}", "response_format", "unsupported_value");
    asked_refuse(ASKED_CHAT, ", \"response_format\": {\"json_schema\": {}}", "response_format", "unsupported_value");
    asked_refuse(ASKED_CHAT, ", \"response_format\": \"text\"", "response_format", "unsupported_value");
    asked_refuse(ASKED_CHAT, ", \"modalities\": [\"audio\"]", "modalities", "unsupported_value");
    asked_refuse(ASKED_CHAT, ", \"best_of\": 2", "best_of", "unsupported_value");
}

/* ---- the table of fields ---- */

#define ALL_PLACES 15
static const struct place {
    ct_openai_place place;
    ct_openai_endpoint endpoint;
    const char *before, *after; /* an object of that place within a body; "," begins a field */
    const char *path;
} places[ALL_PLACES] = {
    { CT_IN_CHAT, ASKED_CHAT, "}", "" },
    { CT_IN_COMPLETIONS, ASKED_COMPL, "}", "" },
    { CT_IN_MESSAGE, CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"", "}]}", "messages[0]." },
    { CT_IN_TEXT, CT_OPENAI_CHAT,
      "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"", "}]}]}",
      "messages[0].content[0]." },
    { CT_IN_IMAGE, CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"",
      ", \"image_url\": \"data:,\"}]}]}", "messages[0].content[0]." },
    { CT_IN_IMAGE_URL, CT_OPENAI_CHAT,
      "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": "
      "\"data:,\"",
      "}}]}]}", "messages[0].content[0].image_url." },
    { CT_IN_FORMAT, ASKED_CHAT ", \"response_format\": {\"type\": \"text\"", "}}", "response_format." },
    { CT_IN_SCHEMA,
      ASKED_CHAT ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\", \"schema\": {}",
      "}}}", "response_format.json_schema." },
    { CT_IN_TOOL, ASKED_CHAT ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}", "}]}",
      "tools[0]." },
    { CT_IN_FUNCTION, ASKED_CHAT ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"", "}}]}",
      "tools[0].function." },
    { CT_IN_CALL, CT_OPENAI_CHAT,
      "{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\"}", "}]}]}",
      "messages[0].tool_calls[0]." },
    { CT_IN_CALLED, CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"assistant\", \"function_call\": {\"name\": \"f\"",
      "}}]}", "messages[0].function_call." },
    { CT_IN_STRUCTURED, ASKED_CHAT ", \"structured_outputs\": {\"json_object\": false", "}}", "structured_outputs." },
    { CT_IN_STREAM, ASKED_CHAT ", \"stream_options\": {\"include_usage\": true", "}}", "stream_options." },
    { CT_IN_LINE, CT_OPENAI_CHAT, NULL, NULL, "" },
};

/* One more field in an object of that place. */
static void ask_with(asked *a, const struct place *p, const char *field, const char *value)
{
    json_t *body;
    carat_err err;
    char text[1024];
    int len = snprintf(text, sizeof text, "%s, \"%s\": %s%s", p->before, field, value, p->after);
    *a = (asked){ .ok = false };
    if (!ct_json_parse("body", text, (size_t)len, &body, &err))
        fail_msg("%s: %s", text, err.msg);
    a->ok = ct_openai_request_read(&a->r, p->endpoint, body, asked_engine, &asked_defaults, &a->f);
    json_decref(body);
}

static void expect_refusal(const struct place *p, const char *field, const char *value, const char *code)
{
    asked a;
    char param[64], quoted[64];
    ask_with(&a, p, field, value);
    snprintf(param, sizeof param, "%s%s", p->path, field);
    snprintf(quoted, sizeof quoted, "'%s'", field);
    if (a.ok || a.f.status != 400 || strcmp(a.f.param, param) != 0 || (code && strcmp(a.f.code, code) != 0) ||
        !strstr(a.f.err.msg, quoted))
        fail_msg("'%s': %s in %s: %d, '%s' %s '%s'", field, value, p->path, a.ok, a.f.param, a.f.code, a.f.err.msg);
    asked_done(&a);
}

/* Is it taken? An image that is none is refused as an image. */
static bool is_taken(const struct place *p, const char *field, const char *value)
{
    asked a;
    ask_with(&a, p, field, value);
    bool ok = a.ok || strstr(a.f.err.msg, "a data: URL without");
    asked_done(&a);
    return ok;
}

/* What the API's reference lists, as of November 2026. */
static void test_every_field_of_the_api_is_in_the_table(void **state)
{
    (void)state;
    static const struct {
        ct_openai_place place;
        const char *fields;
    } api[] = {
        { CT_IN_CHAT,
          "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
          "max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty "
          "prompt_cache_key "
          "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed "
          "service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user "
          "verbosity "
          "web_search_options" },
        { CT_IN_COMPLETIONS, "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n "
                             "presence_penalty seed stop stream stream_options suffix temperature top_p user" },
        { CT_IN_MESSAGE, "role content name audio function_call refusal tool_calls tool_call_id" },
        { CT_IN_TEXT, "type text prompt_cache_breakpoint" },
        { CT_IN_IMAGE, "type image_url prompt_cache_breakpoint" },
        { CT_IN_IMAGE_URL, "url detail" },
        { CT_IN_FORMAT, "type json_schema" },
        { CT_IN_SCHEMA, "name description schema strict" },
        { CT_IN_TOOL, "type function" },
        { CT_IN_FUNCTION, "name description parameters strict" },
        { CT_IN_CALL, "id type function" },
        { CT_IN_CALLED, "name arguments" },
        { CT_IN_LINE, "custom_id method url body" },
    };
    for (size_t i = 0; i < sizeof api / sizeof *api; i++)
        for (const char *s = api[i].fields; *s;) {
            char name[64] = "";
            size_t n = strcspn(s, " ");
            memcpy(name, s, n);
            const ct_openai_field *row = ct_openai_field_of(name, api[i].place);
            if (!row || row->class == CT_FIELD_UNKNOWN)
                fail_msg("'%s' has no row for place %d", name, (int)api[i].place);
            s += n + (s[n] == ' ');
        }
}

static const ct_openai_field *row_at(size_t i, const struct place *p)
{
    return ct_openai_fields[i].in & p->place ? &ct_openai_fields[i] : NULL;
}

static void test_a_field_has_one_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ct_openai_n_fields; i++)
        for (size_t k = 0; k < ALL_PLACES; k++)
            if (row_at(i, &places[k]) &&
                ct_openai_field_of(ct_openai_fields[i].name, places[k].place) != &ct_openai_fields[i])
                fail_msg("'%s' has two rows", ct_openai_fields[i].name);
}

static bool names_it(const char *readme, const char *field)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "`%s`", field);
    return strstr(readme, quoted) != NULL;
}

static void test_the_readme_names_every_field(void **state)
{
    (void)state;
    char *text;
    size_t len;
    carat_err err;
    if (!ct_read_file(TEST_ROOT "/openai/README.md", 1 << 20, &text, &len, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < ct_openai_n_fields; i++)
        if (!names_it(text, ct_openai_fields[i].name))
            fail_msg("openai/README.md does not name `%s`", ct_openai_fields[i].name);
    free(text);
}

/* No row is a promise only: what is said to be honoured is read, so a value of no sense is refused. */
static void test_every_row_is_kept(void **state)
{
    (void)state;
    size_t n[4] = { 0 };
    for (size_t i = 0; i < ct_openai_n_fields; i++)
        for (size_t k = 0; k < ALL_PLACES - 1; k++) { /* lines of a batch have a test of their own */
            const ct_openai_field *row = row_at(i, &places[k]);
            if (!row)
                continue;
            n[row->class]++;
            if (row->class == CT_FIELD_HONOURED) { /* those of a prompt stand there already */
                bool is_list = !strcmp(row->name, "tools") || !strcmp(row->name, "functions");
                bool is_prompt = !strcmp(row->name, "messages") || !strcmp(row->name, "prompt");
                if ((places[k].place & CT_IN_BODY) && !is_prompt && !is_list)
                    expect_refusal(&places[k], row->name, "[{}]", NULL);
                continue;
            }
            if (!is_taken(&places[k], row->name, "null"))
                fail_msg("'%s': null is refused", row->name);
            for (size_t w = 0; w < sizeof wishes / sizeof *wishes; w++)
                if (row->class == CT_FIELD_HARMLESS && !is_taken(&places[k], row->name, wishes[w]))
                    fail_msg("'%s': %s is refused", row->name, wishes[w]);
            if (row->class == CT_FIELD_REFUSED)
                expect_refusal(&places[k], row->name, "[[\"x\"]]", "unsupported_parameter");
        }
    assert_true(n[CT_FIELD_HONOURED] > 40 && n[CT_FIELD_HARMLESS] > 40 && n[CT_FIELD_REFUSED] > 200);
}

static void test_what_asks_for_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *field, *nothing, *wish;
    } of[] = {
        { "stream", "false", "true" },  { "suffix", "\"\"", "\"x\"" }, { "typical_p", "1", "0" },
        { "typical_p", "1.0", "0.95" }, { "num_beams", "1", "2" },     { "skip_special_tokens", "true", "false" },
        { "n_probs", "0", "1" },        { "mirostat", "0", "2" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (size_t k = 0; k < 2; k++) {
            if (!is_taken(&places[k], of[i].field, of[i].nothing))
                fail_msg("'%s': %s is refused", of[i].field, of[i].nothing);
            expect_refusal(&places[k], of[i].field, of[i].wish, "unsupported_parameter");
        }
}

static void test_unknown_fields_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const values[] = { "false", "0", "\"\"", "[]", "{}", "1" }; /* who knows what they ask for */
    for (size_t k = 0; k < ALL_PLACES - 1; k++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            expect_refusal(&places[k], "unheard_of", values[i], "unknown_parameter");
        assert_true(is_taken(&places[k], "unheard_of", "null"));
    }
    expect_refusal(&places[0], "prompt", "\"x\"", "unknown_parameter"); /* of the other endpoint */
    expect_refusal(&places[1], "messages", "[]", "unknown_parameter");
    expect_refusal(&places[1], "max_completion_tokens", "3", "unknown_parameter");
    asked a;
    ask_with(&a, &places[0], "temprature", "0.7");
    assert_non_null(strstr(a.f.err.msg, "did you mean 'temperature'?"));
    asked_done(&a);
    ask_with(&a, &places[0], "num_predict", "7");
    assert_non_null(strstr(a.f.err.msg, "use max_tokens"));
    asked_done(&a);
    /* Any name, cut at a whole character, is one that can be written. */
    static char name[400];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(name, 'x', shift);
        for (size_t i = 0; i < 190; i++)
            memcpy(name + shift + 2 * i, "\xc3\xbc", 2);
        for (size_t k = 0; k < ALL_PLACES - 1; k++) {
            ask_with(&a, &places[k], name, "1");
            json_t *o = ct_openai_error(&a.f);
            const json_t *param = json_object_get(json_object_get(o, "error"), "param");
            assert_true(!a.ok && json_string_length(param) > 20 && !strstr(json_string_value(param), "\xef\xbf\xbd"));
            json_decref(o);
            asked_done(&a);
        }
    }
}

static void expect_list(ct_openai_endpoint endpoint, const char *base, const char *rest, size_t n, const char *names)
{
    asked a;
    asked_accept(&a, endpoint, base, rest);
    if (a.r.unknown.n != n || strcmp(n ? a.r.unknown.names.data : "", names) != 0)
        fail_msg("%s: %zu, '%s'; expected '%s'", rest, a.r.unknown.n, a.r.unknown.names.data, names);
    asked_done(&a);
}

/* For a server: what nobody knows is listed, in a form that a header can carry; what would change the answer is refused
 * all the same. */
static void test_unknown_fields_may_be_listed(void **state)
{
    (void)state;
    const ct_openai_options before = asked_defaults;
    asked_defaults.mode = CT_OPENAI_LENIENT;
    expect_list(ASKED_CHAT, "", 0, "");
    expect_list(ASKED_CHAT, ", \"a\": 1, \"temperature\": 0, \"user\": \"me\", \"b\": false, \"c\": null", 2, "a, b");
    expect_list(ASKED_COMPL, ", \"messages\": []", 1, "messages");
    expect_list(CT_OPENAI_CHAT,
                "{\"messages\": [{\"role\": \"user\", \"mood\": 1, \"content\": [{\"type\": \"text\", \"text\": \"a\", "
                "\"font\": 2}]}]",
                ", \"a\\r\\nSet-Cookie: b=\u00fc\": 1", 3,
                "a%0D%0ASet-Cookie%3A%20b%3D%C3%BC, messages[0].mood, messages[0].content[0].font");
    expect_refusal(&places[2], "images", "[\"iVBO\"]", "unsupported_parameter");
    expect_refusal(&places[0], "format", "\"json\"", "unsupported_parameter");
    expect_refusal(&places[0], "stop_token_ids", "[4]", "unsupported_parameter");
    static char many[8192];
    size_t len = 0;
    for (int i = 0; i < 600; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, ", \"f%d\": 1", i);
    asked a;
    asked_accept(&a, ASKED_CHAT, many);
    assert_int_equal(a.r.unknown.n, 600);
    const ct_buf *names = &a.r.unknown.names;
    assert_true(names->len < 2 * CT_OPENAI_MAX_LIST && strcmp(names->data + names->len - 5, ", ...") == 0);
    asked_done(&a);
    asked_defaults = before;
}

static void test_strict_takes_nothing_that_is_not_honoured(void **state)
{
    (void)state;
    const ct_openai_options before = asked_defaults;
    asked_defaults.mode = CT_OPENAI_STRICT;
    for (size_t i = 0; i < ct_openai_n_fields; i++)
        for (size_t k = 0; k < ALL_PLACES - 1; k++)
            if (row_at(i, &places[k]) && ct_openai_fields[i].class == CT_FIELD_HARMLESS)
                expect_refusal(&places[k], ct_openai_fields[i].name, "[[1]]", "unsupported_parameter");
    expect_refusal(&places[0], "unheard_of", "1", "unknown_parameter");
    asked a;
    asked_accept(&a, ASKED_CHAT, ", \"model\": \"m\", \"temperature\": 0, \"store\": false, \"user\": null");
    asked_done(&a);
    asked_defaults = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_ignored),
        cmocka_unit_test(test_deep_json),
        cmocka_unit_test(test_what_cannot_be_honoured_is_refused_by_name),
        cmocka_unit_test(test_every_field_of_the_api_is_in_the_table),
        cmocka_unit_test(test_a_field_has_one_row),
        cmocka_unit_test(test_the_readme_names_every_field),
        cmocka_unit_test(test_every_row_is_kept),
        cmocka_unit_test(test_what_asks_for_nothing),
        cmocka_unit_test(test_unknown_fields_are_refused_by_name),
        cmocka_unit_test(test_unknown_fields_may_be_listed),
        cmocka_unit_test(test_strict_takes_nothing_that_is_not_honoured),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
