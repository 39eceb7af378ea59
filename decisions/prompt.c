/* The state, and a question behind it -> a prompt. The wording is docs/DECISIONS.md's, "Questions over HTTP".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "decisions/inside.h"
#include "decisions/policy.h"
#include "openai/fields.h"
#include "openai/inside.h"
#include "openai/paths.h"

#define MAX_TEXT ((size_t)1 << 30)

/* ---- the state ---- */

/* A list of objects that have a role each is a chat. */
static bool is_chat(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_object_get(json_array_get(v, i), "role")))
            return false;
    return json_array_size(v) > 0;
}

static bool read_pictures(ct_state *s, const json_t *list, const ct_talk_scene *scene, ct_openai_fault *f)
{
    const size_t n = json_array_size(list);
    char where[32];
    if (list && !json_is_null(list) && !json_is_array(list))
        return ct_openai_refuse(f, 400, "invalid_value", "images", "'images' is %s, expected a list of data: URLs",
                                ct_json_kind(list));
    if (n && !carat_engine_info(scene->engine)->has_vision)
        return ct_openai_refuse(f, 501, "unsupported_value", "images", "the model '%.60s' sees no pictures",
                                scene->model);
    if (n > CT_DECISIONS_MAX_PICTURES)
        return ct_openai_refuse(f, 400, "invalid_value", "images", "'images' are %zu, expected at most %d", n,
                                CT_DECISIONS_MAX_PICTURES);
    s->pictures = calloc(n + 1, sizeof(carat_picture *));
    if (!s->pictures)
        return ct_decisions_no_memory(f, "pictures");
    for (size_t i = 0; i < n; i++) {
        snprintf(where, sizeof where, "images[%zu]", i);
        if (!ct_openai_image(json_array_get(list, i), scene->options->files, scene->options->files_hint, where,
                             &s->pictures[i], f))
            return false;
        s->n_pictures++;
    }
    return true;
}

bool ct_state_read(ct_state *s, const json_t *body, const ct_talk_scene *scene, ct_openai_fault *f)
{
    const json_t *v = json_object_get(body, "state");
    const bool has_turns = *carat_engine_info(scene->engine)->chat_template != '\0';
    if (!ct_is_content(v))
        return ct_openai_refuse(
            f, 400, v ? "invalid_value" : "missing_required_parameter", "state",
            "'state' is %s, expected a text without NUL characters, an object, a list or messages of "
            "a chat",
            v ? ct_json_kind(v) : "missing");
    if (is_chat(v) && has_turns)
        s->messages = v;
    else if (!(s->text = ct_content_text(v)))
        return ct_decisions_no_memory(f, "the state");
    return read_pictures(s, json_object_get(body, "images"), scene, f);
}

void ct_state_deinit(ct_state *s)
{
    for (size_t i = 0; i < s->n_pictures; i++)
        carat_picture_free(s->pictures[i]);
    free(s->pictures);
    free(s->text);
}

/* ---- the question ---- */

static bool put_meanings(const ct_question *q, const char *before, ct_buf *out)
{
    bool ok = true;
    for (size_t i = 0; ok && i < q->n; i++)
        if (q->meanings[i] || q->type == CT_QUESTION_CHOICE)
            ok = ct_buf_str(out, before) && ct_buf_str(out, q->names[i]) &&
                 ct_buf_str(out, q->meanings[i] ? ": " : "") && ct_buf_str(out, q->meanings[i] ? q->meanings[i] : "") &&
                 ct_buf_char(out, '\n');
    return ok;
}

/* The instructions, what the possible answers mean, and how to answer. */
static bool put_question(const ct_question *q, ct_buf *out)
{
    static const char *const how[] = { "Answer with the name of one option and nothing else.",
                                       "Answer with the number of one level and nothing else.",
                                       "Answer with Yes or No and nothing else." };
    static const char *const heads[] = { "Options:\n", "Levels, lowest first:\n", "" };
    return (!q->instructions || (ct_buf_str(out, q->instructions) && ct_buf_str(out, "\n\n"))) &&
           ct_buf_str(out, heads[q->type]) && put_meanings(q, q->type == CT_QUESTION_CHOICE ? "- " : "", out) &&
           ct_buf_str(out, how[q->type]);
}

/* ---- both ---- */

/* In a turn of the user's, or as bare text that the answer goes on with. */
static bool of_text(ct_question *q, const ct_state *s, const ct_talk_scene *scene, bool has_turns,
                    const ct_buf *question, ct_openai_fault *f)
{
    ct_buf text;
    ct_buf_init(&text, MAX_TEXT);
    ct_buf_str(&text, s->text);
    ct_buf_str(&text, "\n\n");
    ct_buf_add(&text, question->data, question->len);
    ct_buf_str(&text, has_turns ? "" : "\nAnswer:");
    carat_content *content = calloc(s->n_pictures + 1, sizeof *content);
    bool ok = (content && !text.failed) || ct_decisions_no_memory(f, "a question");
    for (size_t i = 0; ok && i < s->n_pictures; i++)
        content[i] = (carat_content){ .struct_size = sizeof *content, .picture = s->pictures[i] };
    if (ok)
        content[s->n_pictures] =
            (carat_content){ .struct_size = sizeof *content, .text = text.data, .text_len = text.len };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &scene->options->pan_scan };
    const carat_message m = {
        .struct_size = sizeof m, .role = "user", .content = content, .n_content = s->n_pictures + 1
    };
    if (ok)
        ok = (has_turns ? carat_prompt_chat(scene->engine, &m, 1, &o, &q->prompt, &f->err)
                        : carat_prompt_text(scene->engine, content, s->n_pictures + 1, &o, &q->prompt, &f->err)) ||
             ct_openai_refuse_err(f, "state");
    free(content);
    ct_buf_deinit(&text);
    return ok;
}

/* The question is one more message of the user's. */
static json_t *body_of(const ct_state *s, const ct_buf *question)
{
    json_t *messages = json_copy((json_t *)(uintptr_t)s->messages);
    json_t *last =
        json_pack("{s:s, s:o}", "role", "user", "content", ct_json_from_bytes(question->data, question->len));
    if (json_array_append_new(messages, last) != 0) {
        json_decref(messages);
        return NULL;
    }
    return json_pack("{s:o}", "messages", messages);
}

static bool of_chat(ct_question *q, const ct_state *s, const ct_talk_scene *scene, ct_openai_list *unknown,
                    const ct_buf *question, ct_openai_fault *f)
{
    ct_openai_request r = { 0 };
    ct_openai_paths paths = { 0 };
    json_t *body = body_of(s, question);
    if (s->n_pictures) {
        json_decref(body);
        return ct_openai_refuse(f, 400, "invalid_value", "images",
                                "'images' stand beside a state that is no chat; a chat has them in its messages");
    }
    bool ok = (body || ct_decisions_no_memory(f, "a question")) && ct_openai_path_add(&paths, "messages", "state", f);
    if (ok && !ct_openai_request_read(&r, CT_OPENAI_CHAT, body, scene->engine, scene->options, f))
        ok = ct_openai_path_rename(&paths, f);
    if (ok && unknown->n == 0) /* the first question's prompt names them for all */
        ok = ct_openai_list_join(unknown, &r.unknown) || ct_decisions_no_memory(f, "the names of unknown fields");
    if (ok) {
        q->prompt = r.prompt;
        r.prompt = NULL;
    }
    ct_openai_request_deinit(&r);
    ct_openai_paths_deinit(&paths);
    json_decref(body);
    return ok;
}

/* A word has its space in front where it goes on with a text. */
static bool set_continuations(ct_question *q, bool has_turns, ct_openai_fault *f)
{
    for (size_t i = 0; i < q->n; i++) {
        ct_buf text;
        ct_buf_init(&text, MAX_TEXT);
        ct_buf_str(&text, has_turns ? "" : " ");
        ct_buf_str(&text, q->names[i]);
        q->texts[i] = ct_buf_take(&text);
        if (!q->texts[i])
            return ct_decisions_no_memory(f, "a question");
        q->continuations[i] = (carat_continuation){ .struct_size = sizeof *q->continuations, .text = q->texts[i] };
    }
    q->ask = (carat_request_options){
        .struct_size = sizeof q->ask, .prompt = q->prompt, .continuations = q->continuations, .n_continuations = q->n
    };
    return true;
}

/* Of the one picture, without a state. */
static bool of_policy(ct_question *q, const ct_state *s, const ct_talk_scene *scene, ct_openai_fault *f)
{
    if (s->n_pictures != 1)
        return ct_openai_refuse(f, 400, "invalid_value", "images", "a policy is asked about one image, not %zu",
                                s->n_pictures);
    if (s->messages || *s->text)
        return ct_openai_refuse(f, 400, "invalid_value", "state",
                                "a policy is asked about an image alone: 'state' must be an empty text");
    if (!ct_policy_prompt(scene->engine, q->policy, s->pictures[0], &q->prompt, &f->err))
        return ct_openai_refuse_err(f, "images");
    if (!set_continuations(q, true, f))
        return false;
    q->ask.ending = CARAT_ENDING_OPEN;
    return true;
}

bool ct_question_prompt(ct_question *q, const ct_state *s, const ct_talk_scene *scene, ct_openai_list *unknown,
                        ct_openai_fault *f)
{
    const bool has_turns = *carat_engine_info(scene->engine)->chat_template != '\0';
    ct_buf question;
    if (q->type == CT_QUESTION_POLICY)
        return of_policy(q, s, scene, f);
    ct_buf_init(&question, MAX_TEXT);
    bool ok = put_question(q, &question) || ct_decisions_no_memory(f, "a question");
    ok = ok &&
         (s->messages ? of_chat(q, s, scene, unknown, &question, f) : of_text(q, s, scene, has_turns, &question, f));
    ct_buf_deinit(&question);
    return ok && set_continuations(q, has_turns, f);
}
