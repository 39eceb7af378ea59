/* Finds where a text said last what it says at its end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/lookup.h"

#include <stdbool.h>
#include <string.h>

#define MOST_PLACES 64 /* that are compared: a text of little but blanks has them everywhere */
#define SURELY_HERE 4  /* tokens that agree where an answer is expected: nothing else is looked at */

/* How many tokens before `end` of text are those before the end of ids [n]. */
static size_t agreement(const int32_t *text, size_t end, const int32_t *ids, size_t n)
{
    size_t most = end < n ? end : n, k = 0;
    if (most > CT_LOOKUP_MOST)
        most = CT_LOOKUP_MOST;
    while (k < most && text[end - 1 - k] == ids[n - 1 - k])
        k++;
    return k;
}

/* The last place in text [n] with these two tokens, as their end; 0: there is none. Eight at a time, without a branch for
 * each: nearly all are something else. */
static size_t find_pair(const int32_t *text, size_t n, int32_t first, int32_t second)
{
    size_t at = n;
    for (; at >= 9; at -= 8) {
        unsigned hits = 0;
        for (size_t i = 0; i < 8; i++)
            hits |= (unsigned)(text[at - 1 - i] == second && text[at - 2 - i] == first) << i;
        if (hits)
            return at - (size_t)__builtin_ctz(hits);
    }
    for (; at >= 2; at--)
        if (text[at - 1] == second && text[at - 2] == first)
            return at;
    return 0;
}

size_t ct_lookup(const int32_t *ids, size_t n, int32_t *out, size_t most, size_t *agree)
{
    size_t best = 0, longest = 0, end = n;
    for (size_t tried = 0; n > CT_LOOKUP_LEAST && tried < MOST_PLACES && longest < CT_LOOKUP_MOST; tried++) {
        end = find_pair(ids, end - 1, ids[n - 2], ids[n - 1]);
        if (!end)
            break;
        size_t k = agreement(ids, end, ids, n);
        if (k > longest) {
            longest = k;
            best = end;
        }
    }
    *agree = longest;
    if (!best)
        return 0;
    for (size_t i = 0; i < most; i++)
        out[i] = best + i < n ? ids[best + i] : out[best + i - n];
    return most;
}

/* Where in text the answer agrees longest; 0: nowhere. */
static size_t find_in(const int32_t *text, size_t n_text, size_t behind, const int32_t *answer, size_t n, size_t *agree)
{
    size_t best = 0, end = n_text + 1;
    *agree = 0;
    for (size_t tried = 0; n >= CT_LOOKUP_LEAST && tried < MOST_PLACES; tried++) {
        end = find_pair(text, end - 1, answer[n - 2], answer[n - 1]);
        if (!end)
            break;
        size_t k = agreement(text, end, answer, n);
        if (k > *agree || (k == *agree && end > behind)) {
            *agree = k;
            best = end;
        }
    }
    return best;
}

/* False: the answer is nowhere in the text. */
static bool find_place(const int32_t *text, size_t n_text, ct_lookup_place *place, const int32_t *answer, size_t n,
                       size_t *agree)
{
    size_t here = place->at + (n - place->n);
    *agree = here <= n_text ? agreement(text, here, answer, n) : 0;
    if (*agree == n) /* so far it is the text's beginning */
        *agree = CT_LOOKUP_MOST;
    if (*agree < SURELY_HERE)
        here = find_in(text, n_text, here, answer, n, agree);
    if (*agree < CT_LOOKUP_LEAST)
        return false;
    *place = (ct_lookup_place){ here, n };
    return true;
}

size_t ct_lookup_in(const int32_t *text, size_t n_text, ct_lookup_place *place, const int32_t *answer, size_t n,
                    int32_t *out, size_t most, size_t *agree)
{
    if (!find_place(text, n_text, place, answer, n, agree))
        return 0;
    size_t left = n_text - place->at, m = left < most ? left : most;
    memcpy(out, text + place->at, m * sizeof *out);
    return m;
}
