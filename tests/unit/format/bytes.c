/* Turns a table of items into the bytes of a file; temporary files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bytes.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

static size_t item_bytes(const item *it, size_t at)
{
    switch (it->op) {
    case OP_U8:
        return 1;
    case OP_U16:
        return 2;
    case OP_U32:
        return 4;
    case OP_U64:
        return 8;
    case OP_RAW:
    case OP_ZERO:
        return (size_t)it->v;
    case OP_PAD:
        return (size_t)((it->v - at % it->v) % it->v);
    case OP_END:
        break;
    }
    return 0;
}

bytes make_bytes(const item *items)
{
    bytes b = { NULL, 0 };
    for (const item *it = items; it->op != OP_END; it++)
        b.len += item_bytes(it, b.len);
    b.data = calloc(1, b.len ? b.len : 1);
    assert_non_null(b.data);
    size_t at = 0;
    for (const item *it = items; it->op != OP_END; it++) {
        size_t n = item_bytes(it, at);
        if (it->op == OP_RAW)
            memcpy(b.data + at, it->s, n);
        else if (it->op != OP_ZERO && it->op != OP_PAD)
            for (size_t i = 0; i < n; i++)
                b.data[at + i] = (uint8_t)(it->v >> 8 * i);
        at += n;
    }
    return b;
}

void free_bytes(bytes *b)
{
    free(b->data);
    *b = (bytes){ NULL, 0 };
}

temp_file temp_new(const char *name)
{
    temp_file t;
    snprintf(t.dir, sizeof t.dir, "/tmp/carat-format-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    temp_beside(&t, name, t.path);
    return t;
}

void temp_beside(const temp_file *t, const char *name, char path[160])
{
    int n = snprintf(path, 160, "%s/%s", t->dir, name);
    assert_in_range(n, 1, 159);
}

void temp_write(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

void temp_drop(temp_file *t)
{
    DIR *d = opendir(t->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
            continue;
        snprintf(path, sizeof path, "%s/%s", t->dir, e->d_name);
        assert_int_equal(unlink(path), 0);
    }
    closedir(d);
    assert_int_equal(rmdir(t->dir), 0);
}

ct_gguf *open_gguf(const char *path)
{
    ct_gguf *g;
    carat_err err = { 0 };
    if (!ct_gguf_open(path, &g, &err))
        fail_msg("%s", err.msg);
    return g;
}
