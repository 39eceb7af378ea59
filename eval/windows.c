/* Windows over a text's tokens: how many there are, what is in each and what of it counts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/windows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WINDOW 2048
#define LLAMA_WINDOW   512
#define LEAST_WINDOW   8

const char *ct_eval_protocol_name(ct_eval_protocol p)
{
    return p == CT_EVAL_LLAMA_CPP ? "llama.cpp" : "sliding";
}

size_t ct_eval_default_window(ct_eval_protocol p)
{
    return p == CT_EVAL_LLAMA_CPP ? LLAMA_WINDOW : DEFAULT_WINDOW;
}

static uint64_t hash_ids(const int32_t *ids, size_t n) /* FNV-1a: tells apart, does not protect */
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        for (int shift = 0; shift < 32; shift += 8)
            h = (h ^ ((uint32_t)ids[i] >> shift & 255)) * 0x100000001b3u;
    return h;
}

static bool check_sizes(ct_eval_windows *w, size_t window, size_t stride, carat_err *err)
{
    const bool is_llama = w->protocol == CT_EVAL_LLAMA_CPP;
    w->window = window ? window : ct_eval_default_window(w->protocol);
    w->stride = is_llama ? w->window : stride ? stride : w->window / 2;
    if (w->window < LEAST_WINDOW)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the window is %zu tokens, expected at least %d", w->window,
                       LEAST_WINDOW);
    if (is_llama && stride)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "the protocol llama.cpp has no stride: its windows do not overlap");
    if (!is_llama && w->stride >= w->window)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "the stride is %zu tokens, expected fewer than the window's %zu: <bos> is one of these",
                       w->stride, w->window);
    return true;
}

/* <bos> and the text's tokens. */
static bool tokenise(ct_eval_windows *w, const carat_tokenizer *t, const char *text, size_t len, carat_err *err)
{
    int32_t *ids = NULL;
    size_t n;
    if (!carat_tokenizer_encode(t, "", 0, CARAT_TOK_BOS, &ids, &n, err))
        return false;
    w->bos = n == 1 ? ids[0] : -1;
    carat_free(ids);
    if (w->bos < 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "the vocabulary has no <bos>");
    if (!carat_tokenizer_encode(t, text, len, CARAT_TOK_BOS, &w->ids, &n, err))
        return false;
    w->n_tokens = n - 1;
    return true;
}

/* The first window counts window - 1 tokens of the text, each further one as many as it begins later. */
static size_t count_sliding(const ct_eval_windows *w)
{
    const size_t first = w->window - 1;
    return w->n_tokens <= first ? 1 : 1 + (w->n_tokens - first + w->stride - 1) / w->stride;
}

/* w has its protocol, bos and ids. */
static bool cut(ct_eval_windows *w, size_t window, size_t stride, carat_err *err)
{
    const bool is_llama = w->protocol == CT_EVAL_LLAMA_CPP;
    w->hash = hash_ids(w->ids, w->n_tokens + 1);
    if (!check_sizes(w, window, stride, err))
        return false;
    w->n = is_llama ? (w->n_tokens + 1) / w->window : count_sliding(w);
    if (is_llama && w->n < 2)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "the text has %zu tokens with <bos>, expected two windows of %zu at least (protocol llama.cpp)",
                       w->n_tokens + 1, w->window);
    return w->n_tokens || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the text is empty");
}

bool ct_eval_windows_open(ct_eval_windows *w, const carat_tokenizer *t, ct_eval_protocol protocol, size_t window,
                          size_t stride, const char *text, size_t len, carat_err *err)
{
    *w = (ct_eval_windows){ .protocol = protocol };
    if (protocol == CT_EVAL_LLAMA_CPP && len && text[len - 1] == '\n')
        len--;
    const bool ok = tokenise(w, t, text, len, err) && cut(w, window, stride, err);
    if (!ok)
        ct_eval_windows_close(w);
    return ok;
}

bool ct_eval_windows_of_ids(ct_eval_windows *w, ct_eval_protocol protocol, size_t window, size_t stride, int32_t *ids,
                            size_t n, carat_err *err)
{
    *w = (ct_eval_windows){ .protocol = protocol, .bos = ids[0], .ids = ids, .n_tokens = n - 1 };
    const bool ok = cut(w, window, stride, err);
    if (!ok)
        ct_eval_windows_close(w);
    return ok;
}

void ct_eval_windows_hash(const ct_eval_windows *w, char hash[17])
{
    snprintf(hash, 17, "%016" PRIx64, w->hash);
}

void ct_eval_windows_close(ct_eval_windows *w)
{
    carat_free(w->ids);
    w->ids = NULL;
}

/* Where window i begins, its tokens, and which are the first that count. */
static size_t place_of(const ct_eval_windows *w, size_t i, size_t *n, size_t *first)
{
    const size_t begin = i * w->stride,
                 left = w->n_tokens + 1 - begin; /* <bos>, or what stands in its place, and what follows */
    *n = left < w->window ? left : w->window;
    if (w->protocol == CT_EVAL_LLAMA_CPP)
        *first = w->window / 2 + 1;
    else
        *first = i == 0 ? 1 : w->window - w->stride;
    return begin;
}

void ct_eval_windows_get(const ct_eval_windows *w, size_t i, int32_t *ids, size_t *n, size_t *first)
{
    const size_t begin = place_of(w, i, n, first);
    memcpy(ids, w->ids + begin, *n * sizeof *ids);
    ids[0] = w->bos;
}

size_t ct_eval_windows_counted(const ct_eval_windows *w, size_t i)
{
    size_t n, first;
    place_of(w, i, &n, &first);
    return n - first;
}
