/* Messages and texts of requests, as the model is given them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "asked.h"

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
        asked_refuse(CT_OPENAI_CHAT, base, "", bad[i].param, bad[i].code);
    }
    asked_refuse(CT_OPENAI_CHAT, "{\"model\": \"x\"", "", "messages", "missing_required_parameter");
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
    asked_accept(&want, ASKED_CHAT, "");
    const int32_t *ids = carat_prompt_tokens(want.r.prompt, &n);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        asked_accept(&got, CT_OPENAI_CHAT, same[i], "");
        const int32_t *own = carat_prompt_tokens(got.r.prompt, &k);
        assert_int_equal(k, n);
        assert_memory_equal(own, ids, n * sizeof *ids);
        asked_done(&got);
    }
    asked_done(&want);
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
        asked_refuse(CT_OPENAI_COMPLETIONS, base, "", "prompt", bad[i].code);
    }
    asked_refuse(CT_OPENAI_COMPLETIONS, "{\"model\": \"x\"", "", "prompt", "missing_required_parameter");
    static const char *const ids[] = { "{\"prompt\": [2, 5, 9]", "{\"prompt\": [[2, 5, 9]]" };
    for (size_t i = 0; i < 2; i++) {
        asked a;
        size_t n;
        asked_accept(&a, CT_OPENAI_COMPLETIONS, ids[i], "");
        const int32_t *got = carat_prompt_tokens(a.r.prompt, &n);
        assert_int_equal(n, 3); /* no <bos> is added to ids */
        assert_int_equal(got[2], 9);
        asked_done(&a);
    }
    asked text, list;
    size_t n, k;
    asked_accept(&text, ASKED_COMPL, "");
    asked_accept(&list, CT_OPENAI_COMPLETIONS, "{\"prompt\": [\"a red star\"]", "");
    assert_int_equal(carat_prompt_tokens(text.r.prompt, &n)[0], 2); /* <bos> */
    carat_prompt_tokens(list.r.prompt, &k);
    assert_int_equal(n, k);
    asked_done(&text), asked_done(&list);
    asked_accept(&list, CT_OPENAI_COMPLETIONS, "{\"prompt\": [\"a red star\", [2, 5, 9], \"b\"]", "");
    assert_int_equal(list.r.n_others, 2);
    carat_prompt_tokens(list.r.prompt, &k);
    assert_int_equal(n, k);
    assert_int_equal(carat_prompt_tokens(list.r.others[0], &k)[1], 5);
    assert_int_equal(k, 3);
    asked_done(&list);
    asked_accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": \"a\\u0000b\"", ""); /* a byte like any other */
    asked_done(&text);
    asked_accept(&text, CT_OPENAI_COMPLETIONS, "{\"prompt\": []", ""); /* the engine refuses it */
    carat_request *r;
    assert_false(carat_request_submit(asked_engine, &text.r.submit, &r, &text.f.err));
    asked_done(&text);
}

static void expect_rendered(const char *rest, const char *want)
{
    asked a;
    size_t len;
    asked_accept(
        &a, CT_OPENAI_CHAT,
        "{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a \"}]",
        rest);
    assert_string_equal(carat_prompt_rendered(a.r.prompt, &len), want);
    asked_done(&a);
}

static void test_an_answer_may_be_begun(void **state)
{
    (void)state;
#define ASKED "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\na"
    expect_rendered(", \"add_generation_prompt\": true, \"continue_final_message\": false",
                    ASKED "<end_of_turn>\n<start_of_turn>model\n");
    expect_rendered("", ASKED " "); /* turns alternate: the last one goes on */
    expect_rendered(", \"continue_final_message\": null, \"add_generation_prompt\": null", ASKED " ");
    expect_rendered(", \"continue_final_message\": false", ASKED "<end_of_turn>\n<start_of_turn>model\n");
    expect_rendered(", \"add_generation_prompt\": false", ASKED "<end_of_turn>\n");
    expect_rendered(", \"continue_final_message\": true", ASKED " ");
    expect_rendered(", \"continue_final_message\": true, \"add_generation_prompt\": false", ASKED " ");
    asked_refuse(ASKED_CHAT, ", \"continue_final_message\": true", "messages", "invalid_value");
    asked_refuse(ASKED_CHAT, ", \"continue_final_message\": true, \"add_generation_prompt\": true",
                 "continue_final_message", "invalid_value");
    asked_refuse(ASKED_CHAT, ", \"continue_final_message\": 1", "continue_final_message", "invalid_value");
    asked_refuse(ASKED_COMPL, ", \"continue_final_message\": true", "continue_final_message", "unsupported_parameter");
    asked_refuse(ASKED_COMPL, ", \"add_generation_prompt\": false", "add_generation_prompt", "unsupported_parameter");
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
    asked_accept(&a, CT_OPENAI_COMPLETIONS, base, ""); /* making a prompt knows no context: submitting it does */
    carat_request *r;
    assert_false(carat_request_submit(asked_engine, &a.r.submit, &r, &a.f.err));
    assert_false(ct_openai_refuse_submit(&a.f, a.r.endpoint));
    assert_int_equal(a.f.status, 400);
    assert_string_equal(a.f.code, "context_length_exceeded");
    assert_string_equal(a.f.param, "prompt");
    asked_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_forms_of_content),
        cmocka_unit_test(test_prompts),  cmocka_unit_test(test_an_answer_may_be_begun),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
