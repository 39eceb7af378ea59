/* Messages and prompts of a batch's lines, with their pictures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "batch.h"

/* Everything of one prompt. Texts are borrowed from the JSON. */
typedef struct chat {
    const char *files;        /* of batch_options */
    char where[64];           /* "messages[3].content[1]": what is being read */
    const char *detail;       /* of the pictures so far; NULL: none yet */
    carat_message *messages;  /* [n_messages] */
    carat_content *content;   /* [n_content], of all messages */
    carat_picture **pictures; /* [n_pictures], owned */
    size_t n_messages, n_content, n_pictures;
    batch_fault *f;
} chat;

static bool refuse(chat *c, const char *what)
{
    return batch_refuse(c->f, 400, "invalid_value", c->where, "%s: %s", c->where, what);
}

/* A text as C has it. */
static bool take_text(chat *c, const json_t *v, const char **to)
{
    *to = json_string_value(v);
    if (*to && strlen(*to) == json_string_length(v))
        return true;
    return refuse(c, *to ? "a text with a NUL character" : "the text is missing or no text");
}

/* ---- pictures ---- */

static bool decode_data_url(chat *c, const char *url, size_t len, carat_picture **out)
{
    const char *comma = memchr(url, ',', len), *mark = ";base64";
    size_t n = comma ? (size_t)(comma - url) : 0, n_mark = strlen(mark);
    if (!comma || n < n_mark || strncasecmp(comma - n_mark, mark, n_mark) != 0)
        return refuse(c, "a data: URL without ;base64, in it");
    len -= n + 1;
    unsigned char *data = malloc(ct_base64_room(len));
    if (!data) {
        ct_fail(&c->f->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a picture", c->where);
        return batch_refuse_err(c->f, "");
    }
    bool ok = (ct_base64_decode(comma + 1, len, data, &len, &c->f->err) &&
               carat_picture_decode(data, len, out, &c->f->err)) ||
              (ct_fail_in(&c->f->err, "%s", c->where), batch_refuse_err(c->f, c->where));
    free(data);
    return ok;
}

/* A file under the folder that --batch-files names: not beside it, not through a link out of it. */
static bool load_file(chat *c, const char *name, carat_picture **out)
{
    if (!c->files)
        return refuse(c, "pictures are data: URLs; files are read only with --batch-files DIR");
    char *joined = NULL, *path = NULL, *root = realpath(c->files, NULL);
    bool ok = asprintf(&joined, "%s%s%s", *name == '/' ? "" : c->files, *name == '/' ? "" : "/", name) >= 0;
    path = ok ? realpath(joined, NULL) : NULL;
    size_t n = root ? strlen(root) : 0;
    if (n && root[n - 1] == '/') /* the root folder */
        n--;
    if (!path)
        refuse(c, "there is no such picture file");
    else if (!root || strncmp(path, root, n) != 0 || path[n] != '/')
        refuse(c, "a picture file outside of --batch-files");
    else if (!carat_picture_load(path, out, &c->f->err))
        batch_refuse_err(c->f, c->where);
    free(root);
    free(path);
    if (ok)
        free(joined);
    return *out != NULL;
}

static bool starts(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

static bool take_url(chat *c, const json_t *v)
{
    const char *url;
    carat_picture **out = &c->pictures[c->n_pictures];
    if (!take_text(c, v, &url))
        return false;
    if (starts(url, "http:") || starts(url, "https:"))
        return refuse(c, "a picture at a remote address; a batch fetches nothing, send it as a data: URL");
    bool ok = starts(url, "data:")     ? decode_data_url(c, url, json_string_length(v), out)
              : starts(url, "file://") ? load_file(c, url + 7, out)
              : starts(url, "file:")   ? load_file(c, url + 5, out)
                                       : load_file(c, url, out);
    if (ok)
        c->content[c->n_content++].picture = c->pictures[c->n_pictures++];
    return ok;
}

/* {"url", "detail"}, or the URL alone. Pan & Scan is a prompt's, so that pictures with different wishes cannot be told
 * apart. */
static bool take_picture(chat *c, const json_t *v)
{
    const char *detail = "auto";
    if (!json_is_object(v))
        return take_url(c, v);
    const json_t *d = json_object_get(v, "detail");
    if (d && !json_is_null(d))
        detail = json_is_string(d) ? json_string_value(d) : "";
    if (strcmp(detail, "auto") != 0 && strcmp(detail, "low") != 0 && strcmp(detail, "high") != 0)
        return refuse(c, "'detail' is not auto, low or high");
    if (c->detail && strcmp(c->detail, detail) != 0)
        return refuse(c, "pictures of one request with different 'detail'");
    c->detail = detail;
    return take_url(c, json_object_get(v, "url"));
}

/* ---- messages ---- */

static bool take_part(chat *c, const json_t *part)
{
    const json_t *type_of = json_object_get(part, "type");
    const char *type = json_string_value(type_of) ? json_string_value(type_of) : "";
    if (strcmp(type, "text") == 0)
        return take_text(c, json_object_get(part, "text"), &c->content[c->n_content].text) && ++c->n_content;
    if (strcmp(type, "image_url") == 0)
        return take_picture(c, json_object_get(part, "image_url"));
    return batch_refuse(c->f, 400, "unsupported_value", c->where, "%s: type '%.40s', expected text or image_url",
                        c->where, type);
}

static bool take_message(chat *c, const json_t *v, size_t i)
{
    carat_message *m = &c->messages[c->n_messages];
    snprintf(c->where, sizeof c->where, "messages[%zu].role", i);
    if (!take_text(c, json_object_get(v, "role"), &m->role))
        return false;
    static const char *const calls[] = { "tool_calls", "function_call" };
    for (size_t k = 0; k < 2; k++) {
        const json_t *call = json_object_get(v, calls[k]);
        if (call && !json_is_null(call) && !(json_is_array(call) && json_array_size(call) == 0))
            return batch_refuse(c->f, 400, "unsupported_parameter", calls[k],
                                "messages[%zu]: '%s' cannot be honoured in a batch", i, calls[k]);
    }
    snprintf(c->where, sizeof c->where, "messages[%zu].content", i);
    const json_t *content = json_object_get(v, "content");
    m->content = c->content + c->n_content;
    if (json_is_array(content)) {
        for (size_t k = 0; k < json_array_size(content); k++) {
            snprintf(c->where, sizeof c->where, "messages[%zu].content[%zu]", i, k);
            if (!take_part(c, json_array_get(content, k)))
                return false;
            m->n_content++;
        }
    } else if (content && !json_is_null(content) && !take_text(c, content, &m->text))
        return false;
    c->n_messages++;
    return true;
}

static void free_chat(chat *c)
{
    for (size_t i = 0; i < c->n_pictures; i++)
        carat_picture_free(c->pictures[i]);
    free(c->pictures);
    free(c->content);
    free(c->messages);
}

bool batch_prompt_chat(const json_t *body, const carat_engine *e, const batch_options *o, carat_prompt **out,
                       batch_fault *f)
{
    const json_t *list = json_object_get(body, "messages");
    size_t n = json_array_size(list), n_parts = 0;
    if (n == 0)
        return batch_refuse(f, 400, "missing_required_parameter", "messages",
                            "'messages' is missing, empty or no array");
    for (size_t i = 0; i < n; i++)
        n_parts += json_array_size(json_object_get(json_array_get(list, i), "content"));
    chat c = { .files = o->files, .f = f };
    c.messages = calloc(n, sizeof *c.messages);
    c.content = calloc(n_parts + 1, sizeof *c.content);
    c.pictures = calloc(n_parts + 1, sizeof(carat_picture *));
    bool ok = c.messages && c.content && c.pictures;
    if (!ok) {
        ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu messages", n);
        batch_refuse_err(f, "");
    }
    for (size_t i = 0; ok && i < n; i++)
        ok = take_message(&c, json_array_get(list, i), i);
    carat_prompt_options po = { .pan_scan = o->pan_scan };
    if (c.detail && strcmp(c.detail, "auto") != 0)
        po.pan_scan.mode = strcmp(c.detail, "low") == 0 ? CARAT_PAN_SCAN_OFF : CARAT_PAN_SCAN_ON;
    if (ok && !carat_prompt_chat(e, c.messages, n, &po, out, &f->err))
        ok = batch_refuse_err(f, "messages");
    free_chat(&c);
    return ok;
}

/* ---- completions ---- */

static bool prompt_of_ids(const json_t *v, const carat_engine *e, carat_prompt **out, batch_fault *f)
{
    size_t n = json_array_size(v);
    int32_t *ids = calloc(n + 1, sizeof *ids);
    bool ok = ids || ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu ids", n);
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *id = json_array_get(v, i);
        json_int_t x = json_integer_value(id);
        ok = (json_is_integer(id) && x >= 0 && x <= INT32_MAX) ||
             ct_fail(&f->err, CARAT_EARG, CARAT_NOWHERE, "prompt[%zu] is no token id", i);
        ids[i] = ok ? (int32_t)x : 0;
    }
    ok = (ok && carat_prompt_ids(e, ids, n, NULL, 0, NULL, out, &f->err)) || batch_refuse_err(f, "prompt");
    free(ids);
    return ok;
}

bool batch_prompt_text(const json_t *body, const carat_engine *e, carat_prompt **out, batch_fault *f)
{
    const json_t *v = json_object_get(body, "prompt"), *first = json_array_get(v, 0);
    if (json_is_string(first) || json_is_array(first)) { /* a list of prompts */
        if (json_array_size(v) != 1)
            return batch_refuse(f, 400, "unsupported_value", "prompt",
                                "'prompt' is a list of %zu prompts; in a batch each has a line of its own",
                                json_array_size(v));
        v = first;
    }
    if (json_is_array(v))
        return prompt_of_ids(v, e, out, f);
    if (!json_is_string(v))
        return batch_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", "prompt",
                            "'prompt' is %s, expected a text or token ids", v ? ct_json_kind(v) : "missing");
    int32_t *ids = NULL;
    size_t n;
    bool ok = (carat_encode(carat_engine_tokenizer(e), json_string_value(v), json_string_length(v), CARAT_TOK_BOS, &ids,
                            &n, &f->err) &&
               carat_prompt_ids(e, ids, n, NULL, 0, NULL, out, &f->err)) ||
              batch_refuse_err(f, "prompt");
    carat_free(ids);
    return ok;
}
