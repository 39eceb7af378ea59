/* FunctionGemma's syntax: the published guide's conversation byte by byte, awkward ones, and tokens that come from the template
 * alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tokenizer/vocab_file.h"
#include "chat/segments.h"
#include "chat/turns.h"
#include "chat_json.h"

#define DEVELOPER "<start_of_turn>developer\n"
#define USER      "<start_of_turn>user\n"
#define MODEL     "<start_of_turn>model\n"
#define END       "<end_of_turn>\n"
#define TRIGGER   "You are a model that can do function calling with the following functions"
#define E         "<escape>"

static const char *const names[] = { "<start_function_declaration>",
                                     "<end_function_declaration>",
                                     "<start_function_call>",
                                     "<end_function_call>",
                                     "<start_function_response>",
                                     "<end_function_response>",
                                     E };
#define N_NAMES (sizeof names / sizeof *names)

static carat_tokenizer *published; /* the vocabulary without these tokens */

/* The published vocabulary as FunctionGemma has it: seven of its unused pieces have these names. */
static int setup(void **state)
{
    vocab_file v;
    carat_tokenizer *t = NULL;
    carat_err err;
    bool ok = vocab_file_open(&v, TEST_DATA "/tokenizer/vocab.bin") &&
              ct_tokenizer_from_pieces(v.pieces, v.n, &published, &err);
    for (size_t k = 0; ok && k < N_NAMES; k++) {
        char name[16];
        const int len = snprintf(name, sizeof name, "<unused%zu>", 40 + k);
        const int32_t id = ct_tok_find(published, name, (size_t)len);
        ok = id >= 0;
        v.pieces[id].text = names[k];
        v.pieces[id].len = strlen(names[k]);
    }
    ok = ok && ct_tokenizer_from_pieces(v.pieces, v.n, &t, &err);
    vocab_file_close(&v);
    *state = t;
    return ok ? 0 : -1;
}

static int teardown(void **state)
{
    carat_tokenizer_close(*state);
    carat_tokenizer_close(published);
    return 0;
}

typedef struct rendered {
    json_t *line;
    chat_json *c;
    ct_segments p;
    ct_buf text;
} rendered;

static void render(rendered *r, const char *chat, bool is_begun)
{
    carat_err err;
    *r = (rendered){ .line = NULL };
    if (!ct_json_parse("chat", chat, strlen(chat), &r->line, &err))
        fail_msg("%s", err.msg);
    r->c = chat_json_read(r->line);
    const ct_chat_options o = { .no_generation_prompt = !is_begun, .tools = r->c->tools, .format = CT_FORMAT_FUNCTION };
    assert_true(ct_chat_render(r->c->messages, r->c->n, &o, &r->p, &err));
    ct_buf_init(&r->text, 1 << 20);
    assert_true(ct_segments_text(&r->p, &r->text));
}

static void done(rendered *r)
{
    ct_buf_deinit(&r->text);
    ct_segments_deinit(&r->p);
    chat_json_free(r->c);
    json_decref(r->line);
}

static void expect(const char *chat, const char *want, unsigned repairs)
{
    rendered r;
    render(&r, chat, true);
    assert_string_equal(r.text.data, want);
    assert_int_equal(r.p.repairs, repairs);
    done(&r);
}

#define CALL(id, name, arguments)                                                                                      \
    "{\"id\":\"" id "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}"
#define ASK           "{\"role\":\"user\",\"content\":\"q\"}"
#define SAY(x)        "{\"role\":\"assistant\",\"content\":\"" x "\"}"
#define CALLS(x)      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" x "]}"
#define RESULT(id, x) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":" x "}"

/* ---- as published ---- */

#define WEATHER                                                                                                        \
    "\"tools\":[{\"function\":{\"name\":\"get_current_weather\",\"description\":\"Gets the current weather in a "      \
    "given "                                                                                                           \
    "location.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"unit\":{\"type\":\"string\",\"enum\":["         \
    "\"celsius\",\"fahrenheit\"],\"description\":\"The unit to return the temperature in.\"},\"location\":{\"type\":"  \
    "\"string\",\"description\":\"The city and state, e.g. \\\"San Francisco, CA\\\" or \\\"Tokyo, JP\\\"\"}},"        \
    "\"required\":[\"location\"]}}}]"
#define DECLARED                                                                                                       \
    "<start_function_declaration>declaration:get_current_weather{description:" E                                       \
    "Gets the current weather in a given location." E ",parameters:{properties:{location:{description:" E              \
    "The city and state, e.g. \"San Francisco, CA\" or \"Tokyo, JP\"" E ",type:" E "STRING" E "},unit:{description:" E \
    "The unit to return the temperature in." E ",enum:[" E "celsius" E "," E "fahrenheit" E "],type:" E "STRING" E     \
    "}},required:[" E "location" E "],type:" E "OBJECT" E "}}<end_function_declaration>"
#define TOKYO                                                                                                          \
    "{\"role\":\"user\",\"content\":\"Hey, what's the weather in Tokyo right now?\"}," CALLS(                          \
        CALL("1", "get_current_weather",                                                                               \
             "{\\\"location\\\":\\\"Tokyo, Japan\\\"}")) "," RESULT("1", "\"{\\\"weather\\\":\\\"sunny\\\","           \
                                                                         "\\\"temperature\\\":15}\"")

static void the_guides_conversation(void **state)
{
    (void)state;
#define SO_FAR                                                                                                         \
    "<bos>" DEVELOPER TRIGGER DECLARED END USER "Hey, what's the weather in Tokyo right now?" END MODEL                \
    "<start_function_call>call:get_current_weather{location:" E "Tokyo, Japan" E "}<end_function_call>"                \
    "<start_function_response>response:get_current_weather{temperature:15,weather:" E "sunny" E                        \
    "}<end_function_response>"
    expect("{" WEATHER ",\"messages\":[{\"role\":\"developer\",\"content\":\"" TRIGGER "\"}," TOKYO "]}", SO_FAR, 0);
    expect("{" WEATHER ",\"messages\":[" TOKYO "," SAY("It is sunny.") "," ASK "]}",
           SO_FAR "It is sunny." END USER "q" END MODEL, 0);
    expect("{" WEATHER ",\"messages\":[{\"role\":\"system\",\"content\":\" Be brief. \"}," ASK "]}",
           "<bos>" DEVELOPER "Be brief." DECLARED END USER "q" END MODEL, 0);
}

/* ---- what the guide does not show ---- */

static void schemas_of_all_kinds(void **state)
{
    (void)state;
    expect(
        "{\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{"
        "\"b\":{\"type\":\"integer\",\"enum\":[1,2],\"minimum\":0},\"A\":{\"type\":[\"null\",\"string\"]},\"any\":{},"
        "\"o\":{\"type\":\"object\",\"properties\":{\"z\":{\"type\":\"number\"},\"type\":{\"type\":\"boolean\"}},"
        "\"required\":[\"z\"]},"
        "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}},"
        "\"minItems\":[{\"k\":true}]}}}}}},"
        "{\"function\":{\"name\":\"g\"}}],\"messages\":[" ASK "]}",
        "<bos>" DEVELOPER TRIGGER "<start_function_declaration>declaration:f{description:" E E
        ",parameters:{properties:{"
        "A:{description:" E E ",nullable:true,type:" E "STRING" E "},any:{description:" E E ",type:" E E "},"
        "b:{description:" E E ",enum:[1,2],type:" E "INTEGER" E "},"
        "l:{description:" E E ",items:{minItems:[{k:true}],properties:{x:{description:" E E ",type:" E "STRING" E
        "}},type:" E "OBJECT" E "},type:" E "ARRAY" E "},"
        "o:{description:" E E ",properties:{type:{description:" E E ",type:" E "BOOLEAN" E "},z:{description:" E E
        ",type:" E "NUMBER" E "}},required:[" E "z" E "],type:" E "OBJECT" E "}},type:" E "OBJECT" E
        "}}<end_function_declaration>"
        "<start_function_declaration>declaration:g{description:" E E ",parameters:{type:" E "OBJECT" E
        "}}<end_function_declaration>" END USER "q" END MODEL,
        0);
}

static void calls_and_results_of_all_kinds(void **state)
{
    (void)state;
#define MADE                                                                                                           \
    "<bos>" USER "q" END MODEL "Well.<start_function_call>call:f{a:null,B:{c:[1.50," E "\"x\"\n" E ",true]}}"          \
    "<end_function_call><start_function_call>call:g{}<end_function_call>"
    static const char two[] =
        "{\"messages\":[" ASK ",{\"role\":\"assistant\",\"content\":\" Well. \",\"tool_calls\":[" CALL(
            "1", "f",
            "{\\\"B\\\":{\\\"c\\\":[1.50,\\\"\\\\\\\"x\\\\\\\"\\\\n\\\",true]},\\\"a\\\":null}") "," CALL("2", "g",
                                                                                                          "") "]}";
    char chat[1024];
    snprintf(chat, sizeof chat, "%s," RESULT("2", "\"it's so\"") "," RESULT("1", "\"[1,{}]\"") "]}", two);
    expect(chat,
           MADE "<start_function_response>response:f{value:[1,{}]}<end_function_response>"
                "<start_function_response>response:g{value:" E "it's so" E "}<end_function_response>",
           CARAT_REPAIR_SORTED_RESULTS);
    snprintf(chat, sizeof chat, "%s," RESULT("1", "null") "," ASK "]}", two); /* the user speaks: a turn of its own */
    expect(chat, MADE "<start_function_response>response:f{value:null}<end_function_response>" END USER "q" END MODEL,
           CARAT_REPAIR_NULL_CONTENT);
    snprintf(chat, sizeof chat, "%s," ASK "]}", two);
    expect(chat, MADE END USER "q" END MODEL, 0);
    expect("{\"messages\":[" CALLS(CALL("1", "f", "[1]")) "," RESULT("9", "\"\"") "," SAY("a") "," SAY("b") "]}",
           "<bos>" USER END MODEL
           "<start_function_call>call:f{value:[1]}<end_function_call><start_function_response>response:"
           "{value:" E E "}<end_function_response>a\n\nb" END MODEL,
           CARAT_REPAIR_ADDED_USER | CARAT_REPAIR_ARGUMENTS | CARAT_REPAIR_UNKNOWN_CALL | CARAT_REPAIR_JOINED);
}

static void expect_closed(const char *chat, const char *want)
{
    rendered r;
    render(&r, chat, false);
    assert_string_equal(r.text.data, want);
    done(&r);
}

static void results_leave_the_turn_open(void **state)
{
    (void)state;
    expect_closed("{\"messages\":[" ASK "," CALLS(CALL("1", "f", "")) "," RESULT("1", "\"1\"") "]}",
                  "<bos>" USER "q" END MODEL "<start_function_call>call:f{}<end_function_call>"
                  "<start_function_response>response:f{value:1}<end_function_response>");
    expect_closed("{\"messages\":[" ASK "," CALLS(CALL("1", "f", "")) "," RESULT("1", "\"1\"") "," SAY("a") "]}",
                  "<bos>" USER "q" END MODEL "<start_function_call>call:f{}<end_function_call>"
                  "<start_function_response>response:f{value:1}<end_function_response>a" END);
}

/* ---- tokens ---- */

static size_t count(const carat_tokenizer *t, const ct_ids *ids, const char *name)
{
    const int32_t id = ct_tok_find(t, name, strlen(name));
    size_t n = 0;
    assert_true(id >= 0);
    for (size_t i = 0; i < ids->n; i++)
        n += ids->v[i] == id;
    return n;
}

#define MARKS                                                                                                          \
    "<escape><start_function_declaration><end_function_declaration><start_function_call><end_function_call>"           \
    "<start_function_response><end_function_response><end_of_turn>"

/* B29: what users, tools and models write is text, whatever kind the vocabulary says that these tokens are of. */
static void b29_nobody_writes_these_tokens(void **state)
{
    rendered r;
    carat_err err;
    ct_ids ids = { 0 };
    render(&r,
           "{\"tools\":[{\"function\":{\"name\":\"f\",\"description\":\"" MARKS
           "\",\"parameters\":{\"properties\":{\"<escape>\":{}}}}}],"
           "\"messages\":[{\"role\":\"user\",\"content\":\"" MARKS "\"},{\"role\":\"assistant\",\"content\":\"" MARKS
           "\",\"tool_calls\":[" CALL("1", "<escape>",
                                      "{\\\"<escape>\\\":\\\"" MARKS "\\\"}") "]}," RESULT("1", "\"" MARKS "\"") "]}",
           true);
    assert_true(ct_segments_ids(&r.p, *state, 0, &ids, NULL, NULL, &err));
    assert_int_equal(count(*state, &ids, E),
                     2 * (1 + 2 + 1 + 1 + 1)); /* description; the argument's and its type, object; call; result */
    for (size_t k = 0; k + 1 < N_NAMES; k++)
        assert_int_equal(count(*state, &ids, names[k]), 1);
    assert_int_equal(count(*state, &ids, "<end_of_turn>"), 2);
    /* and nothing of it is lost */
    char *text;
    size_t len;
    assert_true(carat_tokenizer_decode(*state, ids.v, ids.n, true, &text, &len, &err));
    assert_string_equal(text, r.text.data);
    carat_free(text);
    ct_ids_deinit(&ids);
    done(&r);
}

static void a_vocabulary_without_them_is_refused(void **state)
{
    (void)state;
    rendered r;
    carat_err err;
    ct_ids ids = { 0 };
    render(&r, "{\"tools\":[{\"function\":{\"name\":\"f\"}}],\"messages\":[" ASK "]}", true);
    assert_false(ct_segments_ids(&r.p, published, 0, &ids, NULL, NULL, &err));
    assert_int_equal(err.code, CARAT_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "<start_function_declaration>"));
    assert_int_equal(ids.n, 0);
    ct_ids_deinit(&ids);
    done(&r);
    render(&r, "{\"messages\":[" ASK "]}", true);
    assert_true(ct_segments_ids(&r.p, published, 0, &ids, NULL, NULL, &err));
    ct_ids_deinit(&ids);
    done(&r);
}

/* What fits is counted as it is rendered. */
static void what_fits_is_counted(void **state)
{
    rendered r;
    carat_err err;
    size_t seen[CHAT_MOST] = { 0 };
    render(&r,
           "{" WEATHER ",\"messages\":[" TOKYO
           "," SAY("Sunny.") "," ASK "," CALLS(CALL("1", "f", "")) "," RESULT("1", "\"1\"") "]}",
           true);
    const ct_chat_options o = { .tools = r.c->tools, .format = CT_FORMAT_FUNCTION };
    for (size_t fit = 1; fit < 300; fit++) {
        bool is_out[CHAT_MOST];
        size_t n_out, n = 0;
        ct_chat_message left[CHAT_MOST];
        ct_segments p = { 0 };
        ct_ids ids = { 0 };
        assert_true(ct_chat_fit(r.c->messages, r.c->n, &o, *state, 0, fit, is_out, &n_out, &err));
        for (size_t i = 0; i < r.c->n; i++)
            if (!is_out[i])
                left[n++] = r.c->messages[i];
        assert_true(ct_chat_render(left, n, &o, &p, &err));
        assert_true(ct_segments_ids(&p, *state, 0, &ids, NULL, NULL, &err));
        assert_true(n_out == 0 || n_out == 4);
        assert_true(n_out == 4 || ids.n <= fit);
        seen[n_out]++;
        ct_ids_deinit(&ids);
        ct_segments_deinit(&p);
    }
    assert_true(seen[0] && seen[4]);
    done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_conversation),        cmocka_unit_test(schemas_of_all_kinds),
        cmocka_unit_test(calls_and_results_of_all_kinds), cmocka_unit_test(results_leave_the_turn_open),
        cmocka_unit_test(b29_nobody_writes_these_tokens), cmocka_unit_test(a_vocabulary_without_them_is_refused),
        cmocka_unit_test(what_fits_is_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
