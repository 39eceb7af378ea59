/* The parts of the latest event, each with the log-probabilities of the tokens that it brings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/parts.h"

#include <stdlib.h>
#include <string.h>

#include "openai/inside.h"

/* ---- entries ---- */

static size_t start_of(const ct_openai_answer *a, size_t token)
{
    size_t at;
    memcpy(&at, a->starts.data + token * sizeof at, sizeof at);
    return at;
}

/* Where byte `at` of the text stands in characters; they are asked for in order. */
static size_t offset_of(ct_openai_answer *a, size_t at)
{
    for (; a->counted < at && a->counted < a->text.len; a->counted++)
        a->n_chars += (a->text.data[a->counted] & 0xC0) != 0x80;
    return a->n_chars;
}

/* The first n of the entries that wait, to the part and to the whole. */
static bool bring(ct_openai_reply *reply, ct_openai_answer *a, size_t n, json_t *to)
{
    const ct_openai_endpoint endpoint = reply->request->endpoint;
    json_t *rest = json_array();
    bool ok = rest != NULL;
    for (size_t i = 0; i < n; i++) {
        json_t *e = json_array_get(a->waiting, i);
        const size_t offset = offset_of(a, start_of(a, a->n_brought++));
        ok = ct_openai_logprobs_add(to, endpoint, json_incref(e), offset) && ok;
        ok = (!a->logprobs || ct_openai_logprobs_add(a->logprobs, endpoint, json_incref(e), offset)) && ok;
    }
    for (size_t i = n; i < json_array_size(a->waiting); i++)
        ok = json_array_append(rest, json_array_get(a->waiting, i)) == 0 && ok;
    json_decref(a->waiting);
    a->waiting = rest;
    return ok;
}

/* How many of those that wait begin before that byte. */
static size_t n_before(const ct_openai_answer *a, size_t to)
{
    size_t n = 0, n_waiting = json_array_size(a->waiting);
    while (n < n_waiting && start_of(a, a->n_brought + n) < to)
        n++;
    return n;
}

/* n entries with this part; none: it stays without. */
static bool bring_with(ct_openai_reply *reply, ct_openai_part *part, size_t n)
{
    json_t *to = n ? ct_openai_logprobs(reply->request->endpoint) : NULL;
    part->logprobs = to;
    return n == 0 || (to && bring(reply, &reply->answers[part->answer], n, to));
}

/* ---- parts ---- */

bool ct_openai_part_add_n(ct_openai_reply *reply, const ct_openai_part *part, size_t n_entries)
{
    if (reply->n_parts == reply->cap_parts) {
        const size_t cap = reply->cap_parts ? 2 * reply->cap_parts : 8;
        ct_openai_part *parts = realloc(reply->parts, cap * sizeof *parts);
        if (!parts)
            return false;
        reply->parts = parts;
        reply->cap_parts = cap;
    }
    ct_openai_part *to = &reply->parts[reply->n_parts++];
    *to = *part;
    return bring_with(reply, to, n_entries);
}

bool ct_openai_part_add(ct_openai_reply *reply, const ct_openai_part *part, size_t to)
{
    return ct_openai_part_add_n(reply, part, n_before(&reply->answers[part->answer], to));
}

void ct_openai_parts_clear(ct_openai_reply *reply)
{
    for (size_t i = 0; i < reply->n_parts; i++)
        json_decref((json_t *)(uintptr_t)reply->parts[i].logprobs);
    reply->n_parts = 0;
}

const ct_openai_part *ct_openai_reply_parts(const ct_openai_reply *reply, size_t *n)
{
    *n = reply->n_parts;
    return reply->parts;
}
