/* Keys, images and marks of the tokens a model is given.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/stream.h"

#include <stdlib.h>

void ct_stream_text_keys(const int32_t *ids, size_t n, uint64_t *keys)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint32_t)ids[i];
}

void ct_stream_label(ct_stream *s)
{
    ct_stream_text_keys(s->ids, s->n, s->keys);
    for (size_t p = 0; p < s->n_places; p++)
        for (size_t i = 0; i < s->n_soft; i++)
            s->keys[s->places[p].at + i] = ct_view_key(s->places[p].view, i);
}

void ct_stream_deinit(ct_stream *s)
{
    for (size_t i = 0; i < s->n_places; i++)
        ct_view_drop(s->places[i].view);
    free(s->places);
    free(s->ids);
    free(s->keys);
    *s = (ct_stream){ 0 };
}

size_t ct_stream_whole(const uint64_t *keys, size_t n_keys, size_t n)
{
    while (n > 0 && n < n_keys && (keys[n] & CT_KEY_IMAGE) && (keys[n] & CT_KEY_INSIDE))
        n--;
    return n;
}

size_t ct_stream_same(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b)
{
    size_t n = 0;
    while (n < n_a && n < n_b && a[n] == b[n])
        n++;
    size_t of_a = ct_stream_whole(a, n_a, n), of_b = ct_stream_whole(b, n_b, n);
    return of_a < of_b ? of_a : of_b;
}

size_t ct_stream_places(const ct_stream *s, size_t from, size_t to, size_t *n)
{
    size_t first = 0, end;
    while (first < s->n_places && s->places[first].at < from)
        first++;
    for (end = first; end < s->n_places && s->places[end].at < to;)
        end++;
    *n = end - first;
    return first;
}

size_t ct_stream_next_mark(const ct_stream *s, size_t at)
{
    for (size_t i = 0; i < s->n_marks; i++)
        if (s->marks[i] > at && s->marks[i] < s->n)
            return s->marks[i];
    return s->n;
}

void ct_stream_inputs(const ct_stream *s, size_t from, size_t n, ct_step_input *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (ct_step_input){ .id = s->ids[from + i] };
    for (size_t p = 0; p < s->n_places; p++)
        for (size_t i = 0; i < s->n_soft; i++) {
            size_t pos = s->places[p].at + i;
            if (pos >= from && pos < from + n)
                out[pos - from].sees_ahead = (uint32_t)(s->n_soft - 1 - i);
        }
}

void ct_stream_text_inputs(const ct_stream *s, ct_step_input *out)
{
    for (size_t i = 0; i < s->n; i++)
        out[i] = (ct_step_input){ .id = s->ids[i], .sees_ahead = (uint32_t)(s->n - 1 - i) };
}
