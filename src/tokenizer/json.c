/* json.c - a tokenizer from tokenizer.json, the format of Hugging Face's tokenizers.
 *
 * The parts that are read:
 *   added_tokens   [{id, content, special, normalized, lstrip, rstrip, single_word}]
 *   normalizer     must put U+2581 for each space and do nothing else
 *   pre_tokenizer  null, or a split at spaces: there are none left, so it does nothing
 *   model          type BPE, byte_fallback; vocab {piece: id}; merges [[left, right]] or ["left right"], in rank order
 * The decoder and the post-processor (which puts <bos> in front) are taken to be Gemma's and are not read.
 *
 * One pass notes where each part is; the two long ones (vocab, merges) are then read in place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/jsonpull.h"
#include "base/looks_like.h"
#include "base/map.h"
#include "tokenizer/known_pieces.h"
#include "tokenizer/vocab.h"

#define MAX_BYTES  ((size_t)256 << 20) /* of the file; Gemma's has 33 MB */
#define MAX_MERGES ((size_t)1 << 23)   /* Gemma has 514,906 */

typedef struct span { /* of a value in the text; len 0: absent */
    size_t at, len;
} span;

typedef struct parts {
    span added, normalizer, pre_tokenizer, vocab, merges;
    span type, byte_fallback, dropout, prefix, suffix, ignore_merges; /* of model */
} parts;

typedef struct reading {
    const char *text;
    size_t len;
    parts parts;
    ct_piece *pieces;
    size_t *at; /* of each piece's text in buf: buf moves while it grows */
    size_t n, cap;
    char *buf;
    size_t buf_len, buf_cap;
} reading;

/* ---- where the parts are ---- */

typedef struct wanted {
    const char *key;
    span *span;
} wanted;

/* Walks an object and notes the places of the values of the listed keys (also inside `inner`, an object itself). */
static void note_spans(ct_jp *r, const wanted *want, size_t n)
{
    ct_jp_enter(r, '{');
    for (bool first = true; ct_jp_more(r, '}', &first);) {
        if (!ct_jp_key(r))
            return;
        span *into = NULL;
        for (size_t i = 0; i < n && !into; i++)
            if (strlen(want[i].key) == r->str_len && !memcmp(want[i].key, r->str, r->str_len))
                into = want[i].span;
        if (into && into->len) {
            ct_jp_fail(r, "a key that appears twice");
            return;
        }
        ct_jp_peek(r);
        size_t at = r->pos;
        if (ct_jp_skip(r) && into)
            *into = (span){ at, r->pos - at };
    }
}

static bool finish(ct_jp *r, carat_err *err)
{
    bool ok = !r->failed;
    if (!ok && err)
        *err = r->err;
    ct_jp_deinit(r);
    return ok;
}

static ct_jp reader_of(const reading *j, span s)
{
    return (ct_jp){ .s = j->text + s.at, .len = s.len, .base = s.at };
}

static void move(span *s, size_t by)
{
    s->at += by;
}

static bool find_parts(reading *j, carat_err *err)
{
    parts *p = &j->parts;
    span model = { 0 };
    ct_jp r = { .s = j->text, .len = j->len };
    note_spans(&r,
               (wanted[]){ { "added_tokens", &p->added },
                           { "normalizer", &p->normalizer },
                           { "pre_tokenizer", &p->pre_tokenizer },
                           { "model", &model } },
               4);
    if (!r.failed && ct_jp_peek(&r) != '\0')
        ct_jp_fail(&r, "text after the closing brace");
    if (!finish(&r, err))
        return false;
    if (!model.len)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "it has no 'model'");
    const wanted inner[] = { { "vocab", &p->vocab },
                             { "merges", &p->merges },
                             { "type", &p->type },
                             { "byte_fallback", &p->byte_fallback },
                             { "dropout", &p->dropout },
                             { "continuing_subword_prefix", &p->prefix },
                             { "end_of_word_suffix", &p->suffix },
                             { "ignore_merges", &p->ignore_merges } };
    r = reader_of(j, model);
    note_spans(&r, inner, sizeof inner / sizeof *inner);
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        move(inner[i].span, model.at);
    return finish(&r, err);
}

/* ---- settings ---- */

/* Is the value's text one of these, as written in JSON? An absent value is "null". */
static bool reads(const reading *j, span s, const char *a, const char *b)
{
    const char *v = s.len ? j->text + s.at : "null";
    size_t len = s.len ? s.len : 4;
    return (strlen(a) == len && !memcmp(v, a, len)) || (b && strlen(b) == len && !memcmp(v, b, len));
}

static bool has_text(const json_t *obj, const char *key, const char *want)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s && !strcmp(s, want);
}

/* {"type": "Replace", "pattern": {"String": " "}, "content": "U+2581"}, or a Sequence of just that. */
static bool is_gemma_normalizer(const json_t *v)
{
    if (has_text(v, "type", "Sequence")) {
        const json_t *list = json_object_get(v, "normalizers");
        v = json_array_size(list) == 1 ? json_array_get(list, 0) : NULL;
    }
    return has_text(v, "type", "Replace") && has_text(json_object_get(v, "pattern"), "String", " ") &&
           has_text(v, "content", "\xe2\x96\x81");
}

static bool is_gemma_pre_tokenizer(const json_t *v)
{
    return json_is_null(v) || (has_text(v, "type", "Split") && has_text(json_object_get(v, "pattern"), "String", " "));
}

static bool check_part(const reading *j, span s, bool (*is_right)(const json_t *v), const char *what, carat_err *err)
{
    json_t *v = NULL;
    if (s.len && !ct_json_parse(what, j->text + s.at, s.len, &v, err))
        return false;
    bool ok = v ? is_right(v) : is_right(json_null());
    json_decref(v);
    return ok || ct_fail(err, CARAT_EUNSUPPORTED, s.at, "not Gemma's tokenizer: its %s does something else", what);
}

static bool check_settings(const reading *j, carat_err *err)
{
    const parts *p = &j->parts;
    const char *what = !reads(j, p->type, "\"BPE\"", NULL)            ? "type is not BPE"
                       : !reads(j, p->byte_fallback, "true", NULL)    ? "byte_fallback is not true"
                       : !reads(j, p->dropout, "null", NULL)          ? "dropout is set"
                       : !reads(j, p->prefix, "null", "\"\"")         ? "continuing_subword_prefix is set"
                       : !reads(j, p->suffix, "null", "\"\"")         ? "end_of_word_suffix is set"
                       : !reads(j, p->ignore_merges, "null", "false") ? "ignore_merges is set"
                                                                      : NULL;
    if (what)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "not Gemma's tokenizer: its model's %s", what);
    if (!p->vocab.len || !p->merges.len)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "its model has no '%s'", p->vocab.len ? "merges" : "vocab");
    return check_part(j, p->normalizer, is_gemma_normalizer, "normalizer", err) &&
           check_part(j, p->pre_tokenizer, is_gemma_pre_tokenizer, "pre_tokenizer", err);
}

/* ---- pieces ---- */

/* Room for an id; ids never given stay unused pieces without text. */
static bool reserve_id(reading *j, size_t id)
{
    if (id >= j->cap) {
        size_t cap = j->cap ? j->cap : 1024;
        while (cap <= id)
            cap *= 2;
        ct_piece *pieces = realloc(j->pieces, cap * sizeof *pieces);
        if (pieces)
            j->pieces = pieces;
        size_t *at = realloc(j->at, cap * sizeof *at);
        if (at)
            j->at = at;
        if (!pieces || !at)
            return false;
        j->cap = cap;
    }
    for (; j->n <= id; j->n++) {
        j->pieces[j->n] = (ct_piece){ .kind = CT_PIECE_UNUSED };
        j->at[j->n] = 0;
    }
    return true;
}

static bool put_piece(reading *j, size_t id, const char *s, size_t len, ct_piece_kind kind)
{
    if (!reserve_id(j, id))
        return false;
    if (j->buf_len + len > j->buf_cap) {
        size_t cap = (j->buf_len + len) * 2 + 4096;
        char *buf = realloc(j->buf, cap);
        if (!buf)
            return false;
        j->buf = buf;
        j->buf_cap = cap;
    }
    memcpy(j->buf + j->buf_len, s, len);
    j->pieces[id].len = len;
    j->pieces[id].kind = kind;
    j->at[id] = j->buf_len;
    j->buf_len += len;
    return true;
}

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vocabulary");
}

static bool read_vocab(reading *j, carat_err *err)
{
    ct_jp r = reader_of(j, j->parts.vocab);
    bool enough = true;
    ct_jp_enter(&r, '{');
    for (bool first = true; enough && ct_jp_more(&r, '}', &first);) {
        int64_t id;
        uint8_t byte;
        if (!ct_jp_key(&r) || !ct_jp_int(&r, 0, CT_TOK_MAX_PIECES - 1, &id))
            break;
        bool is_byte = ct_name_of(r.str, r.str_len, &byte) == CT_NAME_BYTE;
        if ((size_t)id < j->n && j->pieces[id].kind != CT_PIECE_UNUSED)
            ct_jp_fail(&r, "an id that an earlier piece already has");
        else
            enough = put_piece(j, (size_t)id, r.str, r.str_len, is_byte ? CT_PIECE_BYTE : CT_PIECE_NORMAL);
    }
    return finish(&r, err) && (enough || no_memory(err));
}

/* ---- added tokens ---- */

static bool add_token(reading *j, const json_t *v, carat_err *err)
{
    int64_t id = -1;
    const char *what = "tokenizer.json, added_tokens", *content = json_string_value(json_object_get(v, "content"));
    bool special = false, normalized = false, strips = false, right = false, single = false;
    if (!ct_json_int(v, what, "id", 0, CT_TOK_MAX_PIECES - 1, &id, err) ||
        !ct_json_bool(v, what, "special", &special, err) || !ct_json_bool(v, what, "normalized", &normalized, err) ||
        !ct_json_bool(v, what, "lstrip", &strips, err) || !ct_json_bool(v, what, "rstrip", &right, err) ||
        !ct_json_bool(v, what, "single_word", &single, err))
        return false;
    if (id < 0 || !content)
        return ct_fail(err, CARAT_EFORMAT, j->parts.added.at, "an added token without id or content");
    size_t len = json_string_length(json_object_get(v, "content"));
    bool has_space = memchr(content, ' ', len) || memmem(content, len, "\xe2\x96\x81", 3);
    if (strips || right || single || (normalized && has_space))
        return ct_fail(err, CARAT_EUNSUPPORTED, j->parts.added.at,
                       "added token %lld '%.40s' has matching rules (lstrip, rstrip, single_word) that Gemma's "
                       "tokenizers do not use",
                       (long long)id, content);
    bool known = (size_t)id < j->n && j->pieces[id].kind != CT_PIECE_UNUSED;
    if (known && (j->pieces[id].len != len || memcmp(j->buf + j->at[id], content, len)))
        return ct_fail(err, CARAT_EFORMAT, j->parts.added.at,
                       "added token '%.40s' has the id %lld, which the vocabulary gives to another piece", content,
                       (long long)id);
    return put_piece(j, (size_t)id, content, len, special ? CT_PIECE_CONTROL : CT_PIECE_USER_DEFINED) || no_memory(err);
}

static bool read_added(reading *j, carat_err *err)
{
    json_t *list = NULL;
    const span s = j->parts.added;
    if (!s.len)
        return true;
    if (!ct_json_parse("added_tokens", j->text + s.at, s.len, &list, err))
        return false;
    bool ok = json_is_array(list) ||
              ct_fail(err, CARAT_EFORMAT, s.at, "'added_tokens' is %s, expected an array", ct_json_kind(list));
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v) {
        if (!ok)
            break;
        ok = add_token(j, v, err);
    }
    json_decref(list);
    return ok;
}

/* ---- merges ---- */

/* One merge into both[0 .. left) and both[left .. len), decoded; false: failed, or too long to be a piece. */
static bool read_merge(ct_jp *r, char *both, size_t *left, size_t *len)
{
    bool is_pair = ct_jp_peek(r) == '[', first = true;
    if (is_pair) {
        if (!ct_jp_enter(r, '[') || !ct_jp_more(r, ']', &first))
            return ct_jp_fail(r, "expected two strings");
    }
    if (!ct_jp_string(r))
        return false;
    if (r->str_len > 2 * CT_TOK_MAX_PIECE)
        return ct_jp_fail(r, "a merge longer than any piece");
    if (!is_pair) { /* "left right" */
        const char *space = memchr(r->str, ' ', r->str_len);
        if (!space)
            return ct_jp_fail(r, "expected two pieces with a space between them");
        *left = ct_vocab_decoded(both, r->str, (size_t)(space - r->str));
        *len = *left + ct_vocab_decoded(both + *left, space + 1, (size_t)(r->str + r->str_len - space - 1));
        return true;
    }
    *left = ct_vocab_decoded(both, r->str, r->str_len);
    if (!ct_jp_more(r, ']', &first) || !ct_jp_string(r) || r->str_len > 2 * CT_TOK_MAX_PIECE)
        return ct_jp_fail(r, "expected a second string");
    *len = *left + ct_vocab_decoded(both + *left, r->str, r->str_len);
    return !ct_jp_more(r, ']', &first) || ct_jp_fail(r, "expected two strings");
}

static bool is_text(const carat_tokenizer *t, int32_t id)
{
    return id >= 0 && ct_vocab_is_text(t, id);
}

/* Reads the merges into *list. */
static bool read_merges(ct_jp *r, const carat_tokenizer *t, ct_vocab_merge **list, size_t *n)
{
    char both[4 * CT_TOK_MAX_PIECE];
    size_t cap = 0, left = 0, len = 0;
    ct_jp_enter(r, '[');
    for (bool first = true; ct_jp_more(r, ']', &first);) {
        if (!read_merge(r, both, &left, &len) || r->failed)
            return false;
        int32_t made = ct_vocab_lookup(t, both, len);
        if (!is_text(t, made) || !is_text(t, ct_vocab_lookup(t, both, left)) ||
            !is_text(t, ct_vocab_lookup(t, both + left, len - left)))
            return ct_jp_fail(r, "a merge of, or into, something that is not a piece");
        if (*n == cap) {
            cap = cap ? cap * 2 : 4096;
            ct_vocab_merge *grown = cap > MAX_MERGES ? NULL : realloc(*list, cap * sizeof *grown);
            if (!grown)
                return ct_jp_fail(r, cap > MAX_MERGES ? "too many merges" : "no memory for the merges");
            *list = grown;
        }
        (*list)[(*n)++] = (ct_vocab_merge){ made, (uint32_t)left };
    }
    return !r->failed;
}

static bool rank(void *arg, carat_tokenizer *t, carat_err *err)
{
    reading *j = arg;
    ct_vocab_merge *list = NULL;
    size_t n = 0;
    ct_jp r = reader_of(j, j->parts.merges);
    read_merges(&r, t, &list, &n);
    bool ok = finish(&r, err) && ct_vocab_rank_by_list(t, list, n, err);
    free(list);
    return ok;
}

/* ---- all of it ---- */

static bool build(reading *j, carat_tokenizer **out, carat_err *err)
{
    for (size_t i = 0; i < j->n; i++)
        j->pieces[i].text = j->buf + j->at[i];
    const ct_vocab_source src = { .pieces = j->pieces, .n = j->n, .lists_added = true, .rank = rank, .arg = j };
    return ct_vocab_build(&src, out, err);
}

bool ct_tokenizer_from_json_bytes(const char *text, size_t len, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    reading j = { .text = text, .len = len };
    bool ok = find_parts(&j, err) && check_settings(&j, err) && read_vocab(&j, err) && read_added(&j, err) &&
              build(&j, out, err);
    free(j.pieces);
    free(j.at);
    free(j.buf);
    return ok;
}

bool ct_tokenizer_from_json(const char *path, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    ct_map map;
    if (!ct_map_read(&map, path, MAX_BYTES, err))
        return false;
    const char *text = (const char *)map.data;
    bool ok = ct_tokenizer_from_json_bytes(text, map.size, out, err) || ct_fail_in(err, "%s", path) ||
              ct_explain_text(path, text, map.size, err);
    ct_map_close(&map);
    return ok;
}

bool ct_tokenizer_from_folder(const char *folder, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    char *path = malloc(strlen(folder) + sizeof "/tokenizer.model");
    if (!path)
        return no_memory(err);
    size_t n = strlen(folder);
    memcpy(path, folder, n);
    memcpy(path + n, "/tokenizer.json", sizeof "/tokenizer.json");
    bool is_json = access(path, F_OK) == 0;
    if (!is_json)
        memcpy(path + n, "/tokenizer.model", sizeof "/tokenizer.model");
    bool ok = is_json                   ? ct_tokenizer_from_json(path, out, err)
              : access(path, F_OK) == 0 ? ct_tokenizer_from_model_of(folder, path, out, err)
                                        : ct_fail(err, CARAT_EIO, CARAT_NOWHERE,
                                                  "%s: has neither tokenizer.json nor tokenizer.model", folder);
    free(path);
    return ok;
}
