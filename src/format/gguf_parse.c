/* gguf_parse.c - the bytes of one GGUF file become keys and tensors.
 *
 *     0  "GGUF"                                     string:  u64 length, bytes
 *     4  u32 version, 2 or 3                        value:   by kind: 1, 2, 4 or 8 bytes, a string, or an array:
 *     8  u64 tensors                                         u32 kind of the elements, u64 count, the elements
 *    16  u64 keys
 *    24  keys:    string name, u32 kind, value
 *        tensors: string name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset from the data's start
 *        zeros up to a multiple of general.alignment: here the data starts
 *        data, each tensor at a multiple of the alignment
 *
 * Source: GGUF specification. All numbers are little-endian. The file may be hostile: no memory is allocated for a
 * count before the file is known to have the bytes that so many entries need at least, and nothing is read before it is
 * known to lie inside the file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/looks_like.h"
#include "base/size.h"
#include "format/gguf_part.h"

/* The smallest possible entries, with a name of one byte. */
enum {
    MIN_KV = 8 + 1 + 4 + 1,
    MIN_TENSOR = 8 + 1 + 4 + 8 + 4 + 8,
};

typedef struct reader {
    ct_gguf *g;
    ct_gguf_part *p;
    size_t pos;
    const char *kind; /* what is being read, for messages: "key", "tensor"; NULL is the header */
    const char *name; /* NULL until the name has been read: messages then give its number, i of n */
    size_t i, n;
    carat_err *err;
} reader;

static __attribute__((format(printf, 4, 5))) bool fail(reader *r, carat_code code, size_t at, const char *fmt, ...)
{
    char msg[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    if (!r->kind)
        return ct_fail(r->err, code, at, "%s", msg);
    if (!r->name)
        return ct_fail(r->err, code, at, "%s %zu of %zu: %s", r->kind, r->i + 1, r->n, msg);
    return ct_fail(r->err, code, at, "%s '%.64s': %s", r->kind, r->name, msg);
}

/* Copies the file up to `end`, which lies inside it. The copy may move; pointers into it are then invalid. */
static bool reach(reader *r, size_t end)
{
    ct_gguf_part *p = r->p;
    if (!p->map.data || end <= p->map.mapped)
        return true;
    const uint8_t *was = p->data;
    if (!ct_map_grow(&p->map, end, r->err))
        return false;
    p->data = p->map.data;
    for (size_t i = 0; i < p->n_kv; i++)
        p->kv[i].data = p->data + (p->kv[i].data - was);
    return true;
}

static bool need(reader *r, uint64_t bytes, const char *what)
{
    if (ct_inside(r->pos, bytes, r->p->size))
        return reach(r, r->pos + (size_t)bytes);
    return fail(r, CARAT_EFORMAT, r->pos, "%s at byte %zu needs %" PRIu64 " bytes, the file has %zu left%s", what,
                r->pos, bytes, r->p->size - r->pos, ct_looks_cut(bytes));
}

static bool get_u32(reader *r, uint32_t *out, const char *what)
{
    if (!need(r, 4, what))
        return false;
    *out = ct_le32(r->p->data + r->pos);
    r->pos += 4;
    return true;
}

static bool get_u64(reader *r, uint64_t *out, const char *what)
{
    if (!need(r, 8, what))
        return false;
    *out = ct_le64(r->p->data + r->pos);
    r->pos += 8;
    return true;
}

/* ---- directory memory ---- */

/* Resizes a piece of the directory, within its ceiling. Old contents stay; what is new is not cleared. */
static bool grow(reader *r, void **mem, size_t old_bytes, size_t n, size_t size)
{
    size_t bytes, total;
    if (!ct_mul_size(n, size, &bytes) || !ct_add_size(r->g->directory_bytes - old_bytes, bytes, &total) ||
        total > CT_GGUF_MAX_DIRECTORY - r->g->names.bytes)
        return fail(r, CARAT_ELIMIT, r->pos, "the file's directory needs more than %zu MiB",
                    CT_GGUF_MAX_DIRECTORY >> 20);
    if (bytes == 0)
        return true;
    void *m = realloc(*mem, bytes);
    if (!m)
        return fail(r, CARAT_ENOMEM, r->pos, "no memory for %zu bytes of the file's directory", bytes);
    *mem = m;
    r->g->directory_bytes = total;
    return true;
}

static bool keep_name(reader *r, const uint8_t *s, size_t len, const char **out)
{
    r->g->names.max = CT_GGUF_MAX_DIRECTORY - r->g->directory_bytes;
    *out = ct_names_keep(&r->g->names, s, len);
    return *out || fail(r, CARAT_ENOMEM, r->pos, "no memory for its name: the directory holds %zu bytes already",
                        r->g->directory_bytes + r->g->names.bytes);
}

/* Names go into messages and are compared as C strings: printable ASCII only, which also keeps out the NUL. */
static bool get_name(reader *r, size_t max, const char **out)
{
    r->name = NULL;
    size_t at = r->pos;
    uint64_t len;
    if (!get_u64(r, &len, "the name's length"))
        return false;
    if (len == 0 || len > max)
        return fail(r, CARAT_EFORMAT, at, "a name of %" PRIu64 " bytes at byte %zu, expected 1 to %zu", len, at, max);
    if (!need(r, len, "the name"))
        return false;
    const uint8_t *s = r->p->data + r->pos;
    size_t odd = ct_names_odd_byte(s, (size_t)len);
    if (odd < len)
        return fail(r, CARAT_EFORMAT, r->pos + odd, "byte 0x%02x in its name, at byte %zu, is not printable ASCII",
                    s[odd], r->pos + odd);
    if (!keep_name(r, s, (size_t)len, out))
        return false;
    r->name = *out;
    r->pos += (size_t)len;
    return true;
}

/* ---- header ---- */

static bool read_magic(reader *r)
{
    const ct_gguf_part *p = r->p;
    if (p->size >= 4 && memcmp(p->data, "GGUF", 4) == 0) {
        r->pos = 4;
        return true;
    }
    const char *what = ct_looks_like(p->data, p->map.data ? p->map.mapped : p->size);
    if (what)
        return fail(r, CARAT_EUNSUPPORTED, 0, "not a GGUF file: it looks like %s", what);
    if (p->size < 4)
        return fail(r, CARAT_EFORMAT, 0, "not a GGUF file: it has %zu bytes, a header has 24", p->size);
    return fail(r, CARAT_EFORMAT, 0, "not a GGUF file: it starts with %02x %02x %02x %02x, expected \"GGUF\"",
                p->data[0], p->data[1], p->data[2], p->data[3]);
}

static bool read_version(reader *r)
{
    uint32_t v;
    if (!get_u32(r, &v, "the version"))
        return false;
    /* Big-endian files keep the magic and swap the rest: version 3 reads as 0x03000000. */
    if (v != 0 && (v & 0xffff) == 0)
        return fail(r, CARAT_EUNSUPPORTED, 4, "a big-endian GGUF file; little-endian is expected");
    if (v != 2 && v != 3)
        return fail(r, v == 1 ? CARAT_EUNSUPPORTED : CARAT_EFORMAT, 4, "GGUF version %" PRIu32 ", expected 2 or 3", v);
    return true;
}

/* A count is accepted if the bytes that so many entries need at least are left in the file. */
static bool read_count(reader *r, const char *what, size_t max, size_t min_bytes, size_t *out)
{
    uint64_t n;
    size_t at = r->pos;
    if (!get_u64(r, &n, what))
        return false;
    size_t left = r->p->size - r->pos;
    if (n > left / min_bytes)
        return fail(r, CARAT_EFORMAT, at, "%s is %" PRIu64 ", too large for the %zu bytes that follow%s", what, n, left,
                    n > max ? "" : ct_looks_cut(0));
    if (n > max)
        return fail(r, CARAT_ELIMIT, at, "%s is %" PRIu64 ", the limit is %zu", what, n, max);
    *out = (size_t)n;
    return true;
}

/* ---- keys ---- */

static bool skip_strings(reader *r, uint64_t count)
{
    size_t size = r->p->size, pos = r->pos;
    for (uint64_t i = 0; i < count; i++) {
        if (size - pos >= 8 && !reach(r, pos + 8))
            return false;
        const uint8_t *data = r->p->data;
        uint64_t len = size - pos < 8 ? 8 : ct_le64(data + pos);
        if (size - pos < 8 || len > size - pos - 8)
            return fail(r, CARAT_EFORMAT, pos,
                        "string %" PRIu64 " of %" PRIu64 " at byte %zu does not fit in the file%s", i + 1, count, pos,
                        ct_looks_cut(len));
        pos += 8 + (size_t)len;
    }
    r->pos = pos;
    return reach(r, pos);
}

static bool check_bools(reader *r, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] > 1)
            return fail(r, CARAT_EFORMAT, (size_t)(data + i - r->p->data), "a boolean is %u, expected 0 or 1", data[i]);
    return true;
}

/* Values of one kind, one after another: a lone value or the elements of an array. */
static bool read_values(reader *r, ct_gguf_kv *kv, uint32_t kind)
{
    size_t start = r->pos;
    if (kind == CT_GGUF_STR) {
        if (!skip_strings(r, kv->count))
            return false;
    } else {
        size_t bytes, each = ct_gguf_kind_bytes(kind);
        if (kv->count > SIZE_MAX / each || !ct_mul_size((size_t)kv->count, each, &bytes) ||
            !ct_inside(r->pos, bytes, r->p->size))
            return fail(r, CARAT_EFORMAT, r->pos, "%" PRIu64 " %s values at byte %zu, the file has %zu bytes left%s",
                        kv->count, ct_gguf_kind_name(kind), r->pos, r->p->size - r->pos, ct_looks_cut(kv->count));
        if (!reach(r, r->pos + bytes) || (kind == CT_GGUF_BOOL && !check_bools(r, r->p->data + r->pos, bytes)))
            return false;
        r->pos += bytes;
    }
    kv->data = r->p->data + start;
    kv->bytes = r->pos - start;
    return true;
}

static bool read_kv(reader *r, ct_gguf_kv *kv)
{
    uint32_t kind, elem;
    if (!get_name(r, CT_GGUF_MAX_KEY, &kv->key) || !get_u32(r, &kind, "its kind"))
        return false;
    kv->count = 1;
    elem = kind;
    if (kind == CT_GGUF_ARR &&
        (!get_u32(r, &elem, "the kind of its elements") || !get_u64(r, &kv->count, "the number of its elements")))
        return false;
    if (kind == CT_GGUF_ARR && elem == CT_GGUF_ARR)
        return fail(r, CARAT_EUNSUPPORTED, r->pos, "an array of arrays, which Gemma files do not have");
    if (elem > CT_GGUF_F64)
        return fail(r, CARAT_EFORMAT, r->pos, "value kind %" PRIu32 ", the known ones are 0 to %d", elem, CT_GGUF_F64);
    kv->kind = (ct_gguf_kind)kind;
    kv->elem = (ct_gguf_kind)elem;
    return read_values(r, kv, elem);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const ct_gguf_kv *const *)a)->key, (*(const ct_gguf_kv *const *)b)->key);
}

static bool sort_keys(reader *r)
{
    ct_gguf_part *p = r->p;
    for (size_t i = 0; i < p->n_kv; i++)
        p->sorted[i] = &p->kv[i];
    if (p->n_kv > 1)
        qsort(p->sorted, p->n_kv, sizeof *p->sorted, by_key);
    for (size_t i = 1; i < p->n_kv; i++)
        if (strcmp(p->sorted[i - 1]->key, p->sorted[i]->key) == 0)
            return ct_fail(r->err, CARAT_EFORMAT, (uint64_t)(p->sorted[i]->data - p->data), "key '%.64s' appears twice",
                           p->sorted[i]->key);
    return true;
}

static bool read_kvs(reader *r, size_t n)
{
    void *kv = NULL, *sorted = NULL;
    bool ok = grow(r, &kv, 0, n, sizeof *r->p->kv);
    r->p->kv = kv;
    ok = ok && grow(r, &sorted, 0, n, sizeof *r->p->sorted);
    r->p->sorted = sorted;
    if (!ok)
        return false;
    r->kind = "key", r->n = n;
    for (r->i = 0; r->i < n; r->i++) {
        if (!read_kv(r, &r->p->kv[r->i]))
            return false;
        r->p->n_kv++;
    }
    r->kind = NULL;
    return sort_keys(r);
}

/* ---- tensors ---- */

static bool read_dims(reader *r, ct_tensor *t)
{
    size_t at = r->pos;
    if (!get_u32(r, &t->n_dims, "the number of dimensions"))
        return false;
    if (t->n_dims < 1 || t->n_dims > CT_MAX_DIMS)
        return fail(r, CARAT_EFORMAT, at, "%" PRIu32 " dimensions, expected 1 to %d", t->n_dims, CT_MAX_DIMS);
    for (uint32_t d = 0; d < CT_MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d < t->n_dims && !get_u64(r, &t->dims[d], "a dimension"))
            return false;
        if (t->dims[d] < 1 || t->dims[d] > PTRDIFF_MAX)
            return fail(r, CARAT_EFORMAT, r->pos - 8, "dimension %" PRIu32 " is %" PRIu64, d + 1, t->dims[d]);
    }
    return true;
}

/* t->bytes from type and dims. */
static bool size_tensor(reader *r, ct_tensor *t, uint32_t type, size_t at)
{
    const ct_type_info *info = ct_type_get(type);
    if (!info)
        return fail(r, CARAT_EUNSUPPORTED, at, "type number %" PRIu32 " is not a known tensor type", type);
    t->type = (ct_type)type;
    if (t->dims[0] % info->block != 0)
        return fail(r, CARAT_EFORMAT, at, "rows of %" PRIu64 " weights, %s comes in blocks of %d", t->dims[0],
                    info->name, info->block);
    char shape[96];
    bool ok = ct_row_bytes(type, (size_t)t->dims[0], &t->bytes);
    for (int d = 1; d < CT_MAX_DIMS; d++)
        ok = ok && ct_mul_size(t->bytes, (size_t)t->dims[d], &t->bytes);
    if (!ok)
        return fail(r, CARAT_EFORMAT, at, "the size of %s %s overflows", info->name, ct_tensor_shape(t, shape));
    return true;
}

/* offset counts from the data's start until place_tensors has found where that is. */
static bool read_tensor(reader *r, ct_tensor *t)
{
    uint32_t type;
    uint64_t offset;
    if (!get_name(r, CT_GGUF_MAX_NAME, &t->name) || !read_dims(r, t))
        return false;
    size_t at = r->pos;
    if (!get_u32(r, &type, "the type") || !size_tensor(r, t, type, at) || !get_u64(r, &offset, "the offset"))
        return false;
    if (!ct_inside(offset, t->bytes, r->p->size + r->p->elsewhere))
        return fail(r, CARAT_EFORMAT, at + 4, "%zu bytes at offset %" PRIu64 " of the data, the whole file has %zu%s",
                    t->bytes, offset, r->p->size, ct_looks_cut(offset > t->bytes ? offset : t->bytes));
    t->offset = (size_t)offset;
    return true;
}

static bool place_tensors(reader *r, ct_tensor *items, size_t n)
{
    ct_gguf_part *p = r->p;
    /* The specification requires a multiple of 8; only powers of two occur. 1 MiB exceeds any page or disk block that
     * data might be aligned to, and keeps the rounding below from overflowing. */
    int64_t align = CT_GGUF_ALIGNMENT;
    if (!ct_gguf_part_int(p, "general.alignment", 8, 1 << 20, &align, r->err))
        return false;
    if (align & (align - 1))
        return fail(r, CARAT_EFORMAT, r->pos, "general.alignment is %" PRId64 ", expected a power of two", align);
    size_t start;
    if (!ct_align_size(r->pos, (size_t)align, &start))
        return fail(r, CARAT_EFORMAT, r->pos, "no room for the data");
    r->kind = "tensor";
    for (size_t i = 0; i < n; i++) {
        ct_tensor *t = &items[i];
        r->name = t->name;
        if (t->offset % (size_t)align != 0)
            return fail(r, CARAT_EFORMAT, start, "offset %zu is not a multiple of the alignment, %" PRId64, t->offset,
                        align);
        if (start > p->size || !ct_inside(t->offset, t->bytes, p->size + p->elsewhere - start))
            return fail(r, CARAT_EFORMAT, start, "its %zu bytes at %zu + %zu end after the file, which has %zu bytes%s",
                        t->bytes, start, t->offset, p->size, ct_looks_cut(t->bytes));
        t->offset += start;
        t->data = p->elsewhere || (p->map.data && p->map.mapped < p->size) ? NULL : p->data + t->offset;
        t->map = &p->map;
    }
    r->kind = NULL;
    return ct_tensors_check_overlap(items, n, r->err);
}

static bool read_tensors(reader *r, size_t n)
{
    ct_tensors *t = &r->g->tensors;
    if (n > CT_GGUF_MAX_TENSORS - t->n)
        return fail(r, CARAT_ELIMIT, r->pos, "%zu tensors in all, the limit is %zu", t->n + n, CT_GGUF_MAX_TENSORS);
    void *mem = t->items;
    bool ok = grow(r, &mem, t->n * sizeof *t->items, t->n + n, sizeof *t->items);
    t->items = mem;
    if (!ok)
        return false;
    ct_tensor *items = t->items ? t->items + t->n : NULL;
    r->kind = "tensor", r->n = n;
    for (r->i = 0; r->i < n; r->i++)
        if (!read_tensor(r, &items[r->i]))
            return false;
    r->kind = NULL;
    if (!place_tensors(r, items, n))
        return false;
    r->p->n_tensor = n;
    t->n += n;
    return true;
}

/* ---- split files ---- */

static bool read_split(reader *r)
{
    ct_gguf_part *p = r->p;
    p->split_tensors = -1;
    return ct_gguf_part_int(p, "split.no", 0, UINT16_MAX, &p->split_no, r->err) &&
           ct_gguf_part_int(p, "split.count", 0, UINT16_MAX, &p->split_count, r->err) &&
           ct_gguf_part_int(p, "split.tensors.count", 0, INT32_MAX, &p->split_tensors, r->err);
}

bool ct_gguf_parse(ct_gguf *g, ct_gguf_part *p, carat_err *err)
{
    reader r = { .g = g, .p = p, .err = err };
    size_t n_tensor, n_kv;
    return read_magic(&r) && read_version(&r) &&
           read_count(&r, "the number of tensors", CT_GGUF_MAX_TENSORS, MIN_TENSOR, &n_tensor) &&
           read_count(&r, "the number of keys", CT_GGUF_MAX_KV, MIN_KV, &n_kv) && read_kvs(&r, n_kv) &&
           read_split(&r) && read_tensors(&r, n_tensor);
}
