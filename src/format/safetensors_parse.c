/* safetensors_parse.c - the bytes of one safetensors file become tensors.
 *
 *     0      u64 length of the header, little-endian
 *     8      the header, a JSON object, padded with blanks:
 *                "NAME": { "dtype": "BF16", "shape": [10240, 2560], "data_offsets": [0, 52428800] }, ...
 *                "__metadata__": free text, ignored here
 *     8 + n  the data; data_offsets are [first, one past the last) byte of it
 *
 * A shape is written rows first; the directory lists the fastest dimension first, as GGUF does, so the order is
 * reversed.
 *
 * Source: the description of the format at github.com/huggingface/safetensors. Where we differ: gaps between tensors
 * and bytes after the last are allowed, and data must be aligned to its element, as every writer aligns it, so that it
 * can be used in place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/looks_like.h"
#include "base/size.h"
#include "format/safetensors_part.h"

/* JSON values cost jansson some 64 bytes each, so a header of nothing but commas could take gigabytes. A tensor has
 * about ten values; 2^22 of them are far past any model and stay under 512 MB. */
#define MAX_VALUES ((size_t)1 << 22)

bool ct_safetensors_json(const char *text, size_t len, json_t **out, carat_err *err)
{
    *out = NULL;
    size_t values = 0;
    for (size_t i = 0; i < len; i++)
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    if (values > MAX_VALUES)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "its JSON has about %zu values, the limit is %zu", values,
                       MAX_VALUES);
    if (!ct_json_parse("its JSON", text, len, out, err))
        return false;
    if (json_is_object(*out))
        return true;
    ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "its JSON is %s, expected an object", ct_json_kind(*out));
    json_decref(*out);
    *out = NULL;
    return false;
}

/* The bytes of the header, and where the data starts. */
static bool find_header(const ct_shard *f, size_t *len, size_t *data_start, carat_err *err)
{
    if (f->size < 8)
        return ct_fail(err, CARAT_EFORMAT, 0, "not a safetensors file: it has %zu bytes, expected at least 8", f->size);
    uint64_t n = ct_le64(f->data);
    bool has_json = n >= 2 && f->size > 8 && f->data[8] == '{'; /* else the length may be anything's first bytes */
    const char *what = has_json ? NULL : ct_looks_like(f->data, f->map.data ? f->map.mapped : f->size);
    if (what)
        return ct_fail(err, CARAT_EUNSUPPORTED, 0, "not a safetensors file: it looks like %s", what);
    if (n > f->size - 8)
        return ct_fail(err, CARAT_EFORMAT, 0,
                       "not a whole safetensors file: a header of %" PRIu64 " bytes, the file has %zu left%s", n,
                       f->size - 8, ct_looks_cut(n));
    if (n > CT_SAFETENSORS_MAX_HEADER)
        return ct_fail(err, CARAT_ELIMIT, 0, "a header of %" PRIu64 " bytes, the limit is %zu", n,
                       CT_SAFETENSORS_MAX_HEADER);
    if (!has_json)
        return ct_fail(err, CARAT_EFORMAT, 8, "not a safetensors file: its header does not start with '{'");
    *len = (size_t)n;
    *data_start = 8 + (size_t)n;
    return true;
}

/* Maps the header. */
static bool reach(ct_shard *f, size_t end, carat_err *err)
{
    if (!f->map.data)
        return true;
    bool ok = ct_map_grow(&f->map, end, err);
    f->data = f->map.data;
    return ok;
}

static bool read_type(const char *dtype, ct_type *out)
{
    static const struct {
        const char *name;
        ct_type type;
    } known[] = { { "F32", CT_F32 }, { "F16", CT_F16 }, { "BF16", CT_BF16 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(dtype, known[i].name) == 0)
            return *out = known[i].type, true;
    return false;
}

static bool read_offsets(const json_t *entry, const char *name, size_t data_bytes, size_t *begin, size_t *end,
                         carat_err *err)
{
    const json_t *v = json_object_get(entry, "data_offsets");
    const json_t *b = json_array_get(v, 0), *e = json_array_get(v, 1);
    if (json_array_size(v) != 2 || !json_is_integer(b) || !json_is_integer(e))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.96s': 'data_offsets' is not two integers", name);
    json_int_t first = json_integer_value(b), last = json_integer_value(e);
    if (first < 0 || last < first || (uint64_t)last > data_bytes)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "tensor '%.96s': data_offsets [%lld, %lld], the file has %zu bytes of data%s", name,
                       (long long)first, (long long)last, data_bytes,
                       first < 0 || last < first ? "" : ct_looks_cut((uint64_t)last));
    *begin = (size_t)first;
    *end = (size_t)last;
    return true;
}

/* Fills n_dims and dims; a shape without dimensions becomes one dimension of 1. */
static bool read_shape(const json_t *entry, const char *name, ct_tensor *t, carat_err *err)
{
    const json_t *v = json_object_get(entry, "shape");
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n > CT_MAX_DIMS)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.96s': 'shape' is not a list of up to %d numbers",
                       name, CT_MAX_DIMS);
    for (size_t d = 0; d < CT_MAX_DIMS; d++)
        t->dims[d] = 1;
    for (size_t d = 0; d < n; d++) {
        const json_t *x = json_array_get(v, d);
        if (!json_is_integer(x) || json_integer_value(x) < 1)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                           "tensor '%.96s': dimension %zu of 'shape' is %s%lld, expected a positive integer", name,
                           d + 1, json_is_integer(x) ? "" : "not an integer: ", (long long)json_integer_value(x));
        t->dims[n - 1 - d] = (uint64_t)json_integer_value(x);
    }
    t->n_dims = n ? (uint32_t)n : 1;
    return true;
}

static bool size_tensor(ct_tensor *t, size_t begin, size_t end, carat_err *err)
{
    const ct_type_info *info = ct_type_get(t->type);
    char shape[96];
    bool ok = t->dims[0] <= SIZE_MAX && ct_row_bytes(t->type, (size_t)t->dims[0], &t->bytes);
    for (int d = 1; d < CT_MAX_DIMS; d++)
        ok = ok && ct_mul_size(t->bytes, (size_t)t->dims[d], &t->bytes);
    if (!ok)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.96s': the size of %s overflows", t->name,
                       ct_tensor_shape(t, shape));
    if (t->bytes != end - begin)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "tensor '%.64s': data_offsets hold %zu bytes, %s %s takes %zu", t->name, end - begin, info->name,
                       ct_tensor_shape(t, shape), t->bytes);
    return true;
}

static bool bad_name(const char *name, carat_err *err)
{
    size_t len = strlen(name), odd = ct_names_odd_byte(name, len);
    if (odd < len)
        return !ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "byte 0x%02x in a tensor's name is not printable ASCII",
                        (unsigned char)name[odd]);
    if (len == 0 || len > CT_SAFETENSORS_MAX_NAME)
        return !ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a tensor's name of %zu bytes, expected 1 to %d", len,
                        CT_SAFETENSORS_MAX_NAME);
    return false;
}

static bool keep(ct_safetensors *s, const char *text, const char **out, carat_err *err)
{
    *out = ct_names_keep(&s->names, text, strlen(text));
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the names of the tensors");
}

static bool skip_tensor(ct_safetensors *s, const ct_shard *f, const char *name, const char *dtype, carat_err *err)
{
    size_t len = strlen(dtype);
    if (len == 0 || len > 32 || ct_names_odd_byte(dtype, len) < len)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.96s': '%.32s' is not a dtype", name, dtype);
    ct_skipped *k = &s->skipped[s->n_skipped];
    if (!keep(s, name, &k->name, err) || !keep(s, dtype, &k->dtype, err))
        return false;
    k->shard = f;
    s->n_skipped++;
    return true;
}

static bool read_entry(ct_safetensors *s, ct_shard *f, const char *name, const json_t *entry, size_t data_start,
                       carat_err *err)
{
    size_t begin = 0, end = 0;
    if (bad_name(name, err))
        return false;
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "tensor '%.96s': has no 'dtype'", name);
    if (!read_offsets(entry, name, f->size - data_start, &begin, &end, err))
        return false;
    ct_tensor *t = &s->tensors.items[s->tensors.n];
    *t = (ct_tensor){ .map = &f->map, .offset = data_start + begin };
    if (!f->map.data || f->map.mapped == f->size)
        t->data = f->data + t->offset;
    if (!read_type(dtype, &t->type))
        return skip_tensor(s, f, name, dtype, err);
    if (!read_shape(entry, name, t, err) || !keep(s, name, &t->name, err) || !size_tensor(t, begin, end, err))
        return false;
    if (t->offset % ct_type_get(t->type)->bytes != 0)
        return ct_fail(err, CARAT_EFORMAT, t->offset, "tensor '%.96s': its data at byte %zu is not aligned to %s",
                       t->name, t->offset, dtype);
    s->tensors.n++;
    return true;
}

/* Room for n more tensors of either sort. */
static bool reserve(ct_safetensors *s, size_t n, carat_err *err)
{
    size_t have = s->tensors.n + s->n_skipped;
    if (n > CT_SAFETENSORS_MAX_TENSORS - have)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu tensors in all, the limit is %zu", have + n,
                       CT_SAFETENSORS_MAX_TENSORS);
    void *items = realloc(s->tensors.items, (s->tensors.n + n + 1) * sizeof *s->tensors.items);
    if (items)
        s->tensors.items = items;
    void *skipped = realloc(s->skipped, (s->n_skipped + n + 1) * sizeof *s->skipped);
    if (skipped)
        s->skipped = skipped;
    return (items && skipped) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tensors", n);
}

bool ct_safetensors_parse(ct_safetensors *s, ct_shard *f, carat_err *err)
{
    json_t *header, *entry;
    const char *name;
    size_t len = 0, data_start = 0, first = s->tensors.n;
    if (!find_header(f, &len, &data_start, err) || !reach(f, data_start, err) ||
        !ct_safetensors_json((const char *)f->data + 8, len, &header, err))
        return false;
    bool ok = reserve(s, json_object_size(header), err);
    if (ok)
        json_object_foreach(header, name, entry) {
            if (strcmp(name, "__metadata__") != 0 && !read_entry(s, f, name, entry, data_start, err)) {
                ok = false;
                break;
            }
        }
    json_decref(header);
    return ok && ct_tensors_check_overlap(s->tensors.items + first, s->tensors.n - first, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ct_skipped *)a)->name, ((const ct_skipped *)b)->name);
}

bool ct_safetensors_sort(ct_safetensors *s, carat_err *err)
{
    if (s->n_skipped > 1)
        qsort(s->skipped, s->n_skipped, sizeof *s->skipped, by_name);
    return ct_tensors_sort(&s->tensors, err);
}

static int key_of(const void *name, const void *item)
{
    return strcmp(name, ((const ct_skipped *)item)->name);
}

const ct_skipped *ct_safetensors_find_skipped(const ct_safetensors *s, const char *name)
{
    return s->n_skipped > 0 ? bsearch(name, s->skipped, s->n_skipped, sizeof *s->skipped, key_of) : NULL;
}
