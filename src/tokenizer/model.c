/* model.c - a tokenizer from tokenizer.model, sentencepiece's ModelProto.
 *
 * Source: sentencepiece_model.proto. The fields that matter here (number, default):
 *
 *   ModelProto      1 pieces (repeated): 1 piece, 2 score (float), 3 type (NORMAL)
 *                   2 trainer_spec:      3 model_type (1 unigram; 2 is BPE), 24 treat_whitespace_as_suffix (false),
 *                                        35 byte_fallback (false)
 *                   3 normalizer_spec:   2 precompiled_charsmap (empty), 3 add_dummy_prefix (true),
 *                                        4 remove_extra_whitespaces (true), 5 escape_whitespaces (true)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/looks_like.h"
#include "base/map.h"
#include "tokenizer/added.h"
#include "tokenizer/protobuf.h"
#include "tokenizer/vocab.h"

#define MAX_BYTES ((size_t)256 << 20) /* of the file; Gemma's has 4.7 MB */

typedef struct model {
    ct_piece *pieces;
    size_t n, cap;
    uint64_t model_type;
    bool byte_fallback, whitespace_suffix, dummy_prefix, removes_whitespace, escapes_whitespace, has_charsmap;
} model;

static bool wrong_wire(const ct_pb_field *f, const char *what, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, f->at, "%s has wire type %u, which it cannot have", what, f->wire);
}

static bool read_piece(model *m, const ct_pb_field *field, carat_err *err)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 1024;
        ct_piece *grown = m->n > CT_TOK_MAX_PIECES ? NULL : realloc(m->pieces, cap * sizeof *grown);
        if (!grown)
            return m->n > CT_TOK_MAX_PIECES
                       ? ct_fail(err, CARAT_EFORMAT, field->at, "more than %u pieces", CT_TOK_MAX_PIECES)
                       : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu pieces", cap);
        m->pieces = grown;
        m->cap = cap;
    }
    ct_piece p = { .text = "", .kind = CT_PIECE_NORMAL };
    ct_pb r = ct_pb_inside(field);
    ct_pb_field f;
    bool more;
    while (ct_pb_next(&r, &f, &more, err) && more) {
        if (f.number > 3)
            continue;
        if (f.wire != (f.number == 1 ? 2u : f.number == 2 ? 5u : 0u))
            return wrong_wire(&f, "a piece's field", err);
        if (f.number == 1) {
            p.text = (const char *)f.data;
            p.len = f.size;
        } else if (f.number == 2) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, sizeof p.score);
        } else {
            p.kind = f.value > CT_PIECE_BYTE ? (ct_piece_kind)-1 : (ct_piece_kind)f.value;
        }
    }
    m->pieces[m->n++] = p;
    return !more;
}

static bool read_trainer(model *m, const ct_pb_field *field, carat_err *err)
{
    ct_pb r = ct_pb_inside(field);
    ct_pb_field f;
    bool more;
    while (ct_pb_next(&r, &f, &more, err) && more) {
        if (f.number != 3 && f.number != 24 && f.number != 35)
            continue;
        if (f.wire != 0)
            return wrong_wire(&f, "trainer_spec's field", err);
        if (f.number == 3)
            m->model_type = f.value;
        else
            *(f.number == 24 ? &m->whitespace_suffix : &m->byte_fallback) = f.value != 0;
    }
    return !more;
}

static bool read_normalizer(model *m, const ct_pb_field *field, carat_err *err)
{
    ct_pb r = ct_pb_inside(field);
    ct_pb_field f;
    bool more;
    while (ct_pb_next(&r, &f, &more, err) && more) {
        if (f.number < 2 || f.number > 5)
            continue;
        if (f.wire != (f.number == 2 ? 2u : 0u))
            return wrong_wire(&f, "normalizer_spec's field", err);
        if (f.number == 2)
            m->has_charsmap = f.size > 0;
        else
            *(f.number == 3   ? &m->dummy_prefix
              : f.number == 4 ? &m->removes_whitespace
                              : &m->escapes_whitespace) = f.value != 0;
    }
    return !more;
}

static bool read_model(model *m, ct_pb r, carat_err *err)
{
    ct_pb_field f;
    bool more;
    while (ct_pb_next(&r, &f, &more, err) && more) {
        if (f.number > 3)
            continue;
        if (f.wire != 2)
            return wrong_wire(&f, "a part of the model", err);
        if (!(f.number == 1 ? read_piece : f.number == 2 ? read_trainer : read_normalizer)(m, &f, err))
            return false;
    }
    return !more;
}

/* Gemma's tokenizer does none of these; a file that requires one is another model's. */
static bool check_settings(const model *m, carat_err *err)
{
    const char *what = m->model_type != 2       ? "its model_type is not BPE"
                       : !m->byte_fallback      ? "it has no byte_fallback"
                       : m->whitespace_suffix   ? "it treats white space as a suffix"
                       : m->has_charsmap        ? "it normalises characters (precompiled_charsmap)"
                       : m->dummy_prefix        ? "it puts a space in front (add_dummy_prefix)"
                       : m->removes_whitespace  ? "it removes white space (remove_extra_whitespaces)"
                       : !m->escapes_whitespace ? "it does not escape white space"
                                                : NULL;
    return !what || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "not Gemma's sentencepiece model: %s", what);
}

/* added: of the folder; NULL: none are known. */
static bool build(const void *data, size_t size, const ct_added *added, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    model m = { .model_type = 1, .dummy_prefix = true, .removes_whitespace = true, .escapes_whitespace = true };
    bool ok = read_model(&m, (ct_pb){ .data = data, .size = size }, err) && check_settings(&m, err) &&
              (!added || ct_added_put(added, &m.pieces, &m.n, err)) &&
              ct_vocab_build(&(ct_vocab_source){ .pieces = m.pieces, .n = m.n }, out, err);
    free(m.pieces);
    return ok;
}

bool ct_tokenizer_from_model_bytes(const void *data, size_t size, carat_tokenizer **out, carat_err *err)
{
    return build(data, size, NULL, out, err);
}

/* folder: whose added tokens count; NULL: none. */
static bool open_model(const char *path, const char *folder, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    ct_map map = { .fd = -1 };
    ct_added added = { 0 };
    bool ok = !folder || ct_added_load(folder, &added, err);
    if (ok && ct_map_read(&map, path, MAX_BYTES, err))
        ok = build(map.data, map.size, &added, out, err) || ct_fail_in(err, "%s", path) ||
             ct_explain_text(path, (const char *)map.data, map.size, err);
    else
        ok = false;
    ct_map_close(&map);
    ct_added_deinit(&added);
    return ok;
}

bool ct_tokenizer_from_model(const char *path, carat_tokenizer **out, carat_err *err)
{
    return open_model(path, NULL, out, err);
}

bool ct_tokenizer_from_model_of(const char *folder, const char *path, carat_tokenizer **out, carat_err *err)
{
    return open_model(path, folder, out, err);
}
