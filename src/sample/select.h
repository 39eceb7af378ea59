/* select.h - the few tokens that matter, found without sorting the vocabulary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_SELECT_H
#define CT_SAMPLE_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The logits to search: all, or those of the ids in a set. */
typedef struct ct_logit_row {
    const float *logits; /* [n] */
    size_t n;
    const uint32_t *allowed; /* one bit an id, the lowest first; NULL: all */
} ct_logit_row;

static inline bool ct_logit_allowed(const ct_logit_row *r, size_t i)
{
    return !r->allowed || (r->allowed[i / 32] >> i % 32 & 1);
}

typedef struct ct_candidate {
    int32_t id;
    float logit;
    double p; /* probability, filled by the sampler */
} ct_candidate;

/* The k largest logits (fewer if fewer are above -infinity), best first, ties by id. out holds k. Returns how many. */
size_t ct_select_top(const ct_logit_row *r, size_t k, ct_candidate *out);

/* The largest logit above -infinity, the lowest id of equals; -1 if there is none. */
int32_t ct_select_first(const ct_logit_row *r);

/* All logits >= floor and above -infinity, best first, ties by id, *n of them. out holds `most`; false: there are more. */
bool ct_select_above(const ct_logit_row *r, float floor, size_t most, ct_candidate *out, size_t *n);

/* Is any of the logits [at, at + CT_SCAN_BLOCK) of the row within [low, high], and any of them allowed, perhaps another? A
 * quick way past those that matter to nobody. at: a multiple of CT_SCAN_BLOCK. */
#define CT_SCAN_BLOCK 32 /* a word of a set */
static inline bool ct_any_within(const ct_logit_row *r, size_t at, float low, float high)
{
    int any = 0;
    const float *x = r->logits + at;
    if (r->allowed && !r->allowed[at / CT_SCAN_BLOCK])
        return false;
    if (r->n - at < CT_SCAN_BLOCK)
        return true;
    for (size_t i = 0; i < CT_SCAN_BLOCK; i++)
        any |= (x[i] >= low) & (x[i] <= high);
    return any;
}

/* The beginning of the best-first list without the list: the logits above floor, and of those equal to it the n_equal
 * with the lowest ids. */
typedef struct ct_cut {
    float floor;
    size_t n_equal;
} ct_cut;

/* The k largest logits above -infinity, or all if there are fewer. k > 0, one logit is finite. */
ct_cut ct_cut_count(const ct_logit_row *r, size_t k);
/* The fewest whose exp(scale (x - max)) add up to `mass`, at least one; all that are not 0 if rounding leaves the sum
 * short. */
ct_cut ct_cut_mass(const ct_logit_row *r, double max, double scale, double mass);

#endif
