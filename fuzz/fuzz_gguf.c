/* fuzz_gguf.c - a GGUF file: opens it, then reads every key as every kind and every byte of every tensor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "format/gguf.h"
#include "fuzz.h"

static void read_key(const ct_gguf *g, const ct_gguf_kv *kv, const uint8_t *data, size_t size)
{
    int64_t i = 0;
    double d = 0;
    bool b = false;
    ct_str s = { NULL, 0 };
    FUZZ_MUST(kv->data >= data && (size_t)(kv->data - data) <= size && kv->bytes <= size - (size_t)(kv->data - data));
    FUZZ_MUST(ct_gguf_find(g, kv->key) == kv);
    ct_gguf_int(g, kv->key, INT64_MIN, INT64_MAX, &i, NULL);
    ct_gguf_num(g, kv->key, &d, NULL);
    ct_gguf_bool(g, kv->key, &b, NULL);
    if (ct_gguf_text(g, kv->key, &s, NULL) && s.data)
        fuzz_touch(s.data, s.len);
    uint64_t n = 0;
    for (ct_gguf_cursor c = { 0 }; ct_gguf_next_str(kv, &c, &s); n++)
        fuzz_touch(s.data, s.len);
    FUZZ_MUST(n == (kv->elem == CT_GGUF_STR ? kv->count : 0));
    for (n = 0; n <= kv->count && n < 1000; n++)
        ct_gguf_elem_num(kv, n);
    ct_gguf_elem_num(kv, kv->count - 1);
}

static void read_tensor(const ct_tensors *all, const ct_tensor *t, const uint8_t *data, size_t size)
{
    size_t row;
    char shape[96];
    FUZZ_MUST(ct_tensors_find(all, t->name) == t);
    FUZZ_MUST(t->data >= data && (size_t)(t->data - data) <= size && t->bytes <= size - (size_t)(t->data - data));
    FUZZ_MUST(ct_row_bytes(t->type, (size_t)t->dims[0], &row) && t->bytes % row == 0);
    FUZZ_MUST(strlen(ct_tensor_shape(t, shape)) < sizeof shape);
    fuzz_touch(t->data, t->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_gguf *g;
    carat_err err = { 0 };
    if (!ct_gguf_open_memory("input", data, size, &g, &err)) {
        FUZZ_MUST(!g && err.code != CARAT_OK && strncmp(err.msg, "input: ", 7) == 0);
        return 0;
    }
    FUZZ_MUST(ct_gguf_directory_bytes(g) <= (size_t)64 << 20);
    const ct_tensors *t = ct_gguf_tensors(g);
    for (size_t i = 0; i < ct_gguf_n_kv(g); i++)
        read_key(g, ct_gguf_kv_at(g, i), data, size);
    for (size_t i = 0; i < t->n; i++)
        read_tensor(t, &t->items[i], data, size);
    ct_gguf_close(g);
    return 0;
}
