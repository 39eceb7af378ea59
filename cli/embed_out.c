/* Vectors as JSON lines, as NumPy's .npy and as bare float32.
 *
 *   .npy   0x93 "NUMPY" 1 0, u16 length, a header of text that ends in a newline, 128 bytes in all; then f32 [rows, dims]
 *
 * Source: NumPy's format description, version 1.0 (numpy/lib/format.py).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_text.h"
#include "embed.h"

#define NPY_BYTES 128
#define MAX_LINE  ((size_t)64 << 20)

/* The number of rows is known at the end alone. */
static bool put_npy_header(const embed_out *o)
{
    char head[NPY_BYTES + 1];
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = NPY_BYTES - 10;
    head[9] = 0;
    int n = snprintf(head + 10, sizeof head - 10,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %zu), }", o->n, o->n_dims);
    memset(head + 10 + n, ' ', (size_t)(NPY_BYTES - 10 - n));
    head[NPY_BYTES - 1] = '\n';
    return fwrite(head, 1, NPY_BYTES, o->f) == NPY_BYTES;
}

static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), len = strlen(end);
    return n > len && strcmp(path + n - len, end) == 0;
}

static bool write_failed(const embed_out *o, carat_err *err)
{
    return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be written: %s", o->file.path ? o->file.path : "stdout",
                   strerror(errno));
}

bool embed_out_open(embed_out *o, const char *path, carat_err *err)
{
    *o = (embed_out){ .form = EMBED_JSONL, .f = stdout };
    ct_buf_init(&o->line, MAX_LINE);
    if (!path)
        return true;
    if (ends_in(path, ".npy"))
        o->form = EMBED_NPY;
    else if (ends_in(path, ".f32"))
        o->form = EMBED_F32;
    else if (!ends_in(path, ".jsonl"))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: expected a name that ends in .jsonl, .npy or .f32", path);
    if (!ct_new_file_open(&o->file, path, err))
        return false;
    o->f = o->file.f;
    return o->form != EMBED_NPY || put_npy_header(o) || write_failed(o, err);
}

static bool put_floats(embed_out *o, const float *v, size_t n)
{
    ct_buf_clear(&o->line);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        const char bytes[] = { (char)bits, (char)(bits >> 8), (char)(bits >> 16), (char)(bits >> 24) };
        ct_buf_add(&o->line, bytes, sizeof bytes);
    }
    return !o->line.failed;
}

static bool put_line(embed_out *o, const json_t *id, const float *v, size_t n)
{
    ct_buf_clear(&o->line);
    return ct_buf_fmt(&o->line, "{\"index\":%" PRIu64 "%s", o->n, id ? ",\"id\":" : "") &&
           (!id || ct_json_write(id, &o->line)) && ct_buf_str(&o->line, ",\"embedding\":") &&
           ct_json_text_floats(v, n, &o->line) && ct_buf_str(&o->line, "}\n");
}

bool embed_out_row(embed_out *o, const json_t *id, const float *v, size_t n, carat_err *err)
{
    const bool ok = o->form == EMBED_JSONL ? put_line(o, id, v, n) : put_floats(o, v, n);
    if (!ok)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a row of %zu numbers", n);
    o->n_dims = n;
    o->n++;
    return fwrite(o->line.data, 1, o->line.len, o->f) == o->line.len || write_failed(o, err);
}

bool embed_out_flush(embed_out *o, carat_err *err)
{
    return o->file.f || fflush(o->f) == 0 || write_failed(o, err);
}

bool embed_out_finish(embed_out *o, carat_err *err)
{
    if (!o->file.f)
        return embed_out_flush(o, err);
    if (o->form == EMBED_NPY && (fseek(o->f, 0, SEEK_SET) != 0 || !put_npy_header(o)))
        return write_failed(o, err);
    return ct_new_file_commit(&o->file, err);
}

void embed_out_close(embed_out *o)
{
    ct_new_file_abandon(&o->file);
    ct_buf_deinit(&o->line);
}
