/* The messages of a chat with their pictures: adding, undoing, image files named in the text, calls and results.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "picture_names.h"
#include "term.h"

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the conversation");
}

static void free_calls(carat_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)calls[i].id);
        free((char *)(uintptr_t)calls[i].name);
        free((char *)(uintptr_t)calls[i].arguments);
    }
    free(calls);
}

void turn_deinit(turn *t)
{
    free(t->text);
    free(t->content);
    free(t->call_id);
    free(t->name);
    free_calls(t->calls, t->n_calls);
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

turn *turns_pop(turns *t, size_t from, size_t *n)
{
    *n = t->n - from;
    turn *popped = *n ? malloc(*n * sizeof *popped) : NULL;
    if (popped) {
        memcpy(popped, t->v + from, *n * sizeof *popped);
        t->n = from;
    }
    return popped;
}

void turns_put_back(turns *t, turn *popped, size_t n)
{
    memcpy(t->v + t->n, popped, n * sizeof *popped);
    t->n += n;
    free(popped);
}

void turns_free_popped(turn *popped, size_t n)
{
    for (size_t i = 0; i < n; i++)
        turn_deinit(&popped[i]);
    free(popped);
}

static bool is_users(const turn *t)
{
    return strcmp(t->role, "user") == 0;
}

size_t turns_last_exchange(const turns *t)
{
    size_t i = t->n;
    while (i && !is_users(&t->v[i - 1]))
        i--;
    return i ? i - 1 : 0;
}

size_t turns_first_exchange(const turns *t)
{
    size_t i = 1;
    while (i < t->n && !is_users(&t->v[i]))
        i++;
    return i < t->n ? i : t->n;
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

/* ---- calls and their results ---- */

static bool has_id(const turns *t, const char *id)
{
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < t->v[i].n_calls; k++)
            if (strcmp(t->v[i].calls[k].id, id) == 0)
                return true;
    return false;
}

/* One that no call of the conversation has; `before` were given to calls that are about to be added. */
static char *new_id(const turns *t, size_t before)
{
    char id[32];
    for (size_t i = 1;; i++) {
        snprintf(id, sizeof id, "call_%zu", i);
        if (!has_id(t, id) && before-- == 0)
            return strdup(id);
    }
}

static bool copy_call(const carat_call *from, char *id, carat_call *to)
{
    *to = (carat_call){ .struct_size = sizeof *to,
                        .id = id,
                        .name = strdup(from->name),
                        .arguments = strdup(from->arguments ? from->arguments : "{}") };
    return id && to->name && to->arguments;
}

bool turns_add_calls(turns *t, const char *text, const carat_call *calls, size_t n, carat_err *err)
{
    if (!turns_add(t, "assistant", text, NULL, TURN_NAMES_TEXT, err))
        return false;
    turn *new = &t->v[t->n - 1];
    carat_call *own = calloc(n + 1, sizeof *own);
    bool ok = own;
    for (size_t i = 0; ok && i < n; i++)
        ok = copy_call(&calls[i], new_id(t, i), &own[i]);
    new->calls = own;
    new->n_calls = own ? n : 0;
    if (ok)
        return true;
    turns_drop(t, t->n - 1, 1);
    return no_memory(err);
}

bool turns_add_result(turns *t, const carat_call *call, const char *text, carat_err *err)
{
    char *id = strdup(call->id), *name = strdup(call->name);
    const bool ok = (id && name) || no_memory(err);
    if (!ok || !turns_add(t, "tool", text, NULL, TURN_NAMES_TEXT, err)) {
        free(id);
        free(name);
        return false;
    }
    t->v[t->n - 1].call_id = id;
    t->v[t->n - 1].name = name;
    return true;
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
                                  .is_inline = t->v[i].is_inline,
                                  .calls = t->v[i].calls,
                                  .n_calls = t->v[i].n_calls,
                                  .call_id = t->v[i].call_id,
                                  .name = t->v[i].name };
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

bool turns_prompt(const turns *t, const carat_engine *e, const char *system, bool is_base, const carat_tools *tools,
                  const carat_pan_scan *pan, size_t fit, carat_prompt **out, carat_err *err)
{
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = pan, .fit = fit, .tools = tools };
    return is_base ? base_prompt(t, e, &o, out, err) : chat_prompt(t, e, system, &o, out, err);
}
