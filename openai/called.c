/* An answer's text -> its calls and the text beside them, as replies have them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/inside.h"

/* What has been read of an answer. */
typedef struct called {
    json_t *calls; /* NULL: none yet */
    ct_buf *text;  /* beside the calls */
    ct_buf name, arguments;
} called;

static bool end_call(called *c)
{
    char id[40];
    json_t *call = ct_openai_new_id("call_", id, sizeof id)
                       ? json_pack("{s:s, s:s, s:{s:s%, s:s%}}", "id", id, "type", "function", "function", "name",
                                   c->name.data, c->name.len, "arguments", c->arguments.data, c->arguments.len)
                       : NULL;
    if (!c->calls)
        c->calls = json_array();
    return json_array_append_new(c->calls, call) == 0;
}

static bool begin_call(called *c, const carat_piece *p)
{
    ct_buf_clear(&c->name);
    ct_buf_clear(&c->arguments);
    return ct_buf_add(&c->name, p->text, p->len) && ct_buf_str(&c->arguments, "");
}

static bool take_piece(called *c, const carat_piece *p)
{
    switch (p->kind) {
    case CARAT_PIECE_CALL:
        return begin_call(c, p);
    case CARAT_PIECE_ARGUMENTS:
        return ct_buf_add(&c->arguments, p->text, p->len);
    case CARAT_PIECE_CALL_END:
        return end_call(c);
    case CARAT_PIECE_TEXT:
    case CARAT_PIECE_CALL_BROKEN:
        break;
    }
    return ct_buf_add(c->text, p->text, p->len);
}

static bool take(called *c, const carat_piece *pieces, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = take_piece(c, &pieces[i]);
    return ok;
}

bool ct_openai_called(const carat_tools *tools, const ct_buf *answer, json_t **calls, ct_buf *text)
{
    called c = { .text = text };
    carat_call_reader *reader = NULL;
    const carat_piece *pieces;
    size_t n;
    ct_buf_init(&c.name, answer->max);
    ct_buf_init(&c.arguments, answer->max);
    const bool ok = carat_call_reader_open(tools, &reader, NULL) &&
                    carat_call_reader_push(reader, answer->data, answer->len, &pieces, &n, NULL) &&
                    take(&c, pieces, n) && carat_call_reader_finish(reader, &pieces, &n, NULL) && take(&c, pieces, n);
    carat_call_reader_close(reader);
    ct_buf_deinit(&c.name);
    ct_buf_deinit(&c.arguments);
    *calls = ok ? c.calls : NULL;
    if (!ok)
        json_decref(c.calls);
    return ok;
}
