/* Requests of the OpenAI protocol: what each field does, and what is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "openai/batch.h"

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
    accept(&a, COMPL,
           ", \"max_tokens\": 3, \"max_completion_tokens\": 9, \"top_k\": -1, \"logprobs\": 2, \"stop\": \"x\"");
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
        "{\"b\": []}",
        ", \"tools\": [], \"tool_choice\": \"auto\", \"function_call\": \"none\", \"stream\": false, \"echo\": false",
        ", \"suffix\": \"\", \"grammar\": null, \"json_schema\": {}, \"response_format\": {\"type\": \"text\"}",
        ", \"modalities\": [\"text\"], \"best_of\": 1, \"prompt_logprobs\": 0, \"model\": \"any\"",
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
    static const char *const fields[] = { "unheard_of", "temperature" };
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
        "tools",        "functions",     "grammar",        "json_schema",        "guided_json",
        "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "audio",
        "suffix",       "echo",          "stream",         "bad_words",          "prompt_logprobs",
    };
    static const char *const wishes[] = { "true", "\"x\"", "[1]", "{\"a\": 1}", "1", "0.5" };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        for (size_t k = 0; k < sizeof wishes / sizeof *wishes; k++) {
            char rest[96];
            snprintf(rest, sizeof rest, ", \"%s\": %s", never[i], wishes[k]);
            refuse(CHAT, rest, never[i], "unsupported_parameter");
            refuse(COMPL, rest, never[i], "unsupported_parameter");
        }
    refuse(CHAT, ", \"tool_choice\": \"required\"", "tool_choice", "unsupported_parameter");
    refuse(CHAT, ", \"tool_choice\": {\"type\": \"function\"}", "tool_choice", "unsupported_parameter");
    refuse(CHAT, ", \"function_call\": {\"name\": \"f\"}", "function_call", "unsupported_parameter");
    refuse(CHAT, ", \"response_format\": {\"type\": \"json_object\"}", "response_format", "unsupported_value");
    refuse(CHAT, ", \"response_format\": \"text\"", "response_format", "unsupported_value");
    refuse(CHAT, ", \"modalities\": [\"audio\"]", "modalities", "unsupported_value");
    refuse(CHAT, ", \"best_of\": 2", "best_of", "unsupported_value");
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
        { "[{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{}]}]", "tool_calls",
          "unsupported_parameter" },
        { "[{\"role\": \"assistant\", \"function_call\": {}}]", "function_call", "unsupported_parameter" },
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
        { "[\"a\", \"b\"]", "unsupported_value" },
        { "[[2], [3]]", "unsupported_value" },
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
    accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": \"a\\u0000b\"", ""); /* a byte like any other */
    done(&text);
    accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": []", ""); /* the engine refuses it */
    carat_request *r;
    assert_false(carat_request_submit(engine, &text.r.submit, &r, &text.f.err));
    done(&text);
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
    refuse_image("\"data:image/png;base64,AB CD\"", "base64");
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
        { "{\"custom_id\": \"\\ud800\"}", "invalid_value", "not valid JSON" },        /* half a pair */
        { "{\"custom_id\": \"\\udc00\\ud800\"}", "invalid_value", "not valid JSON" }, /* the wrong way round */
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
        cmocka_unit_test(test_wrong_types_and_ranges),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_forms_of_content),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_images_that_are_none),
        cmocka_unit_test(test_images_of_a_folder),
        cmocka_unit_test(test_detail_is_pan_and_scan),
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_seeds_of_lines),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
