/* The messages of a chat with their pictures: adding, undoing, finding image files named in the text, JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "json_out.h"

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

/* ---- files named in a message ---- */

static bool is_picture_file(const char *path)
{
    static const char *const ends[] = { ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp" };
    struct stat st;
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcasecmp(path + n - k, ends[i]) == 0)
            return stat(path, &st) == 0 && S_ISREG(st.st_mode);
    }
    return false;
}

typedef struct path_word {
    char v[4096]; /* PATH_MAX */
    size_t len;   /* may be more: then it is no path */
} path_word;

static void path_word_add(path_word *w, const char *bytes, size_t n)
{
    if (w->len + n < sizeof w->v)
        memcpy(w->v + w->len, bytes, n);
    w->len += n;
}

static bool path_word_is_picture(path_word *w)
{
    if (w->len == 0 || w->len >= sizeof w->v)
        return false;
    w->v[w->len] = '\0';
    return is_picture_file(w->v);
}

/* The next word of a message, quotes around it taken off: terminals put them around names with spaces that are dragged
 * in. Returns where it ends in the text. */
static const char *next_word(const char *at, path_word *word)
{
    word->len = 0;
    char quote = *at == '\'' || *at == '"' ? *at : '\0';
    const char *end = quote ? strchr(at + 1, quote) : NULL;
    if (end) {
        path_word_add(word, at + 1, (size_t)(end - at) - 1);
        return end + 1;
    }
    for (end = at; *end && *end != ' ' && *end != '\n' && *end != '\t'; end++) {
        if (*end == '\\' && end[1]) /* "my\ dog.jpg" */
            end++;
        path_word_add(word, end, 1);
    }
    return end;
}

bool turns_begins_with_picture(const char *line)
{
    path_word word;
    next_word(line, &word);
    return path_word_is_picture(&word);
}

/* Copies the text with marks in place of the picture files it names, and collects these. */
static bool find_files(const char *text, ct_buf *marked, cli_list *paths)
{
    path_word word;
    for (const char *at = text; *at;) {
        const char *end = next_word(at, &word);
        if (paths->n < CLI_MAX_LIST && path_word_is_picture(&word)) {
            paths->v[paths->n] = strdup(word.v);
            if (paths->v[paths->n])
                paths->n++;
            ct_buf_str(marked, CLI_IMAGE_MARK);
        } else {
            ct_buf_add(marked, at, (size_t)(end - at));
        }
        size_t space = strspn(end, " \n\t");
        ct_buf_add(marked, end, space);
        at = end + space;
    }
    return !marked->failed;
}

static bool place(turn *t, size_t n_attached, carat_err *err)
{
    carat_content *inner;
    size_t n;
    const carat_picture *const *all = (const carat_picture *const *)t->pictures.v;
    if (!cli_place_pictures(t->text, strlen(t->text), all + n_attached, t->pictures.n - n_attached, &inner, &n,
                            &t->is_inline, err))
        return false;
    t->content = calloc(n_attached + n, sizeof *t->content);
    for (size_t i = 0; t->content && i < n_attached; i++)
        t->content[t->n_content++] = (carat_content){ .struct_size = sizeof(carat_content), .picture = all[i] };
    for (size_t i = 0; t->content && i < n; i++)
        t->content[t->n_content++] = inner[i];
    free(inner);
    return t->content || no_memory(err);
}

bool turns_add(turns *t, const char *role, const char *text, cli_pictures *attached, bool looks, carat_err *err)
{
    static cli_list paths;
    cli_pictures none = { 0 }, found = { 0 };
    if (t->n == MAX_TURNS)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the conversation is full: /clear starts a new one");
    attached = attached ? attached : &none;
    turn *new = &t->v[t->n];
    *new = (turn){ .role = role };
    size_t n_attached = attached->n;
    ct_buf marked;
    ct_buf_init(&marked, (size_t)1 << 28);
    bool ok = looks ? find_files(text, &marked, &paths) || no_memory(err) : true;
    ok = ok && cli_pictures_load(&paths, &found, err);
    new->text = ok ? strdup(found.n ? marked.data : text) : NULL;
    ok = ok && (new->text || no_memory(err)) &&
         ((cli_pictures_join(attached, &found) && cli_pictures_join(&new->pictures, attached)) || no_memory(err)) &&
         place(new, n_attached, err);
    for (size_t i = 0; i < paths.n; i++)
        free((char *)(uintptr_t)paths.v[i]);
    paths.n = 0;
    ct_buf_deinit(&marked);
    cli_pictures_free(&found);
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

/* A turn's pieces: {"text": ..} and {"picture": path}. */
static json_t *content_json(const turn *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->n_content; i++) {
        const carat_content *c = &t->content[i];
        const char *path = "";
        for (size_t k = 0; k < t->pictures.n; k++)
            if (t->pictures.v[k] == c->picture && t->pictures.paths[k])
                path = t->pictures.paths[k];
        json_array_append_new(
            a, c->text ? json_pack("{s:o}", "text",
                                   ct_json_from_bytes(c->text, c->text_len ? c->text_len : strlen(c->text)))
                       : json_pack("{s:o}", "picture", ct_json_from_str(path)));
    }
    return a;
}

bool turns_to_note(const turns *t, const char *system, char **note, carat_err *err)
{
    json_t *list = json_array();
    json_t *o = json_pack("{s:o, s:o}", "system", system ? ct_json_from_str(system) : json_null(), "turns", list);
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "role", t->v[i].role, "inline", (int)t->v[i].is_inline,
                                              "content", content_json(&t->v[i])));
    *note = cli_json_failed() ? NULL : ct_json_dump(o, 0); /* a message that there was no memory for would be missing */
    json_decref(o);
    return *note || no_memory(err);
}

static bool turn_from(turn *t, const json_t *j, carat_err *err)
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
        const char *path = json_string_value(json_object_get(piece, "picture"));
        const char *text = json_string_value(json_object_get(piece, "text"));
        if (path) {
            cli_pictures one;
            if (!cli_pictures_load(&(cli_list){ .v = { path }, .n = 1 }, &one, err))
                return false;
            const carat_picture *p = one.v[0];
            if (!cli_pictures_join(&t->pictures, &one)) {
                cli_pictures_free(&one);
                return no_memory(err);
            }
            t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .picture = p };
        } else if (text) {
            t->content[t->n_content++] = (carat_content){ .struct_size = sizeof *t->content, .text = text };
        }
    }
    return true;
}

bool turns_from_note(turns *t, const char *note, char **system, carat_err *err)
{
    json_t *o = json_loads(note, 0, NULL), *j;
    const char *sys = json_string_value(json_object_get(o, "system"));
    const json_t *list = json_object_get(o, "turns");
    size_t i;
    bool ok = json_is_array(list) ||
              ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the session was not saved by carat chat: it has no messages");
    json_array_foreach(list, i, j) {
        if (!ok || t->n == MAX_TURNS)
            break;
        ok = turn_from(&t->v[t->n], j, err);
        if (ok)
            t->n++;
        else
            turn_deinit(&t->v[t->n]);
    }
    if (ok && sys) {
        free(*system);
        *system = strdup(sys);
    }
    json_decref(o);
    return ok;
}
