/* The Responses API: what a request becomes, the objects and events of its reply, and the responses that are stored.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "responses/inside.h"
#include "talked.h"

#define WARM                                                                                                           \
    "{'type': 'function', 'name': 'warm', 'parameters': {'type': 'object', 'properties': {'by': {'type': "             \
    "'integer'}}, "                                                                                                    \
    "'required': ['by'], 'additionalProperties': false}}"

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s)
        fail_msg("there is no '%s'", key);
    return s;
}

static json_t *parse(const char *text, size_t len)
{
    carat_err err;
    json_t *o;
    if (!ct_json_parse("reply", text, len, &o, &err))
        fail_msg("%.200s: %s", text, err.msg);
    return o;
}

/* ---- requests ---- */

static void expect_prompt(const char *body, const char *rendered)
{
    talked o;
    size_t len;
    talked_accept(&o, &ct_responses_talk, body);
    carat_prompt *p = (carat_prompt *)(uintptr_t)o.t->asks[0]->prompt;
    if (strcmp(carat_prompt_rendered(p, &len), rendered) != 0)
        fail_msg("%s: %s", body, carat_prompt_rendered(p, &len));
    talked_done(&o);
}

#define USER(text)  "<start_of_turn>user\n" text "<end_of_turn>\n"
#define MODEL(text) "<start_of_turn>model\n" text "<end_of_turn>\n"
#define ANSWER      "<start_of_turn>model\n"

static void test_items_become_messages(void **state)
{
    (void)state;
    expect_prompt("{'input': 'hi'}", "<bos>" USER("hi") ANSWER);
    expect_prompt("{'input': [{'role': 'user', 'content': 'hi'}], 'instructions': 'Be kind.'}",
                  "<bos>" USER("Be kind.\n\nhi") ANSWER);
    expect_prompt("{'input': [{'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'a'}]}, "
                  "{'id': 'msg_1', 'status': 'completed', 'type': 'message', 'role': 'assistant', 'content': [{'type': "
                  "'output_text', 'text': 'b', 'annotations': [], 'logprobs': []}]}, {'type': 'reasoning', 'id': 'r', "
                  "'summary': []}, {'role': 'user', 'content': 'c'}]}",
                  "<bos>" USER("a") MODEL("b") USER("c") ANSWER);
    expect_prompt("{'input': [{'role': 'user', 'content': 'a'}, {'type': 'function_call', 'call_id': 'x', 'name': "
                  "'warm', 'arguments': '{\\\"by\\\": 1}', 'id': 'fc_1', 'status': 'completed'}, {'type': "
                  "'function_call', 'call_id': 'y', 'name': 'now', 'arguments': '{}'}, {'type': "
                  "'function_call_output', 'call_id': 'y', 'output': 'noon'}, {'type': 'function_call_output', "
                  "'call_id': 'x', 'output': [{'type': 'input_text', 'text': 'ok'}]}]}",
                  "<bos>" USER("a") MODEL("[{\"name\": \"warm\", \"parameters\": {\"by\": 1}}, {\"name\": \"now\", "
                                          "\"parameters\": {}}]")
                      USER("Results:\n[{\"name\":\"warm\",\"result\":\"ok\"},{\"name\":\"now\",\"result\":\"noon\"}]")
                          ANSWER);
}

static void test_settings(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, &ct_responses_talk,
                  "{'model': 'm', 'input': 'a', 'max_output_tokens': 7, 'temperature': 0.5, 'top_p': 0.25, 'seed': 3, "
                  "'top_logprobs': 2, 'stream': true, 'stop': ['x'], 'text': {'format': {'type': 'json_schema', "
                  "'name': 'n', 'schema': {'type': 'integer'}, 'strict': true}, 'verbosity': 'low'}, 'reasoning': "
                  "{'effort': 'low'}, 'user': 'me', 'service_tier': 'auto', 'mood': 1, 'store': false}");
    const carat_generation *g = o.t->asks[0]->generation;
    assert_int_equal(g->max_tokens, 7);
    assert_true(g->sampling->temperature == 0.5f && g->sampling->top_p == 0.25f && g->sampling->seed == 3);
    assert_true(g->n_top == 2 && g->wants_logprobs && g->n_stops == 1 && g->format && o.t->streams);
    assert_string_equal(o.t->ignored, "mood");
    talked_done(&o);
    talked_accept(&o, &ct_responses_talk,
                  "{'input': 'a', 'include': ['message.output_text.logprobs'], 'tools': [" WARM
                  "], 'tool_choice': {'type': 'function', 'name': 'warm'}}");
    assert_true(o.t->asks[0]->generation->wants_logprobs && o.t->asks[0]->generation->format);
    talked_done(&o);
}

/* Faults name the client's fields, whatever they became. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param, *says;
    } of[] = {
        { "[]", "", "an array" },
        { "{}", "input", "missing" },
        { "{'input': []}", "input", "missing" },
        { "{'input': 5}", "input", "an integer" },
        { "{'input': [5]}", "input[0]", "an integer" },
        { "{'input': [{'role': 5, 'content': 'a'}]}", "input[0].role", "input[0].role" },
        { "{'input': [{'role': 'user', 'content': 5}]}", "input[0].content", "" },
        { "{'input': [{'role': 'user', 'content': [{'type': 'input_text'}]}]}", "input[0].content[0]", "" },
        { "{'input': [{'role': 'user', 'content': [{'type': 'input_file', 'file_id': 'x'}]}]}", "input[0].content[0]",
          "input_file" },
        { "{'input': [{'role': 'user', 'content': [{'type': 'input_image', 'file_id': 'x'}]}]}",
          "input[0].content[0].file_id", "file_id" },
        { "{'input': [{'role': 'user', 'content': [{'type': 'input_image', 'image_url': 'data:,'}]}]}",
          "input[0].content[0]", "data: URL" },
        { "{'input': [{'type': 'web_search_call', 'id': 'x'}]}", "input[0]", "web_search_call" },
        { "{'input': [{'role': 'user', 'content': 'a'}, {'type': 'function_call', 'call_id': 'x'}]}", "input[1]",
          "without the name" },
        { "{'input': 'a', 'tools': [{'type': 'web_search'}]}", "tools[0]", "hosted" },
        { "{'input': 'a', 'tools': [{'type': 'function', 'name': 'a b'}]}", "tools", "" },
        { "{'input': 'a', 'tools': [{'type': 'function', 'name': 5}]}", "tools[0]", "" },
        { "{'input': 'a', 'tools': 5}", "tools", "an integer" },
        { "{'input': 'a', 'tool_choice': 'required'}", "tool_choice", "" },
        { "{'input': 'a', 'max_output_tokens': 0}", "max_output_tokens", "max_output_tokens" },
        { "{'input': 'a', 'temperature': 'hot'}", "temperature", "" },
        { "{'input': 'a', 'text': {'format': {'type': 'xml'}}}", "text.format", "json_schema" },
        { "{'input': 'a', 'text': {'format': {'type': 'json_schema', 'name': 'n'}}}", "text.format.schema", "" },
        { "{'input': 'a', 'text': {'format': {'type': 'json_schema', 'name': 'n', 'schema': {'type': 'x'}}}}",
          "text.format.schema", "" },
        { "{'input': 'a', 'text': 5}", "text", "" },
        { "{'input': 'a', 'include': ['everything']}", "include", "everything" },
        { "{'input': 'a', 'truncation': 'some'}", "truncation", "some" },
        { "{'input': 'a', 'background': true}", "background", "background" },
        { "{'input': 'a', 'conversation': 'x'}", "conversation", "previous_response_id" },
        { "{'input': 'a', 'prompt': {'id': 'x'}}", "prompt", "prompt" },
        { "{'input': 'a', 'top_logprobs': 21}", "top_logprobs", "" },
        { "{'input': 'a', 'stream': 'x'}", "stream", "" },
        { "{'input': 'a', 'store': 'x'}", "store", "" },
        { "{'input': 'a', 'metadata': 'x'}", "metadata", "" },
        { "{'input': 'a', 'previous_response_id': 'resp_1'}", "previous_response_id", "resp_1" },
        { "{'input': 'a', 'previous_response_id': 5}", "previous_response_id", "" },
        { "{'input': 'a', 'max_tokens': 5}", "max_tokens", "max_output_tokens" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        talked_refuse(&ct_responses_talk, of[i].body, of[i].param, of[i].says);
}

/* B02: nothing is left out unless the request says so, and then the response says it. */
static void test_b02_truncation(void **state)
{
    (void)state;
    ct_buf body;
    talked o;
    size_t n;
    ct_buf_init(&body, 1 << 20);
    ct_buf_str(&body, "{'instructions': 'Be kind.', 'input': [");
    for (int i = 0; i < 200; i++)
        ct_buf_fmt(&body, "{'role': '%s', 'content': 'some words of turn %d'}, ", i % 2 ? "assistant" : "user", i);
    ct_buf_str(&body, "{'role': 'user', 'content': 'the last'}], 'max_output_tokens': 4");
    const size_t len = body.len;
    ct_buf_str(&body, ", 'truncation': 'auto'}");
    talked_accept(&o, &ct_responses_talk, body.data);
    carat_prompt_tokens(o.t->asks[0]->prompt, &n);
    assert_in_range(n, 500, 1020);
    const char *rendered = carat_prompt_rendered(o.t->asks[0]->prompt, &n);
    assert_true(strstr(rendered, "Be kind.") && strstr(rendered, "the last") && !strstr(rendered, "of turn 0"));
    talked_run(&o);
    json_t *r = parse(o.out.data, o.out.len);
    assert_true(json_is_true(json_object_get(r, "truncated")));
    json_decref(r);
    talked_done(&o);
    body.len = len;
    ct_buf_str(&body, "}");
    talked_accept(&o, &ct_responses_talk, body.data);
    assert_false(carat_request_submit(asked_engine, o.t->asks[0], &o.t->requests[0], &o.f.err));
    assert_int_equal(o.f.err.code, CARAT_ECONTEXT);
    talked_done(&o);
    ct_buf_deinit(&body);
}

/* ---- replies ---- */

/* The events of a stream: {"type": ...}, numbered from 0. */
static json_t *events_of(const talked *o)
{
    json_t *all = json_array();
    for (const char *at = o->out.data, *end = at + o->out.len; at < end;) {
        char type[80];
        const char *stop = strstr(at, "\n\n"), *data = strstr(at, "\ndata: ");
        assert_true(stop && data && data < stop && sscanf(at, "event: %79s", type) == 1);
        json_t *e = parse(data + 7, (size_t)(stop - data - 7));
        assert_string_equal(text_at(e, "type"), type);
        assert_int_equal(json_integer_value(json_object_get(e, "sequence_number")), json_array_size(all));
        json_array_append_new(all, e);
        at = stop + 2;
    }
    return all;
}

/* Their types, deltas of one kind counted once, without "response." in front. */
static void expect_types(const json_t *events, const char *const *types)
{
    size_t i = 0;
    const char *last = "";
    for (size_t k = 0; k < json_array_size(events); k++) {
        const char *type = text_at(json_array_get(events, k), "type") + strlen("response.");
        if (strstr(type, ".delta") && strcmp(type, last) == 0)
            continue;
        last = type;
        if (!types[i] || strcmp(types[i], type) != 0)
            fail_msg("event %zu is '%s', expected '%s'", k, type, types[i] ? types[i] : "none");
        i++;
    }
    assert_null(types[i]);
}

/* NUL characters may be among them. */
static void expect_text(const json_t *v, const ct_buf *want)
{
    assert_int_equal(json_string_length(v), want->len);
    assert_true(want->len == 0 || memcmp(json_string_value(v), want->data, want->len) == 0);
}

/* Items as the events tell of them are those of the last event. */
static json_t *response_of(const json_t *events)
{
    json_t *last = json_array_get(events, json_array_size(events) - 1), *response = json_object_get(last, "response");
    json_t *output = json_object_get(response, "output");
    ct_buf texts[8];
    for (size_t i = 0; i < 8; i++)
        ct_buf_init(&texts[i], 1 << 16);
    for (size_t k = 0; k < json_array_size(events); k++) {
        const json_t *e = json_array_get(events, k);
        const size_t i = (size_t)json_integer_value(json_object_get(e, "output_index"));
        const char *type = text_at(e, "type");
        assert_true(i < 8);
        if (strstr(type, ".delta"))
            ct_buf_add(&texts[i], text_at(e, "delta"), json_string_length(json_object_get(e, "delta")));
        if (strstr(type, "output_text.done"))
            expect_text(json_object_get(e, "text"), &texts[i]);
        if (strstr(type, "arguments.done"))
            expect_text(json_object_get(e, "arguments"), &texts[i]);
        if (strstr(type, "output_item.done"))
            assert_true(json_equal(json_object_get(e, "item"), json_array_get(output, i)));
        if (json_object_get(e, "item_id"))
            assert_string_equal(text_at(e, "item_id"), text_at(json_array_get(output, i), "id"));
    }
    for (size_t i = 0; i < json_array_size(output); i++) {
        const json_t *item = json_array_get(output, i);
        const bool is_call = strcmp(text_at(item, "type"), "function_call") == 0;
        const json_t *part = json_array_get(json_object_get(item, "content"), 0);
        expect_text(is_call ? json_object_get(item, "arguments") : json_object_get(part, "text"), &texts[i]);
    }
    for (size_t i = 0; i < 8; i++)
        ct_buf_deinit(&texts[i]);
    return response;
}

static const char *const keys_of_a_response[] = {
    "id",
    "object",
    "created_at",
    "status",
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "model",
    "output",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "max_output_tokens",
    "previous_response_id",
    "text",
    "truncation",
    "usage",
};

static void expect_response(const json_t *r, const char *status)
{
    for (size_t i = 0; i < sizeof keys_of_a_response / sizeof *keys_of_a_response; i++)
        if (!json_object_get(r, keys_of_a_response[i]))
            fail_msg("a response without '%s'", keys_of_a_response[i]);
    assert_int_equal(strncmp(text_at(r, "id"), "resp_", 5), 0);
    assert_string_equal(text_at(r, "object"), "response");
    assert_string_equal(text_at(r, "status"), status);
    assert_string_equal(text_at(r, "model"), "tiny");
}

static void test_a_message(void **state)
{
    (void)state;
    static const char *const types[] = {
        "created",          "in_progress",       "output_item.added", "content_part.added", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",  "completed",          NULL
    };
    static const char *const texts[] = { "He", "llo", " \xf0\x9f\x98\x80", NULL };
    talked o;
    talked_accept(&o, &ct_responses_talk,
                  "{'input': 'a', 'stream': true, 'metadata': {'k': 'v'}, 'top_logprobs': 1, 'temperature': 0.7}");
    talked_say(&o, texts, CARAT_FINISH_STOP, 0);
    json_t *events = events_of(&o), *r = response_of(events), *item = json_array_get(json_object_get(r, "output"), 0);
    expect_types(events, types);
    expect_response(r, "completed");
    expect_response(json_object_get(json_array_get(events, 0), "response"), "in_progress");
    assert_string_equal(text_at(json_object_get(r, "metadata"), "k"), "v");
    assert_true(json_real_value(json_object_get(r, "temperature")) == 0.7);
    assert_string_equal(text_at(item, "status"), "completed");
    assert_string_equal(text_at(item, "role"), "assistant");
    const json_t *part = json_array_get(json_object_get(item, "content"), 0);
    assert_string_equal(text_at(part, "text"), "Hello \xf0\x9f\x98\x80");
    assert_int_equal(json_array_size(json_object_get(part, "logprobs")), 3);
    const json_t *usage = json_object_get(r, "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "output_tokens")), 3);
    assert_int_equal(json_integer_value(json_object_get(usage, "input_tokens")) + 3,
                     json_integer_value(json_object_get(usage, "total_tokens")));
    json_decref(events);
    talked_done(&o);
}

static void test_calls(void **state)
{
    (void)state;
    static const char *const types[] = { "created",
                                         "in_progress",
                                         "output_item.added",
                                         "content_part.added",
                                         "output_text.delta",
                                         "output_text.done",
                                         "content_part.done",
                                         "output_item.done",
                                         "output_item.added",
                                         "function_call_arguments.delta",
                                         "function_call_arguments.done",
                                         "output_item.done",
                                         "output_item.added",
                                         "function_call_arguments.delta",
                                         "function_call_arguments.done",
                                         "output_item.done",
                                         "completed",
                                         NULL };
    static const char *const texts[] = { "So:",
                                         "\n[{\"name\": \"warm\", \"par",
                                         "ameters\": {\"by\"",
                                         ": 1}}, {\"name\"",
                                         ": \"warm\", \"parameters\": {\"by\": 2}}]",
                                         NULL };
    talked o;
    talked_accept(&o, &ct_responses_talk, "{'input': 'a', 'stream': true, 'tools': [" WARM "]}");
    talked_say(&o, texts, CARAT_FINISH_STOP, 0);
    json_t *events = events_of(&o), *r = response_of(events), *output = json_object_get(r, "output");
    expect_types(events, types);
    expect_response(r, "completed");
    assert_int_equal(json_array_size(output), 3);
    const json_t *call = json_array_get(output, 1);
    assert_string_equal(text_at(call, "name"), "warm");
    assert_string_equal(text_at(call, "arguments"), "{\"by\":1}");
    assert_int_equal(strncmp(text_at(call, "call_id"), "call_", 5), 0);
    const json_t *tool = json_array_get(json_object_get(r, "tools"), 0);
    assert_true(json_is_true(json_object_get(tool, "strict")) && json_object_get(tool, "description"));
    json_decref(events);
    talked_done(&o);
}

/* Whole and streamed responses have the same output; what was cut off says so. */
static void test_cut_off(void **state)
{
    (void)state;
    static const struct {
        const char *texts[4];
        const char *type, *status;
        carat_finish finish;
        size_t n_items;
    } of[] = {
        { { "He", "llo" }, "message", "incomplete", CARAT_FINISH_LENGTH, 1 },
        { { "{\"name\": \"warm\", ", "\"parameters\": {\"by\": 1" },
          "function_call",
          "incomplete",
          CARAT_FINISH_LENGTH,
          1 },
        { { NULL }, "message", "completed", CARAT_FINISH_STOP, 1 },
        { { "{\"name\": \"warm\", \"parameters\": {\"by\": 1}}" }, "function_call", "completed", CARAT_FINISH_STOP, 1 },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        talked whole, stream;
        talked_accept(&whole, &ct_responses_talk, "{'input': 'a', 'tools': [" WARM "]}");
        talked_accept(&stream, &ct_responses_talk, "{'input': 'a', 'stream': true, 'tools': [" WARM "]}");
        talked_say(&whole, of[i].texts, of[i].finish, 0);
        talked_say(&stream, of[i].texts, of[i].finish, 0);
        json_t *a = parse(whole.out.data, whole.out.len), *events = events_of(&stream), *b = response_of(events);
        expect_response(a, of[i].status);
        expect_response(b, of[i].status);
        const json_t *x = json_object_get(a, "output"), *y = json_object_get(b, "output");
        assert_true(json_array_size(x) == of[i].n_items && json_array_size(y) == of[i].n_items);
        json_t *first = json_array_get(x, 0), *same = json_array_get(y, 0);
        assert_string_equal(text_at(first, "type"), of[i].type);
        assert_string_equal(text_at(first, "status"), of[i].status);
        json_object_del(first, "id"), json_object_del(same, "id");
        json_object_del(first, "call_id"), json_object_del(same, "call_id");
        assert_true(json_equal(first, same));
        const json_t *why = json_object_get(a, "incomplete_details");
        if (of[i].finish == CARAT_FINISH_LENGTH)
            assert_string_equal(text_at(why, "reason"), "max_output_tokens");
        else
            assert_true(json_is_null(why));
        json_decref(a), json_decref(events);
        talked_done(&whole), talked_done(&stream);
    }
}

static void test_failures(void **state)
{
    (void)state;
    talked o;
    talked_accept(&o, &ct_responses_talk, "{'input': 'a', 'stream': true}");
    talked_fail(&o, CARAT_ETIME, "late");
    json_t *events = events_of(&o), *last = json_array_get(events, json_array_size(events) - 1);
    assert_string_equal(text_at(last, "type"), "response.failed");
    expect_response(json_object_get(last, "response"), "failed");
    assert_string_equal(text_at(json_object_get(json_object_get(last, "response"), "error"), "message"), "late");
    json_decref(events);
    talked_done(&o);
    talked_accept(&o, &ct_responses_talk, "{'input': 'a'}");
    talked_say(&o, (const char *const[]){ "x", NULL }, CARAT_FINISH_CANCELLED, 0);
    assert_true(o.t->has_failed && o.t->fault.status == 503);
    json_t *e = parse(o.out.data, o.out.len);
    assert_non_null(json_object_get(e, "error"));
    json_decref(e);
    talked_done(&o);
}

static void test_a_model_answers(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "'max_output_tokens': 20, 'seed': 4, 'include': ['message.output_text.logprobs']",
        "'max_output_tokens': 60, 'seed': 4, 'tool_choice': 'required', 'tools': [" WARM "]",
    };
    for (size_t i = 0; i < 2; i++) {
        char body[1024];
        talked whole, stream;
        snprintf(body, sizeof body, "{'input': 'a red star', %s}", bodies[i]);
        talked_accept(&whole, &ct_responses_talk, body);
        snprintf(body, sizeof body, "{'input': 'a red star', 'stream': true, %s}", bodies[i]);
        talked_accept(&stream, &ct_responses_talk, body);
        talked_run(&whole), talked_run(&stream);
        json_t *a = parse(whole.out.data, whole.out.len), *events = events_of(&stream), *b = response_of(events);
        json_t *x = json_array_get(json_object_get(a, "output"), 0),
               *y = json_array_get(json_object_get(b, "output"), 0);
        const char *key = i ? "arguments" : "content";
        assert_true(json_equal(json_object_get(x, key), json_object_get(y, key)));
        json_decref(a), json_decref(events);
        talked_done(&whole), talked_done(&stream);
    }
}

static void test_counting(void **state)
{
    (void)state;
    const ct_talk_scene scene = { .engine = asked_engine, .model = "tiny", .options = &asked_defaults };
    json_t *body = json_pack("{s:s, s:s}", "input", "a red star", "instructions", "Be kind."), *reply;
    ct_openai_fault f = { 0 };
    assert_true(ct_responses_count(&scene, body, &reply, &f));
    assert_true(json_integer_value(json_object_get(reply, "input_tokens")) > 10);
    json_decref(reply);
    json_object_del(body, "input");
    assert_false(ct_responses_count(&scene, body, &reply, &f));
    assert_string_equal(f.param, "input");
    json_decref(body);
}

/* ---- the store ---- */

static void test_a_conversation_goes_on(void **state)
{
    (void)state;
    char body[256];
    talked o;
    json_t *got;
    ct_openai_fault f = { 0 };
    talked_scene.responses = ct_responses_store_open(&(ct_responses_limits){ 4, 1 << 20, 60 });
    talked_accept(&o, &ct_responses_talk, "{'input': 'one', 'instructions': 'Be kind.'}");
    talked_say(&o, (const char *const[]){ "two", NULL }, CARAT_FINISH_STOP, 0);
    json_t *first = parse(o.out.data, o.out.len);
    assert_true(json_is_true(json_object_get(first, "store")));
    talked_done(&o);
    assert_true(ct_responses_get(talked_scene.responses, text_at(first, "id"), &got, &f));
    assert_true(json_equal(first, got));
    json_decref(got);
    snprintf(body, sizeof body, "{'input': 'three', 'previous_response_id': '%s'}", text_at(first, "id"));
    expect_prompt(body, "<bos>" USER("one") MODEL("two") USER("three") ANSWER); /* instructions are of one response */
    talked_accept(&o, &ct_responses_talk, body);
    talked_say(&o, (const char *const[]){ "four", NULL }, CARAT_FINISH_STOP, 0);
    json_t *second = parse(o.out.data, o.out.len);
    assert_string_equal(text_at(second, "previous_response_id"), text_at(first, "id"));
    talked_done(&o);
    snprintf(body, sizeof body, "{'input': 'five', 'previous_response_id': '%s'}", text_at(second, "id"));
    expect_prompt(body, "<bos>" USER("one") MODEL("two") USER("three") MODEL("four") USER("five") ANSWER);
    assert_true(ct_responses_delete(talked_scene.responses, text_at(first, "id"), &got, &f));
    assert_true(json_is_true(json_object_get(got, "deleted")));
    json_decref(got);
    assert_false(ct_responses_get(talked_scene.responses, text_at(first, "id"), &got, &f));
    assert_int_equal(f.status, 404);
    assert_false(ct_responses_delete(talked_scene.responses, text_at(first, "id"), &got, &f));
    assert_int_equal(f.status, 404);
    expect_prompt(body, "<bos>" USER("one") MODEL("two") USER("three") MODEL("four") USER("five") ANSWER);
    assert_false(ct_responses_cancel(talked_scene.responses, text_at(second, "id"), &f));
    assert_int_equal(f.status, 400);
    assert_false(ct_responses_cancel(talked_scene.responses, "resp_none", &f));
    assert_int_equal(f.status, 404);
    talked_accept(&o, &ct_responses_talk, "{'input': 'a', 'store': false}");
    talked_say(&o, (const char *const[]){ "b", NULL }, CARAT_FINISH_STOP, 0);
    json_t *third = parse(o.out.data, o.out.len);
    assert_true(json_is_false(json_object_get(third, "store")));
    assert_false(ct_responses_get(talked_scene.responses, text_at(third, "id"), &got, &f));
    talked_done(&o);
    json_decref(first), json_decref(second), json_decref(third);
    ct_responses_store_close(talked_scene.responses);
    talked_scene.responses = NULL;
    assert_false(ct_responses_get(NULL, "resp_1", &got, &f));
    assert_int_equal(f.status, 404);
}

static bool is_there(ct_responses_store *s, const char *id)
{
    json_t *o;
    ct_openai_fault f;
    const bool ok = ct_responses_get(s, id, &o, &f);
    if (ok)
        json_decref(o);
    return ok;
}

static bool put(ct_responses_store *s, const char *id, size_t bytes)
{
    char *text = malloc(bytes + 3);
    assert_non_null(text);
    memset(text, 'x', bytes + 2);
    text[0] = text[bytes + 1] = '"';
    text[bytes + 2] = '\0';
    return ct_responses_put(s, id, text, strdup("[]"));
}

/* Whatever clients do, it holds no more than so many and so much, and for no longer. */
static void test_the_store_is_bounded(void **state)
{
    (void)state;
    char id[32];
    ct_responses_store *s = ct_responses_store_open(&(ct_responses_limits){ 3, 1 << 20, 60 });
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "resp_%d", i);
        assert_true(put(s, id, 100));
    }
    for (int i = 0; i < 10; i++) { /* the oldest made room */
        snprintf(id, sizeof id, "resp_%d", i);
        assert_int_equal(is_there(s, id), i >= 7);
    }
    ct_responses_store_close(s);
    s = ct_responses_store_open(&(ct_responses_limits){ 100, 10000, 60 });
    assert_false(put(s, "large", 10000)); /* more than all there is: the others stay */
    assert_true(put(s, "a", 4000) && put(s, "b", 4000) && is_there(s, "a") && is_there(s, "b"));
    assert_false(put(s, "large", 20000));
    assert_true(is_there(s, "a") && is_there(s, "b"));
    assert_true(put(s, "c", 4000) && !is_there(s, "a") && is_there(s, "b") && is_there(s, "c"));
    assert_true(put(s, "d", 9000) && !is_there(s, "b") && !is_there(s, "c") && is_there(s, "d"));
    ct_responses_store_close(s);
    s = ct_responses_store_open(&(ct_responses_limits){ 100, 10000, 0.05 });
    assert_true(put(s, "a", 10) && is_there(s, "a"));
    usleep(60000);
    assert_false(is_there(s, "a"));
    ct_responses_store_close(s);
    s = ct_responses_store_open(&(ct_responses_limits){ 0, 10000, 60 });
    assert_false(put(s, "a", 10));
    ct_responses_store_close(s);
    ct_responses_store_close(NULL);
}

static void *use(void *arg)
{
    ct_responses_store *s = arg;
    for (int i = 0; i < 300; i++) {
        char id[32];
        json_t *o;
        ct_openai_fault f;
        snprintf(id, sizeof id, "resp_%d", i % 40);
        put(s, id, (size_t)(i * 37 % 2000));
        is_there(s, id);
        if (i % 5 == 0 && ct_responses_delete(s, id, &o, &f))
            json_decref(o);
    }
    return NULL;
}

static void test_threads_share_a_store(void **state)
{
    (void)state;
    pthread_t threads[4];
    ct_responses_store *s = ct_responses_store_open(&(ct_responses_limits){ 20, 10000, 60 });
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, s), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ct_responses_store_close(s);
}

/* ---- the table ---- */

static void test_the_readme_names_every_field(void **state)
{
    (void)state;
    char *text, quoted[64];
    size_t len;
    assert_true(ct_read_file(TEST_ROOT "/responses/README.md", 1 << 20, &text, &len, NULL));
    for (size_t i = 0; i < ct_responses_n_fields; i++) {
        snprintf(quoted, sizeof quoted, "`%s`", ct_responses_fields[i].name);
        if (!strstr(text, quoted))
            fail_msg("responses/README.md does not name %s", quoted);
    }
    free(text);
}

static int open_lenient(void **state)
{
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_become_messages),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_b02_truncation),
        cmocka_unit_test(test_a_message),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_a_model_answers),
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_a_conversation_goes_on),
        cmocka_unit_test(test_the_store_is_bounded),
        cmocka_unit_test(test_threads_share_a_store),
        cmocka_unit_test(test_the_readme_names_every_field),
    };
    asked_n_ctx = 1024;
    return cmocka_run_group_tests(tests, open_lenient, asked_close);
}
