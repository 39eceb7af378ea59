/* The turns that are left out of a conversation that is too long.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/turns.h"

#include <stdlib.h>
#include <string.h>

#include "chat/roles.h"
#include "chat/segments.h"

/* A conversation with the messages that have gone, and what of it has been tokenised. */
typedef struct talk {
    const ct_chat_message *messages;
    bool *is_out;
    size_t n;
    const ct_chat_options *options;
    const carat_tokenizer *tok;
    size_t n_soft;
    ct_segments all;  /* rendered while nothing had gone */
    size_t *n_tokens; /* [all.n]: of the turn that a segment begins; of all others 0 */
} talk;

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the conversation's turns");
}

static bool is_said_by_model(const talk *t, size_t i)
{
    return ct_chat_role(&t->messages[i]) == CT_ROLE_MODEL;
}

/* A developer's text, too. */
static bool is_system(const talk *t, size_t i)
{
    ct_role role = ct_chat_role(&t->messages[i]);
    return role == CT_ROLE_SYSTEM || role == CT_ROLE_DEVELOPER;
}

/* A result belongs to the answer that called for it. */
static bool is_said_by_user(const talk *t, size_t i)
{
    return !is_said_by_model(t, i) && !is_system(t, i) && ct_chat_role(&t->messages[i]) != CT_ROLE_TOOL;
}

/* Where the oldest turn begins and the next one does; false if only the last is left. */
static bool find_oldest(const talk *t, size_t *begin, size_t *end)
{
    bool is_answered = false;
    for (*begin = 0; *begin < t->n && (t->is_out[*begin] || is_system(t, *begin)); ++*begin)
        ;
    for (*end = *begin; *end < t->n; ++*end) {
        if (is_answered && is_said_by_user(t, *end))
            return true;
        is_answered = is_answered || is_said_by_model(t, *end);
    }
    return false;
}

/* Tokens of segments [begin, end) if they are whole turns: no run of text goes beyond its turn. */
static bool count(const talk *t, const ct_segments *p, size_t begin, size_t end, size_t *n, carat_err *err)
{
    ct_ids ids = { 0 };
    bool ok = ct_segments_ids_of(p, begin, end, t->tok, t->n_soft, &ids, err);
    *n = ids.n;
    ct_ids_deinit(&ids);
    return ok;
}

static bool is_turn(const ct_segments *p, size_t i)
{
    return p->segments[i].kind == CT_SEGMENT_START_OF_TURN;
}

static bool render_all(talk *t, carat_err *err)
{
    if (!ct_chat_render(t->messages, t->n, t->options, &t->all, err))
        return false;
    t->n_tokens = calloc(t->all.n + 1, sizeof *t->n_tokens);
    if (!t->n_tokens)
        return no_memory(err);
    for (size_t i = 0, end; i < t->all.n; i = end) {
        for (end = i + 1; end < t->all.n && !is_turn(&t->all, end); end++)
            ;
        if (!count(t, &t->all, i, end, &t->n_tokens[i], err))
            return false;
    }
    return true;
}

/* All that is left once the oldest turn begins at message `first`: the system texts and that turn's questions are rendered
 * and tokenised anew, from its first answer on all stands as it stood. Counts no further than to more than `fit`. */
static bool count_left(const talk *t, size_t first, size_t fit, size_t *n, carat_err *err)
{
    size_t answer = first, n_head = 0, i = 0;
    while (answer < t->n && !is_said_by_model(t, answer))
        answer++;
    *n = 0;
    while (i < t->all.n && !(is_turn(&t->all, i) && t->all.segments[i].message == answer))
        i++; /* to the turn that the answer opened, or without one the turn that the model is to fill */
    for (; i < t->all.n; i++)
        *n += t->n_tokens[i];
    if (*n > fit) /* whatever stands before it */
        return true;
    ct_chat_message *head = calloc(answer + 1, sizeof *head);
    if (!head)
        return no_memory(err);
    for (size_t k = 0; k < answer; k++)
        if (!t->is_out[k])
            head[n_head++] = t->messages[k];
    ct_segments p = { 0 };
    const ct_chat_options o = { .no_generation_prompt = true,
                                .format = t->options->format,
                                .tools = t->options->tools };
    size_t n_before = 0;
    bool ok = ct_chat_render(head, n_head, &o, &p, err) && count(t, &p, 0, p.n, &n_before, err);
    *n += n_before;
    ct_segments_deinit(&p);
    free(head);
    return ok;
}

static bool leave_out(talk *t, size_t fit, size_t *n_out, carat_err *err)
{
    size_t n = 0, begin, end;
    for (size_t i = 0; i < t->all.n; i++)
        n += t->n_tokens[i];
    while (n > fit && find_oldest(t, &begin, &end)) {
        for (size_t i = begin; i < end; i++)
            if (!t->is_out[i] && !is_system(t, i)) {
                t->is_out[i] = true;
                ++*n_out;
            }
        if (!count_left(t, end, fit, &n, err))
            return false;
    }
    return true;
}

bool ct_chat_fit(const ct_chat_message *messages, size_t n, const ct_chat_options *options, const carat_tokenizer *tok,
                 size_t n_soft, size_t fit, bool *is_out, size_t *n_out, carat_err *err)
{
    talk t = { .messages = messages, .is_out = is_out, .n = n, .options = options, .tok = tok, .n_soft = n_soft };
    memset(is_out, 0, n * sizeof *is_out);
    *n_out = 0;
    bool ok = render_all(&t, err) && leave_out(&t, fit, n_out, err);
    ct_segments_deinit(&t.all);
    free(t.n_tokens);
    return ok;
}
