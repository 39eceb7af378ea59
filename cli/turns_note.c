/* The messages of a chat as the note of a saved session, and back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "json_out.h"

#define MAX_NOTE ((size_t)4 << 30) /* text and pictures of a saved conversation */

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the conversation");
}

/* ---- writing ---- */

static const cli_picture_file *file_of(const turn *t, const carat_picture *p)
{
    size_t k = 0;
    while (t->pictures.v[k] != p) /* it is one of them */
        k++;
    return &t->pictures.files[k];
}

static json_t *content_json(const turn *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->n_content; i++) {
        const carat_content *c = &t->content[i];
        const cli_picture_file *file = c->picture ? file_of(t, c->picture) : NULL;
        json_array_append_new(
            a, file ? json_pack("{s:o, s:I}", "picture", ct_json_from_str(file->path), "bytes", (json_int_t)file->len)
                    : json_pack("{s:o}", "text",
                                ct_json_from_bytes(c->text, c->text_len ? c->text_len : strlen(c->text))));
    }
    return a;
}

static json_t *calls_json(const turn *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->n_calls; i++)
        json_array_append_new(a, json_pack("{s:s, s:s, s:o}", "id", t->calls[i].id, "name", t->calls[i].name,
                                           "arguments", ct_json_from_str(t->calls[i].arguments)));
    return a;
}

static json_t *turn_json(const turn *t)
{
    json_t *j = json_pack("{s:s, s:b, s:o}", "role", t->role, "inline", (int)t->is_inline, "content", content_json(t));
    if (t->n_calls)
        json_object_set_new(j, "calls", calls_json(t));
    if (t->call_id)
        json_object_set_new(j, "call_id", json_string(t->call_id));
    if (t->name)
        json_object_set_new(j, "name", json_string(t->name));
    return j;
}

/* The files of its pictures, in the order of its pieces. */
static void add_files(const turn *t, ct_buf *to)
{
    for (size_t i = 0; i < t->n_content; i++)
        if (t->content[i].picture) {
            const cli_picture_file *file = file_of(t, t->content[i].picture);
            ct_buf_add(to, file->data, file->len);
        }
}

bool turns_to_note(const turns *t, const char *system, const char *chat_template, char **note, size_t *len,
                   carat_err *err)
{
    ct_buf all;
    ct_buf_init(&all, MAX_NOTE);
    json_t *list = json_array();
    json_t *o = json_pack("{s:o, s:o, s:o}", "system", system ? ct_json_from_str(system) : json_null(), "template",
                          ct_json_from_str(chat_template), "turns", list);
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(list, turn_json(&t->v[i]));
    char *text =
        cli_json_failed() ? NULL : ct_json_dump(o, 0); /* a message that there was no memory for would be missing */
    json_decref(o);
    if (text)
        ct_buf_add(&all, text, strlen(text) + 1);
    for (size_t i = 0; text && i < t->n; i++)
        add_files(&t->v[i], &all);
    free(text);
    *len = all.len;
    *note = text ? ct_buf_take(&all) : NULL;
    ct_buf_deinit(&all);
    return *note || no_memory(err);
}

/* ---- reading ---- */

/* The bytes of pictures that are left of a note. */
typedef struct note_bytes {
    const char *data;
    size_t left;
} note_bytes;

static bool picture_from(turn *t, const json_t *piece, const char *name, note_bytes *b, carat_err *err)
{
    cli_pictures one;
    const json_t *j = json_object_get(piece, "bytes");
    const json_int_t n = json_integer_value(j);
    if (!j)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "saved by an older Carat, without its pictures (%.80s): it cannot be resumed", name);
    if (!json_is_integer(j) || n <= 0 || (uint64_t)n > b->left)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "picture '%.80s': %" JSON_INTEGER_FORMAT " bytes of %zu",
                       name, n, b->left);
    if (!cli_pictures_from_bytes(name, b->data, (size_t)n, &one, err))
        return false;
    b->data += n, b->left -= (size_t)n;
    const carat_picture *p = one.v[0];
    if (!cli_pictures_join(&t->pictures, &one)) {
        cli_pictures_free(&one);
        return no_memory(err);
    }
    t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .picture = p };
    return true;
}

/* A text of the note, if it has one: a copy. */
static bool copy_text(const json_t *o, const char *name, char **out, carat_err *err)
{
    const char *s = json_string_value(json_object_get(o, name));
    return !s || (*out = strdup(s)) || no_memory(err);
}

static bool call_from(carat_call *c, const json_t *j, carat_err *err)
{
    char *id = NULL, *name = NULL, *arguments = NULL;
    bool ok =
        copy_text(j, "id", &id, err) && copy_text(j, "name", &name, err) && copy_text(j, "arguments", &arguments, err);
    if (ok && (!id || !name || !arguments))
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a call without an id, a name or arguments");
    *c = (carat_call){ .struct_size = sizeof *c, .id = id, .name = name, .arguments = arguments };
    return ok;
}

static bool calls_from(turn *t, const json_t *list, carat_err *err)
{
    const size_t n = json_array_size(list);
    if (!n || strcmp(t->role, "assistant") != 0)
        return n == 0 || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "calls of a message that is not an answer");
    t->calls = calloc(n, sizeof *t->calls);
    bool ok = t->calls || no_memory(err);
    for (; ok && t->n_calls < n; t->n_calls++)
        ok = call_from(&t->calls[t->n_calls], json_array_get(list, t->n_calls), err);
    return ok;
}

static const char *role_from(const json_t *j)
{
    static const char *const roles[] = { "assistant", "tool" };
    const char *role = json_string_value(json_object_get(j, "role"));
    for (size_t i = 0; role && i < 2; i++)
        if (strcmp(role, roles[i]) == 0)
            return roles[i];
    return "user";
}

static bool turn_from(turn *t, const json_t *j, note_bytes *b, carat_err *err)
{
    size_t i;
    json_t *piece;
    const json_t *content = json_object_get(j, "content");
    *t = (turn){ .role = role_from(j), .is_inline = json_is_true(json_object_get(j, "inline")) };
    if (!calls_from(t, json_object_get(j, "calls"), err))
        return false;
    if (strcmp(t->role, "tool") == 0 &&
        (!copy_text(j, "call_id", &t->call_id, err) || !copy_text(j, "name", &t->name, err)))
        return false;
    t->content = calloc(json_array_size(content) + 1, sizeof *t->content);
    t->note = json_incref((json_t *)(uintptr_t)j); /* its texts are the turn's */
    if (!t->content)
        return no_memory(err);
    json_array_foreach(content, i, piece) {
        const char *name = json_string_value(json_object_get(piece, "picture"));
        const char *text = json_string_value(json_object_get(piece, "text"));
        if (name && !picture_from(t, piece, name, b, err))
            return false;
        if (!name && text)
            t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .text = text };
    }
    return true;
}

bool turns_from_note(turns *t, const char *note, size_t len, char **system, char **chat_template, carat_err *err)
{
    json_t *o = NULL, *j;
    const size_t text_len = strnlen(note, len);
    note_bytes b = { note + text_len + 1, len > text_len ? len - text_len - 1 : 0 };
    *system = *chat_template = NULL;
    if (!ct_json_parse("the conversation", note, text_len, &o, err))
        return false;
    const json_t *list = json_object_get(o, "turns");
    size_t i;
    bool ok = json_is_array(list) ||
              ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the session was not saved by carat chat: it has no messages");
    if (ok && json_array_size(list) > MAX_TURNS)
        ok = ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu messages, the limit is %d", json_array_size(list),
                     MAX_TURNS);
    json_array_foreach(list, i, j) {
        if (!ok)
            break;
        ok = turn_from(&t->v[t->n], j, &b, err);
        if (ok)
            t->n++;
        else
            turn_deinit(&t->v[t->n]);
    }
    ok = ok && copy_text(o, "system", system, err) && copy_text(o, "template", chat_template, err);
    json_decref(o);
    return ok;
}
