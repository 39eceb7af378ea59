/* Text and tokens, for programs that need nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/ids.h"
#include "base/buf.h"
#include "carat.h"
#include "format/gguf.h"
#include "format/pack_file.h"
#include "model/model.h"

#define MAX_TEXT ((size_t)1 << 31)

static bool has_id(const carat_tokenizer *t, int32_t id)
{
    return ct_api_check_id(id, CARAT_NOWHERE, ct_tok_facts(t)->n_pieces, NULL);
}

bool carat_tokenizer_encode(const carat_tokenizer *t, const char *text, size_t len, unsigned flags, int32_t **ids,
                            size_t *n, carat_err *err)
{
    ct_ids out = { 0 };
    *ids = NULL;
    *n = 0;
    if (!ct_tok_encode(t, text, len, flags, &out, err)) {
        ct_ids_deinit(&out);
        return false;
    }
    if (!out.v && !(out.v = malloc(sizeof *out.v))) /* no tokens: still something to free */
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tokens");
    *ids = out.v;
    *n = out.n;
    return true;
}

bool carat_tokenizer_decode(const carat_tokenizer *t, const int32_t *ids, size_t n, bool show_control, char **text,
                            size_t *len, carat_err *err)
{
    *text = NULL;
    *len = 0;
    size_t n_pieces = ct_tok_facts(t)->n_pieces;
    ct_buf out;
    ct_buf_init(&out, MAX_TEXT);
    for (size_t i = 0; i < n; i++) {
        if (!ct_api_check_id(ids[i], i, n_pieces, err)) {
            ct_buf_deinit(&out);
            return false;
        }
        if (!show_control && ct_tok_is_control(t, ids[i]))
            continue;
        size_t piece_len;
        const char *piece = ct_tok_bytes(t, ids[i], &piece_len);
        ct_buf_add(&out, piece, piece_len);
    }
    *len = out.len;
    *text = ct_buf_take(&out);
    return *text || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text of %zu tokens", n);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool from_pack(const char *path, carat_tokenizer **out, carat_err *err)
{
    ct_pack_file *p;
    ct_gguf *g;
    if (!ct_pack_open(path, &p, err))
        return false;
    const ct_pack_part *text = &p->parts[CT_PACK_TEXT];
    bool ok = ct_gguf_open_head(path, text->keys, text->keys_bytes, &g, err);
    if (ok) {
        ok = ct_tokenizer_from_gguf(g, out, err);
        ct_gguf_close(g);
    }
    ct_pack_close(p);
    return ok;
}

bool carat_tokenizer_open(const char *path, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ct_tokenizer_from_folder(path, out, err);
    if (ends_with(path, ".json"))
        return ct_tokenizer_from_json(path, out, err);
    if (ends_with(path, ".model"))
        return ct_tokenizer_from_model(path, out, err);
    if (ct_pack_is(path))
        return from_pack(path, out, err);
    ct_gguf *g;
    if (!ct_gguf_open(path, &g, err))
        return false;
    bool ok = ct_tokenizer_from_gguf(g, out, err);
    ct_gguf_close(g);
    return ok;
}

void carat_tokenizer_close(carat_tokenizer *t)
{
    ct_tokenizer_close(t);
}

/* ---- one token, and a stream of them ---- */

size_t carat_tokenizer_n_pieces(const carat_tokenizer *t)
{
    return ct_tok_facts(t)->n_pieces;
}

const char *carat_tokenizer_piece(const carat_tokenizer *t, int32_t id, size_t *len)
{
    *len = 0;
    return has_id(t, id) ? ct_tok_bytes(t, id, len) : NULL;
}

bool carat_tokenizer_is_control(const carat_tokenizer *t, int32_t id)
{
    return has_id(t, id) && ct_tok_is_control(t, id);
}

struct carat_detokenizer {
    ct_detok stream;
    ct_buf text; /* of the last call */
};

bool carat_detokenizer_open(const carat_tokenizer *t, bool show_control, carat_detokenizer **out, carat_err *err)
{
    carat_detokenizer *d = *out = calloc(1, sizeof *d);
    if (!d)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a detokenizer");
    ct_detok_init(&d->stream, t, show_control);
    ct_buf_init(&d->text, MAX_TEXT);
    return true;
}

/* What has become certain, or nothing: the stream is then as it was. */
static bool give(carat_detokenizer *d, const ct_detok *was, bool ok, const char **text, size_t *len, carat_err *err)
{
    *text = ok ? d->text.data : NULL;
    *len = ok ? d->text.len : 0;
    if (ok)
        return true;
    d->stream = *was;
    ct_buf_deinit(&d->text); /* and not failed any more */
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text of a token");
}

bool carat_detokenizer_push(carat_detokenizer *d, int32_t id, const char **text, size_t *len, carat_err *err)
{
    const ct_detok was = d->stream;
    *text = NULL;
    *len = 0;
    if (!ct_api_check_id(id, CARAT_NOWHERE, ct_tok_facts(was.tok)->n_pieces, err))
        return false;
    ct_buf_clear(&d->text);
    bool ok = ct_buf_str(&d->text, "") && ct_detok_push(&d->stream, id, &d->text);
    return give(d, &was, ok, text, len, err);
}

bool carat_detokenizer_flush(carat_detokenizer *d, const char **text, size_t *len, carat_err *err)
{
    const ct_detok was = d->stream;
    ct_buf_clear(&d->text);
    bool ok = ct_buf_str(&d->text, "") && ct_detok_flush(&d->stream, &d->text);
    return give(d, &was, ok, text, len, err);
}

void carat_detokenizer_close(carat_detokenizer *d)
{
    if (!d)
        return;
    ct_buf_deinit(&d->text);
    free(d);
}
