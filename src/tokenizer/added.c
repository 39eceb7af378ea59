/* Added tokens from tokenizer_config.json and added_tokens.json, put over sentencepiece's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/added.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tokenizer/vocab.h"

#define MAX_JSON ((size_t)16 << 20)

static bool load(const char *folder, const char *name, json_t **out, carat_err *err)
{
    struct stat st;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "path of %zu bytes is too long", strlen(folder));
    if (lstat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ||
               ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    return ct_json_load(path, MAX_JSON, out, err);
}

bool ct_added_load(const char *folder, ct_added *out, carat_err *err)
{
    return load(folder, "tokenizer_config.json", &out->config, err) &&
           load(folder, "added_tokens.json", &out->list, err);
}

void ct_added_deinit(ct_added *a)
{
    json_decref(a->config);
    json_decref(a->list);
    *a = (ct_added){ 0 };
}

/* ---- one token ---- */

/* The pieces up to this id; ids that nothing names stay unused pieces without text. */
static bool reserve(ct_piece **pieces, size_t *n, size_t id, carat_err *err)
{
    if (id < *n)
        return true;
    ct_piece *grown = realloc(*pieces, (id + 1) * sizeof *grown);
    if (!grown)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu pieces", id + 1);
    *pieces = grown;
    while (*n <= id)
        grown[(*n)++] = (ct_piece){ .text = "", .kind = CT_PIECE_UNUSED };
    return true;
}

static bool put(ct_piece **pieces, size_t *n, int64_t id, const char *text, size_t len, bool is_special, carat_err *err)
{
    if (id < 0 || id >= CT_TOK_MAX_PIECES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "added token '%.40s' has the id %lld, expected 0 to %u", text,
                       (long long)id, CT_TOK_MAX_PIECES - 1);
    if (!reserve(pieces, n, (size_t)id, err))
        return false;
    ct_piece *p = &(*pieces)[id];
    p->text = text;
    p->len = len;
    p->kind = is_special ? CT_PIECE_CONTROL : CT_PIECE_USER_DEFINED;
    return true;
}

/* "106", all of it digits; -1: it is not. */
static int64_t id_of(const char *key)
{
    int64_t id = 0;
    for (const char *s = key; *s; s++) {
        if (*s < '0' || *s > '9' || id >= CT_TOK_MAX_PIECES)
            return -1;
        id = id * 10 + (*s - '0');
    }
    return *key ? id : -1;
}

/* ---- the two files ---- */

static bool put_entry(const char *key, const json_t *v, ct_piece **pieces, size_t *n, carat_err *err)
{
    static const char what[] = "tokenizer_config.json, added_tokens_decoder";
    const json_t *content = json_object_get(v, "content");
    bool special = false, left = false, right = false, single = false;
    if (!json_is_string(content))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: token '%.20s' has no content", what, key);
    if (!ct_json_bool(v, what, "special", &special, err) || !ct_json_bool(v, what, "lstrip", &left, err) ||
        !ct_json_bool(v, what, "rstrip", &right, err) || !ct_json_bool(v, what, "single_word", &single, err))
        return false;
    if (left || right || single)
        return ct_fail(
            err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
            "added token '%.40s' has matching rules (lstrip, rstrip, single_word) that Gemma's tokenizers do "
            "not use",
            json_string_value(content));
    return put(pieces, n, id_of(key), json_string_value(content), json_string_length(content), special, err);
}

static bool put_config(json_t *decoder, ct_piece **pieces, size_t *n, carat_err *err)
{
    const char *key;
    json_t *v;
    if (decoder && !json_is_null(decoder) && !json_is_object(decoder))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "tokenizer_config.json: 'added_tokens_decoder' is %s, expected an object",
                       ct_json_kind(decoder));
    json_object_foreach(decoder, key, v)
        if (!put_entry(key, v, pieces, n, err))
            return false;
    return true;
}

static bool put_list(json_t *list, const json_t *decoder, ct_piece **pieces, size_t *n, carat_err *err)
{
    const char *text;
    char key[24];
    json_t *v;
    if (list && !json_is_object(list))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "added_tokens.json: %s, expected an object",
                       ct_json_kind(list));
    json_object_foreach(list, text, v) {
        if (!json_is_integer(v))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "added_tokens.json: '%.40s' is %s, expected an id", text,
                           ct_json_kind(v));
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(v));
        if (!json_object_get(decoder, key) && !put(pieces, n, json_integer_value(v), text, strlen(text), false, err))
            return false;
    }
    return true;
}

bool ct_added_put(const ct_added *a, ct_piece **pieces, size_t *n, carat_err *err)
{
    json_t *decoder = json_object_get(a->config, "added_tokens_decoder");
    return put_config(decoder, pieces, n, err) && put_list(a->list, decoder, pieces, n, err);
}
