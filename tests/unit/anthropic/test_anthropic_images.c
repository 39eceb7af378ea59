/* Pictures in every protocol: the same set, spelled as base64 or as a data: URL, is the same prompt everywhere (B45).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "anthropic/inside.h"
#include "ollama/inside.h"
#include "openai/talks.h"
#include "talked.h"

#define OPENAI    &ct_openai_talk_chat
#define CHAT      &ct_ollama_talk_chat
#define GENERATE  &ct_ollama_talk_generate
#define ANTHROPIC &ct_anthropic_talk
#define GIF       "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
#define PNG       "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
#define BMP       "Qk06AAAAAAAAADYAAAAoAAAAAQAAAAEAAAABABgAAAAAAAQAAAATCwAAEwsAAAAAAAAAAAAA////AA=="

static const struct {
    const ct_talk_kind *kind;
    const char *before, *after, *path;
} ways[] = {
    { OPENAI, "{'messages': [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': '",
      "'}}, {'type': 'text', 'text': 'what is it?'}]}]}", "messages[0].content[0]" },
    { CHAT, "{'messages': [{'role': 'user', 'content': 'what is it?', 'images': ['", "']}]}", "messages[0].images[0]" },
    { GENERATE, "{'prompt': 'what is it?', 'images': ['", "']}", "images[0]" },
    { ANTHROPIC,
      "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'image', 'source': {'type': 'base64', "
      "'media_type': 'image/png', 'data': '",
      "'}}, {'type': 'text', 'text': 'what is it?'}]}]}", "messages[0].content[0]" },
    { ANTHROPIC,
      "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'image', 'source': {'type': 'url', 'url': "
      "'",
      "'}}, {'type': 'text', 'text': 'what is it?'}]}]}", "messages[0].content[0]" },
};
#define N_WAYS (sizeof ways / sizeof *ways)

static void body_of(size_t way, const char *image, char to[1024])
{
    const int n = snprintf(to, 1024, "%s%s%s", ways[way].before, image, ways[way].after);
    assert_true(n > 0 && n < 1024);
}

static void expect_prompt(size_t way, const char *image, const char *want)
{
    char body[1024];
    talked o;
    size_t len, n;
    body_of(way, image, body);
    talked_accept(&o, ways[way].kind, body);
    const carat_prompt *p = o.t->asks[0]->prompt;
    assert_string_equal(carat_prompt_rendered(p, &len), want);
    assert_int_equal(carat_prompt_n_views(p), 1);
    carat_prompt_tokens(p, &n);
    assert_true(n > carat_engine_info(asked_engine)->tokens_per_image);
    talked_done(&o);
}

/* OpenAI's and Anthropic's URLs have no bare base64. */
static bool takes_bare(size_t way)
{
    return way != 0 && way != 4;
}

static void test_a_picture_is_the_same_everywhere(void **state)
{
    (void)state;
    static const char want[] = "<bos><start_of_turn>user\n<start_of_image>what is it?<end_of_turn>\n"
                               "<start_of_turn>model\n";
    static const char *const pictures[] = { GIF, PNG, BMP };
    char url[512];
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        for (size_t way = 0; way < N_WAYS; way++) {
            if (takes_bare(way))
                expect_prompt(way, pictures[i], want);
            snprintf(url, sizeof url, "data:image/png;base64,%s", pictures[i]);
            expect_prompt(way, url, want);
            snprintf(url, sizeof url, "DATA:;base64,%s", pictures[i]);
            expect_prompt(way, url, want);
        }
}

/* By the client's name of it. */
static void test_what_is_no_picture_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *image, *says;
    } bad[] = {
        { "data:image/png;base64,AAAA", "expected JPEG, PNG, WebP, GIF or BMP" },
        { "data:image/png,AAAA", "without ;base64" },
        { "data:image/heic;base64,AAAAGGZ0eXBoZWljAAAAAG1pZjFoZWlj", "HEI" },
        { "data:;base64,!!!!", "base64" },
    };
    char body[1024];
    for (size_t way = 0; way < N_WAYS; way++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            body_of(way, bad[i].image, body);
            talked_refuse(ways[way].kind, body, ways[way].path, bad[i].says);
        }
        body_of(way, "http://169.254.169.254/a.png", body);
        talked_refuse(ways[way].kind, body, ways[way].path, way == 3 ? "base64" : "not fetched");
        if (takes_bare(way)) {
            body_of(way, "/etc/passwd", body);
            talked_refuse(ways[way].kind, body, ways[way].path, "");
        }
    }
}

/* Several pictures of one message, in their order, and a result that has one. */
static void test_pictures_keep_their_places(void **state)
{
    (void)state;
    talked o;
    size_t len;
    talked_accept(&o, CHAT, "{'messages': [{'role': 'user', 'content': 'which?', 'images': ['" GIF "', '" PNG "']}]}");
    assert_int_equal(carat_prompt_n_views(o.t->asks[0]->prompt), 2);
    talked_done(&o);
    talked_refuse(CHAT, "{'messages': [{'role': 'user', 'content': 'which?', 'images': ['" GIF "', 'AAAA']}]}",
                  "messages[0].images[1]", "messages[0].images[1]");
    talked_refuse(CHAT, "{'messages': [{'role': 'user', 'content': 'which?', 'images': ['" GIF "', 5]}]}",
                  "messages[0].images[1]", "not a string");
    talked_accept(
        &o, ANTHROPIC,
        "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'look'}, {'role': 'assistant', 'content': "
        "[{'type': 'tool_use', 'id': 't', 'name': 'shoot', 'input': {}}]}, {'role': 'user', 'content': [{'type': "
        "'tool_result', 'tool_use_id': 't', 'content': [{'type': 'image', 'source': {'type': 'base64', "
        "'media_type': 'image/gif', 'data': '" GIF "'}}]}, {'type': 'text', 'text': 'well?'}]}]}");
    assert_int_equal(carat_prompt_n_views(o.t->asks[0]->prompt), 1);
    const char *rendered = carat_prompt_rendered(o.t->asks[0]->prompt, &len);
    assert_true(strstr(rendered, "shoot") < strstr(rendered, "<start_of_image>") &&
                strstr(rendered, "<start_of_image>") < strstr(rendered, "well?"));
    talked_done(&o);
    talked_refuse(
        ANTHROPIC,
        "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'tool_result', 'content': [{'type': "
        "'text', 'text': 'a'}, {'type': 'image', 'source': {'type': 'base64', 'data': 'AAAA'}}]}]}]}",
        "messages[0].content[0].content[1]", "expected JPEG");
    talked_refuse(ANTHROPIC,
                  "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'image', 'source': {'type': "
                  "'base64', 'data': '" GIF "'}, 'transformations': 5, 'source_': 1}]}], 'stream': 1}",
                  "stream", "stream");
}

/* A context of Ollama's is ids, which have no picture: one that had some is refused, not answered blindly. */
static void test_a_context_with_a_picture_is_refused(void **state)
{
    (void)state;
    talked o;
    carat_err err;
    json_t *reply;
    char *ids, *body;
    talked_accept(&o, GENERATE,
                  "{'prompt': 'a', 'images': ['" GIF "'], 'stream': false, 'options': {'num_predict': 2}}");
    talked_run(&o);
    assert_true(ct_json_parse("reply", o.out.data, o.out.len, &reply, &err));
    ids = ct_json_dump(json_object_get(reply, "context"), JSON_COMPACT);
    assert_true(ids && asprintf(&body, "{'prompt': 'and?', 'context': %s}", ids) > 0);
    talked_refuse(GENERATE, body, "context", "is of a picture");
    free(ids), free(body);
    json_decref(reply);
    talked_done(&o);
}

/* What is said of images in the tables is kept (the other rows: test_every_row_is_kept). */
static void test_fields_of_images(void **state)
{
    (void)state;
    const ct_openai_options before = asked_defaults;
    char body[1024];
    static const char *const fields[] = { "cache_control", "transformations" };
    for (size_t i = 0; i < 2; i++)
        for (int mode = CT_OPENAI_LENIENT; mode <= CT_OPENAI_STRICT; mode++) {
            talked o;
            asked_defaults.mode = (ct_openai_mode)mode;
            snprintf(body, sizeof body,
                     "{'max_tokens': 9, 'messages': [{'role': 'user', 'content': [{'type': 'image', 'source': {'type': "
                     "'base64', 'media_type': 'image/gif', 'data': '" GIF "'}, '%s': {'type': 'x'}}]}]}",
                     fields[i]);
            talked_read(&o, ANTHROPIC, body);
            assert_true(o.ok == (mode == CT_OPENAI_LENIENT));
            if (o.ok)
                assert_true((o.t->ignored != NULL) == (i == 1));
            talked_done(&o);
        }
    asked_defaults = before;
}

static int open_engine(void **state)
{
    asked_n_ctx = 1024;
    asked_model = TEST_DATA "/models/tiny-sight";
    const int rc = asked_open(state);
    asked_defaults.mode = CT_OPENAI_LENIENT;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_picture_is_the_same_everywhere),
        cmocka_unit_test(test_what_is_no_picture_is_refused_by_name),
        cmocka_unit_test(test_pictures_keep_their_places),
        cmocka_unit_test(test_a_context_with_a_picture_is_refused),
        cmocka_unit_test(test_fields_of_images),
    };
    return cmocka_run_group_tests(tests, open_engine, asked_close);
}
