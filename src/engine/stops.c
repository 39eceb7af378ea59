/* The text of an answer, held back while it may begin a stop string.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/stops.h"

#include <stdlib.h>
#include <string.h>

#define MAX_STOPS      64
#define MAX_STOP_BYTES 4096

static size_t length(const char *const *strings, const size_t *lens, size_t i)
{
    return lens ? lens[i] : strlen(strings[i]);
}

static bool check(const char *const *strings, const size_t *lens, size_t n, carat_err *err)
{
    if (n > MAX_STOPS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu stop strings, expected at most %d", n, MAX_STOPS);
    for (size_t i = 0; i < n; i++) {
        size_t len = length(strings, lens, i);
        if (len < 1)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "a stop string is empty, which every answer would begin with");
        if (len > MAX_STOP_BYTES)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a stop string has %zu bytes, expected 1 to %d", len,
                           MAX_STOP_BYTES);
    }
    return true;
}

static bool copy(ct_stops *s, const char *const *strings, const size_t *lens, size_t n)
{
    s->strings = calloc(n + 1, sizeof *s->strings);
    for (size_t i = 0; s->strings && i < n; i++) {
        size_t len = length(strings, lens, i);
        s->strings[i].len = len;
        s->strings[i].bytes = malloc(len);
        if (!s->strings[i].bytes)
            return false;
        memcpy(s->strings[i].bytes, strings[i], len);
        s->n++;
    }
    return s->strings != NULL;
}

bool ct_stops_init(ct_stops *s, const char *const *strings, const size_t *lens, size_t n, carat_err *err)
{
    *s = (ct_stops){ 0 };
    ct_buf_init(&s->held, 1 << 24);
    if (!check(strings, lens, n, err))
        return false;
    return copy(s, strings, lens, n) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for stop strings");
}

bool ct_stops_add(ct_stops *s, const char *string, carat_err *err)
{
    struct ct_stop_string *new = &s->strings[s->n]; /* copy left room for it */
    new->len = strlen(string);
    new->bytes = strdup(string);
    if (!new->bytes)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for stop strings");
    s->n++;
    return true;
}

void ct_stops_deinit(ct_stops *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->strings[i].bytes);
    free(s->strings);
    ct_buf_deinit(&s->held);
    *s = (ct_stops){ 0 };
}

/* The longest end of the text that could still grow into one of the stop strings. */
static size_t may_become_stop(const ct_stops *s, const char *text, size_t len)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t max = s->strings[i].len - 1;
        for (size_t n = max < len ? max : len; n > longest; n--)
            if (memcmp(text + len - n, s->strings[i].bytes, n) == 0) {
                longest = n;
                break;
            }
    }
    return longest;
}

/* Where the first stop string begins in the text, and which it is; SIZE_MAX if there is none. */
static size_t find_stop(const ct_stops *s, size_t *which)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < s->n && s->held.len; i++) {
        const char *at = memmem(s->held.data, s->held.len, s->strings[i].bytes, s->strings[i].len);
        if (at && (size_t)(at - s->held.data) < first) {
            first = (size_t)(at - s->held.data);
            *which = i;
        }
    }
    return first;
}

void ct_stops_release(ct_stops *s, bool is_end, ct_buf *out)
{
    ct_buf *held = &s->held;
    size_t stop = find_stop(s, &s->met);
    s->is_met = stop != SIZE_MAX;
    size_t n = s->is_met ? stop : is_end ? held->len : held->len - may_become_stop(s, held->data, held->len);
    if (n == 0)
        return;
    ct_buf_add(out, held->data, n);
    memmove(held->data, held->data + n, held->len - n + 1);
    held->len -= n;
}
