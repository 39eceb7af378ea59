/* gguf_value.c - reads the values of GGUF keys as the kinds a caller expects.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "format/gguf_part.h"

static const struct {
    const char *name;
    uint8_t bytes;
} kinds[] = {
    [CT_GGUF_U8] = { "u8", 1 },     [CT_GGUF_I8] = { "i8", 1 },     [CT_GGUF_U16] = { "u16", 2 },
    [CT_GGUF_I16] = { "i16", 2 },   [CT_GGUF_U32] = { "u32", 4 },   [CT_GGUF_I32] = { "i32", 4 },
    [CT_GGUF_F32] = { "f32", 4 },   [CT_GGUF_BOOL] = { "bool", 1 }, [CT_GGUF_STR] = { "string", 0 },
    [CT_GGUF_ARR] = { "array", 0 }, [CT_GGUF_U64] = { "u64", 8 },   [CT_GGUF_I64] = { "i64", 8 },
    [CT_GGUF_F64] = { "f64", 8 },
};

size_t ct_gguf_kind_bytes(uint32_t kind)
{
    return kind <= CT_GGUF_F64 ? kinds[kind].bytes : 0;
}

const char *ct_gguf_kind_name(uint32_t kind)
{
    return kind <= CT_GGUF_F64 ? kinds[kind].name : "unknown";
}

static int key_of(const void *key, const void *item)
{
    return strcmp(key, (*(const ct_gguf_kv *const *)item)->key);
}

static const ct_gguf_kv *find_in_part(const ct_gguf_part *p, const char *key)
{
    if (p->n_kv == 0)
        return NULL;
    const ct_gguf_kv **hit = bsearch(key, p->sorted, p->n_kv, sizeof *p->sorted, key_of);
    return hit ? *hit : NULL;
}

/* One number of any kind: exact in `i` where it is an integer that fits, else `d` alone. */
typedef struct number {
    double d;
    int64_t i;
    bool is_int64;
} number;

static number from_int(int64_t v)
{
    return (number){ (double)v, v, true };
}

static number from_double(double v)
{
    bool whole = v >= -9223372036854775808.0 && v < 9223372036854775808.0 && v == floor(v);
    return (number){ v, whole ? (int64_t)v : 0, whole };
}

static float f32_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double f64_of(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* False if the kind is not a number. */
static bool load(ct_gguf_kind kind, const uint8_t *p, number *out)
{
    switch (kind) {
    case CT_GGUF_U8:
    case CT_GGUF_BOOL:
        return *out = from_int(p[0]), true;
    case CT_GGUF_I8:
        return *out = from_int((int8_t)p[0]), true;
    case CT_GGUF_U16:
        return *out = from_int(ct_le16(p)), true;
    case CT_GGUF_I16:
        return *out = from_int((int16_t)ct_le16(p)), true;
    case CT_GGUF_U32:
        return *out = from_int(ct_le32(p)), true;
    case CT_GGUF_I32:
        return *out = from_int((int32_t)ct_le32(p)), true;
    case CT_GGUF_I64:
        return *out = from_int((int64_t)ct_le64(p)), true;
    case CT_GGUF_U64: {
        uint64_t v = ct_le64(p);
        return *out = (number){ (double)v, (int64_t)v, v <= INT64_MAX }, true;
    }
    case CT_GGUF_F32:
        return *out = from_double((double)f32_of(ct_le32(p))), true;
    case CT_GGUF_F64:
        return *out = from_double(f64_of(ct_le64(p))), true;
    case CT_GGUF_STR:
    case CT_GGUF_ARR:
        break;
    }
    return false;
}

static uint64_t place(const ct_gguf_part *p, const ct_gguf_kv *kv)
{
    return (uint64_t)(kv->data - p->data);
}

static bool wrong_kind(const ct_gguf_part *p, const ct_gguf_kv *kv, const char *expected, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, place(p, kv), "key '%.64s' is of kind %s, expected %s", kv->key,
                   ct_gguf_kind_name(kv->kind), expected);
}

bool ct_gguf_part_int(const ct_gguf_part *p, const char *key, int64_t min, int64_t max, int64_t *out, carat_err *err)
{
    const ct_gguf_kv *kv = find_in_part(p, key);
    if (!kv)
        return true;
    number v;
    if (kv->kind == CT_GGUF_BOOL || !load(kv->kind, kv->data, &v))
        return wrong_kind(p, kv, "an integer", err);
    if (!v.is_int64)
        return ct_fail(err, CARAT_EFORMAT, place(p, kv),
                       "key '%.64s' is %.17g, expected an integer from %" PRId64 " to %" PRId64, key, v.d, min, max);
    if (v.i < min || v.i > max)
        return ct_fail(err, CARAT_EFORMAT, place(p, kv), "key '%.64s' is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                       key, v.i, min, max);
    *out = v.i;
    return true;
}

/* The part with the metadata, for messages and look-ups. */
static const ct_gguf_part *main_part(const ct_gguf *g)
{
    return g->part[0];
}

const ct_gguf_kv *ct_gguf_find(const ct_gguf *g, const char *key)
{
    return find_in_part(main_part(g), key);
}

bool ct_gguf_int(const ct_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out, carat_err *err)
{
    return ct_gguf_part_int(main_part(g), key, min, max, out, err);
}

bool ct_gguf_num(const ct_gguf *g, const char *key, double *out, carat_err *err)
{
    const ct_gguf_kv *kv = ct_gguf_find(g, key);
    if (!kv)
        return true;
    number v;
    if (kv->kind == CT_GGUF_BOOL || !load(kv->kind, kv->data, &v))
        return wrong_kind(main_part(g), kv, "a number", err);
    *out = v.d;
    return true;
}

bool ct_gguf_bool(const ct_gguf *g, const char *key, bool *out, carat_err *err)
{
    const ct_gguf_kv *kv = ct_gguf_find(g, key);
    if (!kv)
        return true;
    if (kv->kind != CT_GGUF_BOOL)
        return wrong_kind(main_part(g), kv, "a boolean", err);
    *out = kv->data[0] != 0;
    return true;
}

bool ct_gguf_text(const ct_gguf *g, const char *key, ct_str *out, carat_err *err)
{
    const ct_gguf_kv *kv = ct_gguf_find(g, key);
    if (!kv)
        return true;
    if (kv->kind != CT_GGUF_STR)
        return wrong_kind(main_part(g), kv, "a string", err);
    ct_gguf_cursor c = { 0 };
    return ct_gguf_next_str(kv, &c, out) ||
           ct_fail(err, CARAT_EFORMAT, place(main_part(g), kv), "key '%.64s': the file changed while it was read", key);
}

/* The bounds were checked at opening; they are checked again because the file may have been written to since. */
bool ct_gguf_next_str(const ct_gguf_kv *kv, ct_gguf_cursor *c, ct_str *out)
{
    if (kv->elem != CT_GGUF_STR || c->i >= kv->count || !ct_inside(c->off, 8, kv->bytes))
        return false;
    uint64_t len = ct_le64(kv->data + c->off);
    if (!ct_inside(c->off + 8, len, kv->bytes))
        return false;
    *out = (ct_str){ (const char *)kv->data + c->off + 8, (size_t)len };
    c->off += 8 + (size_t)len;
    c->i++;
    return true;
}

double ct_gguf_elem_num(const ct_gguf_kv *kv, uint64_t i)
{
    number v;
    if (i >= kv->count || !load(kv->elem, kv->data + i * ct_gguf_kind_bytes(kv->elem), &v))
        return NAN;
    return v.d;
}
