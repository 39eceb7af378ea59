/* Writes GGUF files from what a test describes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "craft.h"

#include <string.h>
#include <unistd.h>

#include "unit.h"

#define ALIGNMENT 32

void craft_init(craft *c)
{
    *c = (craft){ 0 };
    ct_buf_init(&c->kv, 64 << 20);
    ct_buf_init(&c->tensors, 64 << 20);
    ct_buf_init(&c->norms, 64 << 20);
}

void craft_deinit(craft *c)
{
    ct_buf_deinit(&c->kv);
    ct_buf_deinit(&c->tensors);
    ct_buf_deinit(&c->norms);
}

static void put(ct_buf *b, const void *p, size_t n)
{
    assert_true(ct_buf_add(b, p, n));
}

static void put_u32(ct_buf *b, uint32_t v)
{
    put(b, &v, 4);
}

static void put_u64(ct_buf *b, uint64_t v)
{
    put(b, &v, 8);
}

static void put_text(ct_buf *b, const char *s)
{
    put_u64(b, strlen(s));
    put(b, s, strlen(s));
}

static void begin(craft *c, const char *key, ct_gguf_kind kind)
{
    c->n_kv++;
    put_text(&c->kv, key);
    put_u32(&c->kv, (uint32_t)kind);
}

void craft_text(craft *c, const char *key, const char *v)
{
    begin(c, key, CT_GGUF_STR);
    put_text(&c->kv, v);
}

void craft_f32(craft *c, const char *key, float v)
{
    begin(c, key, CT_GGUF_F32);
    put(&c->kv, &v, 4);
}

void craft_int(craft *c, const char *key, ct_gguf_kind kind, int64_t v)
{
    static const uint8_t width[] = { 1, 1, 2, 2, 4, 4, 0, 1, 0, 0, 8, 8 };
    begin(c, key, kind);
    assert_true(kind < sizeof width && width[kind]);
    put(&c->kv, &v, width[kind]); /* little-endian */
}

void craft_bools(craft *c, const char *key, const bool *v, size_t n)
{
    begin(c, key, CT_GGUF_ARR);
    put_u32(&c->kv, CT_GGUF_BOOL);
    put_u64(&c->kv, n);
    for (size_t i = 0; i < n; i++)
        put(&c->kv, &(uint8_t){ v[i] }, 1);
}

void craft_texts(craft *c, const char *key, const char *const *v, size_t n)
{
    begin(c, key, CT_GGUF_ARR);
    put_u32(&c->kv, CT_GGUF_STR);
    put_u64(&c->kv, n);
    for (size_t i = 0; i < n; i++)
        put_text(&c->kv, v[i]);
}

void craft_tensor(craft *c, const char *name, ct_type type, uint64_t cols, uint64_t rows)
{
    size_t row = 0;
    assert_true(ct_row_bytes((uint32_t)type, cols, &row));
    c->n_tensors++;
    put_text(&c->tensors, name);
    put_u32(&c->tensors, rows ? 2 : 1);
    put_u64(&c->tensors, cols);
    if (rows)
        put_u64(&c->tensors, rows);
    put_u32(&c->tensors, (uint32_t)type);
    put_u64(&c->tensors, c->data);
    if (!rows && type == CT_F32) {
        put_u64(&c->norms, c->data);
        put_u64(&c->norms, cols);
    }
    c->data += row * (rows ? rows : 1);
    c->data = (c->data + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void craft_tensors(craft *c, const craft_shape *s)
{
    uint64_t q = (uint64_t)s->n_head * s->head_dim, kv = (uint64_t)s->n_kv_head * s->head_dim;
    const struct {
        const char *name;
        uint64_t cols, rows;
    } parts[] = {
        { "attn_norm", s->hidden, 0 },     { "attn_q", s->hidden, q },
        { "attn_k", s->hidden, kv },       { "attn_v", s->hidden, kv },
        { "attn_q_norm", s->head_dim, 0 }, { "attn_k_norm", s->head_dim, 0 },
        { "attn_output", q, s->hidden },   { "post_attention_norm", s->hidden, 0 },
        { "ffn_norm", s->hidden, 0 },      { "ffn_gate", s->hidden, s->ffn },
        { "ffn_up", s->hidden, s->ffn },   { "ffn_down", s->ffn, s->hidden },
        { "post_ffw_norm", s->hidden, 0 },
    };
    char name[64];
    craft_tensor(c, "token_embd.weight", s->type, s->hidden, s->n_vocab);
    craft_tensor(c, "output_norm.weight", CT_F32, s->hidden, 0);
    for (uint32_t l = 0; l < s->n_layer; l++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            snprintf(name, sizeof name, "blk.%u.%s.weight", l, parts[i].name);
            craft_tensor(c, name, parts[i].rows ? s->type : CT_F32, parts[i].cols, parts[i].rows);
        }
}

/* The file's data begins at `data`. */
static void write_ones(const craft *c, FILE *f, uint64_t data)
{
    const float one = 1;
    for (size_t at = 0; at < c->norms.len; at += 16) {
        uint64_t place[2];
        memcpy(place, c->norms.data + at, sizeof place);
        assert_int_equal(fseeko(f, (off_t)(data + place[0]), SEEK_SET), 0);
        for (uint64_t i = 0; i < place[1]; i++)
            assert_int_equal(fwrite(&one, sizeof one, 1, f), 1);
    }
}

void craft_save(const craft *c, const char *path)
{
    ct_buf all;
    ct_buf_init(&all, 256 << 20);
    put(&all, "GGUF", 4);
    put_u32(&all, 3);
    put_u64(&all, c->n_tensors);
    put_u64(&all, c->n_kv);
    put(&all, c->kv.data ? c->kv.data : "", c->kv.len);
    put(&all, c->tensors.data ? c->tensors.data : "", c->tensors.len);
    uint64_t data = (all.len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(all.data, 1, all.len, f), all.len);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(ftruncate(fileno(f), (off_t)(data + c->data)), 0);
    write_ones(c, f, data);
    assert_int_equal(fclose(f), 0);
    ct_buf_deinit(&all);
}
