/* What comes out of a reader of calls: pieces over one buffer of text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "chat/reader/inside.h"

static void add_piece(carat_call_reader *r, carat_piece_kind kind, size_t call, const char *text, size_t len)
{
    carat_piece *last = r->n_pieces ? &r->pieces[r->n_pieces - 1] : NULL;
    const bool joins = kind == CARAT_PIECE_TEXT || kind == CARAT_PIECE_ARGUMENTS;
    if (joins && last && last->kind == kind && last->call == call) {
        last->len += len;
    } else {
        if (r->n_pieces == r->cap) {
            const size_t cap = r->cap ? r->cap * 2 : 16;
            carat_piece *pieces = realloc(r->pieces, cap * sizeof *pieces);
            r->pieces = pieces ? pieces : r->pieces;
            size_t *at = realloc(r->at, cap * sizeof *at);
            r->at = at ? at : r->at;
            if (!pieces || !at) {
                r->has_failed = true;
                return;
            }
            r->cap = cap;
        }
        r->at[r->n_pieces] = r->out.len;
        r->pieces[r->n_pieces++] = (carat_piece){ .kind = kind, .call = call, .len = len };
    }
    ct_buf_add(&r->out, text, len);
}

void ct_out_text(carat_call_reader *r, const char *text, size_t len)
{
    if (!len)
        return;
    add_piece(r, CARAT_PIECE_TEXT, 0, text, len);
    r->is_behind = false;
}

void ct_out_held(carat_call_reader *r)
{
    if (r->is_open) {
        add_piece(r, CARAT_PIECE_CALL_BROKEN, r->n_calls++, r->held.data, r->held.len);
        r->is_open = r->is_behind = false;
    } else {
        ct_out_text(r, r->held.data, r->held.len);
    }
    ct_buf_clear(&r->held);
}

void ct_out_begin(carat_call_reader *r, size_t function)
{
    const char *name = r->functions[function].name;
    add_piece(r, CARAT_PIECE_CALL, r->n_calls, name, strlen(name));
    r->is_open = r->is_named = true;
}

void ct_out_arguments(carat_call_reader *r, size_t from)
{
    if (r->arguments.len > from)
        add_piece(r, CARAT_PIECE_ARGUMENTS, r->n_calls, r->arguments.data + from, r->arguments.len - from);
}

/* What no grammar of bytes sees: keys that are there twice, numbers beyond all range, bytes that are not UTF-8. */
static bool is_json(carat_call_reader *r)
{
    json_t *v = NULL;
    carat_err err = { 0 };
    const bool ok = !r->arguments.failed && ct_json_parse("arguments", r->arguments.data, r->arguments.len, &v, &err);
    json_decref(v);
    r->has_failed = r->has_failed || r->arguments.failed || err.code == CARAT_ENOMEM;
    return ok;
}

/* The call is whole, and what was held of it is no longer needed. */
static void end_call(carat_call_reader *r)
{
    add_piece(r, CARAT_PIECE_CALL_END, r->n_calls++, "", 0);
    r->is_open = r->is_named = false;
    r->is_behind = true;
    ct_buf_clear(&r->held);
    ct_buf_clear(&r->arguments);
}

bool ct_out_end(carat_call_reader *r)
{
    if (!is_json(r))
        return false;
    end_call(r);
    return true;
}

/* Brackets that only grouped were overwritten; they go now. */
static void drop_nothings(ct_buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] != CT_CALL_NOTHING)
            b->data[n++] = b->data[i];
    b->len = n;
}

bool ct_out_whole(carat_call_reader *r, size_t function)
{
    drop_nothings(&r->arguments);
    if (!is_json(r))
        return false;
    ct_out_begin(r, function);
    ct_out_arguments(r, 0);
    end_call(r);
    return true;
}

bool ct_out_give(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err)
{
    *pieces = NULL;
    *n = 0;
    if (r->has_failed || r->out.failed || r->held.failed || r->arguments.failed) {
        r->has_failed = true;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for reading the calls of an answer");
    }
    for (size_t i = 0; i < r->n_pieces; i++)
        r->pieces[i].text = r->out.data + r->at[i];
    *pieces = r->pieces;
    *n = r->n_pieces;
    return true;
}

void ct_out_clear(carat_call_reader *r)
{
    ct_buf_clear(&r->out);
    r->n_pieces = 0;
}
