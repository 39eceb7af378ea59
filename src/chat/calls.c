/* Finds the call that each result answers, and writes both.
 *
 * A result names its call by an id, which some clients use again in every turn: the latest call before the result is meant,
 * and of several in one message the first that has no result yet. Calls are sorted by id and by name for that, so a
 * conversation of n messages takes n log n steps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "chat/function_syntax.h"
#include "chat/roles.h"
#include "chat/segments.h"

/* ---- which result answers which call ---- */

typedef struct call_key {
    const char *key; /* the call's id, or its function's name */
    size_t message, rank;
    size_t n_seen; /* of the first of a message's calls with one key: so many of them have results, at least */
} call_key;

typedef struct book {
    ct_chat_message *messages;
    const ct_chat_call **calls; /* [n], by rank: in the order in which they were made */
    bool *is_answered;          /* [n] */
    size_t n;
    call_key *by_id, *by_name; /* sorted by key, then message, then rank */
    size_t n_ids;
    size_t open,
        latest_end; /* ranks of the latest message with calls: the first that may be without a result, the end */
} book;

static int compare(const void *a, const void *b)
{
    const call_key *x = a, *y = b;
    const int by_key = strcmp(x->key, y->key);
    return by_key ? by_key : (x->rank > y->rank) - (x->rank < y->rank); /* ranks grow with the messages */
}

static bool list_calls(book *b, size_t n_messages, carat_err *err)
{
    for (size_t i = 0; i < n_messages; i++)
        b->n += b->messages[i].n_calls;
    b->calls = calloc(b->n + 1, sizeof *b->calls);
    b->is_answered = calloc(b->n + 1, sizeof *b->is_answered);
    b->by_id = calloc(b->n + 1, sizeof *b->by_id);
    b->by_name = calloc(b->n + 1, sizeof *b->by_name);
    if (!b->calls || !b->is_answered || !b->by_id || !b->by_name)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the conversation's calls");
    size_t rank = 0;
    for (size_t i = 0; i < n_messages; i++)
        for (size_t k = 0; k < b->messages[i].n_calls; k++, rank++) {
            const ct_chat_call *c = &b->messages[i].calls[k];
            b->calls[rank] = c;
            b->by_name[rank] = (call_key){ .key = c->name, .message = i, .rank = rank };
            if (c->id)
                b->by_id[b->n_ids++] = (call_key){ .key = c->id, .message = i, .rank = rank };
        }
    qsort(b->by_id, b->n_ids, sizeof *b->by_id, compare);
    qsort(b->by_name, b->n, sizeof *b->by_name, compare);
    return true;
}

/* How many of the sorted keys come before the calls of this key in this message. */
static size_t lower(const call_key *v, size_t n, const char *key, size_t message)
{
    size_t begin = 0;
    while (n) {
        const size_t half = n / 2;
        const int by_key = strcmp(v[begin + half].key, key);
        if (by_key < 0 || (by_key == 0 && v[begin + half].message < message)) {
            begin += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return begin;
}

/* The call that a result at this message means by a key; SIZE_MAX: none. One more result than calls is the last one's. */
static size_t find_call(const book *b, call_key *v, size_t n, const char *key, size_t message)
{
    const size_t end = lower(v, n, key, message);
    if (!end || strcmp(v[end - 1].key, key) != 0)
        return SIZE_MAX;
    call_key *first = &v[lower(v, end, key, v[end - 1].message)];
    const size_t last = (size_t)(&v[end - 1] - first);
    while (first->n_seen < last && b->is_answered[first[first->n_seen].rank])
        first->n_seen++;
    return first[first->n_seen].rank;
}

static size_t find_open(book *b)
{
    while (b->open < b->latest_end && b->is_answered[b->open])
        b->open++;
    return b->open < b->latest_end ? b->open : SIZE_MAX;
}

static void link_result(book *b, size_t i)
{
    ct_chat_message *m = &b->messages[i];
    const size_t rank = m->call_id ? find_call(b, b->by_id, b->n_ids, m->call_id, i)
                        : m->name  ? find_call(b, b->by_name, b->n, m->name, i)
                                   : find_open(b);
    m->is_result = true;
    m->answers = rank;
    m->function = rank == SIZE_MAX ? m->name : b->calls[rank]->name;
    if (rank != SIZE_MAX)
        b->is_answered[rank] = true;
}

bool ct_chat_link(ct_chat_message *messages, size_t n, const carat_tools *tools, carat_err *err)
{
    book b = { .messages = messages };
    const bool ok = list_calls(&b, n, err);
    for (size_t i = 0; ok && i < n && (b.n || (tools && tools->n)); i++) {
        if (messages[i].n_calls) {
            b.open = b.latest_end;
            b.latest_end += messages[i].n_calls;
        }
        if (ct_chat_role(&messages[i]) == CT_ROLE_TOOL)
            link_result(&b, i);
    }
    free(b.calls);
    free(b.is_answered);
    free(b.by_id);
    free(b.by_name);
    return ok;
}

/* ---- calls as text ---- */

/* A text as JSON if it is JSON, else as a string; appended. */
static bool write_value(const char *s, size_t len, bool is_spaced, bool *is_json, ct_buf *out)
{
    carat_err why;
    *is_json = ct_json_text_put("", s, len, is_spaced, out, &why);
    return *is_json || (why.code == CARAT_EFORMAT && ct_json_text_string(s, len, out));
}

/* The same in the prompt, or in FunctionGemma's syntax with what it belongs to. */
static bool put_value(ct_segments *p, const char *s, size_t len, bool is_spaced, bool *is_json)
{
    const size_t was = p->text.len;
    return write_value(s, len, is_spaced, is_json, &p->text) && ct_segments_written(p, was);
}

typedef bool own_fn(ct_segments *p, const char *name, const char *json, size_t len);

static bool put_own(ct_segments *p, own_fn *fn, const char *name, const char *s, size_t len, bool *is_json)
{
    ct_buf b;
    ct_buf_init(&b, p->text.max);
    const bool ok = write_value(s, len, false, is_json, &b) && fn(p, name, b.data, b.len);
    ct_buf_deinit(&b);
    return ok;
}

static bool put_string(ct_segments *p, const char *s)
{
    const size_t was = p->text.len;
    return ct_json_text_string(s, strlen(s), &p->text) && ct_segments_written(p, was);
}

static size_t blanks(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && (s[n] == ' ' || s[n] == '\n' || s[n] == '\r' || s[n] == '\t'))
        n++;
    return n;
}

static bool put_call(ct_segments *p, const ct_chat_call *c)
{
    const size_t skip = blanks(c->arguments, c->len);
    const bool has_none = skip == c->len;
    const char *arguments = has_none ? "{}" : c->arguments;
    const size_t len = has_none ? 2 : c->len;
    bool is_json = true;
    const bool ok = p->format->has_own_syntax
                        ? put_own(p, ct_function_call, c->name, arguments, len, &is_json)
                        : ct_segments_str(p, "{\"name\": ") && put_string(p, c->name) &&
                              ct_segments_str(p, ", \"parameters\": ") &&
                              put_value(p, arguments, len, true, &is_json) && ct_segments_str(p, "}");
    p->repairs |= has_none || (is_json && c->arguments[skip] == '{') ? 0 : CARAT_REPAIR_ARGUMENTS;
    return ok;
}

bool ct_chat_put_calls(ct_segments *p, const ct_chat_call *calls, size_t n)
{
    const bool is_list = n > 1 && !p->format->has_own_syntax;
    bool ok = !is_list || ct_segments_str(p, "[");
    for (size_t i = 0; ok && i < n; i++)
        ok = (!is_list || !i || ct_segments_str(p, ", ")) && put_call(p, &calls[i]);
    return ok && (!is_list || ct_segments_str(p, "]"));
}

/* ---- results as text ---- */

size_t ct_chat_n_results(const ct_chat_message *messages, size_t n)
{
    size_t i = 0;
    while (i < n && messages[i].is_result)
        i++;
    return i;
}

/* A result's text, as JSON. */
static bool put_content(ct_segments *p, const ct_chat_message *m, const char *s, size_t len)
{
    bool is_json;
    if (p->format->has_own_syntax)
        return put_own(p, ct_function_result, m->function, s, len, &is_json);
    if (m->function && !(ct_segments_str(p, "{\"name\":") && put_string(p, m->function)))
        return false;
    return ct_segments_str(p, m->function ? ",\"result\":" : "{\"result\":") && put_value(p, s, len, false, &is_json) &&
           ct_segments_str(p, "}");
}

/* Its pieces are one text, one behind the other. */
static bool put_result(ct_segments *p, const ct_chat_message *m)
{
    ct_buf text;
    p->repairs |= m->is_null ? CARAT_REPAIR_NULL_CONTENT : 0;
    p->repairs |= m->answers == SIZE_MAX ? CARAT_REPAIR_UNKNOWN_CALL : 0;
    if (m->is_null)
        return put_content(p, m, "null", 4);
    if (m->n_parts == 1 && m->parts[0].text)
        return put_content(p, m, m->parts[0].text, m->parts[0].len);
    ct_buf_init(&text, p->text.max);
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].text)
            ct_buf_add(&text, m->parts[i].text, m->parts[i].len);
    const bool ok = !text.failed && put_content(p, m, text.data ? text.data : "", text.len);
    ct_buf_deinit(&text);
    return ok;
}

static bool put_pictures(ct_segments *p, const ct_chat_message *m)
{
    bool ok = true;
    for (size_t i = 0; ok && i < m->n_parts; i++)
        ok = m->parts[i].text || ct_segments_image(p, &m->parts[i]);
    return ok;
}

/* By the calls that they answer; those that answer none last, as they came. */
static int by_call(const void *a, const void *b)
{
    const ct_chat_message *x = *(const ct_chat_message *const *)a, *y = *(const ct_chat_message *const *)b;
    return x->answers != y->answers ? (x->answers > y->answers) - (x->answers < y->answers) : (x > y) - (x < y);
}

bool ct_chat_put_results(ct_segments *p, const ct_chat_message *results, size_t n)
{
    const ct_chat_message **sorted = calloc(n + 1, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &results[i];
    qsort(sorted, n, sizeof *sorted, by_call);
    const bool is_list = !p->format->has_own_syntax;
    bool ok = !is_list || ct_segments_str(p, "Results:\n[");
    for (size_t i = 0; ok && i < n; i++) {
        p->repairs |= sorted[i] != &results[i] ? CARAT_REPAIR_SORTED_RESULTS : 0;
        ok = (!i || !is_list || ct_segments_str(p, ",")) && put_result(p, sorted[i]);
    }
    ok = ok && (!is_list || ct_segments_str(p, "]"));
    for (size_t i = 0; ok && i < n; i++)
        ok = put_pictures(p, sorted[i]);
    free(sorted);
    return ok;
}
