/* The layout is GGUF v3 (GGUF specification): magic, version, counts, keys, tensor headers, padding to 32, data.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/tower.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/size.h"
#include "format/gguf.h"

#define ALIGN     32
#define MAX_BYTES ((size_t)16 << 20) /* of headers: 1024 layers of 16 tensors */

typedef struct header {
    ct_buf b;
    const ct_vision_config *v;
    size_t text_width;
    ct_type type;
    uint64_t n_tensors, data, n_params; /* data: bytes of tensors so far, each aligned */
    uint64_t bytes;                     /* without the padding */
    carat_err *err;
    bool failed;
} header;

static void u32(header *h, uint32_t v)
{
    uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
    ct_buf_add(&h->b, b, 4);
}

static void u64(header *h, uint64_t v)
{
    u32(h, (uint32_t)v);
    u32(h, (uint32_t)(v >> 32));
}

static void text(header *h, const char *s)
{
    u64(h, strlen(s));
    ct_buf_str(&h->b, s);
}

/* ---- keys ---- */

static void key_u32(header *h, const char *key, uint32_t v)
{
    text(h, key);
    u32(h, 4); /* UINT32 */
    u32(h, v);
}

static void key_text(header *h, const char *key, const char *v)
{
    text(h, key);
    u32(h, 8); /* STRING */
    text(h, v);
}

#define N_KEYS 10

static void keys(header *h)
{
    const ct_vision_config *v = h->v;
    uint32_t side = 1;
    while ((side + 1) * (side + 1) <= v->tokens_per_image)
        side++;
    key_text(h, "general.architecture", "clip");
    key_text(h, "clip.projector_type", "gemma3");
    key_u32(h, "clip.vision.block_count", v->n_layer);
    key_u32(h, "clip.vision.embedding_length", v->hidden);
    key_u32(h, "clip.vision.feed_forward_length", v->ffn);
    key_u32(h, "clip.vision.attention.head_count", v->n_head);
    key_u32(h, "clip.vision.image_size", v->image_size);
    key_u32(h, "clip.vision.patch_size", v->patch_size);
    key_u32(h, "clip.vision.num_channels", v->n_channel);
    key_u32(h, "clip.vision.projector.scale_factor", ct_vision_grid(v) / side);
}

/* ---- tensors ---- */

static void tensor(header *h, const char *name, ct_type type, uint32_t n_dims, const size_t dims[4])
{
    size_t bytes, next;
    uint64_t n = 1;
    if (h->failed)
        return;
    text(h, name);
    u32(h, n_dims);
    bool ok = ct_row_bytes(type, dims[0], &bytes);
    for (uint32_t i = 0; i < n_dims; i++) {
        u64(h, dims[i]);
        n *= dims[i]; /* within the limits of the configuration: below 2^60 */
        ok = ok && (i == 0 || ct_mul_size(bytes, dims[i], &bytes));
    }
    u32(h, type);
    u64(h, h->data);
    if (!ok || !ct_add_size(h->data, bytes, &next) || !ct_align_size(next, ALIGN, &next)) {
        h->failed = true;
        ct_fail(h->err, CARAT_EARG, CARAT_NOWHERE, "vision tower: %s of %zu columns cannot be of type %s", name,
                dims[0], ct_type_get(type)->name);
        return;
    }
    h->n_tensors++;
    h->n_params += n;
    h->bytes += bytes;
    h->data = next;
}

static void matrix(header *h, const char *name, ct_type type, size_t cols, size_t rows)
{
    tensor(h, name, type, 2, (const size_t[4]){ cols, rows });
}

static void vector(header *h, const char *name, size_t n)
{
    tensor(h, name, CT_F32, 1, (const size_t[4]){ n });
}

static void layer(header *h, size_t i)
{
    static const struct {
        const char *name;
        bool wide_rows, wide_cols;
    } products[] = { { "attn_q", false, false },   { "attn_k", false, false }, { "attn_v", false, false },
                     { "attn_out", false, false }, { "ffn_up", true, false },  { "ffn_down", false, true } };
    char name[64];
    size_t w = h->v->hidden, f = h->v->ffn;
    for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
        size_t rows = products[p].wide_rows ? f : w, cols = products[p].wide_cols ? f : w;
        snprintf(name, sizeof name, "v.blk.%zu.%s.weight", i, products[p].name);
        /* 4304 columns are no whole number of blocks of 32 */
        matrix(h, name, cols % ct_type_get(h->type)->block ? CT_F16 : h->type, cols, rows);
        snprintf(name, sizeof name, "v.blk.%zu.%s.bias", i, products[p].name);
        vector(h, name, rows);
    }
    for (int n = 1; n <= 2; n++)
        for (int bias = 0; bias < 2; bias++) {
            snprintf(name, sizeof name, "v.blk.%zu.ln%d.%s", i, n, bias ? "bias" : "weight");
            vector(h, name, w);
        }
}

static void tensors(header *h)
{
    const ct_vision_config *v = h->v;
    size_t w = v->hidden;
    tensor(h, "v.patch_embd.weight", CT_F32, 4, (const size_t[4]){ v->patch_size, v->patch_size, v->n_channel, w });
    vector(h, "v.patch_embd.bias", w);
    matrix(h, "v.position_embd.weight", CT_F32, w, ct_vision_patches(v));
    vector(h, "v.post_ln.weight", w);
    vector(h, "v.post_ln.bias", w);
    vector(h, "mm.soft_emb_norm.weight", w);
    /* Stored across (text width fastest): blocks would lie across its rows, so it stays in half precision. */
    ct_type project = ct_type_get(h->type)->is_quantised ? CT_F16 : h->type;
    matrix(h, "mm.input_projection.weight", project, h->text_width, w);
    for (size_t i = 0; i < v->n_layer; i++)
        layer(h, i);
}

/* ---- the file ---- */

static bool write_file(header *h, uint64_t size, int *fd, carat_err *err)
{
    *fd = memfd_create("carat-weigh", MFD_CLOEXEC);
    size_t done = 0;
    bool ok = *fd >= 0 && ftruncate(*fd, (off_t)size) == 0;
    while (ok && done < h->b.len) {
        ssize_t n = write(*fd, h->b.data + done, h->b.len - done);
        ok = n > 0;
        done += ok ? (size_t)n : 0;
    }
    if (ok)
        return true;
    ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "no file in memory for the vision tower's headers: %s", strerror(errno));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}

bool ct_weigh_tower_file(const ct_vision_config *v, size_t text_width, ct_type type, int *fd, uint64_t *tensor_bytes,
                         uint64_t *n_params, carat_err *err)
{
    header h = { .v = v, .text_width = text_width, .type = type, .err = err };
    *fd = -1;
    ct_buf_init(&h.b, MAX_BYTES);
    ct_buf_add(&h.b, "GGUF\3\0\0\0", 8);
    u64(&h, 7 + (uint64_t)v->n_layer * 16);
    u64(&h, N_KEYS);
    keys(&h);
    tensors(&h);
    while (h.b.len % ALIGN && ct_buf_char(&h.b, 0))
        ;
    bool ok = !h.failed;
    if (ok && h.b.failed)
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the vision tower's headers");
    ok = ok && write_file(&h, h.b.len + h.data, fd, err);
    *tensor_bytes = h.bytes;
    *n_params = h.n_params;
    ct_buf_deinit(&h.b);
    return ok;
}
