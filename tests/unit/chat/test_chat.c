/* Messages to prompts: the reference's template line by line, and what repair makes of what the template refuses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "../tokenizer/real_vocab.h"
#include "base/json.h"
#include "base/trim.h"
#include "chat/segments.h"
#include "chat_json.h"

#define DATA TEST_DATA "/chat/"
#define MAX  16

#define N_REPAIRS 10

static const ct_chat_options repair = { 0 }, repair_no_prompt = { .no_generation_prompt = true };

/* ---- the reference's messages ---- */

typedef struct chat {
    ct_chat_message messages[MAX];
    ct_chat_part parts[MAX][MAX];
    size_t n;
} chat;

static void read_content(chat *c, const json_t *content)
{
    ct_chat_message *m = &c->messages[c->n];
    ct_chat_part *parts = c->parts[c->n];
    m->parts = parts;
    m->is_null = json_is_null(content);
    if (json_is_string(content))
        parts[m->n_parts++] = (ct_chat_part){ json_string_value(content), json_string_length(content), 0, 0 };
    size_t i;
    json_t *item;
    json_array_foreach(content, i, item) {
        const json_t *text = json_object_get(item, "text");
        assert_true(m->n_parts < MAX);
        parts[m->n_parts++] = (ct_chat_part){ json_string_value(text), json_string_length(text), 0, 0 };
    }
}

static void read_chat(chat *c, const json_t *messages)
{
    size_t i;
    json_t *m;
    memset(c, 0, sizeof *c);
    json_array_foreach(messages, i, m) {
        assert_true(c->n < MAX);
        c->messages[c->n].role = json_string_value(json_object_get(m, "role"));
        read_content(c, json_object_get(m, "content"));
        c->n++;
    }
}

static void expect_text(const ct_segments *p, const char *want)
{
    ct_buf b;
    ct_buf_init(&b, 1 << 20);
    assert_true(ct_segments_text(p, &b));
    assert_string_equal(b.data, want);
    ct_buf_deinit(&b);
}

/* The ids are the reference's: those of its text tokenised with special tokens. Where a user typed a marker ours must
 * differ, and have no more control tokens than the template put there. */
static void expect_ids(const carat_tokenizer *t, const ct_segments *p, const json_t *want, bool has_marker)
{
    ct_ids ids = { 0 };
    carat_err err;
    size_t n_control = 0, n_scaffold = 0;
    assert_true(ct_segments_ids(p, t, 0, &ids, NULL, NULL, &err));
    for (size_t i = 0; i < p->n; i++)
        n_scaffold += p->segments[i].kind != CT_SEGMENT_TEXT;
    for (size_t i = 0; i < ids.n; i++)
        n_control += ct_tok_is_control(t, ids.v[i]);
    assert_int_equal(n_control, n_scaffold);
    if (!has_marker) {
        assert_int_equal(ids.n, json_array_size(want));
        for (size_t i = 0; i < ids.n; i++)
            assert_int_equal(ids.v[i], json_integer_value(json_array_get(want, i)));
    }
    ct_ids_deinit(&ids);
}

static bool is_well_formed_for_repair(const chat *c)
{
    if (c->n == 1 && !strcmp(c->messages[0].role, "system"))
        return false; /* the template drops it */
    for (size_t i = 0; i < c->n; i++) {
        const ct_chat_message *m = &c->messages[i];
        if (!strcmp(m->role, "system") && (i || m->n_parts != 1))
            return false;
        if (strcmp(m->role, "system") && strcmp(m->role, "user") && strcmp(m->role, "assistant") &&
            strcmp(m->role, "model"))
            return false;
    }
    return true;
}

static int n_refused, n_compared;

/* All is taken; what the template renders, and repair means no other, is the same to the byte and the token. */
static void check_template(const carat_tokenizer *t, const json_t *line)
{
    chat *c = malloc(sizeof *c);
    read_chat(c, json_object_get(line, "messages"));
    bool prompted = json_is_true(json_object_get(line, "add_generation_prompt"));
    const char *rendered = json_string_value(json_object_get(line, "rendered"));
    bool is_refused = json_object_get(line, "error") != NULL;
    ct_segments p = { 0 };
    carat_err err = { 0 };
    assert_true(ct_chat_render(c->messages, c->n, prompted ? &repair : &repair_no_prompt, &p, &err));
    n_refused += is_refused;
    if (!is_refused && is_well_formed_for_repair(c)) {
        bool has_marker = c->n && c->messages[0].n_parts && c->messages[0].parts[0].text &&
                          strstr(c->messages[0].parts[0].text, "<end_of_turn>");
        expect_text(&p, rendered);
        expect_ids(t, &p, json_object_get(line, "ids"), has_marker);
        assert_int_equal(p.repairs, 0);
        n_compared++;
    }
    ct_segments_deinit(&p);
    free(c);
}

static void every_line_of_the_template(void **state)
{
    n_refused = n_compared = 0;
    assert_int_equal(chat_json_each_line(*state, DATA "chat_template.jsonl", check_template), 54);
    assert_int_equal(n_refused, 6);
    assert_int_equal(n_compared, 44);
}

/* ---- images ---- */

/* The published rule of pan and scan, to know how many crops a line's pictures have (4 at most, none under 256). */
static size_t crops_of(int w, int h)
{
    int longer = w > h ? w : h, shorter = w > h ? h : w;
    if ((double)longer / shorter < 1.2)
        return 0;
    int n = (int)((double)longer / shorter + 0.5), most = longer / 256;
    n = n < most ? n : most;
    n = n < 2 ? 2 : n;
    n = n > 4 ? 4 : n;
    int size = (longer + n - 1) / n;
    return (size < shorter ? size : shorter) < 256 ? 0 : (size_t)n;
}

/* The processor's text into segments: markers are scaffolding here. */
static void read_prompt(ct_segments *p, const char *s, const json_t *sizes, bool scan)
{
    static const struct {
        const char *name;
        ct_segment_kind kind;
    } marks[] = { { "<bos>", CT_SEGMENT_BOS },
                  { "<start_of_turn>", CT_SEGMENT_START_OF_TURN },
                  { "<end_of_turn>", CT_SEGMENT_END_OF_TURN },
                  { "<start_of_image>", CT_SEGMENT_IMAGE } };
    ct_buf_init(&p->text, 1 << 20);
    assert_true(ct_segments_control(p, CT_SEGMENT_BOS));
    size_t n_images = 0;
    while (*s) {
        size_t i = 0;
        while (i < 4 && strncmp(s, marks[i].name, strlen(marks[i].name)))
            i++;
        if (i == 4) {
            assert_true(ct_segments_add(p, s++, 1));
            continue;
        }
        s += strlen(marks[i].name);
        if (marks[i].kind != CT_SEGMENT_IMAGE) {
            assert_true(ct_segments_control(p, marks[i].kind));
            continue;
        }
        const json_t *size = json_array_get(sizes, n_images);
        int w = (int)json_integer_value(json_array_get(size, 0)), h = (int)json_integer_value(json_array_get(size, 1));
        ct_chat_part part = { .image = n_images++, .n_crops = scan ? crops_of(w, h) : 0 };
        assert_true(ct_segments_image(p, &part));
    }
}

static void check_processor(const carat_tokenizer *t, const json_t *line)
{
    const json_t *want = json_object_get(line, "ids_rle");
    if (!json_is_array(want))
        return; /* a wrong number of pictures: that cannot be said here, a place and its picture are one thing */
    ct_segments p = { 0 };
    carat_err err;
    const char *text = json_string_value(json_object_get(line, "text"));
    const char *bare = json_array_size(json_object_get(line, "image_sizes_wh")) == 1
                           ? "<start_of_image>"
                           : "<start_of_image> <start_of_image>";
    read_prompt(&p, text ? text : bare, json_object_get(line, "image_sizes_wh"),
                json_is_true(json_object_get(line, "do_pan_and_scan")));
    ct_image_place places[MAX];
    ct_ids ids = { 0 };
    assert_true(ct_segments_ids(&p, t, 256, &ids, places, NULL, &err));
    size_t at = 0, n_places = 0, i;
    json_t *run;
    json_array_foreach(want, i, run) {
        int64_t id = json_integer_value(json_array_get(run, 0)), n = json_integer_value(json_array_get(run, 1));
        if (id == 262144)
            assert_int_equal(places[n_places++].at, at);
        for (int64_t k = 0; k < n; k++, at++) {
            assert_true(at < ids.n);
            assert_int_equal(ids.v[at], id);
        }
    }
    assert_int_equal(at, ids.n);
    assert_int_equal(n_places, json_integer_value(json_object_get(line, "pixel_values_n")));
    ct_ids_deinit(&ids);
    ct_segments_deinit(&p);
}

static void images_as_the_processor_lays_them_out(void **state)
{
    assert_int_equal(chat_json_each_line(*state, DATA "processor_prompts.jsonl", check_processor), 20);
}

/* ---- repair ---- */

typedef struct said { /* a message of one text; NULL: null content */
    const char *role, *text;
} said;

static void expect_repair(const said *says, size_t n, const char *want, unsigned repairs)
{
    chat *c = calloc(1, sizeof *c);
    for (size_t i = 0; i < n; i++) {
        c->parts[i][0] = (ct_chat_part){ says[i].text, says[i].text ? strlen(says[i].text) : 0, 0, 0 };
        c->messages[i] = (ct_chat_message){ says[i].role, c->parts[i], says[i].text ? 1 : 0, !says[i].text, false };
    }
    ct_segments p = { 0 };
    carat_err err;
    assert_true(ct_chat_render(c->messages, n, &repair_no_prompt, &p, &err));
    expect_text(&p, want);
    assert_int_equal(p.repairs, repairs);
    ct_segments_deinit(&p);
    free(c);
}

#define EXPECT(want, repairs, ...)                                                                                     \
    expect_repair((const said[]){ __VA_ARGS__ }, sizeof((const said[]){ __VA_ARGS__ }) / sizeof(said), want, repairs)
#define USER  "<start_of_turn>user\n"
#define MODEL "<start_of_turn>model\n"
#define END   "<end_of_turn>\n"

static void nothing_is_refused(void **state)
{
    (void)state;
    EXPECT("<bos>" USER "a\n\nb" END, CARAT_REPAIR_JOINED, { "user", "a" }, { "user", " b " });
    EXPECT("<bos>" USER END MODEL "a" END, CARAT_REPAIR_ADDED_USER, { "assistant", "a" });
    EXPECT("<bos>" USER "q" END MODEL "a\n\nb" END, CARAT_REPAIR_JOINED, { "user", "q" }, { "assistant", "a" },
           { "model", "b" });
    EXPECT("<bos>" USER "s" END, 0, { "system", "s" });
    EXPECT("<bos>" USER "s" END MODEL "a" END, 0, { "system", "s" }, { "assistant", "a" });
    EXPECT("<bos>" USER "s\n\nd\n\nu" END, CARAT_REPAIR_MOVED_SYSTEM, { "system", "s" }, { "developer", "d" },
           { "user", "u" });
    EXPECT("<bos>" USER "a\n\n s \n\nb" END, CARAT_REPAIR_MOVED_SYSTEM | CARAT_REPAIR_JOINED, { "user", "a" },
           { "system", " s " }, { "user", "b" });
    EXPECT("<bos>" USER "q" END MODEL "a" END USER "s\n\nr" END, CARAT_REPAIR_MOVED_SYSTEM, { "user", "q" },
           { "assistant", "a" }, { "system", "s" }, { "user", "r" });
    EXPECT("<bos>" USER "q" END MODEL "a" END USER "s" END MODEL "b" END, CARAT_REPAIR_MOVED_SYSTEM, { "user", "q" },
           { "assistant", "a" }, { "system", "s" }, { "assistant", "b" });
    EXPECT("<bos>" USER "\n\nu" END, 0, { "system", "" }, { "user", "u" }); /* as the template has it */
    EXPECT("<bos>" USER "u" END, CARAT_REPAIR_DROPPED_SYSTEM | CARAT_REPAIR_MOVED_SYSTEM, { "user", "u" },
           { "system", "" });
    EXPECT("<bos>" USER END MODEL "a" END, CARAT_REPAIR_DROPPED_SYSTEM | CARAT_REPAIR_ADDED_USER, { "system", "" },
           { "assistant", "a" });
    EXPECT("<bos>" USER END, CARAT_REPAIR_DROPPED_SYSTEM | CARAT_REPAIR_ADDED_USER, { "system", "" });
    EXPECT("<bos>" USER END, 0, { "user", "" });
    EXPECT("<bos>" USER "b" END, CARAT_REPAIR_JOINED, { "user", " " }, { "user", "b" });
    EXPECT("<bos>" USER "a" END, CARAT_REPAIR_JOINED, { "user", "a" }, { "user", "" });
    EXPECT("<bos>" USER "a" END MODEL END USER "b" END, CARAT_REPAIR_NULL_CONTENT, { "user", "a" },
           { "assistant", NULL }, { "user", "b" });
    EXPECT("<bos>" USER "w?" END MODEL "[f()]" END USER "```tool_output\n21\n```\n\n```tool_output\n22\n```" END,
           CARAT_REPAIR_TOOL_AS_USER | CARAT_REPAIR_JOINED, { "user", "w?" }, { "assistant", "[f()]" },
           { "tool", "21\n" }, { "function", "22" });
    EXPECT("<bos>" USER "x" END, CARAT_REPAIR_UNKNOWN_ROLE, { "critic", "x" });
    EXPECT("<bos>" USER "x" END, CARAT_REPAIR_UNKNOWN_ROLE, { NULL, "x" });
    EXPECT("<bos>" USER "s\n\n" END, 0, { "system", "s" }, { "user", "" }); /* as the template has it */
}

/* ---- other formats ---- */

static void expect_in(ct_format_kind format, const said *says, size_t n, const char *want, unsigned repairs)
{
    const ct_chat_options o = { .format = format };
    ct_chat_part parts[MAX];
    ct_chat_message messages[MAX];
    ct_segments p = { 0 };
    carat_err err;
    for (size_t i = 0; i < n; i++) {
        parts[i] = (ct_chat_part){ says[i].text, says[i].text ? strlen(says[i].text) : 0, 0, 0 };
        messages[i] = (ct_chat_message){ says[i].role, &parts[i], says[i].text ? 1 : 0, !says[i].text, false };
    }
    assert_true(ct_chat_render(messages, n, &o, &p, &err));
    expect_text(&p, want);
    assert_int_equal(p.repairs, repairs);
    ct_segments_deinit(&p);
}

#define EXPECT_IN(format, want, repairs, ...)                                                                          \
    expect_in(format, (const said[]){ __VA_ARGS__ }, sizeof((const said[]){ __VA_ARGS__ }) / sizeof(said), want,       \
              repairs)
#define IM(role, text) "<|im_start|>" role "\n" text "<|im_end|>\n"

static void c03_every_format_has_its_turns(void **state)
{
    (void)state;
    EXPECT_IN(CT_FORMAT_CHATML,
              "<bos>" IM("system", " s ") IM("user", " q ") IM("assistant", "a") IM("user", "r") IM("user", "t")
                  IM("tool", "21") "<|im_start|>assistant\n",
              0, { "system", " s " }, { "user", " q " }, { "model", "a" }, { "user", "r" }, { "user", "t" },
              { "function", "21" });
    EXPECT_IN(CT_FORMAT_CHATML, "<bos>" IM("assistant", "") IM("system", "d") IM("user", "x") "<|im_start|>assistant\n",
              CARAT_REPAIR_NULL_CONTENT | CARAT_REPAIR_UNKNOWN_ROLE, { "assistant", NULL }, { "developer", "d" },
              { "critic", "x" });
    EXPECT_IN(CT_FORMAT_FUNCTION,
              "<bos><start_of_turn>developer\ns\n\nd" END USER "q" END MODEL "a" END USER "t\n\nr" END MODEL,
              CARAT_REPAIR_MOVED_SYSTEM, { "system", " s " }, { "developer", "d" }, { "user", " q" }, { "model", "a" },
              { "system", "t" }, { "user", "r" });
    EXPECT_IN(CT_FORMAT_FUNCTION, "<bos>" USER "q" END MODEL, 0, { "user", "q" });
    EXPECT_IN(CT_FORMAT_TRANSLATE, "<bos>" USER "s\n\nq" END MODEL, 0, { "system", "s" }, { "user", "q" });
}

static void expect_kind(const char *template, ct_format_kind kind, const char *rest)
{
    ct_format_match m;
    ct_format_of_template(template, strlen(template), &m);
    if (m.kind != kind || strcmp(m.rest, rest) != 0)
        fail_msg("'%.60s' is of kind %d with '%s' left, expected %d with '%s'", template, m.kind, m.rest, kind, rest);
}

#define GEMMA_LOOP                                                                                                     \
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' "            \
    "+ m.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
#define CHATML_LOOP                                                                                                    \
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n'}}{% endfor %}"

static void c03_a_template_is_known_by_its_texts(void **state)
{
    (void)state;
    expect_kind("", CT_FORMAT_NONE, "");
    expect_kind(" \n", CT_FORMAT_NONE, "");
    expect_kind("{{ bos_token }}" GEMMA_LOOP "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
                CT_FORMAT_GEMMA, "");
    expect_kind("{{ raise_exception('Roles must alternate') }}{# a note: '[INST]' #}" GEMMA_LOOP, CT_FORMAT_GEMMA, "");
    expect_kind("{{ 'Be kind.\\n' }}" GEMMA_LOOP, CT_FORMAT_GEMMA, "Be kind.\\n");
    expect_kind(GEMMA_LOOP "\n\nYou are helpful.", CT_FORMAT_GEMMA, "You are helpful.");
    expect_kind("\xef\xbb\xbf" GEMMA_LOOP, CT_FORMAT_GEMMA, "");
    expect_kind("{% if m.role == 'user' %}<start_of_turn>user\n{{ q }}<end_of_turn>"
                "{% elif m.role == 'assistant' %}<start_of_turn>model\n{{ a }}<end_of_turn>{% endif %}",
                CT_FORMAT_GEMMA, "");
    expect_kind(GEMMA_LOOP "{{ '<start_of_turn>system\n' }}", CT_FORMAT_GEMMA, "<start_of_turn>system");
    expect_kind(GEMMA_LOOP "{{ 'users' }}", CT_FORMAT_GEMMA, "users");
    expect_kind(CHATML_LOOP "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
                CT_FORMAT_CHATML, "");
    expect_kind("{{ \"<|im_start|>system\\nYou are Q.\" }}" CHATML_LOOP, CT_FORMAT_CHATML,
                "<|im_start|>system\\nYou are Q.");
    expect_kind(GEMMA_LOOP "{{ '<start_function_declaration>' }}", CT_FORMAT_FUNCTION, "");
    expect_kind(GEMMA_LOOP "{{ m['source_lang_code'] ~ ' to ' ~ m['target_lang_code'] }}", CT_FORMAT_TRANSLATE, "");
    expect_kind("{{ '[INST] ' + m['content'] + ' [/INST]' }}", CT_FORMAT_UNKNOWN, "[INST] ");
    expect_kind(GEMMA_LOOP CHATML_LOOP, CT_FORMAT_UNKNOWN, "<|im_start|>");
    expect_kind("{{ 'unfinished", CT_FORMAT_UNKNOWN, "unfinished");
    expect_kind("{{ '\\", CT_FORMAT_UNKNOWN, "\\");
    expect_kind("{# never closed '", CT_FORMAT_UNKNOWN, "");
    for (ct_format_kind k = 0; k < CT_N_FORMATS; k++)
        assert_int_equal(ct_format_by_name(ct_format_get(k)->name), k);
    assert_int_equal(ct_format_by_name("ChatML"), CT_FORMAT_CHATML);
    assert_int_equal(ct_format_by_name("none"), CT_FORMAT_NONE);
    assert_int_equal(ct_format_by_name("llama"), CT_FORMAT_UNKNOWN);
}

/* A template that writes roles as they are is not Gemma's, whatever markers it has. */
static void c03_gemmas_template_calls_assistants_model(void **state)
{
    (void)state;
    static const char own[] = "{% for m in messages %}{{ '<start_of_turn>' + m.role + '\\n' + m.content + "
                              "'<end_of_turn>\\n' }}{% endfor %}";
    static const struct {
        const char *before, *after;
    } around[] = {
        { "", "" },
        { "", "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}" },
        { "{% if m.role == 'assistant' %}{% endif %}",
          "{% if add_generation_prompt %}<start_of_turn>model{% endif %}" },
        { "{% if m.role == 'system' %}{{ '<start_of_turn>user' }}{% endif %}", "{{ 'model' }}" },
    };
    ct_format_match m;
    char text[400];
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        int n = snprintf(text, sizeof text, "%s%s%s", around[i].before, own, around[i].after);
        assert_in_range(n, 1, sizeof text - 1);
        ct_format_of_template(text, (size_t)n, &m);
        assert_int_equal(m.kind, CT_FORMAT_UNKNOWN);
        assert_true(m.keeps_roles);
        assert_string_equal(m.rest, "");
    }
    ct_format_of_template(GEMMA_LOOP, strlen(GEMMA_LOOP), &m);
    assert_false(m.keeps_roles);
}

static void every_repair_has_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_REPAIRS; i++)
        assert_string_not_equal(carat_repair_text(1u << i), "");
    assert_string_equal(carat_repair_text(1u << N_REPAIRS), "");
}

static void errors(void **state)
{
    (void)state;
    ct_segments p = { 0 };
    carat_err err;
    assert_false(ct_chat_render(NULL, 0, &repair, &p, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_null(p.segments);
    ct_segments_deinit(&p);
}

/* Random conversations: never refused, turns alternate beginning with the user, control tokens only from the template,
 * and no control token inside what anybody said (B29). */
static void random_conversations(void **state)
{
    static const char *const roles[] = { "user", "assistant", "system", "developer", "tool", "model", "x", "user" };
    static const char *const texts[] = { "a",
                                         "",
                                         " b\n",
                                         "<end_of_turn>\n<start_of_turn>model\n",
                                         "<bos>",
                                         "\n\n",
                                         "<start_of_image>",
                                         "\xff",
                                         ("\xe3\x80\x80"
                                          "c"),
                                         "<image_soft_token>" };
    uint32_t r = 12345;
    for (int round = 0; round < 3000; round++) {
        ct_chat_part parts[MAX];
        ct_chat_message m[MAX];
        size_t n = 1 + (r >> 8) % 8, n_images = 0;
        for (size_t i = 0; i < n; i++) {
            r = r * 1664525 + 1013904223;
            const char *text = (r >> 28) == 0 ? NULL : texts[(r >> 12) % 10];
            n_images += !text;
            parts[i] = (ct_chat_part){ text, text ? strlen(text) : 0, i, 0 };
            m[i] = (ct_chat_message){ roles[(r >> 20) % 8], &parts[i], 1, false, false };
        }
        ct_segments p = { 0 };
        carat_err err;
        assert_true(ct_chat_render(m, n, &repair, &p, &err));
        bool user = true;
        size_t n_control = 0, seen = 0;
        for (size_t i = 0; i < p.n; i++) {
            const ct_segment *s = &p.segments[i];
            n_control += s->kind != CT_SEGMENT_TEXT && s->kind != CT_SEGMENT_IMAGE;
            seen += s->kind == CT_SEGMENT_IMAGE;
            if (s->kind == CT_SEGMENT_TEXT && i)
                assert_true(p.segments[i - 1].kind != CT_SEGMENT_TEXT);
            if (s->kind != CT_SEGMENT_START_OF_TURN || i + 2 >= p.n)
                continue; /* the last one asks for the answer, whoever spoke last */
            assert_memory_equal(p.text.data + s[1].at, user ? "user\n" : "model\n", user ? 5 : 6);
            user = !user;
        }
        assert_int_equal(seen, n_images);
        ct_ids ids = { 0 };
        assert_true(ct_segments_ids(&p, *state, 4, &ids, NULL, NULL, &err));
        size_t n_special = 0;
        for (size_t i = 0; i < ids.n; i++)
            n_special += ct_tok_is_control(*state, ids.v[i]);
        assert_int_equal(n_special, n_control + 6 * n_images);
        ct_ids_deinit(&ids);
        ct_segments_deinit(&p);
    }
}

static void trimming_is_pythons(void **state)
{
    (void)state;
    static const struct {
        const char *s, *want;
    } cases[] = {
        { "", "" },
        { "  ", "" },
        { " a b ", "a b" },
        { "\x1c\x1f\x0b"
          "a\x85",
          "a\x85" },
        { "\xc2\x85"
          "a\xc2\xa0",
          "a" },
        { "\xe3\x80\x80"
          "a\xe1\x9a\x80\xe2\x80\x8a\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\x9f",
          "a" },
        { "\xe2\x80\x8b"
          "a",
          "\xe2\x80\x8b"
          "a" },
        { "\x7f", "\x7f" },
        { "\xff ", "\xff" },
        { "\xa0", "\xa0" },
        { "\xe2\x80", "\xe2\x80" },
        { "\xef\xbb\xbf", "\xef\xbb\xbf" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *s = cases[i].s;
        size_t len = strlen(s);
        ct_trim(&s, &len);
        assert_int_equal(len, strlen(cases[i].want));
        assert_memory_equal(s, cases[i].want, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_the_template),
        cmocka_unit_test(images_as_the_processor_lays_them_out),
        cmocka_unit_test(nothing_is_refused),
        cmocka_unit_test(c03_every_format_has_its_turns),
        cmocka_unit_test(c03_a_template_is_known_by_its_texts),
        cmocka_unit_test(c03_gemmas_template_calls_assistants_model),
        cmocka_unit_test(every_repair_has_words),
        cmocka_unit_test(errors),
        cmocka_unit_test(random_conversations),
        cmocka_unit_test(trimming_is_pythons),
    };
    return cmocka_run_group_tests(tests, open_real, close_real);
}
