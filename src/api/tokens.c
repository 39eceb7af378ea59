/* Text and tokens, for programs that need nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "carat.h"
#include "format/gguf.h"
#include "model/model.h"

#define MAX_TEXT ((size_t)1 << 31)

void carat_free(void *p)
{
    free(p);
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
        if (ids[i] < 0 || (size_t)ids[i] >= n_pieces) {
            ct_buf_deinit(&out);
            return ct_fail(err, CARAT_EARG, i, "token id %d, the vocabulary has 0 to %zu", ids[i], n_pieces - 1);
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
    ct_gguf *g;
    if (!ct_gguf_open(path, &g, err))
        return false;
    bool ok = ct_tokenizer_from_gguf(g, out, err);
    ct_gguf_close(g);
    return ok;
}
