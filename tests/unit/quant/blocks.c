/* blocks.c - just enough of GGUF (its specification, "File structure") to find a tensor in a file we made ourselves:
 * format/ comes after quant/ and has tests of its own. A step outside the file fails the test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "unit.h"

void blocks_open(blocks_file *f)
{
    carat_err err;
    if (!ct_read_file(TEST_DATA "/quants/quants.gguf", (size_t)1 << 24, &f->bytes, &f->size, &err))
        fail_msg("%s", err.msg);
}

void blocks_close(blocks_file *f)
{
    free(f->bytes);
}

static uint64_t take(const blocks_file *f, size_t *pos, size_t n_bytes)
{
    uint64_t v = 0;
    if (*pos > f->size || n_bytes > f->size - *pos)
        fail_msg("quants.gguf ends at %zu, wanted %zu bytes at %zu", f->size, n_bytes, *pos);
    for (size_t i = 0; i < n_bytes && i < 8; i++)
        v |= (uint64_t)(uint8_t)f->bytes[*pos + i] << (8 * i);
    *pos += n_bytes;
    return v;
}

static void skip_value(const blocks_file *f, size_t *pos, uint64_t kind)
{
    static const uint8_t size[13] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 }; /* 8: string, 9: array */
    if (kind == 8) {
        take(f, pos, take(f, pos, 8));
    } else if (kind != 9 && kind < 13) {
        take(f, pos, size[kind]);
    } else {
        fail_msg("quants.gguf: a value of kind %d", (int)kind);
    }
}

const void *blocks_find(const blocks_file *f, const char *tensor)
{
    size_t pos = 8, len = strlen(tensor);
    uint64_t n_tensor = take(f, &pos, 8), n_kv = take(f, &pos, 8), offset = UINT64_MAX;
    for (uint64_t i = 0; i < n_kv; i++) {
        take(f, &pos, take(f, &pos, 8));
        uint64_t kind = take(f, &pos, 4);
        skip_value(f, &pos, kind);
    }
    for (uint64_t i = 0; i < n_tensor; i++) {
        size_t name_len = take(f, &pos, 8), at = pos;
        take(f, &pos, name_len);
        uint64_t n_dim = take(f, &pos, 4);
        take(f, &pos, 8 * n_dim + 4);
        uint64_t o = take(f, &pos, 8);
        if (name_len == len && memcmp(f->bytes + at, tensor, len) == 0)
            offset = o;
    }
    if (offset == UINT64_MAX)
        return NULL;
    pos = ((pos + 31) & ~(size_t)31) + offset;
    if (pos >= f->size)
        fail_msg("quants.gguf: '%s' starts behind the end", tensor);
    return f->bytes + pos;
}
