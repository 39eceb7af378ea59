/* Texts to embed: from the command line, or line by line.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "embed.h"

bool embed_texts_open(embed_texts *t, const char *path, bool is_json, carat_err *err)
{
    bool has_word;
    const bool is_stdin = strcmp(path, "-") == 0;
    *t = (embed_texts){ .is_json = is_json,
                        .lines = { .fd = is_stdin ? 0 : open(path, O_RDONLY | O_CLOEXEC),
                                   .name = is_stdin ? "stdin" : path,
                                   .max = BATCH_MAX_LINE } };
    if (t->lines.fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
    batch_lines_survey(t->lines.fd, "\"text\"", &t->n_of, &has_word);
    return true;
}

/* Names of fields that are passed over, each once. */
static void note_others(embed_texts *t)
{
    const char *key;
    json_t *v;
    json_object_foreach(t->line, key, v) {
        const size_t len = strlen(t->left_out);
        if (strcmp(key, "text") == 0 || strcmp(key, "title") == 0 || strcmp(key, "id") == 0 ||
            strstr(t->left_out, key) || len + strlen(key) + 3 > sizeof t->left_out)
            continue;
        snprintf(t->left_out + len, sizeof t->left_out - len, "%s%s", len ? ", " : "", key);
    }
}

static bool read_json(embed_texts *t, embed_text *to, carat_err *err)
{
    const json_t *text, *title;
    json_decref(t->line);
    t->line = NULL;
    if (!ct_json_parse("the line", t->lines.line.data, t->lines.line.len, &t->line, err))
        return false;
    text = json_object_get(t->line, "text");
    title = json_object_get(t->line, "title");
    if (!json_is_string(text))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'text' is %s, expected a string",
                       text ? ct_json_kind(text) : "missing");
    if (title && !json_is_null(title) && !json_is_string(title))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'title' is %s, expected a string", ct_json_kind(title));
    if (json_is_string(title) && strlen(json_string_value(title)) != json_string_length(title))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'title' has a NUL character");
    note_others(t);
    to->text = json_string_value(text);
    to->len = json_string_length(text);
    to->title = json_is_string(title) && json_string_length(title) ? json_string_value(title) : NULL;
    to->id = json_object_get(t->line, "id");
    return true;
}

static bool read_line(embed_texts *t, embed_text *to, carat_err *err)
{
    batch_lines *l = &t->lines;
    if (l->is_long)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the line is longer than %zu MiB", BATCH_MAX_LINE >> 20);
    if (l->has_no_memory)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the line");
    if (t->is_json)
        return read_json(t, to, err);
    to->text = l->line.data;
    to->len = l->line.len;
    if (to->len && to->text[to->len - 1] == '\r')
        to->len--;
    return true;
}

/* The next line that is a text: of JSON blank ones are none. */
static bool next_line(embed_texts *t, carat_err *err)
{
    do {
        if (!batch_lines_next(&t->lines, err))
            return false;
        if (t->lines.number == 1 && t->lines.line.len >= 3 && memcmp(t->lines.line.data, "\xef\xbb\xbf", 3) == 0) {
            t->lines.line.len -= 3; /* a byte order mark */
            memmove(t->lines.line.data, t->lines.line.data + 3, t->lines.line.len + 1);
        }
    } while (t->is_json && batch_line_is_blank(&t->lines));
    return true;
}

bool embed_texts_next(embed_texts *t, embed_text *to, carat_err *err)
{
    *to = (embed_text){ .number = t->n + 1 };
    err->code = CARAT_OK;
    if (t->args) {
        if (t->n == t->args->n)
            return false;
        to->text = t->args->v[t->n++];
        to->len = strlen(to->text);
        return true;
    }
    if (!next_line(t, err))
        return false;
    to->number = t->lines.number;
    t->n++;
    return read_line(t, to, err) || ct_fail_in(err, "%s:%" PRIu64, t->lines.name, to->number);
}

bool embed_texts_ready(const embed_texts *t)
{
    return t->args || batch_lines_ready(&t->lines);
}

void embed_texts_close(embed_texts *t)
{
    json_decref(t->line);
    if (t->args)
        return;
    batch_lines_deinit(&t->lines);
    if (t->lines.fd > 0)
        close(t->lines.fd);
}
