/* Reads the fields of a protocol buffer message one by one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/protobuf.h"

static bool bad(const ct_pb *r, carat_err *err, const char *what)
{
    return ct_fail(err, CARAT_EFORMAT, r->base + r->pos, "not a protocol buffer at byte %llu: %s",
                   (unsigned long long)(r->base + r->pos), what);
}

static bool varint(ct_pb *r, uint64_t *out, carat_err *err)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->pos == r->size)
            return bad(r, err, "a number is cut off");
        uint8_t b = r->data[r->pos++];
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) {
            *out = v;
            return true;
        }
    }
    return bad(r, err, "a number has more than 64 bits");
}

static bool fixed(ct_pb *r, size_t bytes, uint64_t *out, carat_err *err)
{
    if (r->size - r->pos < bytes)
        return bad(r, err, "a number is cut off");
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)r->data[r->pos++] << (8 * i);
    return true;
}

static bool span(ct_pb *r, ct_pb_field *f, carat_err *err)
{
    uint64_t size;
    if (!varint(r, &size, err))
        return false;
    if (size > r->size - r->pos)
        return bad(r, err, "a field is longer than the message around it");
    f->data = r->data + r->pos;
    f->size = (size_t)size;
    f->at = r->base + r->pos;
    r->pos += f->size;
    return true;
}

bool ct_pb_next(ct_pb *r, ct_pb_field *f, bool *more, carat_err *err)
{
    *more = r->pos < r->size;
    if (!*more)
        return true;
    uint64_t tag;
    if (!varint(r, &tag, err))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
        return bad(r, err, "a field number is out of range");
    *f = (ct_pb_field){ .number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7), .at = r->base + r->pos };
    switch (f->wire) {
    case 0:
        return varint(r, &f->value, err);
    case 1:
        return fixed(r, 8, &f->value, err);
    case 2:
        return span(r, f, err);
    case 5:
        return fixed(r, 4, &f->value, err);
    default:
        return bad(r, err, "a field of an unknown wire type");
    }
}

ct_pb ct_pb_inside(const ct_pb_field *f)
{
    return (ct_pb){ .data = f->data, .size = f->size, .base = f->at };
}
