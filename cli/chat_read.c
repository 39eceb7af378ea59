/* An answer as it comes: text is shown, calls are taken out of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define MOST_TEXT ((size_t)1 << 28)

static bool no_memory(chat_reading *r)
{
    r->failed = true;
    return ct_fail(&r->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to keep the answer");
}

/* ---- text ---- */

static bool wrote(chat *c, bool ok)
{
    if (!ok && !c->write_failed) {
        c->write_failed = true;
        c->why = errno;
    }
    return ok;
}

/* A call is shown apart from the text before it: without an empty line for white space. */
static bool show(chat *c, const char *text, size_t len)
{
    chat_reading *r = &c->reading;
    if (!r->is_shown)
        view_begin(&r->view, stdout, view_looks_for(c->is_plain, !c->is_base));
    r->is_shown = true;
    return wrote(c, view_add(&r->view, text, len));
}

static bool end_text(chat *c)
{
    chat_reading *r = &c->reading;
    if (!r->is_shown)
        return true;
    r->is_shown = false;
    const bool ok = view_end(&r->view);
    return wrote(c, ok && putchar('\n') != EOF && fflush(stdout) == 0);
}

static bool take_text(chat *c, const char *text, size_t len)
{
    if (!ct_buf_add(&c->reading.text, text, len))
        return no_memory(&c->reading);
    return show(c, text, len);
}

/* ---- calls ---- */

static void forget_call(chat_reading *r)
{
    free(r->name);
    r->name = NULL;
    ct_buf_deinit(&r->arguments);
}

static bool begin_call(chat *c, const carat_piece *p)
{
    chat_reading *r = &c->reading;
    ct_buf_init(&r->arguments, MOST_TEXT);
    r->name = strndup(p->text, p->len);
    return r->name ? end_text(c) : no_memory(r);
}

static bool end_call(chat_reading *r)
{
    carat_call *grown = realloc(r->calls, (r->n_calls + 1) * sizeof *grown);
    if (!grown)
        return no_memory(r);
    r->calls = grown;
    ct_buf_str(&r->arguments, "");
    char *arguments = ct_buf_take(&r->arguments);
    if (!arguments)
        return no_memory(r);
    r->calls[r->n_calls++] = (carat_call){ .struct_size = sizeof(carat_call), .name = r->name, .arguments = arguments };
    r->name = NULL;
    return true;
}

static bool take(chat *c, const carat_piece *p)
{
    chat_reading *r = &c->reading;
    switch (p->kind) {
    case CARAT_PIECE_TEXT:
        return take_text(c, p->text, p->len);
    case CARAT_PIECE_CALL:
        return begin_call(c, p);
    case CARAT_PIECE_ARGUMENTS:
        return ct_buf_add(&r->arguments, p->text, p->len) || no_memory(r);
    case CARAT_PIECE_CALL_END:
        return end_call(r);
    case CARAT_PIECE_CALL_BROKEN:
        forget_call(r);
        return take_text(c, p->text, p->len);
    }
    return true;
}

static bool take_all(chat *c, const carat_piece *p, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = take(c, &p[i]);
    return ok;
}

/* ---- from beginning to end ---- */

bool chat_read_begin(chat *c)
{
    chat_reading *r = &c->reading;
    chat_read_forget(c);
    ct_buf_init(&r->text, MOST_TEXT);
    if (c->tools.tools && !carat_call_reader_open(c->tools.tools, &r->reader, &r->err))
        return !(r->failed = true);
    return c->tools.tools || show(c, "", 0);
}

bool chat_read(chat *c, const char *text, size_t len)
{
    chat_reading *r = &c->reading;
    const carat_piece *pieces;
    size_t n;
    if (!r->reader)
        return take_text(c, text, len);
    if (!carat_call_reader_push(r->reader, text, len, &pieces, &n, &r->err))
        return !(r->failed = true);
    return take_all(c, pieces, n);
}

bool chat_read_end(chat *c)
{
    chat_reading *r = &c->reading;
    const carat_piece *pieces;
    size_t n;
    bool ok = !r->failed;
    if (ok && r->reader) {
        ok = carat_call_reader_finish(r->reader, &pieces, &n, &r->err) ? take_all(c, pieces, n) : !(r->failed = true);
        if (ok && !r->n_calls)
            ok = show(c, "", 0); /* an answer that is empty has its line, too */
    }
    return end_text(c) && ok;
}

void chat_read_forget(chat *c)
{
    chat_reading *r = &c->reading;
    carat_call_reader_close(r->reader);
    if (r->is_shown)
        view_end(&r->view);
    forget_call(r);
    for (size_t i = 0; i < r->n_calls; i++) {
        free((char *)(uintptr_t)r->calls[i].name);
        free((char *)(uintptr_t)r->calls[i].arguments);
    }
    free(r->calls);
    ct_buf_deinit(&r->text);
    *r = (chat_reading){ .n_calls = 0 };
}
