/* Likelihoods out of an echoed text: which tokens are a choice's, and whether the server's lists are of the text that was sent.
 *
 *     text             the prompt, the choice, and what was generated
 *     tokens           [n] their texts        token_logprobs  [n]        text_offset  [n] where each begins in text, in characters
 *
 * Every token up to the choice's end has to stand where its place says, up to where the next begins: a list that is short, or is of another
 * text, would give a sum that looks like any other. Parts of a character have no text of their own: of these the room alone is looked at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/url.h"

#define MOST_LOGPROB 1e-2 /* servers round, so that a certain token may have a little more than 0 */

typedef struct echo {
    const json_t *tokens, *values, *places;
    size_t n;
    const char *text, *end;  /* from where a token begins */
    size_t at, n_characters; /* in front of it; in all */
} echo;

static bool open_echo(echo *e, const json_t *choice, const char *asked, const char *words, carat_err *err)
{
    const json_t *lists = json_object_get(choice, "logprobs");
    *e = (echo){ .tokens = json_object_get(lists, "tokens"),
                 .values = json_object_get(lists, "token_logprobs"),
                 .places = json_object_get(lists, "text_offset"),
                 .text = json_string_value(json_object_get(choice, "text")) };
    e->n = json_array_size(e->values);
    if (!e->n || !json_is_array(e->tokens) || !json_is_array(e->places))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "the server gives no 'token_logprobs' with 'tokens' and 'text_offset' (echo with logprobs): it "
                       "cannot score");
    if (json_array_size(e->places) != e->n || json_array_size(e->tokens) != e->n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "the server gives %zu 'token_logprobs', but %zu 'tokens' and %zu 'text_offset'", e->n,
                       json_array_size(e->tokens), json_array_size(e->places));
    const size_t len = strlen(asked);
    if (!e->text || strncmp(e->text, asked, len) != 0 || strncmp(e->text + len, words, strlen(words)) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "the server echoes another text than it was sent, or a part of it");
    e->end = e->text + strlen(e->text);
    e->n_characters = ct_utf8_count(e->text);
    return true;
}

static bool place_of(const echo *e, size_t i, size_t *at, carat_err *err)
{
    const json_t *place = json_array_get(e->places, i);
    if (!json_is_integer(place) || json_integer_value(place) < 0)
        return ct_fail(err, CARAT_EFORMAT, i, "'text_offset' %zu is no place", i);
    *at = (size_t)json_integer_value(place);
    return true;
}

/* The mark that some vocabularies write for a space. */
static size_t space_mark(const char *s)
{
    return strncmp(s, "\xe2\x96\x81", 3) == 0 ? 3 : strncmp(s, "\xc4\xa0", 2) == 0 ? 2 : 0;
}

/* Is a room of n characters, len bytes, the token's? */
static bool fits(const char *token, const char *room, size_t len, size_t n)
{
    const char *s = token, *end = room + len;
    while (room < end) {
        const size_t mark = *room == ' ' ? space_mark(s) : 0;
        if (!mark && *s != *room)
            break;
        s += mark ? mark : 1;
        room++;
    }
    if (room == end && !*s)
        return true;
    const bool is_part = strstr(token, "\xef\xbf\xbd") || strncmp(token, "bytes:", 6) == 0;
    return is_part && n <= ct_utf8_count(token);
}

/* Goes past the i-th token, which begins at *at. */
static bool pass(echo *e, size_t i, size_t *at, carat_err *err)
{
    size_t next = e->n_characters, len = 0;
    const char *token = json_string_value(json_array_get(e->tokens, i));
    if (!place_of(e, i, at, err) || (i + 1 < e->n && !place_of(e, i + 1, &next, err)))
        return false;
    for (size_t n = e->at; n < next && e->text + len < e->end; n++) {
        uint32_t cp;
        len += ct_utf8_next(e->text + len, (size_t)(e->end - e->text) - len, &cp);
    }
    const bool is_control = token && *token == '<' && next == 0; /* <bos>, in front of all */
    if (!token || *at != e->at || next < *at || !(is_control || fits(token, e->text, len, next - *at)))
        return ct_fail(err, CARAT_EFORMAT, i,
                       "the server's 'tokens' and 'text_offset' are not those of the text: token %zu", i);
    e->text += len;
    e->at = next;
    return true;
}

bool ct_eval_url_sum(const json_t *choice, const char *asked, const char *words, double *sum, carat_err *err)
{
    echo e;
    const size_t begin = ct_utf8_count(asked), end = begin + ct_utf8_count(words);
    size_t at = 0;
    bool has_begun = false;
    if (!open_echo(&e, choice, asked, words, err))
        return false;
    *sum = 0;
    for (size_t i = 0; i < e.n && e.at < end; i++) {
        const json_t *value = json_array_get(e.values, i);
        if (!pass(&e, i, &at, err))
            return false;
        if (at < begin)
            continue;
        if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) > MOST_LOGPROB)
            return ct_fail(err, CARAT_EFORMAT, i, "'token_logprobs' %zu is no logarithm of a probability", i);
        has_begun |= at == begin;
        *sum += json_number_value(value);
    }
    return has_begun || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "a token crosses from the question into the choice");
}
