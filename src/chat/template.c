/* Renders messages as turns: the published template as it is, or with messages repaired so that any list works.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/template.h"

#include <string.h>

#include "chat/segments.h"
#include "chat/turns.h"

static bool full(ct_segments *p, carat_err *err)
{
    if (p->text.failed && p->text.len > p->text.max / 2)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the messages have more than %zu bytes of text", p->text.max);
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt");
}

/* Ends of a part that lose their white space. */
enum { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 };

/* A part as it is rendered: trimmed text (system's is not), or an image. */
static bool put_part(ct_segments *p, const ct_chat_part *part, int trims)
{
    if (!part->text)
        return ct_segments_image(p, part);
    const char *s = part->text, *all = s;
    size_t len = part->len;
    ct_chat_trim(&s, &len);
    if (!len && trims) /* nothing but white space */
        return true;
    if (!(trims & TRIM_LEFT)) {
        len += (size_t)(s - all);
        s = all;
    }
    if (!(trims & TRIM_RIGHT))
        len = part->len - (size_t)(s - all);
    return ct_segments_add(p, s, len);
}

static bool put_parts(ct_segments *p, const ct_chat_message *m, bool trims)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        int inner = (i == 0 ? TRIM_LEFT : 0) | (i + 1 == m->n_parts ? TRIM_RIGHT : 0);
        if (!put_part(p, &m->parts[i], !trims ? 0 : m->is_inline ? inner : TRIM_BOTH))
            return false;
    }
    return true;
}

static bool open_turn(ct_segments *p, const char *role, size_t message)
{
    if (!ct_segments_control(p, CT_SEGMENT_START_OF_TURN))
        return false;
    p->segments[p->n - 1].message = message;
    return ct_segments_str(p, role) && ct_segments_str(p, "\n");
}

static bool close_turn(ct_segments *p)
{
    return ct_segments_control(p, CT_SEGMENT_END_OF_TURN) && ct_segments_str(p, "\n");
}

/* ---- blocks ---- */

typedef enum block_kind { BLOCK_USER, BLOCK_SYSTEM, BLOCK_TOOL, BLOCK_MODEL } block_kind;

typedef enum side { NO_TURN, USER_TURN, SYSTEM_TURN, TOOL_TURN, MODEL_TURN } side;

/* The turn being written. */
typedef struct turn {
    side side;
    bool has_text;           /* it is not empty: the next block needs a blank line */
    bool after_system;       /* its last block is a system block, which is always followed by one */
    bool after_same_speaker; /* it already holds a message that was not a system message: joining is a repair */
} turn;

/* In a turn of its own? Between Gemma's turns there is a place for that at the beginning alone. */
static bool has_own_turn(const ct_format *f, const turn *t)
{
    return f->system && (f->is_verbatim || t->side == NO_TURN || t->side == SYSTEM_TURN);
}

static block_kind kind_of(const ct_format *f, const turn *t, const ct_chat_message *m, size_t i, unsigned *repairs)
{
    switch (ct_chat_role(m)) {
    case CT_ROLE_MODEL:
        return BLOCK_MODEL;
    case CT_ROLE_SYSTEM:
        *repairs |= i && !has_own_turn(f, t) ? CARAT_REPAIR_MOVED_SYSTEM : 0;
        return BLOCK_SYSTEM;
    case CT_ROLE_DEVELOPER:
        *repairs |= has_own_turn(f, t) ? 0 : CARAT_REPAIR_MOVED_SYSTEM;
        return BLOCK_SYSTEM;
    case CT_ROLE_TOOL:
        *repairs |= f->tool ? 0 : CARAT_REPAIR_TOOL_AS_USER;
        return BLOCK_TOOL;
    case CT_ROLE_UNKNOWN:
        *repairs |= CARAT_REPAIR_UNKNOWN_ROLE;
        return BLOCK_USER;
    case CT_ROLE_USER:
        break;
    }
    return BLOCK_USER;
}

static bool is_empty(const ct_chat_message *m, bool trims)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        const char *s = m->parts[i].text;
        size_t len = m->parts[i].len;
        if (s && trims)
            ct_chat_trim(&s, &len);
        if (!s || len)
            return false;
    }
    return true;
}

static side side_of(const ct_format *f, const turn *t, block_kind kind)
{
    return kind == BLOCK_MODEL                          ? MODEL_TURN
           : kind == BLOCK_TOOL && f->tool              ? TOOL_TURN
           : kind == BLOCK_SYSTEM && has_own_turn(f, t) ? SYSTEM_TURN
                                                        : USER_TURN;
}

static const char *role_of(const ct_format *f, side s)
{
    return s == MODEL_TURN ? f->model : s == SYSTEM_TURN ? f->system : s == TOOL_TURN ? f->tool : f->user;
}

/* Makes the open turn one of the right side. */
static bool take_side(ct_segments *p, turn *t, side wanted, size_t message)
{
    const ct_format *f = p->format;
    if (t->side == wanted && !f->is_verbatim)
        return true;
    if (t->side == NO_TURN && wanted == MODEL_TURN && !f->is_verbatim) { /* a conversation begins with the user */
        p->repairs |= CARAT_REPAIR_ADDED_USER;
        if (!open_turn(p, f->user, CT_NO_MESSAGE))
            return false;
        t->side = USER_TURN;
    }
    if (t->side != NO_TURN && !close_turn(p))
        return false;
    *t = (turn){ .side = wanted };
    return open_turn(p, role_of(f, wanted), message);
}

static bool put_block(ct_segments *p, const ct_chat_message *m, block_kind kind, bool trims)
{
    if (kind != BLOCK_TOOL || p->format->tool)
        return put_parts(p, m, trims);
    return ct_segments_str(p, "```tool_output\n") && put_parts(p, m, true) && ct_segments_str(p, "\n```");
}

/* Does the template render a system text that is empty? Gemma's does in front of a user's message: the blank line behind
 * it stays. */
static bool is_rendered_empty(const ct_format *f, side wanted, const ct_chat_message *m, size_t i, size_t n)
{
    bool leads = i == 0 && n > 1 && ct_chat_role(&m[1]) == CT_ROLE_USER;
    return m->n_parts > 0 && (f->is_verbatim || (wanted == USER_TURN && leads));
}

/* m: the i-th of n messages, the others beside it. */
static bool add_message(ct_segments *p, turn *t, const ct_chat_message *m, size_t i, size_t n)
{
    const ct_format *f = p->format;
    block_kind kind = kind_of(f, t, m, i, &p->repairs);
    side wanted = side_of(f, t, kind);
    bool trims = !f->is_verbatim && (kind != BLOCK_SYSTEM || wanted == SYSTEM_TURN);
    bool empty = kind != BLOCK_TOOL && is_empty(m, trims);
    if (m->is_null)
        p->repairs |= CARAT_REPAIR_NULL_CONTENT;
    if (kind == BLOCK_SYSTEM && empty && !is_rendered_empty(f, wanted, m, i, n)) {
        p->repairs |= CARAT_REPAIR_DROPPED_SYSTEM;
        return true;
    }
    if (!take_side(p, t, wanted, i))
        return false;
    if (t->after_same_speaker)
        p->repairs |= CARAT_REPAIR_JOINED;
    if (((t->has_text && !empty) || t->after_system) && !ct_segments_str(p, "\n\n"))
        return false;
    t->has_text = t->has_text || !empty;
    t->after_system = kind == BLOCK_SYSTEM && wanted == USER_TURN;
    t->after_same_speaker = t->after_same_speaker || kind != BLOCK_SYSTEM;
    if (!put_block(p, m, kind, trims))
        return false;
    if (kind == BLOCK_SYSTEM && i == 0)
        p->system_end = p->text.len;
    return true;
}

static bool render_messages(const ct_chat_message *messages, size_t n, ct_segments *p, carat_err *err)
{
    turn t = { .side = NO_TURN };
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = add_message(p, &t, &messages[i], i, n);
    if (ok && t.side == NO_TURN) { /* nothing but empty system messages */
        p->repairs |= CARAT_REPAIR_ADDED_USER;
        ok = open_turn(p, p->format->user, CT_NO_MESSAGE);
    }
    return (ok && close_turn(p)) || full(p, err);
}

bool ct_chat_render(const ct_chat_message *messages, size_t n, const ct_chat_options *options, ct_segments *out,
                    carat_err *err)
{
    if (!n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no messages to render");
    ct_buf_init(&out->text, (size_t)1 << 31);
    out->format = ct_format_get(options->format);
    bool ok = (ct_segments_control(out, CT_SEGMENT_BOS) || full(out, err)) && render_messages(messages, n, out, err);
    if (ok && !options->no_generation_prompt)
        ok = open_turn(out, out->format->model, n) || full(out, err);
    if (!ok)
        ct_segments_deinit(out);
    return ok;
}
