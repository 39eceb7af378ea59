/* imatrix.c - reads and writes importance matrices; the forms stand in imatrix.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/le.h"
#include "base/map.h"
#include "format/gguf_write.h"

#define SUM   ".in_sum2"
#define COUNT ".counts"

/* ---- entries ---- */

ct_imatrix_entry *ct_imatrix_add(ct_imatrix *m, const char *name, size_t n)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 64;
        ct_imatrix_entry *entries = realloc(m->entries, cap * sizeof *entries);
        if (!entries)
            return NULL;
        m->entries = entries;
        m->cap = cap;
    }
    ct_imatrix_entry e = { .name = strdup(name), .n = n, .sum = calloc(n + 1, sizeof *e.sum) };
    if (!e.name || !e.sum) {
        free(e.name);
        free(e.sum);
        return NULL;
    }
    m->entries[m->n] = e;
    return &m->entries[m->n++];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ct_imatrix_entry *)a)->name, ((const ct_imatrix_entry *)b)->name);
}

const ct_imatrix_entry *ct_imatrix_find(const ct_imatrix *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->entries[i].name, name) == 0)
            return &m->entries[i];
    return NULL;
}

void ct_imatrix_deinit(ct_imatrix *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->entries[i].name);
        free(m->entries[i].sum);
    }
    free(m->entries);
    free(m->dataset);
    *m = (ct_imatrix){ 0 };
}

/* Sorts, and refuses what could not be used. */
static bool finish(ct_imatrix *m, const char *path, carat_err *err)
{
    if (m->n > 1)
        qsort(m->entries, m->n, sizeof *m->entries, by_name);
    for (size_t i = 0; i < m->n; i++) {
        const ct_imatrix_entry *e = &m->entries[i];
        if (i > 0 && strcmp(e->name, m->entries[i - 1].name) == 0)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' is there twice", path, e->name);
        if (!(e->count >= 0 && e->count < 1e15))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' counts %g tokens", path, e->name, e->count);
        for (size_t k = 0; k < e->n; k++)
            if (!(e->sum[k] >= 0 && isfinite(e->sum[k])))
                return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s': the sum of squares of column %zu is %g",
                               path, e->name, k, e->sum[k]);
    }
    return m->n > 0 || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it has no matrices", path);
}

static bool no_memory(const char *path, carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its sums", path);
}

/* ---- GGUF ---- */

static bool read_f32(const ct_tensor *t, double *to, size_t n, carat_err *err)
{
    ct_window w = { 0 };
    if (!ct_tensor_window(t, 0, t->bytes, &w, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, w.data + 4 * i, sizeof f);
        to[i] = (double)f;
    }
    ct_window_close(&w);
    return true;
}

static bool is_vector(const ct_tensor *t, const char *path, carat_err *err)
{
    char shape[96];
    if (t->type == CT_F32 && t->dims[0] <= CT_IMATRIX_MAX_COLS && t->dims[1] * t->dims[2] * t->dims[3] == 1)
        return true;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: '%s' is %s of %s, expected one row of F32", path,
                   t->name, ct_tensor_shape(t, shape), ct_type_get(t->type)->name);
}

static bool read_entry(ct_imatrix *m, const ct_gguf *g, const ct_tensor *t, size_t len, carat_err *err)
{
    char name[256], of_counts[256 + sizeof COUNT];
    snprintf(name, sizeof name, "%.*s", (int)len, t->name);
    snprintf(of_counts, sizeof of_counts, "%s" COUNT, name);
    const ct_tensor *counts = ct_tensors_find(ct_gguf_tensors(g), of_counts);
    if (!counts)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' has no '%s'", ct_gguf_path(g), t->name, of_counts);
    if (!is_vector(t, ct_gguf_path(g), err) || !is_vector(counts, ct_gguf_path(g), err))
        return false;
    ct_imatrix_entry *e = ct_imatrix_add(m, name, (size_t)t->dims[0]);
    if (!e)
        return no_memory(ct_gguf_path(g), err);
    return read_f32(t, e->sum, e->n, err) && read_f32(counts, &e->count, 1, err);
}

static bool read_head(ct_imatrix *m, const ct_gguf *g, carat_err *err)
{
    const char *path = ct_gguf_path(g);
    ct_str type = { NULL, 0 }, dataset;
    ct_gguf_cursor c = { 0 };
    int64_t chunks = 0, chunk = 0;
    if (!ct_gguf_text(g, "general.type", &type, err) ||
        !ct_gguf_int(g, "imatrix.chunk_count", 0, UINT32_MAX, &chunks, err) ||
        !ct_gguf_int(g, "imatrix.chunk_size", 0, UINT32_MAX, &chunk, err))
        return false;
    if (!type.data || type.len != 7 || memcmp(type.data, "imatrix", 7) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: its general.type is '%.*s', expected 'imatrix'", path,
                       (int)(type.len < 40 ? type.len : 40), type.data ? type.data : "");
    m->n_chunks = (uint32_t)chunks;
    m->chunk = (uint32_t)chunk;
    const ct_gguf_kv *datasets = ct_gguf_find(g, "imatrix.datasets");
    if (datasets && ct_gguf_next_str(datasets, &c, &dataset)) {
        m->dataset = strndup(dataset.data, dataset.len);
        if (!m->dataset)
            return no_memory(path, err);
    }
    return true;
}

static bool read_gguf(const char *path, ct_imatrix *m, carat_err *err)
{
    ct_gguf *g;
    if (!ct_gguf_open(path, &g, err))
        return false;
    const ct_tensors *t = ct_gguf_tensors(g);
    bool ok = read_head(m, g, err);
    for (size_t i = 0; ok && i < t->n; i++) {
        const size_t len = strlen(t->items[i].name), end = strlen(SUM);
        if (len > end && strcmp(t->items[i].name + len - end, SUM) == 0)
            ok = read_entry(m, g, &t->items[i], len - end, err);
    }
    ct_gguf_close(g);
    return ok;
}

/* ---- .dat ---- */

typedef struct reader {
    const char *path;
    const uint8_t *data;
    size_t size, pos;
} reader;

static bool take_i32(reader *r, const char *what, uint32_t min, uint32_t max, uint32_t *out, carat_err *err)
{
    if (r->size - r->pos < 4)
        return ct_fail(err, CARAT_EFORMAT, r->pos, "%s: cut off at byte %zu, where %s is expected", r->path, r->pos,
                       what);
    *out = ct_le32(r->data + r->pos);
    if (*out < min || *out > max)
        return ct_fail(err, CARAT_EFORMAT, r->pos,
                       "%s: not an importance matrix: %s at byte %zu is %u, expected %u to %u", r->path, what, r->pos,
                       *out, min, max);
    r->pos += 4;
    return true;
}

static bool take_entry(reader *r, ct_imatrix *m, carat_err *err)
{
    char name[256];
    uint32_t len = 0, calls = 0, n = 0;
    if (!take_i32(r, "the length of a name", 1, sizeof name - 1, &len, err))
        return false;
    if (r->size - r->pos < len)
        return ct_fail(err, CARAT_EFORMAT, r->pos, "%s: cut off in a name at byte %zu", r->path, r->pos);
    if (memchr(r->data + r->pos, '\0', len))
        return ct_fail(err, CARAT_EFORMAT, r->pos, "%s: a name with a NUL character at byte %zu", r->path, r->pos);
    memcpy(name, r->data + r->pos, len);
    name[len] = '\0';
    r->pos += len;
    if (!take_i32(r, "a number of calls", 0, INT32_MAX, &calls, err) ||
        !take_i32(r, "a number of columns", 1, CT_IMATRIX_MAX_COLS, &n, err))
        return false;
    if ((r->size - r->pos) / 4 < n)
        return ct_fail(err, CARAT_EFORMAT, r->pos, "%s: cut off in the columns of '%s' at byte %zu", r->path, name,
                       r->pos);
    ct_imatrix_entry *e = ct_imatrix_add(m, name, n);
    if (!e)
        return no_memory(r->path, err);
    e->count = calls ? calls : 1; /* the first ones had no count, and means */
    for (uint32_t i = 0; i < n; i++, r->pos += 4) {
        const uint32_t bits = ct_le32(r->data + r->pos);
        float f;
        memcpy(&f, &bits, sizeof f);
        e->sum[i] = (double)f;
    }
    return true;
}

/* What follows the entries; the first files end there. */
static bool take_tail(reader *r, ct_imatrix *m, carat_err *err)
{
    uint32_t len = 0;
    if (r->pos == r->size)
        return true;
    if (!take_i32(r, "the number of chunks", 0, INT32_MAX, &m->n_chunks, err) ||
        !take_i32(r, "the length of the dataset's name", 0, 1 << 16, &len, err))
        return false;
    if (r->size - r->pos != len)
        return ct_fail(err, CARAT_EFORMAT, r->pos, "%s: %zu bytes after byte %zu, expected a name of %u", r->path,
                       r->size - r->pos, r->pos, len);
    m->dataset = strndup((const char *)r->data + r->pos, len);
    return m->dataset || no_memory(r->path, err);
}

bool ct_imatrix_read_dat(const char *path, const void *data, size_t size, ct_imatrix *out, carat_err *err)
{
    reader r = { path, data, size, 0 };
    uint32_t n = 0;
    *out = (ct_imatrix){ 0 };
    if (!take_i32(&r, "the number of matrices", 1, CT_IMATRIX_MAX_ENTRIES, &n, err))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!take_entry(&r, out, err))
            return false;
    return take_tail(&r, out, err) && finish(out, path, err);
}

bool ct_imatrix_read(const char *path, ct_imatrix *out, carat_err *err)
{
    ct_map map;
    *out = (ct_imatrix){ 0 };
    if (!ct_map_open_head(&map, path, 4, err))
        return false;
    const bool is_gguf = map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0;
    ct_map_close(&map);
    if (is_gguf)
        return read_gguf(path, out, err) && finish(out, path, err);
    if (!ct_map_read(&map, path, CT_IMATRIX_MAX_BYTES, err))
        return false;
    const bool ok = ct_imatrix_read_dat(path, map.data, map.size, out, err);
    ct_map_close(&map);
    return ok;
}

/* ---- writing ---- */

static bool write_floats(ct_gguf_writer *w, const double *v, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const float f = (float)v[i];
        if (!ct_gguf_writer_data(w, &f, sizeof f, err))
            return false;
    }
    return true;
}

static bool write_entries(const ct_imatrix *m, ct_gguf_writer *w, carat_err *err)
{
    char name[256 + sizeof SUM];
    for (size_t i = 0; i < m->n; i++) {
        const uint64_t cols[] = { m->entries[i].n, 1 }, one[] = { 1, 1 };
        snprintf(name, sizeof name, "%.240s" SUM, m->entries[i].name);
        ct_gguf_writer_tensor(w, name, CT_F32, 2, cols);
        snprintf(name, sizeof name, "%.240s" COUNT, m->entries[i].name);
        ct_gguf_writer_tensor(w, name, CT_F32, 2, one);
    }
    for (size_t i = 0; i < m->n; i++)
        if (!write_floats(w, m->entries[i].sum, m->entries[i].n, err) || !write_floats(w, &m->entries[i].count, 1, err))
            return false;
    return true;
}

/* Importance matrices are replaced, and empty files; a model or a text by a mistyped name is not. */
static bool may_replace(const char *path, carat_err *err)
{
    struct stat st;
    ct_imatrix old;
    carat_err why;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return true;
    const bool is_one = ct_imatrix_read(path, &old, &why);
    ct_imatrix_deinit(&old);
    if (!is_one && why.code == CARAT_ENOMEM)
        return ct_fail(err, why.code, CARAT_NOWHERE, "%s", why.msg);
    return is_one || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                             "%s: holds something else than an importance matrix; it is left as it is", path);
}

bool ct_imatrix_write(const ct_imatrix *m, const char *path, carat_err *err)
{
    ct_gguf_writer *w;
    if (!may_replace(path, err) || !ct_gguf_create(path, &w, err))
        return false;
    const ct_str dataset = { m->dataset ? m->dataset : "", m->dataset ? strlen(m->dataset) : 0 };
    ct_gguf_writer_text(w, "general.type", "imatrix");
    ct_gguf_writer_texts(w, "imatrix.datasets", &dataset, 1);
    ct_gguf_writer_u32(w, "imatrix.chunk_count", m->n_chunks);
    ct_gguf_writer_u32(w, "imatrix.chunk_size", m->chunk);
    if (write_entries(m, w, err))
        return ct_gguf_finish(w, err);
    ct_gguf_abandon(w);
    return false;
}
