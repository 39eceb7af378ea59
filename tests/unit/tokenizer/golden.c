/* Compares a tokenizer with the reference's recorded answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/utf8.h"

/* Calls check for each line of a .jsonl file; returns how many returned false. */
static int each_line(const carat_tokenizer *t, const char *path, int *n_lines,
                     bool (*check)(const carat_tokenizer *t, const json_t *line))
{
    carat_err err;
    char *text;
    size_t len;
    *n_lines = 0;
    if (!ct_read_file(path, 16 << 20, &text, &len, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    int wrong = 0;
    for (char *s = text, *end; s < text + len; s = end + 1) {
        end = memchr(s, '\n', (size_t)(text + len - s));
        end = end ? end : text + len;
        json_t *line;
        bool ok = ct_json_parse(path, s, (size_t)(end - s), &line, &err);
        if (!ok)
            fprintf(stderr, "%s\n", err.msg);
        if (ok && !(ok = check(t, line)) && wrong < 10)
            fprintf(stderr, "%s, line %d differs: %.*s\n", path, *n_lines + 1, (int)(end - s < 300 ? end - s : 300), s);
        wrong += !ok;
        json_decref(ok || line ? line : NULL);
        ++*n_lines;
    }
    free(text);
    return wrong;
}

static bool is_same(const ct_ids *ids, size_t skip, const json_t *want)
{
    bool same = ids->n - skip == json_array_size(want);
    for (size_t i = 0; same && i + skip < ids->n; i++)
        same = ids->v[i + skip] == json_integer_value(json_array_get(want, i));
    return same;
}

/* ---- texts ---- */

static bool encodes_to(const carat_tokenizer *t, const json_t *text, unsigned flags, const json_t *want)
{
    ct_ids ids = { 0 };
    const char *s = json_string_value(text);
    size_t len = json_string_length(text);
    bool ok = ct_tok_encode(t, s, len, flags, &ids, NULL);
    /* The reference doubles a <bos> that already leads the text; we promise not to: there its first id has to go. */
    bool leads = (flags & CARAT_TOK_BOS) && (flags & CARAT_TOK_SPECIAL) && len >= 5 && !memcmp(s, "<bos>", 5);
    if (leads) {
        json_t *once = json_deep_copy(want);
        json_array_remove(once, 0);
        ok = ok && is_same(&ids, 0, once);
        json_decref(once);
    } else {
        ok = ok && is_same(&ids, 0, want);
    }
    ct_ids_deinit(&ids);
    return ok;
}

static bool check_text(const carat_tokenizer *t, const json_t *line)
{
    const json_t *text = json_object_get(line, "text"), *want = json_object_get(line, "ids");
    const json_t *special = json_object_get(line, "parse_special"); /* null: the same answer either way */
    unsigned bos = json_is_true(json_object_get(line, "add_special")) ? CARAT_TOK_BOS : 0;
    bool ok = json_is_string(text) && json_is_array(want);
    if (!json_is_false(special))
        ok = ok && encodes_to(t, text, bos | CARAT_TOK_SPECIAL, want);
    if (json_is_false(special) || json_is_null(special))
        ok = ok && encodes_to(t, text, bos, want);
    return ok;
}

int golden_texts(const carat_tokenizer *t, const char *path, int *n_lines)
{
    return each_line(t, path, n_lines, check_text);
}

/* ---- bytes ---- */

/* Hex -> malloc'd bytes. */
static char *unhex(const json_t *hex, size_t *len)
{
    const char *s = json_string_value(hex);
    *len = s ? strlen(s) / 2 : 0;
    char *out = malloc(*len + 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned v;
        if (sscanf(s + 2 * i, "%2x", &v) != 1)
            abort();
        out[i] = (char)v;
    }
    return out;
}

static void join(const carat_tokenizer *t, const int32_t *ids, size_t n, bool hide_control, ct_buf *out)
{
    ct_buf_clear(out);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *s = ct_tok_bytes(t, ids[i], &len);
        if (!hide_control || !ct_tok_is_control(t, ids[i]))
            ct_buf_add(out, s, len);
    }
}

static bool check_bytes(const carat_tokenizer *t, const json_t *line)
{
    size_t len;
    char *raw = unhex(json_object_get(line, "hex"), &len);
    ct_ids ids = { 0 };
    bool ok = ct_tok_encode(t, raw, len, CARAT_TOK_SPECIAL, &ids, NULL) &&
              is_same(&ids, 0, json_object_get(line, "ids_byte_fallback"));
    ct_buf back;
    ct_buf_init(&back, 1 << 20);
    join(t, ids.v, ids.n, false, &back);
    if (!memmem(raw, len, "\xe2\x96\x81", 3)) /* U+2581 comes back as a space, by definition */
        ok = ok && back.len == len && !memcmp(back.data ? back.data : "", raw, len);
    ct_buf_deinit(&back);
    ct_ids_deinit(&ids);
    free(raw);
    return ok;
}

int golden_bytes(const carat_tokenizer *t, const char *path, int *n_lines)
{
    return each_line(t, path, n_lines, check_bytes);
}

/* ---- decoding ---- */

static bool equals_hex(const ct_buf *got, const json_t *hex)
{
    size_t len;
    char *want = unhex(hex, &len);
    bool ok = got->len == len && (!len || !memcmp(got->data, want, len));
    free(want);
    return ok;
}

/* The stream gives valid UTF-8 at every step, in the end the same text; what the reference streams for text that is
 * valid comes out here no later than there. */
static bool streams(const carat_tokenizer *t, const int32_t *ids, size_t n, const json_t *line, bool is_valid)
{
    ct_buf out, whole;
    ct_buf_init(&out, 1 << 20), ct_buf_init(&whole, 1 << 20);
    const json_t *stream = json_object_get(line, "hf_stream");
    size_t given = 0; /* bytes the reference has let out so far */
    ct_detok d;
    ct_detok_init(&d, t, true);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ok = ok && ct_detok_push(&d, ids[i], &out) && ct_utf8_valid(out.data ? out.data : "", out.len) == out.len;
        const json_t *step = json_array_get(stream, i);
        given += json_is_string(step) ? json_string_length(step) : 0;
        if (is_valid)
            ok = ok && out.len >= given;
    }
    ok = ok && ct_detok_flush(&d, &out);
    if (is_valid) {
        const json_t *text = json_object_get(line, "hf_text");
        ok = ok && out.len == json_string_length(text) && !memcmp(out.data, json_string_value(text), out.len);
    }
    ct_buf_deinit(&out), ct_buf_deinit(&whole);
    return ok;
}

static bool check_decode(const carat_tokenizer *t, const json_t *line)
{
    const json_t *list = json_object_get(line, "ids");
    size_t n = json_array_size(list);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    ct_buf b;
    ct_buf_init(&b, 1 << 20);
    join(t, ids, n, false, &b);
    bool ok = equals_hex(&b, json_object_get(line, "bytes_hex"));
    bool is_valid = ct_utf8_valid(b.data ? b.data : "", b.len) == b.len && b.len;
    join(t, ids, n, true, &b);
    ok = ok && equals_hex(&b, json_object_get(line, "bytes_hex_skip_special"));
    ok = ok && streams(t, ids, n, line, is_valid);
    ct_buf_deinit(&b);
    free(ids);
    return ok;
}

int golden_decode(const carat_tokenizer *t, const char *path, int *n_lines)
{
    return each_line(t, path, n_lines, check_decode);
}
