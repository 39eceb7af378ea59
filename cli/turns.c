/* The messages of a chat with their pictures: adding, undoing, image files named in the text, the note of a saved one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "json_out.h"
#include "picture_names.h"
#include "term.h"

#define MAX_NOTE ((size_t)4 << 30) /* text and pictures of a saved conversation */

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the conversation");
}

void turn_deinit(turn *t)
{
    free(t->text);
    free(t->content);
    cli_pictures_free(&t->pictures);
    json_decref(t->note);
}

void turns_drop(turns *t, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++)
        turn_deinit(&t->v[i]);
    memmove(t->v + from, t->v + from + n, (t->n - from - n) * sizeof *t->v);
    t->n -= n;
}

turn turns_pop(turns *t)
{
    return t->v[--t->n];
}

void turns_put_back(turns *t, turn last)
{
    t->v[t->n++] = last;
}

/* ---- pictures named in a message ---- */

#define MAX_NAMED   64  /* pictures in a message */
#define MAX_MISSING 256 /* names without a file: then it is a text about files, and no more are looked for */
#define MAX_NOTICES 4

static void notice(const picture_name *p, turn_names names, size_t n)
{
    char name[128];
    term_printable(p->path, name, sizeof name);
    if (n > MAX_NOTICES)
        return;
    if (names == TURN_NAMES_BLIND)
        term_tell("(this model has no vision tower: %s is sent as text)", name);
    else if (names == TURN_NAMES_UNSEEN)
        term_tell("(opened without vision, as --no-vision asks: %s is sent as text)", name);
    else if (p->kind == PICTURE_ADDRESS)
        term_tell("(%s: nothing is downloaded; sent as text)", name);
    else if (p->kind == PICTURE_OTHER)
        term_tell("(%s: not a format that is read (JPEG, PNG, WebP, GIF, BMP); sent as text)", name);
    else
        term_tell("(%s: %s; sent as text)", name, picture_name_why(p));
}

static void add_text(turn *t, const char *text, size_t len)
{
    if (len)
        t->content[t->n_content++] =
            (carat_content){ .struct_size = sizeof *t->content, .text = text, .text_len = len };
}

static void add_picture(turn *t, const carat_picture *p)
{
    t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .picture = p };
}

/* Loads a named picture behind those that the turn has, and gives it its place. */
static bool take_named(turn *t, const char *path, carat_err *err)
{
    cli_pictures one;
    if (!cli_pictures_keep(path, &one, err))
        return false;
    const carat_picture *p = one.v[0];
    if (!cli_pictures_join(&t->pictures, &one)) {
        cli_pictures_free(&one);
        return no_memory(err);
    }
    add_picture(t, p);
    t->is_inline = true;
    return true;
}

/* The text's pieces: pictures in place of their names, and what is between them. */
static bool find_pictures(turn *t, turn_names names, carat_err *err)
{
    picture_name p;
    size_t done = 0, n_found = 0, n_missing = 0;
    bool ok = true;
    for (size_t at = 0; ok && names != TURN_NAMES_TEXT && n_missing < MAX_MISSING && picture_name_next(t->text, at, &p);
         at = p.to) {
        if (names != TURN_NAMES_PICTURES || p.kind != PICTURE_FILE) {
            notice(&p, names, ++n_missing);
            continue;
        }
        if (n_found++ == MAX_NAMED)
            return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the message names more than %d pictures", MAX_NAMED);
        add_text(t, t->text + done, p.from - done);
        done = p.to;
        ok = take_named(t, p.path, err);
    }
    if (n_missing > MAX_NOTICES)
        term_tell("(so are %zu%s other names of pictures)", n_missing - MAX_NOTICES,
                  n_missing == MAX_MISSING ? " or more" : "");
    add_text(t, t->text + done, strlen(t->text + done));
    if (ok && t->n_content == 0)
        t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .text = "" };
    return ok;
}

bool turns_add(turns *t, const char *role, const char *text, cli_pictures *attached, turn_names names, carat_err *err)
{
    cli_pictures none = { 0 };
    if (t->n == MAX_TURNS)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the conversation is full: /clear starts a new one");
    attached = attached ? attached : &none;
    turn *new = &t->v[t->n];
    *new = (turn){ .role = role, .text = strdup(text) };
    new->content = calloc(attached->n + 2 * MAX_NAMED + 2, sizeof *new->content);
    bool ok = (new->text &&new->content) || no_memory(err);
    for (size_t i = 0; ok && i < attached->n; i++)
        add_picture(new, attached->v[i]);
    ok = ok && find_pictures(new, names, err) && (cli_pictures_join(&new->pictures, attached) || no_memory(err));
    if (ok)
        t->n++;
    else
        turn_deinit(new);
    return ok;
}

/* ---- the prompt ---- */

static bool chat_prompt(const turns *t, const carat_engine *e, const char *system, const carat_prompt_options *o,
                        carat_prompt **out, carat_err *err)
{
    carat_message *m = calloc(t->n + 1, sizeof *m);
    size_t k = 0;
    if (!m)
        return no_memory(err);
    if (system)
        m[k++] = (carat_message){ .struct_size = sizeof(carat_message), .role = "system", .text = system };
    for (size_t i = 0; i < t->n; i++)
        m[k++] = (carat_message){ .struct_size = sizeof(carat_message),
                                  .role = t->v[i].role,
                                  .content = t->v[i].content,
                                  .n_content = t->v[i].n_content,
                                  .is_inline = t->v[i].is_inline };
    bool ok = carat_prompt_chat(e, m, k, o, out, err);
    free(m);
    return ok;
}

/* One growing text: what was said, what was written, what is said now. */
static bool base_prompt(const turns *t, const carat_engine *e, const carat_prompt_options *o, carat_prompt **out,
                        carat_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->v[i].n_content;
    carat_content *c = calloc(n + 1, sizeof *c);
    if (!c)
        return no_memory(err);
    n = 0;
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->v[i].n_content; k++)
            c[n++] = t->v[i].content[k];
    bool ok = carat_prompt_text(e, c, n, o, out, err);
    free(c);
    return ok;
}

bool turns_prompt(const turns *t, const carat_engine *e, const char *system, bool is_base, const carat_pan_scan *pan,
                  size_t fit, carat_prompt **out, carat_err *err)
{
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = pan, .fit = fit };
    return is_base ? base_prompt(t, e, &o, out, err) : chat_prompt(t, e, system, &o, out, err);
}

/* ---- a session's note ---- */

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
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "role", t->v[i].role, "inline", (int)t->v[i].is_inline,
                                              "content", content_json(&t->v[i])));
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
    add_picture(t, p);
    return true;
}

static bool turn_from(turn *t, const json_t *j, note_bytes *b, carat_err *err)
{
    size_t i;
    json_t *piece;
    const json_t *content = json_object_get(j, "content");
    const char *role = json_string_value(json_object_get(j, "role"));
    *t = (turn){ .role = role && strcmp(role, "assistant") == 0 ? "assistant" : "user",
                 .is_inline = json_is_true(json_object_get(j, "inline")) };
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

/* A text of the note, if it has one: a copy. */
static bool copy_text(const json_t *o, const char *name, char **out, carat_err *err)
{
    const char *s = json_string_value(json_object_get(o, name));
    return !s || (*out = strdup(s)) || no_memory(err);
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
