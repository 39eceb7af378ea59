/* Messages of a chat, with their images -> a prompt.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"
#include "openai/translate.h"

/* Everything of one prompt. Texts are borrowed from the JSON. */
typedef struct chat {
    const ct_openai_options *o;
    ct_openai_list *unknown;  /* of the request */
    char where[80];           /* "messages[3].content[1]": what is being read */
    carat_pan_scan low, high; /* the operator's, off and on: of images that ask for it */
    carat_message *messages;  /* [n_messages] */
    carat_content *content;   /* [n_content], of all messages */
    carat_call *calls;        /* [n_calls], likewise */
    carat_picture **pictures; /* [n_pictures], owned */
    json_t *texts;            /* arguments that were given as objects, as texts */
    size_t n_messages, n_content, n_calls, n_pictures;
    ct_openai_fault *f;
} chat;

static bool refuse(chat *c, const char *what)
{
    return ct_openai_refuse(c->f, 400, "invalid_value", c->where, "%s: %s", c->where, what);
}

/* pan_scan NULL: as the operator set it. */
static bool take_url(chat *c, const json_t *v, const carat_pan_scan *pan_scan)
{
    if (!ct_openai_image(v, c->o->files, c->o->files_hint, c->where, &c->pictures[c->n_pictures], c->f))
        return false;
    c->content[c->n_content++] = (carat_content){ .struct_size = sizeof *c->content,
                                                  .picture = c->pictures[c->n_pictures++],
                                                  .pan_scan = pan_scan };
    return true;
}

static bool check_fields(chat *c, const json_t *v, ct_openai_place place)
{
    return ct_openai_check_fields(v, place, c->where, c->unknown, c->f);
}

static bool check_image_url(chat *c, const json_t *v)
{
    char where[sizeof c->where + 16];
    snprintf(where, sizeof where, "%s.image_url", c->where);
    return ct_openai_check_fields(v, CT_IN_IMAGE_URL, where, c->unknown, c->f);
}

/* {"url", "detail"}, or the URL alone. */
static bool take_image(chat *c, const json_t *v)
{
    const char *detail = "auto";
    if (!json_is_object(v))
        return take_url(c, v, NULL);
    if (!check_image_url(c, v))
        return false;
    const json_t *d = json_object_get(v, "detail");
    if (d && !json_is_null(d))
        detail = json_is_string(d) ? json_string_value(d) : "";
    bool is_low = strcmp(detail, "low") == 0, is_high = strcmp(detail, "high") == 0;
    if (!is_low && !is_high && strcmp(detail, "auto") != 0)
        return refuse(c, "'detail' is not auto, low or high");
    return take_url(c, json_object_get(v, "url"), is_low ? &c->low : is_high ? &c->high : NULL);
}

/* ---- TranslateGemma's content: a text or a picture, and the languages to translate between ---- */

typedef struct languages {
    const char *from, *into; /* both or none */
} languages;

static bool read_languages(chat *c, const json_t *part, languages *l)
{
    const json_t *source = json_object_get(part, "source_lang_code"),
                 *target = json_object_get(part, "target_lang_code");
    *l = (languages){ json_string_value(source), json_string_value(target) };
    if ((!source || json_is_null(source)) && (!target || json_is_null(target)))
        return true;
    return (l->from && l->into) || refuse(c, "source_lang_code and target_lang_code belong together, and are texts");
}

/* The message that asks for it takes the place of the text; before a picture, text NULL, it is a part more. */
static bool take_translation(chat *c, const languages *l, const char *text, carat_content *to)
{
    ct_buf asked;
    if (!c->texts && !(c->texts = json_array()))
        return ct_openai_no_memory(c->f, "messages");
    ct_buf_init(&asked, (size_t)1 << 30);
    bool ok = (text ? ct_translate_ask(l->from, l->into, text, strlen(text), &asked, &c->f->err)
                    : ct_translate_ask_picture(l->from, l->into, &asked, &c->f->err)) ||
              ct_openai_refuse_err(c->f, c->where);
    if (ok && json_array_append_new(c->texts, json_stringn_nocheck(asked.data, asked.len)) != 0)
        ok = ct_openai_no_memory(c->f, "messages");
    if (ok)
        *to = (carat_content){ .struct_size = sizeof *to,
                               .text = json_string_value(json_array_get(c->texts, json_array_size(c->texts) - 1)) };
    ct_buf_deinit(&asked);
    return ok;
}

static bool take_text_part(chat *c, const json_t *part)
{
    carat_content *to = &c->content[c->n_content++];
    languages l;
    to->struct_size = sizeof *to;
    return check_fields(c, part, CT_IN_TEXT) &&
           ct_openai_text(json_object_get(part, "text"), c->where, &to->text, c->f) && read_languages(c, part, &l) &&
           (!l.from || take_translation(c, &l, to->text, to));
}

static bool take_image_part(chat *c, carat_message *m, const json_t *part, size_t n_parts)
{
    languages l;
    if (!check_fields(c, part, CT_IN_IMAGE) || !read_languages(c, part, &l))
        return false;
    if (l.from && n_parts > 1)
        return refuse(c, "a picture that is to be translated stands alone in its message");
    if (l.from && !take_translation(c, &l, NULL, &c->content[c->n_content]))
        return false;
    if (l.from)
        c->n_content++, m->n_content++, m->is_inline = true;
    return take_image(c, json_object_get(part, "image_url"));
}

static bool take_part(chat *c, carat_message *m, const json_t *part, size_t n_parts)
{
    const json_t *type_of = json_object_get(part, "type");
    const char *type = json_string_value(type_of) ? json_string_value(type_of) : "";
    if (strcmp(type, "text") == 0)
        return take_text_part(c, part);
    if (strcmp(type, "refusal") == 0) { /* what an assistant said */
        carat_content *to = &c->content[c->n_content++];
        to->struct_size = sizeof *to;
        return check_fields(c, part, CT_IN_TEXT) &&
               ct_openai_text(json_object_get(part, "refusal"), c->where, &to->text, c->f);
    }
    if (strcmp(type, "image_url") == 0)
        return take_image_part(c, m, part, n_parts);
    return ct_openai_refuse(c->f, 400, "unsupported_value", c->where,
                            "%s: type '%.40s', expected text, image_url or refusal", c->where, type);
}

static bool take_parts(chat *c, carat_message *m, const json_t *parts, size_t i)
{
    for (size_t k = 0; k < json_array_size(parts); k++) {
        snprintf(c->where, sizeof c->where, "messages[%zu].content[%zu]", i, k);
        if (!take_part(c, m, json_array_get(parts, k), json_array_size(parts)))
            return false;
        m->n_content++;
    }
    return true;
}

/* ---- calls and results ---- */

/* A text that may be missing. */
static bool take_text(chat *c, const json_t *v, const char *key, const char **to)
{
    return ct_json_text(v, c->where, key, to, &c->f->err) || ct_openai_refuse_err(c->f, c->where);
}

/* {"name", "arguments"}: the arguments as text, or as the object that the text would be. */
static bool take_function(chat *c, carat_message *m, const json_t *v, const char *id)
{
    carat_call *to = &c->calls[c->n_calls++];
    const json_t *arguments = json_object_get(v, "arguments");
    *to = (carat_call){ .struct_size = sizeof *to, .id = id };
    m->n_calls++;
    if (!json_is_object(v))
        return refuse(c, "the function of a call is missing, or is none");
    if (!check_fields(c, v, CT_IN_CALLED) || !take_text(c, v, "name", &to->name))
        return false;
    if (!to->name)
        return refuse(c, "a call without the name of a function");
    if (!arguments || json_is_null(arguments) || json_is_string(arguments)) {
        to->arguments = json_string_value(arguments);
        to->arguments_len = json_string_length(arguments);
        return true;
    }
    if (!json_is_object(arguments))
        return refuse(c, "the arguments of a call are neither a text nor an object");
    if (!c->texts && !(c->texts = json_array()))
        return ct_openai_no_memory(c->f, "messages");
    ct_buf text;
    ct_buf_init(&text, (size_t)64 << 20);
    const bool ok = ct_json_write(arguments, &text) &&
                    json_array_append_new(c->texts, json_stringn_nocheck(text.data, text.len)) == 0;
    ct_buf_deinit(&text);
    const json_t *kept = json_array_get(c->texts, json_array_size(c->texts) - 1);
    to->arguments = ok ? json_string_value(kept) : NULL;
    to->arguments_len = ok ? json_string_length(kept) : 0;
    return ok || ct_openai_no_memory(c->f, "messages");
}

static bool take_call(chat *c, carat_message *m, const json_t *v)
{
    const char *id = NULL, *type = "function";
    if (!json_is_object(v))
        return refuse(c, "a call is not an object");
    if (!check_fields(c, v, CT_IN_CALL) || !take_text(c, v, "id", &id) || !take_text(c, v, "type", &type))
        return false;
    if (strcmp(type, "function") != 0)
        return refuse(c, "a call of another type than function");
    return take_function(c, m, json_object_get(v, "function"), id);
}

static bool take_calls(chat *c, carat_message *m, const json_t *v, size_t i)
{
    const json_t *list = json_object_get(v, "tool_calls"), *old = json_object_get(v, "function_call");
    m->calls = c->calls + c->n_calls;
    snprintf(c->where, sizeof c->where, "messages[%zu].tool_calls", i);
    if (list && !json_is_null(list) && !json_is_array(list))
        return refuse(c, "expected an array");
    for (size_t k = 0; k < json_array_size(list); k++) {
        snprintf(c->where, sizeof c->where, "messages[%zu].tool_calls[%zu]", i, k);
        if (!take_call(c, m, json_array_get(list, k)))
            return false;
    }
    snprintf(c->where, sizeof c->where, "messages[%zu].function_call", i);
    return !old || json_is_null(old) || take_function(c, m, old, NULL);
}

/* Whose result it is; of any other message these fields change nothing. */
static bool take_result(chat *c, carat_message *m, const json_t *v)
{
    if (strcmp(m->role, "tool") != 0 && strcmp(m->role, "function") != 0)
        return true;
    if (!take_text(c, v, "tool_call_id", &m->call_id) || !take_text(c, v, "name", &m->name) ||
        (!m->name && !take_text(c, v, "tool_name", &m->name)))
        return false;
    m->call_id = m->call_id && *m->call_id ? m->call_id : NULL;
    m->name = m->name && *m->name ? m->name : NULL;
    return true;
}

/* ---- messages ---- */

static bool take_message(chat *c, const json_t *v, size_t i)
{
    carat_message *m = &c->messages[c->n_messages++];
    m->struct_size = sizeof *m;
    snprintf(c->where, sizeof c->where, "messages[%zu]", i);
    if (!check_fields(c, v, CT_IN_MESSAGE))
        return false;
    snprintf(c->where, sizeof c->where, "messages[%zu].role", i);
    if (!ct_openai_text(json_object_get(v, "role"), c->where, &m->role, c->f))
        return false;
    if (!take_result(c, m, v) || !take_calls(c, m, v, i))
        return false;
    snprintf(c->where, sizeof c->where, "messages[%zu].content", i);
    const json_t *content = json_object_get(v, "content");
    m->content = c->content + c->n_content;
    if (json_is_array(content))
        return take_parts(c, m, content, i);
    if (content && !json_is_null(content))
        return ct_openai_text(content, c->where, &m->text, c->f);
    snprintf(c->where, sizeof c->where, "messages[%zu].refusal", i); /* said instead of a content */
    const json_t *refusal = json_object_get(v, "refusal");
    return !refusal || json_is_null(refusal) || ct_openai_text(refusal, c->where, &m->text, c->f);
}

static void free_chat(chat *c)
{
    for (size_t i = 0; i < c->n_pictures; i++)
        carat_picture_free(c->pictures[i]);
    free(c->pictures);
    json_decref(c->texts);
    free(c->calls);
    free(c->content);
    free(c->messages);
}

static bool make_room(chat *c, const json_t *list, size_t n)
{
    size_t n_parts = 0, n_calls = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(list, i);
        n_parts += json_array_size(json_object_get(m, "content"));
        n_calls += json_array_size(json_object_get(m, "tool_calls")) + 1; /* and a function_call */
    }
    c->messages = calloc(n, sizeof *c->messages);
    c->content = calloc(2 * n_parts + 1, sizeof *c->content); /* some have a text put before them */
    c->calls = calloc(n_calls, sizeof *c->calls);
    c->pictures = calloc(n_parts + 1, sizeof(carat_picture *));
    return (c->messages && c->content && c->calls && c->pictures) || ct_openai_no_memory(c->f, "messages");
}

/* Is the last message the beginning of an answer? Gemma's turns alternate: after a model's turn comes no other one, so that
 * what the client wants is its continuation (llama-server and Ollama do likewise). */
static bool ends_in_answer(const json_t *list)
{
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    return role && strcmp(role, "assistant") == 0 && json_string_length(json_object_get(last, "content")) > 0 &&
           json_array_size(json_object_get(last, "tool_calls")) == 0;
}

/* Where the answer begins: in a turn of its own, within the last message, or in no turn. */
static bool read_beginning(const json_t *body, carat_prompt_options *o, ct_openai_fault *f)
{
    const json_t *given = json_object_get(body, "add_generation_prompt");
    const json_t *asked = json_object_get(body, "continue_final_message");
    const bool is_said = (given && !json_is_null(given)) || (asked && !json_is_null(asked));
    bool begins = true, goes_on = false;
    if (!ct_openai_bool(body, "add_generation_prompt", &begins, f) ||
        !ct_openai_bool(body, "continue_final_message", &goes_on, f))
        return false;
    if (goes_on && json_is_true(given))
        return ct_openai_refuse(f, 400, "invalid_value", "continue_final_message",
                                "'continue_final_message' and 'add_generation_prompt' cannot both be true");
    if (!is_said)
        goes_on = ends_in_answer(json_object_get(body, "messages"));
    o->continues_answer = goes_on;
    o->omits_answer = !goes_on && !begins;
    return true;
}

/* Bytes of all texts. */
static size_t length_of(const chat *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_messages; i++)
        n += c->messages[i].text ? strlen(c->messages[i].text) : 0;
    for (size_t i = 0; i < c->n_content; i++)
        n += c->content[i].text ? strlen(c->content[i].text) : 0;
    return n;
}

bool ct_openai_chat_prompt(ct_openai_request *r, const carat_engine *e, const ct_openai_options *o, ct_openai_fault *f)
{
    const json_t *list = json_object_get(r->body, "messages");
    size_t n = json_array_size(list);
    if (n == 0)
        return ct_openai_refuse(f, 400, "missing_required_parameter", "messages",
                                "'messages' is missing, empty or not an array");
    chat c = { .o = o, .f = f, .unknown = &r->unknown, .low = o->pan_scan, .high = o->pan_scan };
    c.low.mode = CARAT_PAN_SCAN_OFF;
    c.high.mode = CARAT_PAN_SCAN_ON;
    carat_prompt_options po = {
        .struct_size = sizeof po, .pan_scan = &o->pan_scan, .tools = r->calls.tools, .fit = o->fit
    };
    bool ok = read_beginning(r->body, &po, f) && make_room(&c, list, n);
    for (size_t i = 0; ok && i < n; i++)
        ok = take_message(&c, json_array_get(list, i), i);
    ok = ok && (o->fit || ct_openai_may_fit(e, length_of(&c), "messages", f));
    if (ok && !carat_prompt_chat(e, c.messages, n, &po, &r->prompt, &f->err))
        ok = ct_openai_refuse_err(f, "messages");
    free_chat(&c);
    return ok;
}
