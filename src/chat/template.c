/* Renders messages as turns: the published template as it is, or with messages repaired so that any list works.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/template.h"

#include <string.h>

#include "base/trim.h"
#include "chat/calls.h"
#include "chat/function_syntax.h"
#include "chat/roles.h"
#include "chat/segments.h"

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
    ct_trim(&s, &len);
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

/* trims: the ends of the whole text that lose their white space; pieces that are not one text lose it on both sides. */
static bool put_parts(ct_segments *p, const ct_chat_message *m, int trims)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        bool is_last = i + 1 == m->n_parts;
        int part = !trims ? 0 : m->is_inline ? (i == 0 ? TRIM_LEFT : 0) | (is_last ? TRIM_RIGHT : 0) : TRIM_BOTH;
        if (!put_part(p, &m->parts[i], is_last ? part & trims : part))
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
    bool after_results;      /* in the model's turn: it goes on directly behind them */
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
        *repairs |= f->tool || m->is_result ? 0 : CARAT_REPAIR_TOOL_AS_USER;
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
            ct_trim(&s, &len);
        if (!s || len)
            return false;
    }
    return true;
}

static side side_of(const ct_format *f, const turn *t, const ct_chat_message *m, block_kind kind)
{
    return kind == BLOCK_MODEL                          ? MODEL_TURN
           : m->is_result && f->has_own_syntax          ? MODEL_TURN
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

/* The model's text and then its calls. */
static bool put_answer(ct_segments *p, const ct_chat_message *m, int trims)
{
    if (!m->n_calls)
        return put_parts(p, m, trims);
    return put_parts(p, m, trims) && (is_empty(m, trims) || p->format->has_own_syntax || ct_segments_str(p, "\n\n")) &&
           ct_chat_put_calls(p, m->calls, m->n_calls);
}

/* n: of results that make one block. */
static bool put_block(ct_segments *p, const ct_chat_message *m, size_t n, block_kind kind, int trims)
{
    if (m->is_result)
        return ct_chat_put_results(p, m, n);
    if (kind == BLOCK_MODEL)
        return put_answer(p, m, trims);
    if (kind != BLOCK_TOOL || p->format->tool)
        return put_parts(p, m, trims);
    return ct_segments_str(p, "```tool_output\n") && put_parts(p, m, TRIM_BOTH) && ct_segments_str(p, "\n```");
}

/* Does the template render a system text that is empty? Gemma's does in front of a user's message: the blank line behind
 * it stays. */
static bool is_rendered_empty(const ct_format *f, side wanted, const ct_chat_message *m, size_t i, size_t n)
{
    bool leads = i == 0 && n > 1 && ct_chat_role(&m[1]) == CT_ROLE_USER;
    return m->n_parts > 0 && (f->is_verbatim || (wanted == USER_TURN && leads));
}

/* A list of messages on its way into a prompt. */
typedef struct rendering {
    const ct_chat_message *messages;
    size_t n;
    const ct_chat_options *options;
    turn t;
    bool is_declared; /* the functions are, or there are none */
} rendering;

/* What a message's text loses. The end of one that the model is to continue stays. */
static int trims_of(const rendering *r, size_t i, block_kind kind, side wanted)
{
    if (r->options->continues_answer && i + 1 == r->n && !r->messages[i].n_calls)
        return ct_format_get(r->options->format)->is_verbatim ? 0 : TRIM_LEFT;
    return !ct_format_get(r->options->format)->is_verbatim && (kind != BLOCK_SYSTEM || wanted == SYSTEM_TURN)
               ? TRIM_BOTH
               : 0;
}

/* The i-th message, or the n_results of them that it begins. */
static bool add_message(ct_segments *p, rendering *r, size_t i, size_t n_results)
{
    const ct_format *f = p->format;
    const ct_chat_message *m = &r->messages[i];
    turn *t = &r->t;
    block_kind kind = kind_of(f, t, m, i, &p->repairs);
    side wanted = side_of(f, t, m, kind);
    int trims = trims_of(r, i, kind, wanted);
    bool empty = kind != BLOCK_TOOL && !m->n_calls && is_empty(m, trims);
    if (m->is_null && !m->n_calls)
        p->repairs |= CARAT_REPAIR_NULL_CONTENT;
    if (kind == BLOCK_SYSTEM && empty && !is_rendered_empty(f, wanted, m, i, r->n)) {
        p->repairs |= CARAT_REPAIR_DROPPED_SYSTEM;
        return true;
    }
    if (!take_side(p, t, wanted, i))
        return false;
    bool goes_on = wanted == MODEL_TURN && (t->after_results || m->is_result);
    if (t->after_same_speaker && !goes_on)
        p->repairs |= CARAT_REPAIR_JOINED;
    if (((t->has_text && !empty) || t->after_system) && !goes_on && !ct_segments_str(p, "\n\n"))
        return false;
    t->after_results = wanted == MODEL_TURN && m->is_result;
    t->has_text = t->has_text || !empty;
    t->after_system = kind == BLOCK_SYSTEM && wanted == USER_TURN;
    t->after_same_speaker = t->after_same_speaker || kind != BLOCK_SYSTEM;
    if (!put_block(p, m, n_results, kind, trims))
        return false;
    if (kind == BLOCK_SYSTEM && i == 0)
        p->system_end = p->text.len;
    return true;
}

static const char declaring[] =
    "You can call functions. To call one, answer with JSON only: {\"name\": name, \"parameters\": {arguments}}. To "
    "call "
    "several, answer with a list of such objects. If no function helps, answer in plain text.\n\nFunctions:\n";

/* In front of the i-th message, behind the leading system texts. */
static bool declare(ct_segments *p, rendering *r, size_t i)
{
    turn *t = &r->t;
    const carat_tools *tools = r->options->tools;
    side wanted = has_own_turn(p->format, t) ? SYSTEM_TURN : USER_TURN;
    bool is_users = i < r->n && ct_chat_role(&r->messages[i]) != CT_ROLE_MODEL;
    if (t->side == NO_TURN && wanted == USER_TURN && !is_users)
        p->repairs |= CARAT_REPAIR_ADDED_USER;
    if (t->side != wanted && !take_side(p, t, wanted, CT_NO_MESSAGE))
        return false;
    bool is_own = p->format->has_own_syntax && wanted == SYSTEM_TURN;
    if (is_own ? !t->has_text && !ct_segments_str(p, CT_FUNCTION_TRIGGER)
               : (t->has_text || t->after_system) && !ct_segments_str(p, "\n\n"))
        return false;
    t->has_text = true;
    t->after_system = wanted == USER_TURN;
    r->is_declared = true;
    if (is_own ? !ct_function_declare(p, tools)
               : !ct_segments_str(p, declaring) || !ct_segments_add(p, tools->declared, tools->declared_len))
        return false;
    p->system_end = p->text.len;
    return true;
}

static bool is_system(const ct_chat_message *m)
{
    ct_role role = ct_chat_role(m);
    return role == CT_ROLE_SYSTEM || role == CT_ROLE_DEVELOPER;
}

static bool render_messages(rendering *r, ct_segments *p)
{
    for (size_t i = 0, n; i < r->n; i += n ? n : 1) {
        n = ct_chat_n_results(r->messages + i, r->n - i);
        if (!r->is_declared && !is_system(&r->messages[i]) && !declare(p, r, i))
            return false;
        if (!add_message(p, r, i, n))
            return false;
    }
    if (!r->is_declared && !declare(p, r, r->n))
        return false;
    if (r->t.side == NO_TURN) { /* nothing but empty system messages */
        p->repairs |= CARAT_REPAIR_ADDED_USER;
        if (!open_turn(p, p->format->user, CT_NO_MESSAGE))
            return false;
    }
    return r->options->continues_answer || r->t.after_results || close_turn(p);
}

bool ct_chat_render(const ct_chat_message *messages, size_t n, const ct_chat_options *options, ct_segments *out,
                    carat_err *err)
{
    rendering r = { .messages = messages, .n = n, .options = options, .t = { .side = NO_TURN } };
    r.is_declared = !options->tools || !options->tools->n;
    if (!n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no messages to render");
    if (options->continues_answer && ct_chat_role(&messages[n - 1]) != CT_ROLE_MODEL)
        return ct_fail(err, CARAT_EARG, n - 1, "an answer to continue, but the last message is not the model's");
    ct_buf_init(&out->text, (size_t)1 << 31);
    out->format = ct_format_get(options->format);
    bool ok = ct_segments_control(out, CT_SEGMENT_BOS) && render_messages(&r, out);
    if (ok && !options->no_generation_prompt && !options->continues_answer && !r.t.after_results)
        ok = open_turn(out, out->format->model, n);
    if (ok)
        return true;
    full(out, err);
    ct_segments_deinit(out);
    return false;
}
