/* Requests of the OpenAI protocol: what each field does, and what is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "openai/batch.h"
#include "openai/fields.h"

#define TEXT  TEST_DATA "/models/tiny-text"
#define SIGHT TEST_DATA "/models/tiny-sight"
#define CHAT  CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"a red star\"}]"
#define COMPL CT_OPENAI_COMPLETIONS, "{\"prompt\": \"a red star\""

static carat_engine *engine;
static ct_openai_options defaults;

typedef struct asked {
    ct_openai_request r;
    ct_openai_fault f;
    bool ok;
} asked;

/* Reads base and the rest of an object: ", \"n\": 2}". */
static void ask(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest)
{
    carat_err err;
    json_t *body;
    char text[8192];
    int len = snprintf(text, sizeof text, "%s%s}", base, rest);
    assert_true(len > 0 && (size_t)len < sizeof text);
    *a = (asked){ .ok = false };
    if (!ct_json_parse("body", text, (size_t)len, &body, &err))
        fail_msg("%s: %s", text, err.msg);
    a->ok = ct_openai_request_read(&a->r, endpoint, body, engine, &defaults, &a->f);
    json_decref(body); /* the request keeps what it needs */
}

static void done(asked *a)
{
    ct_openai_request_deinit(&a->r);
}

static void accept(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest)
{
    ask(a, endpoint, base, rest);
    if (!a->ok)
        fail_msg("%s: %s", rest, a->f.err.msg);
}

static void refuse(ct_openai_endpoint endpoint, const char *base, const char *rest, const char *param, const char *code)
{
    asked a;
    ask(&a, endpoint, base, rest);
    if (a.ok || a.f.status != 400 || strcmp(a.f.param, param) != 0 || strcmp(a.f.code, code) != 0 || !a.f.err.msg[0])
        fail_msg("%s: %d, status %d, '%s', %s, '%s'; expected 400, '%s', %s", rest, a.ok, a.f.status, a.f.param,
                 a.f.code ? a.f.code : "no code", a.f.err.msg, param, code);
    done(&a);
}

/* Values that ask for something. */
static const char *const wishes[] = { "true", "\"x\"", "[1]", "{\"a\": 1}", "1", "0.5" };

/* ---- fields ---- */

static void test_every_field_is_honoured(void **state)
{
    (void)state;
    asked a;
    accept(&a, CHAT,
           ", \"temperature\": 0.5, \"top_p\": 0.25, \"min_p\": 0.125, \"top_k\": 7, \"seed\": -3, "
           "\"presence_penalty\": 1.5, \"frequency_penalty\": -2, \"repeat_penalty\": 1.25, \"max_tokens\": 9, "
           "\"max_completion_tokens\": 5, \"min_tokens\": 2, \"n\": 3, \"stop\": [\"\\u00e9\", \"b\"], \"logprobs\": "
           "true, "
           "\"top_logprobs\": 4, \"ignore_eos\": true, \"logit_bias\": {\"5\": -100, \"6\": 1.5}");
    const carat_sampling *s = &a.r.sampling;
    const carat_generation *g = &a.r.generation;
    assert_ptr_equal(a.r.submit.generation, g);
    assert_ptr_equal(g->sampling, s);
    assert_true(s->temperature == 0.5f && s->top_p == 0.25f && s->min_p == 0.125f && s->top_k == 7);
    assert_true(s->presence_penalty == 1.5f && s->frequency_penalty == -2 && s->repetition_penalty == 1.25f);
    assert_true(s->seed == (uint64_t)-3);
    assert_int_equal(s->n_bias, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(s->bias[i].id == 5 ? s->bias[i].bias == -INFINITY : s->bias[i].id == 6 && s->bias[i].bias == 1.5f);
    assert_int_equal(g->max_tokens, 5); /* the newer name wins */
    assert_int_equal(g->min_tokens, 2);
    assert_true(g->wants_logprobs && g->n_top == 4 && g->ignores_eos && a.r.has_logprobs);
    assert_int_equal(g->n_stops, 2);
    assert_string_equal(g->stops[0], "\xc3\xa9");
    assert_int_equal(a.r.submit.n_answers, 3);
    assert_non_null(a.r.submit.prompt);
    done(&a);
}

static void test_what_is_not_given_is_the_operators(void **state)
{
    (void)state;
    static const carat_bias ban = { 6, -INFINITY };
    const ct_openai_options before = defaults;
    asked a;
    defaults.sampling.temperature = 0.75f, defaults.sampling.seed = 11;
    defaults.sampling.bias = &ban, defaults.sampling.n_bias = 1;
    accept(&a, CHAT, ", \"temperature\": null, \"stop\": null, \"logit_bias\": {\"7\": 1}");
    assert_true(a.r.sampling.temperature == 0.75f && a.r.sampling.seed == 11);
    assert_int_equal(a.r.generation.max_tokens, 0);
    assert_int_equal(a.r.sampling.n_bias, 2); /* for tokens that the request does not name */
    done(&a);
    accept(&a, CHAT, ", \"logit_bias\": {\"6\": 2}");
    assert_int_equal(a.r.sampling.n_bias, 1);
    assert_true(a.r.sampling.bias[0].bias == 2);
    done(&a);
    accept(&a, COMPL, "");
    assert_int_equal(a.r.generation.max_tokens, 16); /* OpenAI's */
    done(&a);
    defaults.max_tokens = 40;
    accept(&a, COMPL, "");
    assert_int_equal(a.r.generation.max_tokens, 40);
    done(&a);
    accept(&a, COMPL, ", \"max_tokens\": 3, \"top_k\": -1, \"logprobs\": 2, \"stop\": \"x\"");
    assert_int_equal(a.r.generation.max_tokens, 3);
    assert_int_equal(a.r.sampling.top_k, 0);
    assert_int_equal(a.r.generation.n_top, 2);
    assert_int_equal(a.r.generation.n_stops, 1);
    done(&a);
    defaults = before;
}

static void test_what_is_ignored(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        ", \"user\": \"me\", \"metadata\": {\"a\": [1]}, \"store\": true, \"service_tier\": \"x\", \"unheard_of\": "
        "null",
        ", \"tools\": [], \"tool_choice\": \"auto\", \"function_call\": \"none\", \"stream\": false, \"echo\": false",
        ", \"suffix\": \"\", \"grammar\": null, \"json_schema\": null, \"response_format\": {\"type\": \"text\"}",
        ", \"modalities\": [\"text\"], \"best_of\": 1, \"prompt_logprobs\": false, \"model\": \"any\"",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        asked a;
        accept(&a, CHAT, harmless[i]);
        done(&a);
        accept(&a, COMPL, harmless[i]);
        done(&a);
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
        ask(&a, CHAT, rest);
        assert_true(a.ok == (i == 0));
        done(&a);
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
            refuse(CHAT, rest, never[i], "unsupported_parameter");
            refuse(COMPL, rest, never[i], "unsupported_parameter");
        }
    refuse(CHAT, ", \"echo\": true", "echo", "unsupported_parameter");
    refuse(COMPL, ", \"tools\": [{}]", "tools", "unsupported_parameter");
    refuse(COMPL, ", \"functions\": [{}]", "functions", "unsupported_parameter");
    refuse(COMPL, ", \"tool_choice\": \"required\"", "tool_choice", "unsupported_parameter");
    refuse(CHAT, ", \"response_format\": {\"type\": \"grammar\"}", "response_format", "unsupported_value");
    refuse(CHAT, ", \"response_format\": {\"json_schema\": {}}", "response_format", "unsupported_value");
    refuse(CHAT, ", \"response_format\": \"text\"", "response_format", "unsupported_value");
    refuse(CHAT, ", \"modalities\": [\"audio\"]", "modalities", "unsupported_value");
    refuse(CHAT, ", \"best_of\": 2", "best_of", "unsupported_value");
}

/* ---- the form of an answer ---- */

static void expect_form(const char *field, const char *text, const char *not_text)
{
    asked a;
    char rest[256];
    bool matches;
    snprintf(rest, sizeof rest, ", %s", field);
    for (int k = 0; k < 2; k++) {
        if (k)
            accept(&a, COMPL, rest);
        else
            accept(&a, CHAT, rest);
        const carat_format *form = a.r.generation.format;
        assert_non_null(form);
        assert_true(carat_format_matches(form, text, strlen(text), &matches, NULL));
        if (!matches)
            fail_msg("%s: %s is not of the form", field, text);
        assert_true(carat_format_matches(form, not_text, strlen(not_text), &matches, NULL));
        if (matches)
            fail_msg("%s: %s is of the form", field, not_text);
        done(&a);
    }
}

static void test_forms_by_the_names_of_other_servers(void **state)
{
    (void)state;
    static const struct {
        const char *field, *text, *not_text;
    } good[] = {
        { "\"grammar\": \"root ::= \\\"a\\\"+\"", "aaa", "b" },
        { "\"guided_grammar\": \"root ::= \\\"a\\\"+\"", "aaa", "b" },
        { "\"json_schema\": {\"const\": 5}", "5", "6" },
        { "\"json_schema\": {}", "5", "x" }, /* any JSON */
        { "\"guided_json\": \"{\\\"const\\\": 5}\"", "5", "6" },
        { "\"guided_regex\": \"a[0-9]\"", "a7", "a" },
        { "\"regex\": \"a[0-9]\"", "a7", "a" },
        { "\"guided_choice\": [\"yes\", \"no\"]", "no", "maybe" },
        { "\"structured_outputs\": {\"json\": {\"const\": 5}}", "5", "6" },
        { "\"structured_outputs\": {\"regex\": \"a[0-9]\"}", "a7", "a" },
        { "\"structured_outputs\": {\"choice\": [\"yes\", \"no\"], \"regex\": null}", "yes", "maybe" },
        { "\"structured_outputs\": {\"grammar\": \"root ::= \\\"a\\\"+\"}", "aaa", "b" },
        { "\"structured_outputs\": {\"json_object\": true}", "{}", "[]" },
        { "\"grammar\": \"\", \"json_schema\": null, \"guided_choice\": [], \"guided_regex\": \"a\"", "a", "b" },
        { "\"response_format\": {\"type\": \"text\"}, \"regex\": \"a\"", "a", "b" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect_form(good[i].field, good[i].text, good[i].not_text);
    static const struct {
        const char *rest, *param;
    } bad[] = {
        { ", \"grammar\": \"root ::= (\"", "grammar" },
        { ", \"grammar\": \"root ::= \\\"\\u0000\\\"\"", "grammar" },
        { ", \"guided_json\": \"{\"", "guided_json" },
        { ", \"json_schema\": {\"unheard\": 1}", "json_schema" },
        { ", \"guided_choice\": [\"a\", 1]", "guided_choice" },
        { ", \"guided_regex\": \"(\"", "guided_regex" },
        { ", \"structured_outputs\": 5", "structured_outputs" },
        { ", \"structured_outputs\": {\"json_object\": 1}", "structured_outputs.json_object" },
        { ", \"structured_outputs\": {\"regex\": \"a\", \"choice\": [\"a\"]}", "structured_outputs.choice" },
        { ", \"grammar\": \"root ::= \\\"a\\\"\", \"json_schema\": {}", "json_schema" },
        { ", \"regex\": \"a\", \"response_format\": {\"type\": \"json_object\"}", "regex" },
        { ", \"regex\": \"a\", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]", "regex" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        asked a;
        ask(&a, CHAT, bad[i].rest);
        if (a.ok || a.f.status != 400 || strcmp(a.f.param, bad[i].param) != 0)
            fail_msg("%s: %d, %d, '%s'", bad[i].rest, a.ok, a.f.status, a.f.param);
        done(&a);
    }
}

#define SCHEMA "response_format.json_schema"

static void test_response_formats(void **state)
{
    (void)state;
    asked a, b;
    ct_openai_forms forms = { .n = 0 };
    static const char *const good[] = {
        ", \"response_format\": {\"type\": \"json_object\"}",
        ", \"response_format\": {\"type\": \"json_object\", \"json_schema\": null}",
        ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"description\": \"d\", "
        "\"strict\": true, \"schema\": {\"type\": \"object\"}}}",
        ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"strict\": false, \"schema\": {}}}",
        ", \"response_format\": {\"type\": \"json_object\", \"schema\": {\"type\": \"object\"}}",
    };
    static const struct {
        const char *format, *param, *code, *why;
    } bad[] = {
        { "{\"type\": \"json_schema\"}", SCHEMA, "missing_required_parameter", "is missing" },
        { "{\"type\": \"json_schema\", \"json_schema\": \"x\"}", SCHEMA, "missing_required_parameter", "a string" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\"}}", SCHEMA ".schema",
          "missing_required_parameter", "is missing" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": []}}", SCHEMA ".schema", "invalid_value",
          "an array" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"name\": 5, \"schema\": {}}}", SCHEMA ".name",
          "invalid_value", "name" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"strict\": 1, \"schema\": {}}}", SCHEMA ".strict",
          "invalid_value", "strict" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"items\": {\"unevaluatedItems\": {}}}}}",
          SCHEMA ".schema", "invalid_value", "the JSON schema: '/items/unevaluatedItems': cannot be enforced" },
        { "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"items\": {\"unevaluatedItems\": {}}}}}",
          SCHEMA ".schema", "invalid_value", "cannot be enforced" },
        { "{\"type\": \"json_object\", \"json_schema\": {\"schema\": {}}}", SCHEMA, "invalid_value", "needs the type" },
        { "{\"type\": \"text\", \"json_schema\": {\"schema\": {}}}", SCHEMA, "invalid_value", "needs the type" },
        { "{\"type\": \"text\", \"schema\": {}}", "response_format.schema", "invalid_value", "needs the type" },
        { "{\"type\": \"json_object\", \"schema\": 5}", "response_format.schema", "invalid_value", "an integer" },
    };
    defaults.forms = &forms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        accept(&a, CHAT, good[i]);
        accept(&b, COMPL, good[i]);
        assert_non_null(a.r.generation.format);
        assert_ptr_equal(a.r.generation.format, b.r.generation.format); /* compiled once */
        done(&a);
        done(&b);
    }
    assert_int_equal(forms.n, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rest[512];
        snprintf(rest, sizeof rest, ", \"response_format\": %s", bad[i].format);
        refuse(CHAT, rest, bad[i].param, bad[i].code);
        ask(&a, CHAT, rest);
        if (!strstr(a.f.err.msg, bad[i].why))
            fail_msg("%s: %s", bad[i].format, a.f.err.msg);
        done(&a);
    }
    assert_int_equal(forms.n, 3);
    /* The oldest goes when there are too many; who has it keeps it. */
    accept(&a, CHAT, good[2]);
    for (int i = 0; i < 20; i++) {
        char rest[256];
        snprintf(rest, sizeof rest,
                 ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"const\": %d}}}",
                 i);
        accept(&b, CHAT, rest);
        done(&b);
    }
    assert_int_equal(forms.n, CT_OPENAI_MAX_FORMS);
    accept(&b, CHAT, good[2]);
    assert_ptr_not_equal(a.r.generation.format, b.r.generation.format);
    done(&b);
    done(&a);
    ct_openai_forms_deinit(&forms);
    defaults.forms = NULL;
    accept(&a, CHAT, good[0]);
    done(&a);
}

/* ---- tools ---- */

#define F(name, parameters)                                                                                            \
    "{\"type\": \"function\", \"function\": {\"name\": \"" name                                                        \
    "\", \"description\": \"d\", \"parameters\": " parameters "}}"
#define TWO_TOOLS                                                                                                      \
    ", \"tools\": [" F("now", "{\"type\": \"object\", \"properties\": {\"zone\": {\"type\": \"string\"}}}") ", " F(    \
        "warm", "{\"type\": \"object\", \"properties\": {\"by\": {\"type\": \"number\", \"minimum\": 0.1}}}") "]"
#define CHOICE(choice) TWO_TOOLS ", \"tool_choice\": " choice

static void test_tools(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        size_t n_forms; /* that there are afterwards */
        bool is_declared;
    } good[] = {
        { TWO_TOOLS, 1, true },
        { CHOICE("\"auto\""), 1, true },
        { CHOICE("null"), 1, true },
        { CHOICE("\"none\""), 1, false },
        { CHOICE("\"none\"") ", \"response_format\": {\"type\": \"json_object\"}", 2, false },
        { CHOICE("\"required\""), 3, true },
        { CHOICE("\"any\""), 3, true },
        { CHOICE("\"required\"") ", \"parallel_tool_calls\": false", 4, true },
        { CHOICE("{\"type\": \"function\", \"function\": {\"name\": \"warm\"}}"), 5, true },
        { CHOICE("{\"type\": \"function\", \"name\": \"warm\"}"), 5, true },
        { CHOICE("{\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": \"auto\", \"tools\": [{\"type\": "
                 "\"function\", \"function\": {\"name\": \"now\"}}]}}"),
          6, true },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"required\", \"tools\": [{\"type\": \"function\", \"name\": "
                 "\"now\"}]}"),
          7, true },
        { ", \"functions\": [{\"name\": \"now\"}]", 8, true },
        { ", \"functions\": [{\"name\": \"now\"}], \"function_call\": {\"name\": \"now\"}", 9, true },
        { ", \"tools\": [], \"tool_choice\": \"auto\", \"functions\": null, \"parallel_tool_calls\": true", 9, false },
        { TWO_TOOLS ", \"response_format\": {\"type\": \"json_object\"}", 10, true },
        { TWO_TOOLS
          ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {\"type\": \"integer\"}}}",
          11, true },
        { TWO_TOOLS ", \"response_format\": {\"type\": \"text\"}", 11, true },
        { CHOICE("\"required\"") ", \"response_format\": {\"type\": \"json_object\"}", 11, true },
    };
    ct_openai_forms forms = { .n = 0 };
    defaults.forms = &forms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        asked a;
        size_t len;
        accept(&a, CHAT, good[i].rest);
        const char *rendered = carat_prompt_rendered(a.r.prompt, &len);
        bool is_declared = strstr(rendered, "Functions:") && strstr(rendered, "\"name\":\"now\"");
        if (forms.n != good[i].n_forms || is_declared != good[i].is_declared ||
            is_declared != (a.r.calls.tools != NULL))
            fail_msg("%s: %zu forms, declared %d: %s", good[i].rest, forms.n, is_declared, rendered);
        if (strstr(good[i].rest, "0.1")) /* not 0.10000000000000001 */
            assert_true(!is_declared || strstr(rendered, "\"minimum\":0.1}"));
        done(&a);
    }
    defaults.forms = NULL;
    ct_openai_forms_deinit(&forms);
}

static void test_tools_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *param, *code, *why;
    } bad[] = {
        { ", \"tools\": {}, \"tool_choice\": \"required\"", "tools", "invalid_value", "expected an array" },
        { ", \"tools\": \"x\"", "tools", "invalid_value", "a string" },
        { ", \"tools\": [5]", "tools[0]", "invalid_value", "not an object" },
        { ", \"tools\": [{}]", "tools[0]", "unsupported_value", "type function" },
        { ", \"tools\": [{\"type\": \"web_search\"}]", "tools[0]", "unsupported_value", "type function" },
        { ", \"tools\": [{\"type\": \"function\"}]", "tools[0].function", "invalid_value", "missing" },
        { ", \"tools\": [" F("a b", "{}") "]", "tools", "invalid_value", "a b" },
        { ", \"tools\": [" F("a", "{}") ", " F("a", "{}") "]", "tools", "invalid_value", "a" },
        { ", \"tools\": [" F("a", "[]") "]", "tools", "invalid_value", "a" },
        { ", \"tools\": [" F("a", "{\"properties\": {\"x\": {\"unevaluatedItems\": {}}}}") "]", "tools",
          "invalid_value", "/unevaluatedItems" },
        { ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": 5}}]", "tools[0].function", "invalid_value",
          "name" },
        { ", \"tool_choice\": \"required\"", "tool_choice", "invalid_value", "needs 'tools'" },
        { ", \"function_call\": {\"name\": \"f\"}", "function_call", "invalid_value", "needs 'functions'" },
        { ", \"parallel_tool_calls\": 1", "parallel_tool_calls", "invalid_value", "parallel_tool_calls" },
        { TWO_TOOLS ", \"functions\": [{\"name\": \"f\"}]", "functions", "invalid_value", "older name" },
        { TWO_TOOLS ", \"function_call\": {\"name\": \"now\"}", "function_call", "invalid_value", "needs 'functions'" },
        { CHOICE("\"all\""), "tool_choice", "invalid_value", "none, auto, required" },
        { CHOICE("{\"type\": \"function\"}"), "tool_choice", "invalid_value", "no function" },
        { CHOICE("{\"type\": \"function\", \"function\": {\"name\": \"cold\"}}"), "tool_choice", "invalid_value",
          "'cold'" },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"auto\", \"tools\": []}"), "tool_choice", "invalid_value",
          "some of those" },
        { CHOICE("{\"type\": \"allowed_tools\", \"mode\": \"all\", \"tools\": [{\"name\": \"now\"}]}"), "tool_choice",
          "invalid_value", "auto or required" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        asked a;
        refuse(CHAT, bad[i].rest, bad[i].param, bad[i].code);
        ask(&a, CHAT, bad[i].rest);
        if (!strstr(a.f.err.msg, bad[i].why))
            fail_msg("%s: %s", bad[i].rest, a.f.err.msg);
        done(&a);
    }
}

#define CALLING CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, "

static void test_calls_in_messages(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *rendered;
    } good[] = {
        { "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", "
          "\"function\": {\"name\": \"now\", \"arguments\": \"{\\\"zone\\\":\\\"CET\\\"}\"}}]}, {\"role\": \"tool\", "
          "\"tool_call_id\": \"c1\", \"content\": \"noon\"}]",
          "{\"name\": \"now\", \"parameters\": {\"zone\": \"CET\"}}" },
        { "{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": "
          "0.1}}}]}, {\"role\": \"tool\", \"content\": \"1\"}]",
          "{\"name\": \"warm\", \"parameters\": {\"by\": 0.1}}" },
        { "{\"role\": \"assistant\", \"function_call\": {\"name\": \"now\", \"arguments\": \"{}\"}}, {\"role\": "
          "\"function\", \"name\": \"now\", \"content\": \"noon\"}]",
          "[{\"name\":\"now\",\"result\":\"noon\"}]" },
        { "{\"role\": \"assistant\", \"content\": null, \"refusal\": \"I cannot.\", \"audio\": null, "
          "\"function_call\": null, "
          "\"tool_calls\": null, \"parsed\": null, \"reasoning_content\": \"hm\"}, {\"role\": \"user\", \"content\": "
          "\"why\"}]",
          "model\nI cannot.<end_of_turn>" },
        { "{\"role\": \"assistant\", \"content\": [{\"type\": \"refusal\", \"refusal\": \"No.\"}]}, {\"role\": "
          "\"user\", "
          "\"content\": \"why\"}]",
          "model\nNo.<end_of_turn>" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        asked a;
        size_t len;
        accept(&a, CALLING, good[i].rest);
        const char *rendered = carat_prompt_rendered(a.r.prompt, &len);
        if (!strstr(rendered, good[i].rendered))
            fail_msg("%s: %s", good[i].rest, rendered);
        done(&a);
    }
    refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": {}}]", "messages[1].tool_calls", "invalid_value");
    refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [1]}]", "messages[1].tool_calls[0]", "invalid_value");
    refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [{}]}]", "messages[1].tool_calls[0]", "invalid_value");
    refuse(CALLING, "{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"arguments\": \"{}\"}}]}]",
           "messages[1].tool_calls[0]", "invalid_value");
    refuse(CALLING, "{\"role\": \"assistant\", \"function_call\": {\"name\": \"f\", \"arguments\": []}}]",
           "messages[1].function_call", "invalid_value");
    refuse(CALLING, "{\"role\": \"user\", \"tool_calls\": [{\"function\": {\"name\": \"f\"}}]}]", "messages",
           "invalid_value");
}

/* Calls in other shapes than the canonical one are looked at when they have come. */
static void test_calls_that_are_not_valid(void **state)
{
    (void)state;
    static const char tools[] =
        ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"warm\", \"parameters\": {\"type\": "
        "\"object\", "
        "\"properties\": {\"by\": {\"type\": \"integer\", \"maximum\": 9}, \"to\": {\"type\": \"object\", "
        "\"properties\": "
        "{\"a\": {\"type\": \"number\"}, \"b\": {\"enum\": [\"x\"]}}}}, \"required\": [\"by\"], "
        "\"additionalProperties\": false}}}, {\"type\": \"function\", \"function\": {\"name\": \"now\"}}]";
    static const struct {
        const char *more, *text;
        size_t n_calls;
    } of[] = {
        { "", "[warm(by=3)]", 1 },
        { "", "[warm(to={'b': 'x', 'a': 2.0}, by=3)]", 1 },
        { "", "[warm(by=10)]", 0 },
        { "", "[warm(much=3)]", 0 },
        { "", "[warm()]", 0 },
        { "", "[now()]", 1 },
        { "", "[now(zone='CET')]", 0 },
        { "", "[now(), warm(by=1)]", 2 },
        { "", "[now(), warm(by='1')]", 0 },
        { ", \"parallel_tool_calls\": false", "[now(), warm(by=1)]", 0 },
        { ", \"parallel_tool_calls\": false", "[now()]", 1 },
        { "", "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2}}}", 1 },
        { "", "{\"function\": {\"name\": \"warm\", \"arguments\": {\"by\": 2.5}}}", 0 },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        asked a;
        ct_openai_reply reply = { 0 };
        char rest[2048];
        snprintf(rest, sizeof rest, "%s%s", tools, of[i].more);
        accept(&a, CHAT, rest);
        assert_true(ct_openai_reply_init(&reply, &a.r));
        const carat_token t = { .id = -1, .text = of[i].text, .len = strlen(of[i].text) };
        const carat_result result = { .struct_size = sizeof result, .finish = CARAT_FINISH_STOP, .n_generated = 1 };
        ct_openai_reply_add(&reply, carat_engine_tokenizer(engine),
                            &(carat_event){ .kind = CARAT_EVENT_TOKEN, .token = &t });
        ct_openai_reply_add(&reply, carat_engine_tokenizer(engine),
                            &(carat_event){ .kind = CARAT_EVENT_ANSWER, .result = &result });
        json_t *o = ct_openai_reply_body(&reply, "m", &(ct_openai_usage){ .n_prompt = 1 });
        json_t *c = json_array_get(json_object_get(o, "choices"), 0), *m = json_object_get(c, "message");
        const char *content = json_string_value(json_object_get(m, "content"));
        const char *finish = json_string_value(json_object_get(c, "finish_reason"));
        if (json_array_size(json_object_get(m, "tool_calls")) != of[i].n_calls ||
            strcmp(finish, of[i].n_calls ? "tool_calls" : "stop") != 0 ||
            (!of[i].n_calls && strcmp(content, of[i].text) != 0))
            fail_msg("%s: %zu calls, %s", of[i].text, json_array_size(json_object_get(m, "tool_calls")), finish);
        json_decref(o);
        ct_openai_reply_deinit(&reply);
        done(&a);
    }
}

static void test_wrong_types_and_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *param, *value;
    } bad[] = {
        { "temperature", "\"hot\"" },
        { "temperature", "-0.1" },
        { "temperature", "1e300" },
        { "temperature", "true" },
        { "top_p", "1.5" },
        { "min_p", "[0]" },
        { "top_k", "1.5" },
        { "top_k", "-2" },
        { "top_k", "\"7\"" },
        { "seed", "{}" },
        { "seed", "0.5" },
        { "presence_penalty", "101" },
        { "frequency_penalty", "\"x\"" },
        { "repeat_penalty", "0" },
        { "repetition_penalty", "-1" },
        { "max_tokens", "0" },
        { "max_tokens", "-1" },
        { "max_tokens", "99999999999" },
        { "max_tokens", "\"5\"" },
        { "max_completion_tokens", "false" },
        { "min_tokens", "-1" },
        { "min_tokens", "\"1\"" },
        { "n", "0" },
        { "n", "17" },
        { "n", "5" }, /* the operator allows 4 */
        { "n", "1.5" },
        { "best_of", "\"1\"" },
        { "logprobs", "3" },
        { "logprobs", "\"yes\"" },
        { "top_logprobs", "3" }, /* without logprobs */
        { "top_logprobs", "21" },
        { "top_logprobs", "-1" },
        { "stop", "3" },
        { "stop", "[\"a\", 3]" },
        { "stop", "\"\"" },
        { "stop", "[\"\"]" },
        { "stop", "\"a\\u0000\"" },
        { "stop", "{\"a\": 1}" },
        { "stop", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]" },
        { "ignore_eos", "1" },
        { "logit_bias", "[]" },
        { "logit_bias", "\"x\"" },
        { "logit_bias", "{\"x\": 1}" },
        { "logit_bias", "{\"\": 1}" },
        { "logit_bias", "{\"1x\": 1}" },
        { "logit_bias", "{\"-1\": 1}" },
        { "logit_bias", "{\"99999999999999999999\": 1}" },
        { "logit_bias", "{\"99999999\": 1}" },
        { "logit_bias", "{\"1\": \"x\"}" },
        { "logit_bias", "{\"1\": 100.5}" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rest[160];
        snprintf(rest, sizeof rest, ", \"%s\": %s", bad[i].param, bad[i].value);
        refuse(CHAT, rest, bad[i].param, "invalid_value");
    }
    refuse(COMPL, ", \"logprobs\": 21", "logprobs", "invalid_value");
    refuse(COMPL, ", \"logprobs\": true", "logprobs", "invalid_value");
    refuse(CHAT, ", \"max_tokens\": 3, \"min_tokens\": 4", "min_tokens", "invalid_value");
}

/* ---- the table of fields ---- */

#define ALL_PLACES 15
static const struct place {
    ct_openai_place place;
    ct_openai_endpoint endpoint;
    const char *before, *after; /* an object of that place within a body; "," begins a field */
    const char *path;
} places[ALL_PLACES] = {
    { CT_IN_CHAT, CHAT, "}", "" },
    { CT_IN_COMPLETIONS, COMPL, "}", "" },
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
    { CT_IN_FORMAT, CHAT ", \"response_format\": {\"type\": \"text\"", "}}", "response_format." },
    { CT_IN_SCHEMA,
      CHAT ", \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\", \"schema\": {}",
      "}}}", "response_format.json_schema." },
    { CT_IN_TOOL, CHAT ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}", "}]}", "tools[0]." },
    { CT_IN_FUNCTION, CHAT ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"", "}}]}",
      "tools[0].function." },
    { CT_IN_CALL, CT_OPENAI_CHAT,
      "{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\"}", "}]}]}",
      "messages[0].tool_calls[0]." },
    { CT_IN_CALLED, CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"assistant\", \"function_call\": {\"name\": \"f\"",
      "}}]}", "messages[0].function_call." },
    { CT_IN_STRUCTURED, CHAT ", \"structured_outputs\": {\"json_object\": false", "}}", "structured_outputs." },
    { CT_IN_STREAM, CHAT ", \"stream_options\": {\"include_usage\": true", "}}", "stream_options." },
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
    a->ok = ct_openai_request_read(&a->r, p->endpoint, body, engine, &defaults, &a->f);
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
    done(&a);
}

/* Is it taken? An image that is none is refused as an image. */
static bool is_taken(const struct place *p, const char *field, const char *value)
{
    asked a;
    ask_with(&a, p, field, value);
    bool ok = a.ok || strstr(a.f.err.msg, "a data: URL without");
    done(&a);
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
    done(&a);
    ask_with(&a, &places[0], "num_predict", "7");
    assert_non_null(strstr(a.f.err.msg, "use max_tokens"));
    done(&a);
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
            done(&a);
        }
    }
}

static void expect_list(ct_openai_endpoint endpoint, const char *base, const char *rest, size_t n, const char *names)
{
    asked a;
    accept(&a, endpoint, base, rest);
    if (a.r.unknown.n != n || strcmp(n ? a.r.unknown.names.data : "", names) != 0)
        fail_msg("%s: %zu, '%s'; expected '%s'", rest, a.r.unknown.n, a.r.unknown.names.data, names);
    done(&a);
}

/* For a server: what nobody knows is listed, in a form that a header can carry; what would change the answer is refused
 * all the same. */
static void test_unknown_fields_may_be_listed(void **state)
{
    (void)state;
    const ct_openai_options before = defaults;
    defaults.mode = CT_OPENAI_LENIENT;
    expect_list(CHAT, "", 0, "");
    expect_list(CHAT, ", \"a\": 1, \"temperature\": 0, \"user\": \"me\", \"b\": false, \"c\": null", 2, "a, b");
    expect_list(COMPL, ", \"messages\": []", 1, "messages");
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
    accept(&a, CHAT, many);
    assert_int_equal(a.r.unknown.n, 600);
    const ct_buf *names = &a.r.unknown.names;
    assert_true(names->len < 2 * CT_OPENAI_MAX_LIST && strcmp(names->data + names->len - 5, ", ...") == 0);
    done(&a);
    defaults = before;
}

static void test_strict_takes_nothing_that_is_not_honoured(void **state)
{
    (void)state;
    const ct_openai_options before = defaults;
    defaults.mode = CT_OPENAI_STRICT;
    for (size_t i = 0; i < ct_openai_n_fields; i++)
        for (size_t k = 0; k < ALL_PLACES - 1; k++)
            if (row_at(i, &places[k]) && ct_openai_fields[i].class == CT_FIELD_HARMLESS)
                expect_refusal(&places[k], ct_openai_fields[i].name, "[[1]]", "unsupported_parameter");
    expect_refusal(&places[0], "unheard_of", "1", "unknown_parameter");
    asked a;
    accept(&a, CHAT, ", \"model\": \"m\", \"temperature\": 0, \"store\": false, \"user\": null");
    done(&a);
    defaults = before;
}

/* ---- prompts ---- */

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *messages, *param, *code;
    } bad[] = {
        { "null", "messages", "missing_required_parameter" },
        { "[]", "messages", "missing_required_parameter" },
        { "\"hi\"", "messages", "missing_required_parameter" },
        { "[5]", "messages[0].role", "invalid_value" },
        { "[{\"content\": \"x\"}]", "messages[0].role", "invalid_value" },
        { "[{\"role\": 3, \"content\": \"x\"}]", "messages[0].role", "invalid_value" },
        { "[{\"role\": \"us\\u0000er\", \"content\": \"x\"}]", "messages[0].role", "invalid_value" },
        { "[{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"user\", \"content\": 7}]", "messages[1].content",
          "invalid_value" },
        { "[{\"role\": \"user\", \"content\": {\"type\": \"text\"}}]", "messages[0].content", "invalid_value" },
        { "[{\"role\": \"user\", \"content\": \"a\\u0000b\"}]", "messages[0].content", "invalid_value" },
        { "[{\"role\": \"user\", \"content\": [5]}]", "messages[0].content[0]", "unsupported_value" },
        { "[{\"role\": \"user\", \"content\": [[\"text\"]]}]", "messages[0].content[0]", "unsupported_value" },
        { "[{\"role\": \"user\", \"content\": [{\"type\": \"input_audio\"}]}]", "messages[0].content[0]",
          "unsupported_value" },
        { "[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]", "messages[0].content[0]", "invalid_value" },
        { "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": \"text\", \"text\": "
          "[]}]}]",
          "messages[0].content[1]", "invalid_value" },
        { "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]", "messages[0].content[0]",
          "invalid_value" },
        { "[{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{}]}]", "messages[0].tool_calls[0]",
          "invalid_value" },
        { "[{\"role\": \"assistant\", \"function_call\": {\"arguments\": \"{}\"}}]", "messages[0].function_call",
          "invalid_value" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char base[512];
        snprintf(base, sizeof base, "{\"messages\": %s", bad[i].messages);
        refuse(CT_OPENAI_CHAT, base, "", bad[i].param, bad[i].code);
    }
    refuse(CT_OPENAI_CHAT, "{\"model\": \"x\"", "", "messages", "missing_required_parameter");
}

/* The same text in any form is the same prompt. */
static void test_forms_of_content(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a red star\"}]}]",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a red star\", \"name\": \"me\", \"tool_calls\": []}]",
        "{\"messages\": [{\"role\": \"wizard\", \"content\": \"a\\u0020red star\"}]",
    };
    asked want, got;
    size_t n, k;
    accept(&want, CHAT, "");
    const int32_t *ids = carat_prompt_tokens(want.r.prompt, &n);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        accept(&got, CT_OPENAI_CHAT, same[i], "");
        const int32_t *own = carat_prompt_tokens(got.r.prompt, &k);
        assert_int_equal(k, n);
        assert_memory_equal(own, ids, n * sizeof *ids);
        done(&got);
    }
    done(&want);
}

static void test_prompts(void **state)
{
    (void)state;
    static const struct {
        const char *prompt, *code;
    } bad[] = {
        { "null", "invalid_value" },
        { "5", "invalid_value" },
        { "{}", "invalid_value" },
        { "[2, -1]", "invalid_value" },
        { "[2, 1099511627776]", "invalid_value" },
        { "[2, 400000]", "invalid_value" },
        { "[2, \"a\"]", "invalid_value" },
        { "[2.0]", "invalid_value" },
        { "[\"a\", 5]", "invalid_value" },
        { "[[2], {}]", "invalid_value" },
        { "[[2], [2, 400000]]", "invalid_value" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char base[64];
        snprintf(base, sizeof base, "{\"prompt\": %s", bad[i].prompt);
        refuse(CT_OPENAI_COMPLETIONS, base, "", "prompt", bad[i].code);
    }
    refuse(CT_OPENAI_COMPLETIONS, "{\"model\": \"x\"", "", "prompt", "missing_required_parameter");
    static const char *const ids[] = { "{\"prompt\": [2, 5, 9]", "{\"prompt\": [[2, 5, 9]]" };
    for (size_t i = 0; i < 2; i++) {
        asked a;
        size_t n;
        accept(&a, CT_OPENAI_COMPLETIONS, ids[i], "");
        const int32_t *got = carat_prompt_tokens(a.r.prompt, &n);
        assert_int_equal(n, 3); /* no <bos> is added to ids */
        assert_int_equal(got[2], 9);
        done(&a);
    }
    asked text, list;
    size_t n, k;
    accept(&text, COMPL, "");
    accept(&list, CT_OPENAI_COMPLETIONS, "{\"prompt\": [\"a red star\"]", "");
    assert_int_equal(carat_prompt_tokens(text.r.prompt, &n)[0], 2); /* <bos> */
    carat_prompt_tokens(list.r.prompt, &k);
    assert_int_equal(n, k);
    done(&text), done(&list);
    accept(&list, CT_OPENAI_COMPLETIONS, "{\"prompt\": [\"a red star\", [2, 5, 9], \"b\"]", "");
    assert_int_equal(list.r.n_others, 2);
    carat_prompt_tokens(list.r.prompt, &k);
    assert_int_equal(n, k);
    assert_int_equal(carat_prompt_tokens(list.r.others[0], &k)[1], 5);
    assert_int_equal(k, 3);
    done(&list);
    accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": \"a\\u0000b\"", ""); /* a byte like any other */
    done(&text);
    accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": []", ""); /* the engine refuses it */
    carat_request *r;
    assert_false(carat_request_submit(engine, &text.r.submit, &r, &text.f.err));
    done(&text);
}

static void expect_rendered(const char *rest, const char *want)
{
    asked a;
    size_t len;
    accept(&a, CT_OPENAI_CHAT,
           "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a \"}]",
           rest);
    assert_string_equal(carat_prompt_rendered(a.r.prompt, &len), want);
    done(&a);
}

static void test_an_answer_may_be_begun(void **state)
{
    (void)state;
#define ASKED "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\na"
    expect_rendered(", \"add_generation_prompt\": true, \"continue_final_message\": false",
                    ASKED "<end_of_turn>\n<start_of_turn>model\n");
    expect_rendered(", \"add_generation_prompt\": false", ASKED "<end_of_turn>\n");
    expect_rendered(", \"continue_final_message\": true", ASKED " ");
    expect_rendered(", \"continue_final_message\": true, \"add_generation_prompt\": false", ASKED " ");
    refuse(CHAT, ", \"continue_final_message\": true", "messages", "invalid_value");
    refuse(CHAT, ", \"continue_final_message\": true, \"add_generation_prompt\": true", "continue_final_message",
           "invalid_value");
    refuse(CHAT, ", \"continue_final_message\": 1", "continue_final_message", "invalid_value");
    refuse(COMPL, ", \"continue_final_message\": true", "continue_final_message", "unsupported_parameter");
    refuse(COMPL, ", \"add_generation_prompt\": false", "add_generation_prompt", "unsupported_parameter");
#undef ASKED
}

static void test_too_long(void **state)
{
    (void)state;
    char text[2048] = "", base[4096];
    for (int i = 0; i < 200; i++)
        memcpy(text + 5 * i, "word ", 5);
    snprintf(base, sizeof base, "{\"prompt\": \"%s\"", text);
    asked a;
    accept(&a, CT_OPENAI_COMPLETIONS, base, ""); /* making a prompt knows no context: submitting it does */
    carat_request *r;
    assert_false(carat_request_submit(engine, &a.r.submit, &r, &a.f.err));
    assert_false(ct_openai_refuse_submit(&a.f, a.r.endpoint));
    assert_int_equal(a.f.status, 400);
    assert_string_equal(a.f.code, "context_length_exceeded");
    assert_string_equal(a.f.param, "prompt");
    done(&a);
}

/* ---- images ---- */

static void refuse_image_of(const char *url, const char *param, const char *says)
{
    char base[512];
    asked a;
    snprintf(base, sizeof base,
             "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": %s}]}]", url);
    ask(&a, CT_OPENAI_CHAT, base, "");
    assert_false(a.ok);
    if (a.f.status != 400 || strcmp(a.f.param, param) != 0 || !strstr(a.f.err.msg, says))
        fail_msg("%s: %d '%s' '%s', expected '%s'", url, a.f.status, a.f.param, a.f.err.msg, says);
    done(&a);
}

static void refuse_image(const char *url, const char *says)
{
    refuse_image_of(url, "messages[0].content[0]", says);
}

static void test_images_that_are_none(void **state)
{
    (void)state;
    refuse_image("5", "not a string");
    refuse_image("null", "not a string");
    refuse_image("{\"detail\": \"low\"}", "not a string");
    refuse_image("\"data:image/png;base64,AA\\u0000AA\"", "NUL");
    refuse_image("\"data:image/png;base64\"", ";base64,");
    refuse_image("\"data:,AAAA\"", ";base64,");
    refuse_image("\"data:image/png,AAAA\"", ";base64,");
    refuse_image("\"data:image/png;base64,\"", "messages[0].content[0]");
    refuse_image("\"data:image/png;base64,A\"", "base64");
    refuse_image("\"data:image/png;base64,AB*D\"", "base64");
    refuse_image("\"data:image/png;base64,AB%2\"", "byte 0x25");
    refuse_image("\"data:image/png;base64,AB%GGCD\"", "byte 0x25");
    refuse_image("\"data:image/png;base64,AB%00\"", "byte 0x00");
    refuse_image("\"data:image/png;base64,AB\\u00a0CD\"", "byte 0xc2"); /* not ASCII's white space */
    refuse_image("\"data:image/png;base64,AB\\u000bCD\"", "byte 0x0b");
    refuse_image("\"data:image/png;base64,AB==%20%3D\"", "base64");
    refuse_image("\"data:image/pngbase64,AAAA\"", ";base64,");
    refuse_image("\"data: base64,AAAA\"", ";base64,");
    refuse_image("\"data:image/png;base64,AB==CD\"", "base64");
    refuse_image("\"data:image/png;base64,A+-A\"", "base64");
    refuse_image("\"data:image/png;base64,AB=\"", "base64");
    refuse_image("\"data:image/png;base64,QUJD\"", "messages[0].content[0]"); /* bytes, but of no image */
    refuse_image("\"http://example.org/a.png\"", "not fetched");
    refuse_image("\"HTTPS://example.org/a.png\"", "not fetched");
    refuse_image("\"/etc/passwd\"", "only with --files DIR");
    refuse_image("\"file:///etc/passwd\"", "only with --files DIR");
    refuse_image("{\"url\": \"a.png\", \"detail\": \"huge\"}", "auto, low or high");
    refuse_image("{\"url\": \"a.png\", \"detail\": 3}", "auto, low or high");
}

/* As `base64 file`, MIME and browsers write it: all the same picture. */
static void test_base64_in_lines(void **state)
{
    (void)state;
    static const char *const same[] = {
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
        "gg==",
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8\\nz8BQDwAEhQGAhKmMIQAAAABJRU5E"
        "rkJggg==\\n",
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8\\r\\nz8BQDwAEhQGAhKmMIQAAAABJRU"
        "5ErkJggg==\\r\\n",
        "data:image/png;base64, "
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJ"
        "ggg=\\t=",
        "data:image/png; base64 "
        ",iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJ"
        "ggg%3D%3d",
        "DATA:;BASE64,%69VBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg%"
        "0D%0A"
        "gg",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char url[400];
        snprintf(url, sizeof url, "\"%s\"", same[i]);
        refuse_image_of(url, "messages", "vision tower"); /* decoded, but this model sees nothing */
    }
}

static void test_images_of_a_folder(void **state)
{
    (void)state;
    const ct_openai_options before = defaults;
    defaults.files = TEST_DATA "/images/in";
    refuse_image_of("\"../in/rgb8.png\"", "messages", "vision tower"); /* read, but this model has none */
    refuse_image("\"none.png\"", "no such image");
    refuse_image("\"../../models/tiny-text/config.json\"", "outside");
    refuse_image("\"/etc/passwd\"", "outside");
    refuse_image("\"file:///etc/passwd\"", "outside");
    refuse_image("\".\"", "outside");
    defaults = before;
}

static void test_detail_is_pan_and_scan(void **state)
{
    (void)state;
    const ct_openai_options before = defaults;
    carat_engine *text_only = engine;
    carat_err err;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256 };
    assert_true(carat_engine_open(SIGHT, &o, &engine, &err));
    defaults.files = TEST_DATA "/images/in";
    static const struct {
        const char *detail;
        size_t n_views;
    } cases[] = { { "low", 1 }, { "high", 3 }, { "auto", 3 } }; /* 1200 x 500 */
    for (size_t i = 0; i < 3; i++) {
        char base[256];
        asked a;
        snprintf(
            base, sizeof base,
            "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": "
            "\"size_1200x500.png\", \"detail\": \"%s\"}}]}]",
            cases[i].detail);
        accept(&a, CT_OPENAI_CHAT, base, "");
        assert_int_equal(carat_prompt_n_views(a.r.prompt), cases[i].n_views);
        done(&a);
    }
    asked mixed; /* each image as it asks */
    accept(&mixed, CT_OPENAI_CHAT,
           "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": "
           "\"size_1200x500.png\", \"detail\": \"high\"}}, {\"type\": \"image_url\", \"image_url\": {\"url\": "
           "\"size_1200x500.png\", \"detail\": \"low\"}}]}]",
           "");
    assert_int_equal(carat_prompt_n_views(mixed.r.prompt), 3 + 1);
    done(&mixed);
    carat_engine_close(engine);
    engine = text_only;
    defaults = before;
}

/* ---- lines of a batch: any bytes ---- */

static void test_lines_that_are_none(void **state)
{
    (void)state;
    static char deep[6000], longer[300];
    memset(deep, '[', sizeof deep - 1);
    memset(longer, 'x', sizeof longer - 1);
    const struct {
        const char *text, *code, *says;
    } bad[] = {
        { "", "invalid_value", "not valid JSON" },
        { "{", "invalid_value", "not valid JSON" },
        { deep, "invalid_value", "not valid JSON" },
        { "\xff\xfe", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"\xc3\"}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"\\ud800\", \"custom_id\": \"\\udfff\"}", "invalid_value", "duplicate" },
        { "{\"custom_id\": \"\\ud800\\u00\"}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"a\"} {}", "invalid_value", "not valid JSON" },
        { "{\"custom_id\": \"a\", \"custom_id\": \"b\"}", "invalid_value", "duplicate" },
        { "[]", "invalid_json_line", "an array" },
        { "null", "invalid_json_line", "null" },
        { "{}", "missing_required_parameter", "missing" },
        { "{\"custom_id\": 7}", "missing_required_parameter", "an integer" },
        { "{\"custom_id\": \"\"}", "missing_required_parameter", "empty" },
        { "{\"custom_id\": \"a\\u0000b\"}", "missing_required_parameter", "NUL" },
        { longer, "invalid_value", "not valid JSON" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ct_openai_line l = { 0 };
        ct_openai_fault f = { 0 };
        if (ct_openai_line_parse(&l, bad[i].text, strlen(bad[i].text), &f) || strcmp(f.code, bad[i].code) != 0 ||
            !strstr(f.err.msg, bad[i].says))
            fail_msg("%.40s: %s '%s'", bad[i].text, f.code, f.err.msg);
        ct_openai_line_deinit(&l);
    }
}

static void test_envelopes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *param, *code;
    } bad[] = {
        { "{\"custom_id\": \"a\"}", "method", "invalid_method" },
        { "{\"custom_id\": \"a\", \"method\": \"GET\"}", "method", "invalid_method" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\"}", "url", "invalid_url" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/embeddings\", \"body\": {}}", "url",
          "invalid_url" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\"}", "body",
          "missing_required_parameter" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": [1]}", "body",
          "missing_required_parameter" },
        { "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"x\"}, "
          "\"temperature\": 0}",
          "temperature", "unknown_parameter" }, /* beside the body, where it would do nothing */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ct_openai_line l = { 0 };
        ct_openai_fault f = { 0 };
        assert_true(ct_openai_line_parse(&l, bad[i].text, strlen(bad[i].text), &f));
        assert_false(ct_openai_line_read(&l, engine, &defaults, &f));
        assert_int_equal(f.status, 0); /* no request, so no response */
        assert_string_equal(f.param, bad[i].param);
        assert_string_equal(f.code, bad[i].code);
        ct_openai_line_deinit(&l);
    }
}

static uint64_t seed_of(const char *custom_id, const char *body)
{
    char text[256];
    ct_openai_line l = { 0 };
    ct_openai_fault f = { 0 };
    int len = snprintf(text, sizeof text,
                       "{\"custom_id\": \"%s\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": %s}",
                       custom_id, body);
    if (!ct_openai_line_parse(&l, text, (size_t)len, &f) || !ct_openai_line_read(&l, engine, &defaults, &f))
        fail_msg("%s: %s", text, f.err.msg);
    uint64_t seed = l.request.sampling.seed;
    ct_openai_line_deinit(&l);
    return seed;
}

static void test_seeds_of_lines(void **state)
{
    (void)state;
    const char *body = "{\"prompt\": \"a\"}";
    assert_true(seed_of("a", body) == seed_of("a", body));
    assert_true(seed_of("a", body) != seed_of("b", body));
    assert_true(seed_of("\\ud83d\\ude00", body) == seed_of("\xf0\x9f\x98\x80", body)); /* a pair is one character */
    assert_true(seed_of("a\\ud83d", body) == seed_of("a\xef\xbf\xbd", body));          /* half of one is U+FFFD */
    assert_true(seed_of("\\ude00\\ud83d", body) == seed_of("\xef\xbf\xbd\xef\xbf\xbd", body));
    assert_int_equal(seed_of("a", "{\"prompt\": \"a\", \"seed\": 9}"), 9);
    uint64_t before = seed_of("a", body);
    defaults.sampling.seed++;
    assert_true(seed_of("a", body) != before);
    defaults.sampling.seed--;
}

static int open_model(void **state)
{
    (void)state;
    carat_err err;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 128, .n_sessions = 4 };
    defaults = (ct_openai_options){ .sampling = CARAT_SAMPLING_DEFAULT,
                                    .pan_scan = { .struct_size = sizeof(carat_pan_scan) },
                                    .max_answers = 4,
                                    .files_hint = "--files DIR" };
    return carat_engine_open(TEXT, &o, &engine, &err) ? 0 : -1;
}

static int close_model(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_honoured),
        cmocka_unit_test(test_what_is_not_given_is_the_operators),
        cmocka_unit_test(test_what_is_ignored),
        cmocka_unit_test(test_deep_json),
        cmocka_unit_test(test_what_cannot_be_honoured_is_refused_by_name),
        cmocka_unit_test(test_response_formats),
        cmocka_unit_test(test_forms_by_the_names_of_other_servers),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_tools_that_are_none),
        cmocka_unit_test(test_calls_in_messages),
        cmocka_unit_test(test_calls_that_are_not_valid),
        cmocka_unit_test(test_wrong_types_and_ranges),
        cmocka_unit_test(test_every_field_of_the_api_is_in_the_table),
        cmocka_unit_test(test_a_field_has_one_row),
        cmocka_unit_test(test_the_readme_names_every_field),
        cmocka_unit_test(test_every_row_is_kept),
        cmocka_unit_test(test_what_asks_for_nothing),
        cmocka_unit_test(test_unknown_fields_are_refused_by_name),
        cmocka_unit_test(test_unknown_fields_may_be_listed),
        cmocka_unit_test(test_strict_takes_nothing_that_is_not_honoured),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_forms_of_content),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_an_answer_may_be_begun),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_images_that_are_none),
        cmocka_unit_test(test_base64_in_lines),
        cmocka_unit_test(test_images_of_a_folder),
        cmocka_unit_test(test_detail_is_pan_and_scan),
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_seeds_of_lines),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
