/* The calls of an answer, as its text comes -> parts.
 *
 *     READ ── a call that the form has taken in hand ──> BOUND   its arguments come as they are written
 *       └──── a call in another shape ─────────────────> HELD    until the answer has ended; if one is invalid, or one too
 *                                                                many, what began with the first is text after all: TEXT
 *
 * Until the first call all text comes at once, byte for byte, so that the bytes that came are the beginning of the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "openai/inside.h"
#include "openai/parts.h"

#define MAX_TEXT   ((size_t)1 << 30)
#define MOST_WHITE 8 /* as CARAT_FORMAT_TEXT_OR_CALLS has it */

/* ---- has the form taken it in hand? ---- */

/* How far the beginning of a call has been read. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static bool skip(cursor *c, const char *word, size_t len)
{
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool skip_word(cursor *c, const char *word)
{
    return skip(c, word, strlen(word));
}

static bool skip_white(cursor *c, const char *set)
{
    size_t n = 0;
    for (; c->at < c->end && *c->at && strchr(set, *c->at); n++)
        c->at++;
    return n <= MOST_WHITE;
}

static bool skip_fence(cursor *c)
{
    if (!skip_word(c, "```"))
        return true;
    skip_word(c, "json");
    return skip_white(c, " \t\r") && skip_word(c, "\n") && skip_white(c, " \t\r\n");
}

/* `{"name": "NAME"` at the beginning of a line or of the answer. Whatever is let through here the form completes validly; what
 * it completes besides is only held longer. */
static bool is_begun(const ct_openai_answer *a, const char *name, size_t len)
{
    static const char white[] = " \t\r\n";
    cursor c = { a->text.data + a->n_told, a->text.data + a->text.len };
    const char *from = c.at;
    while (c.at < c.end && strchr(white, *c.at))
        c.at++;
    const bool is_line = c.at > a->text.data && c.at[-1] == '\n';
    if (!is_line && (from != a->text.data || c.at - from > MOST_WHITE))
        return false;
    return skip_fence(&c) && (!skip_word(&c, "[") || skip_white(&c, white)) && skip_word(&c, "{") &&
           skip_white(&c, white) && skip_word(&c, "\"name\"") && skip_white(&c, white) && skip_word(&c, ":") &&
           skip_white(&c, white) && skip_word(&c, "\"") && skip(&c, name, len) && skip_word(&c, "\"");
}

static bool is_bound(const ct_openai_reply *reply, const ct_openai_answer *a, const carat_piece *p)
{
    switch (ct_openai_form_kind(reply->request)) {
    case CARAT_FORMAT_CALLS:
        return true;
    case CARAT_FORMAT_TEXT_OR_CALLS:
        return is_begun(a, p->text, p->len);
    default:
        return false;
    }
}

/* ---- calls ---- */

static bool is_full(const ct_openai_reply *reply, const ct_openai_answer *a)
{
    return a->n_calls == (reply->request->calls.is_single ? 1 : CT_OPENAI_MAX_CALLS);
}

static bool add_call(ct_openai_answer *a, const carat_piece *p)
{
    ct_openai_call **calls = realloc(a->calls, (a->n_calls + 1) * sizeof *calls);
    a->calls = calls ? calls : a->calls;
    ct_openai_call *call = calls ? calloc(1, sizeof *call) : NULL;
    if (!call)
        return false;
    a->calls[a->n_calls++] = call;
    ct_buf_init(&call->arguments, MAX_TEXT);
    ct_buf_init(&call->name, MAX_TEXT);
    call->text_at = a->beside.len;
    return ct_buf_add(&call->name, p->text, p->len) && ct_buf_str(&call->arguments, "") &&
           ct_openai_new_id("call_", call->id, sizeof call->id);
}

static void drop_call(ct_openai_answer *a)
{
    ct_openai_call *call = a->calls[--a->n_calls];
    ct_buf_deinit(&call->name);
    ct_buf_deinit(&call->arguments);
    free(call);
}

void ct_openai_calls_drop(ct_openai_answer *a)
{
    while (a->n_calls)
        drop_call(a);
    free(a->calls);
    a->calls = NULL;
}

/* ---- parts ---- */

static bool tell_arguments(ct_openai_reply *reply, size_t answer, size_t call, const char *text, size_t len)
{
    const ct_openai_part part = { .kind = CT_PART_ARGUMENTS, .answer = answer, .call = call, .text = text, .len = len };
    return ct_openai_part_add(reply, &part, reply->answers[answer].text.len);
}

static bool tell_call(ct_openai_reply *reply, size_t answer, size_t call, ct_openai_part_kind kind)
{
    const ct_openai_call *c = reply->answers[answer].calls[call];
    const ct_openai_part part = { .kind = kind, .answer = answer, .call = call, .id = c->id, .name = c->name.data };
    return ct_openai_part_add(reply, &part, 0);
}

/* Text in front of byte `to` of the answer's. */
static bool tell_text(ct_openai_reply *reply, size_t answer, const char *text, size_t len, size_t to)
{
    const ct_openai_part part = { .kind = CT_PART_TEXT, .answer = answer, .text = text, .len = len };
    return len == 0 || ct_openai_part_add(reply, &part, to);
}

/* ---- bound ---- */

/* All that has come is part of it. */
static bool take_bound(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    ct_openai_call *last = a->n_calls ? a->calls[a->n_calls - 1] : NULL;
    switch (p->kind) {
    case CARAT_PIECE_CALL:
        return add_call(a, p) && tell_call(reply, answer, a->n_calls - 1, CT_PART_CALL);
    case CARAT_PIECE_ARGUMENTS:
        return ct_buf_add(&last->arguments, p->text, p->len) &&
               tell_arguments(reply, answer, a->n_calls - 1, p->text, p->len);
    case CARAT_PIECE_CALL_END:
        last->is_whole = true;
        return tell_call(reply, answer, a->n_calls - 1, CT_PART_CALL_END);
    case CARAT_PIECE_CALL_BROKEN: /* what came of it stays */
        return true;
    case CARAT_PIECE_TEXT:
        break;
    }
    return ct_buf_add(&a->beside, p->text, p->len) && tell_text(reply, answer, p->text, p->len, a->text.len);
}

/* ---- held ---- */

/* There are no calls: the answer goes on as text where the first began. */
static bool let_go(ct_openai_reply *reply, size_t answer)
{
    ct_openai_answer *a = &reply->answers[answer];
    ct_openai_calls_drop(a);
    a->reading = CT_READING_TEXT;
    return tell_text(reply, answer, a->text.data + a->n_told, a->text.len - a->n_told, a->text.len);
}

static bool end_held(ct_openai_reply *reply, size_t answer)
{
    ct_openai_answer *a = &reply->answers[answer];
    ct_openai_call *call = a->calls[a->n_calls - 1];
    if (!ct_openai_call_is_valid(reply->request, call->name.data, call->arguments.data, &call->is_whole))
        return false;
    return call->is_whole || let_go(reply, answer);
}

/* Text of the answer, in front of its first call. */
static bool take_text(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    a->n_told += p->len;
    return tell_text(reply, answer, p->text, p->len, a->n_told);
}

/* It is text, as what stands around it. */
static bool break_held(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    drop_call(a);
    if (a->n_calls)
        return ct_buf_add(&a->beside, p->text, p->len);
    ct_buf_clear(&a->beside);
    a->reading = CT_READING_CALLS;
    return take_text(reply, answer, p);
}

static bool take_held(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    switch (p->kind) {
    case CARAT_PIECE_CALL:
        return is_full(reply, a) ? let_go(reply, answer) : add_call(a, p);
    case CARAT_PIECE_ARGUMENTS:
        return ct_buf_add(&a->calls[a->n_calls - 1]->arguments, p->text, p->len);
    case CARAT_PIECE_CALL_END:
        return end_held(reply, answer);
    case CARAT_PIECE_CALL_BROKEN:
        return break_held(reply, answer, p);
    case CARAT_PIECE_TEXT:
        break;
    }
    return ct_buf_add(&a->beside, p->text, p->len);
}

static bool tell_beside(ct_openai_reply *reply, size_t answer, size_t from, size_t to)
{
    const ct_openai_answer *a = &reply->answers[answer];
    return tell_text(reply, answer, a->beside.data + from, to - from, a->text.len);
}

/* The answer has ended: its calls are valid, and the text between them is in its place. */
static bool tell_held(ct_openai_reply *reply, size_t answer)
{
    const ct_openai_answer *a = &reply->answers[answer];
    size_t at = a->n_told;
    bool ok = true;
    for (size_t i = 0; ok && i < a->n_calls; i++) {
        const ct_openai_call *call = a->calls[i];
        ok = tell_beside(reply, answer, at, call->text_at) && tell_call(reply, answer, i, CT_PART_CALL) &&
             tell_arguments(reply, answer, i, call->arguments.data, call->arguments.len) &&
             tell_call(reply, answer, i, CT_PART_CALL_END);
        at = call->text_at;
    }
    return ok && tell_beside(reply, answer, at, a->beside.len);
}

/* ---- all of it ---- */

static bool begin_calls(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    a->reading = is_bound(reply, a, p) ? CT_READING_BOUND : CT_READING_HELD;
    return ct_buf_add(&a->beside, a->text.data, a->n_told);
}

static bool take(ct_openai_reply *reply, size_t answer, const carat_piece *p)
{
    ct_openai_answer *a = &reply->answers[answer];
    if (a->reading == CT_READING_CALLS && p->kind == CARAT_PIECE_CALL && !begin_calls(reply, answer, p))
        return false;
    switch (a->reading) {
    case CT_READING_TEXT: /* let go, with all that has come */
        return true;
    case CT_READING_CALLS:
        return take_text(reply, answer, p);
    case CT_READING_BOUND:
        return take_bound(reply, answer, p);
    case CT_READING_HELD:
        return take_held(reply, answer, p);
    }
    return false;
}

static bool take_all(ct_openai_reply *reply, size_t answer, const carat_piece *pieces, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = take(reply, answer, &pieces[i]);
    return ok;
}

/* The next text of an answer, which a->text has; let go, it is text. */
bool ct_openai_calls_read(ct_openai_reply *reply, size_t answer, const char *text, size_t len)
{
    ct_openai_answer *a = &reply->answers[answer];
    const carat_piece *pieces;
    size_t n;
    if (a->reading == CT_READING_TEXT)
        return tell_text(reply, answer, text, len, a->text.len);
    return carat_call_reader_push(a->reader, text, len, &pieces, &n, NULL) && take_all(reply, answer, pieces, n);
}

bool ct_openai_calls_end(ct_openai_reply *reply, size_t answer)
{
    ct_openai_answer *a = &reply->answers[answer];
    const carat_piece *pieces;
    size_t n;
    if (a->reading == CT_READING_TEXT)
        return true;
    return carat_call_reader_finish(a->reader, &pieces, &n, NULL) && take_all(reply, answer, pieces, n) &&
           (a->reading != CT_READING_HELD || tell_held(reply, answer));
}
