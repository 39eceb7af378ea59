/* protobuf.h - reads the fields of a protocol buffer message one after the other, straight from its bytes.
 *
 * Source: the Protocol Buffers encoding guide. A field is a varint tag (number << 3 | wire type), then: 0 a varint, 1
 * eight bytes, 2 a varint length and that many bytes (a string, or a message to read in turn), 5 four bytes. Groups (3,
 * 4) are long obsolete and are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_PROTOBUF_H
#define CT_TOKENIZER_PROTOBUF_H

#include "base/err.h"

typedef struct ct_pb { /* set data and size, pos = 0 */
    const uint8_t *data;
    size_t size, pos;
    uint64_t base; /* offset of data in its file, for messages */
} ct_pb;

typedef struct ct_pb_field {
    uint32_t number;
    uint32_t wire;       /* 0, 1, 2 or 5 */
    uint64_t value;      /* of 0, 1 and 5 */
    const uint8_t *data; /* of 2: borrowed, inside the message */
    size_t size;
    uint64_t at; /* offset in the file of data */
} ct_pb_field;

/* The next field. *more is false, and f untouched, at the end of the message. Errors: CARAT_EFORMAT. */
bool ct_pb_next(ct_pb *r, ct_pb_field *f, bool *more, carat_err *err);

/* The reader of a field of wire type 2 as a message. */
ct_pb ct_pb_inside(const ct_pb_field *f);

#endif
