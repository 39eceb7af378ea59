/* Reads the vocabulary that the tests share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "vocab_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

static uint32_t u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static float f32(const char *p)
{
    float v;
    memcpy(&v, p, 4);
    return v;
}

/* The file is ours, committed beside the tests: what is checked is that it is whole. */
static bool read_pieces(vocab_file *v, size_t len)
{
    if (len < 16 || memcmp(v->data, "CARATVOC", 8))
        return false;
    size_t n_runs = u32(v->data + 12), at = 16 + n_runs * 16, id = 0;
    v->n = u32(v->data + 8);
    v->pieces = calloc(v->n, sizeof *v->pieces);
    for (size_t r = 0; v->pieces && r < n_runs && at <= len; r++) {
        const char *run = v->data + 16 + r * 16;
        for (uint32_t i = 0; i < u32(run) && id < v->n; i++)
            v->pieces[id++] =
                (ct_piece){ .kind = (ct_piece_kind)u32(run + 4), .score = f32(run + 8) + (float)i * f32(run + 12) };
    }
    for (size_t i = 0; v->pieces && i < v->n && at < len; i++) {
        v->pieces[i].len = (uint8_t)v->data[at];
        v->pieces[i].text = v->data + at + 1;
        at += 1 + v->pieces[i].len;
    }
    return v->pieces && id == v->n && at == len;
}

bool vocab_file_open(vocab_file *v, const char *path)
{
    *v = (vocab_file){ 0 };
    carat_err err;
    size_t len;
    if (!ct_read_file(path, 8 << 20, &v->data, &len, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return false;
    }
    if (read_pieces(v, len))
        return true;
    fprintf(stderr, "%s: not a whole vocabulary\n", path);
    vocab_file_close(v);
    return false;
}

void vocab_file_close(vocab_file *v)
{
    free(v->pieces);
    free(v->data);
    *v = (vocab_file){ 0 };
}
