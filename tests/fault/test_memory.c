/* test_memory.c - with any one allocation refused, or all from some point on, a call succeeds or says that memory is
 * short; nothing leaks, nothing is half-written, and an engine that was open goes on and gives the same answers.
 *
 *     test_memory            every so many-th allocation of the long ones
 *     test_memory --third    a third of those
 *     test_memory --all      every one
 *
 * A pattern may follow: tests whose names match.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat.h"
#include "carat_weigh.h"
#include "sweep.h"
#include "unit.h"

#define TEXT      TEST_DATA "/models/tiny-text"
#define TEXT_GGUF TEXT "/gguf/tiny-text-q8_0.gguf"
#define SIGHT     TEST_DATA "/models/tiny-sight"
#define VL_GGUF   TEST_DATA "/models/tiny-vl/gguf/tiny-vl-f32.gguf"
#define IMAGES    TEST_DATA "/images/in/"

static char folder[] = "/tmp/carat-fault-XXXXXX";

/* ---- opening ---- */

static bool open_and_close(const char *path, carat_vision_use vision, carat_err *err)
{
    carat_engine *e;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 3, .chunk = 16, .n_ctx = 64, .n_sessions = 2, .vision = vision
    };
    bool ok = carat_engine_open(path, &o, &e, err);
    assert_true(ok == (e != NULL));
    carat_engine_close(e);
    return ok;
}

static bool open_gguf(carat_err *err)
{
    return open_and_close(TEXT_GGUF, CARAT_VISION_AUTO, err);
}

static bool open_folder(carat_err *err)
{
    return open_and_close(TEXT, CARAT_VISION_AUTO, err);
}

static bool open_tower_in_folder(carat_err *err)
{
    return open_and_close(SIGHT, CARAT_VISION_REQUIRED, err);
}

static bool open_tower_beside(carat_err *err)
{
    return open_and_close(VL_GGUF, CARAT_VISION_REQUIRED, err);
}

static bool describe(carat_err *err)
{
    carat_model_info *info;
    bool ok = carat_model_describe(SIGHT, &info, err);
    if (ok)
        carat_model_info_free(info);
    return ok;
}

static bool open_tokenizer(carat_err *err)
{
    carat_tokenizer *t;
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n, len;
    if (!carat_tokenizer_open(TEXT "/tokenizer.json", &t, err))
        return false;
    bool ok = carat_tokenizer_encode(t, "a red star", 10, CARAT_TOK_BOS, &ids, &n, err) &&
              carat_tokenizer_decode(t, ids, n, false, &text, &len, err);
    carat_free(ids);
    carat_free(text);
    carat_tokenizer_close(t);
    return ok;
}

static bool weigh(carat_err *err)
{
    carat_estimate_result w = { .struct_size = sizeof w };
    const carat_options o = { .struct_size = sizeof o, .n_ctx = 64 };
    const carat_weigh_query file = { .struct_size = sizeof file, .model = VL_GGUF, .options = &o };
    const carat_weigh_query name = { .struct_size = sizeof name, .model = "4b" };
    return carat_weigh(&file, &w, err) && carat_weigh(&name, &w, err);
}

/* An answer of every shape, and one that breaks off. */
static bool read_answer(carat_call_reader *r, carat_err *err)
{
    static const char answer[] =
        "I look.\n[ping(), get_time('\\x41', zone={'a': (1)})]\n{\"name\": \"get_time\", \"parameters\": "
        "{\"city\": \"Oslo\"}}\n```json\n{\"args\": \"{}\", \"name\": \"ping\"}\n```\n"
        "<start_function_call>call:get_time{city:<escape>Oslo<escape>}<end_function_call>"
        "{\"name\": \"get_time\", \"parameters\": {\"city\": 1";
    const carat_piece *pieces;
    size_t n, n_broken = 0;
    bool ok = true;
    for (size_t at = 0; ok && at < sizeof answer - 1; at += 9)
        ok = carat_call_reader_push(r, answer + at, sizeof answer - 1 - at < 9 ? sizeof answer - 1 - at : 9, &pieces,
                                    &n, err);
    if (!ok || !carat_call_reader_finish(r, &pieces, &n, err))
        return false;
    for (size_t i = 0; i < n; i++)
        n_broken += pieces[i].kind == CARAT_PIECE_CALL_BROKEN && pieces[i].call == 5;
    assert_int_equal(n_broken, 1);
    return true;
}

static bool read_calls(carat_err *err)
{
    const carat_tool v[] = {
        { .struct_size = sizeof *v, .name = "ping" },
        { .struct_size = sizeof *v,
          .name = "get_time",
          .parameters = "{\"type\":\"object\",\"properties\":{\"city\":{}}}" },
    };
    const carat_tools_options o = { .struct_size = sizeof o, .tools = v, .n_tools = 2 };
    carat_tools *tools;
    carat_call_reader *r;
    if (!carat_tools_open(&o, &tools, err))
        return false;
    bool ok = carat_call_reader_open(tools, &r, err);
    carat_tools_close(tools); /* the reader keeps what it needs */
    ok = ok && read_answer(r, err);
    carat_call_reader_close(r);
    return ok;
}

static void opening(void **state)
{
    (void)state;
    const trial trials[] = {
        { "open a GGUF file", open_gguf, NULL, 60 },
        { "open a folder", open_folder, NULL, 60 },
        { "open a folder's tower", open_tower_in_folder, NULL, 60 },
        { "open a file's tower", open_tower_beside, NULL, 60 },
        { "describe", describe, NULL, 100 },
        { "tokenize", open_tokenizer, NULL, 100 },
        { "weigh", weigh, NULL, 100 },
        { "calls in an answer", read_calls, NULL, 0 },
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        sweep(&trials[i]);
}

/* ---- pictures ---- */

static const char *picture_path;

static bool load_picture(carat_err *err)
{
    carat_picture *p;
    bool ok = carat_picture_load(picture_path, &p, err);
    uint8_t *rgb = calloc(64 * 64, 3);
    if (ok && !rgb)
        ok = false, *err = (carat_err){ CARAT_ENOMEM, CARAT_NOWHERE, "the test has no memory" };
    ok = ok && carat_picture_view(p, NULL, 0, 64, rgb, err);
    free(rgb);
    carat_picture_free(p);
    return ok;
}

static void pictures(void **state)
{
    (void)state;
    /* No lossless WebP: libwebp 1.2.4 itself dereferences what it was refused there (src/image/webp.c). */
    static const char *const names[] = { "progressive.jpg", "palette_trns.png", "lossy.webp", "local_only.gif",
                                         "interlaced_9.gif" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        snprintf(path, sizeof path, TEST_ROOT "/fuzz/corpus/image/%s", names[i]);
        picture_path = path;
        sweep(&(trial){ names[i], load_picture, NULL, 100 });
    }
}

/* ---- an engine at work ---- */

enum { MOST = 64, ANSWER = 8 };

typedef struct heard {
    size_t n;
    int32_t ids[MOST];
} heard;

static carat_engine *engine;
static carat_picture *seen[2];
static heard said;

static bool on_token(void *arg, const carat_token *t)
{
    heard *h = arg;
    if (t->id >= 0 && h->n < MOST)
        h->ids[h->n++] = t->id;
    return true;
}

static carat_generation greedy(void)
{
    static const char *const stops[] = { "never said", "nor this" };
    static carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 0;
    return (carat_generation){ .struct_size = sizeof(carat_generation),
                               .sampling = &sampling,
                               .max_tokens = ANSWER,
                               .n_top = 3,
                               .ignores_eos = true,
                               .stops = stops,
                               .n_stops = 2 };
}

/* A prompt of its own each time, of a known length, so that nothing is remembered of it. */
static carat_prompt *ask(size_t which, carat_err *err)
{
    carat_prompt *p;
    const carat_content content[] = { { .struct_size = sizeof *content, .text = "What is in this picture?" },
                                      { .struct_size = sizeof *content, .picture = seen[which] } };
    const carat_message m[] = {
        { .struct_size = sizeof *m, .role = "system", .text = "Be brief." },
        { .struct_size = sizeof *m, .role = "user", .content = content, .n_content = seen[0] ? 2 : 1 }
    };
    return carat_prompt_chat(engine, m, 2, NULL, &p, err) ? p : NULL;
}

static bool talk(carat_session *s, heard *h, carat_err *err)
{
    size_t cached;
    carat_result r = { .struct_size = sizeof r };
    carat_generation g = greedy();
    g.on_token = on_token, g.arg = h;
    *h = (heard){ 0 };
    carat_prompt *p = ask(0, err);
    bool ok = p && carat_session_prompt(s, p, &cached, err) && carat_session_generate(s, &g, &r, err);
    carat_prompt_free(p);
    return ok;
}

static bool converse(carat_err *err)
{
    heard h;
    carat_session *s, *fork = NULL;
    if (!carat_session_open(engine, 0, &s, err))
        return false;
    bool ok = talk(s, &h, err) && carat_session_append(s, (int32_t[]){ 5 }, 1, err) &&
              carat_session_fork(s, &fork, err) && carat_session_append(fork, (int32_t[]){ 6, 7 }, 2, err);
    carat_session_close(fork);
    carat_session_close(s);
    return ok;
}

static bool answers_as_before(void)
{
    carat_err err;
    carat_session *s;
    heard h;
    bool ok = carat_session_open(engine, 0, &s, &err) && talk(s, &h, &err);
    if (!ok)
        printf("%s\n", err.msg);
    if (said.n == 0)
        said = h;
    carat_session_close(s);
    return ok && h.n == said.n && memcmp(h.ids, said.ids, h.n * sizeof *h.ids) == 0;
}

/* Two requests, three answers, through one queue. Every request must come to its end. */
static bool listen(carat_queue *q, size_t n_requests, carat_err *err)
{
    bool ok = true;
    for (size_t n_ended = 0; n_ended < n_requests;) {
        const carat_event *event = carat_queue_next(q, 30);
        if (event->kind == CARAT_EVENT_NONE)
            fail_msg("no event in 30 seconds: a request hangs");
        if (event->kind == CARAT_EVENT_FAILED)
            ok = false, *err = *event->err;
        n_ended += event->kind == CARAT_EVENT_END;
    }
    return ok;
}

static bool request(carat_err *err)
{
    carat_queue *q;
    carat_request *r[2] = { NULL };
    size_t n = 0;
    if (!carat_queue_open(&q, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < 2; i++) {
        carat_prompt *p = ask(i, err);
        const carat_generation g = greedy();
        const carat_request_options o = {
            .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = 1 + i, .queue = q
        };
        ok = p && carat_request_submit(engine, &o, &r[i], err);
        n += ok;
        carat_prompt_free(p);
    }
    ok = listen(q, n, ok ? err : &(carat_err){ 0 }) && ok;
    carat_request_free(r[0]);
    carat_request_free(r[1]);
    carat_queue_close(q);
    return ok;
}

/* ---- answers of a form ---- */

static carat_format *open_form(carat_engine *e, carat_err *err)
{
    carat_format *f;
    const carat_format_options o = {
        .struct_size = sizeof o,
        .kind = CARAT_FORMAT_JSON_SCHEMA,
        .text =
            "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,\"x\"]},\"b\":{\"type\":\"string\",\"pattern\":\"^"
            "c\","
            "\"maxLength\":3},\"n\":{\"type\":\"integer\",\"minimum\":7,\"maximum\":30},\"u\":{\"type\":\"array\","
            "\"items\":{"
            "\"enum\":[1,2]},\"uniqueItems\":true},\"v\":{\"oneOf\":[{\"required\":[\"x\"]},{\"required\":[\"y\"]}]}},"
            "\"required\":[\"a\",\"n\"],\"if\":{\"properties\":{\"a\":{\"const\":\"x\"}}},\"then\":{\"required\":["
            "\"b\"]},"
            "\"dependentRequired\":{\"u\":[\"v\"]},\"not\":{\"properties\":{\"n\":{\"enum\":[8,9.5]}}},"
            "\"additionalProperties\":false}"
    };
    return carat_format_open(e, &o, &f, err) ? f : NULL;
}

/* Two functions, one with a schema; `may_speak`: calls within a text, too. */
static carat_format *open_calls(bool may_speak, carat_err *err)
{
    static const carat_tool two[] = {
        { .struct_size = sizeof *two,
          .name = "get_time",
          .parameters =
              "{\"properties\":{\"n\":{\"enum\":[1,22]}},\"required\":[\"n\"],\"additionalProperties\":false}" },
        { .struct_size = sizeof *two, .name = "stop" },
    };
    const carat_tools_options o = { .struct_size = sizeof o, .tools = two, .n_tools = 2 };
    carat_tools *t;
    carat_format *f;
    if (!carat_tools_open(&o, &t, err))
        return NULL;
    const carat_format_options of = { .struct_size = sizeof of,
                                      .kind = may_speak ? CARAT_FORMAT_TEXT_OR_CALLS : CARAT_FORMAT_CALLS,
                                      .tools = t };
    const bool ok = carat_format_open(engine, &of, &f, err);
    carat_tools_close(t);
    return ok ? f : NULL;
}

/* Two answers of a form, which is closed. */
static bool answer_in(carat_format *f, carat_err *err)
{
    carat_queue *q;
    carat_request *r = NULL;
    if (!f)
        return false;
    carat_prompt *p = ask(0, err);
    carat_generation g = greedy();
    g.format = f;
    g.max_tokens = 30;
    g.n_top = 0;
    bool ok = p && carat_queue_open(&q, err);
    if (ok) {
        const carat_request_options o = {
            .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = 2, .queue = q
        };
        ok = carat_request_submit(engine, &o, &r, err) && listen(q, 1, err);
        carat_request_free(r);
        carat_queue_close(q);
    }
    carat_prompt_free(p);
    carat_format_close(f);
    return ok;
}

static bool formed(carat_err *err)
{
    return answer_in(open_form(engine, err), err);
}

static bool called(carat_err *err)
{
    return answer_in(open_calls(false, err), err);
}

static bool spoken(carat_err *err)
{
    return answer_in(open_calls(true, err), err);
}

/* The first form of an engine builds the tree of its vocabulary. */
static bool first_form(carat_err *err)
{
    carat_engine *e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 64 };
    if (!carat_engine_open(TEXT_GGUF, &o, &e, err))
        return false;
    carat_format *f = open_form(e, err);
    carat_format_close(f);
    carat_engine_close(e);
    return f != NULL;
}

static double known[3]; /* figures of the first time */

/* A choice among texts. */
static bool decide(carat_err *err)
{
    static const carat_continuation c[] = { { .struct_size = sizeof *c, .text = "a red star" },
                                            { .struct_size = sizeof *c, .text = "no" },
                                            { .struct_size = sizeof *c, .text = "" } };
    carat_prompt *p = ask(1, err);
    carat_request *r = NULL;
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .ending = CARAT_ENDING_WHOLE, .continuations = c, .n_continuations = 3
    };
    bool ok = p && carat_request_submit(engine, &o, &r, err);
    carat_prompt_free(p);
    if (!ok)
        return false;
    const carat_event *event = carat_request_next(r, 30);
    ok = event->kind == CARAT_EVENT_ANSWER;
    if (event->kind == CARAT_EVENT_NONE)
        fail_msg("no event in 30 seconds: a request hangs");
    if (!ok)
        *err = *event->err;
    for (size_t i = 0; ok && i < 3; i++) {
        known[i] = known[i] < 0 ? known[i] : event->scores[i].logprob;
        assert_true(known[i] == event->scores[i].logprob);
    }
    carat_request_free(r);
    return ok;
}

static void with_engine(const char *path, bool has_pictures, const trial *trials, size_t n)
{
    static const char *const names[] = { "000-0.png", "001-0.png" };
    carat_err err;
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 1,
                              .chunk = 32,
                              .n_ctx = 128,
                              .n_sessions = 4,
                              .image_cache = 1,
                              .vision = has_pictures ? CARAT_VISION_REQUIRED : CARAT_VISION_OFF };
    if (!carat_engine_open(path, &o, &engine, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; has_pictures && i < 2; i++) {
        char file[512];
        snprintf(file, sizeof file, SIGHT "/test/%s", names[i]);
        if (!carat_picture_load(file, &seen[i], &err))
            fail_msg("%s", err.msg);
    }
    said.n = 0;
    carat_format_close(open_form(engine, &err)); /* what the first one builds stays */
    memset(known, 0, sizeof known);
    assert_true(answers_as_before());
    for (size_t i = 0; i < n; i++)
        sweep(&trials[i]);
    for (size_t i = 0; i < 2; i++)
        carat_picture_free(seen[i]), seen[i] = NULL;
    carat_engine_close(engine);
}

static void forms(void **state)
{
    (void)state;
    const trial trials[] = {
        { "the first form", first_form, NULL, 60 },
        { "answers of a form", formed, answers_as_before, 100 },
        { "calls", called, answers_as_before, 100 },
        { "text or calls", spoken, answers_as_before, 100 },
    };
    with_engine(TEXT_GGUF, false, trials, 4);
}

static void running(void **state)
{
    (void)state;
    const trial trials[] = {
        { "converse", converse, answers_as_before, 100 },
        { "requests", request, answers_as_before, 100 },
        { "decide", decide, answers_as_before, 100 },
    };
    with_engine(TEXT_GGUF, false, trials, 3);
}

static void seeing(void **state)
{
    (void)state;
    const trial trials[] = {
        { "converse on a picture", converse, answers_as_before, 50 },
        { "requests with pictures", request, answers_as_before, 50 },
        { "decide about pictures", decide, answers_as_before, 50 },
    };
    with_engine(SIGHT, true, trials, 3);
}

/* ---- files that are written ---- */

static size_t n_files(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool save_and_restore(carat_err *err)
{
    heard h;
    carat_session *s, *t = NULL;
    char *note = NULL;
    size_t len;
    unlink(in_folder("s"));
    if (!carat_session_open(engine, 0, &s, err))
        return false;
    bool ok = talk(s, &h, err) && carat_session_save(s, in_folder("s"), "a note", 6, err) &&
              carat_session_open(engine, 0, &t, err);
    if (ok && !carat_session_restore(t, in_folder("s"), &note, &len, err)) {
        ok = false;
        assert_int_equal(carat_session_n_tokens(t), 0); /* still empty */
    } else if (ok) {
        assert_int_equal(len, 6);
        assert_int_equal(carat_session_n_tokens(t), carat_session_n_tokens(s));
    }
    carat_free(note);
    carat_session_close(t);
    carat_session_close(s);
    return ok;
}

/* At most the saved session itself. */
static bool nothing_is_left_over(void)
{
    bool ok = access(in_folder("s"), F_OK) == 0 ? n_files() == 1 : n_files() == 0;
    return ok && answers_as_before();
}

static void saving(void **state)
{
    (void)state;
    with_engine(TEXT_GGUF, false, &(trial){ "save and restore", save_and_restore, nothing_is_left_over, 200 }, 1);
    unlink(in_folder("s"));
}

static bool made;

static bool synth(carat_err *err)
{
    const carat_shape shape = { .struct_size = sizeof shape,
                                .size = "270m",
                                .n_layer = 2,
                                .hidden = 64,
                                .ffn = 64,
                                .n_vocab = 700,
                                .type = "f32" };
    unlink(in_folder("m.gguf"));
    return made = carat_synth(&shape, in_folder("m.gguf"), NULL, NULL, err);
}

static bool whole_or_absent(void)
{
    size_t n = n_files();
    unlink(in_folder("m.gguf"));
    return n == made;
}

static void making(void **state)
{
    (void)state;
    sweep(&(trial){ "synth", synth, whole_or_absent, 100 });
}

/* ---- packs ---- */

/* A tower and all. */
static bool write_pack(carat_err *err)
{
    const carat_options o = { .struct_size = sizeof o, .n_threads = 2, .vision = CARAT_VISION_REQUIRED };
    unlink(in_folder("m.pack"));
    return made = carat_pack(VL_GGUF, in_folder("m.pack"), &o, err);
}

static bool pack_is_whole_or_absent(void)
{
    return n_files() == made;
}

static bool open_pack(carat_err *err)
{
    return open_and_close(in_folder("m.pack"), CARAT_VISION_REQUIRED, err);
}

static bool check_pack(carat_err *err)
{
    return carat_pack_check(in_folder("m.pack"), 2, NULL, NULL, err);
}

static void packing(void **state)
{
    (void)state;
    carat_err err;
    sweep(&(trial){ "write a pack", write_pack, pack_is_whole_or_absent, 60 });
    if (!write_pack(&err))
        fail_msg("%s", err.msg);
    sweep(&(trial){ "open a pack", open_pack, NULL, 60 });
    sweep(&(trial){ "check a pack", check_pack, NULL, 60 });
    unlink(in_folder("m.pack"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening), cmocka_unit_test(packing), cmocka_unit_test(pictures), cmocka_unit_test(running),
        cmocka_unit_test(forms),   cmocka_unit_test(seeing),  cmocka_unit_test(saving),   cmocka_unit_test(making),
    };
    int i = 1;
    if (UNIT_SANITIZED) {
        printf("skipped: a sanitizer has an allocator of its own\n");
        return 77;
    }
    sweep_takes_all = argc > i && strcmp(argv[i], "--all") == 0;
    sweep_takes_third = argc > i && strcmp(argv[i], "--third") == 0;
    i += sweep_takes_all || sweep_takes_third;
    if (argc > i)
        UNIT_CHOOSE(tests, argv[i]);
    if (!mkdtemp(folder))
        return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
