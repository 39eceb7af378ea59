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

/* How many logits are >= floor and above -infinity. */
size_t ct_count_above(const ct_logit_row *r, float floor);
/* Every one of them, best first, ties by id. out holds as many. Returns how many. */
size_t ct_select_above(const ct_logit_row *r, float floor, ct_candidate *out);

/* A logit at or below the smallest one of the shortest best-first list whose probability under softmax(logits * scale)
 * reaches p: everything above it is enough for top-p. max is the largest logit; *total gets sum exp(scale (x - max)).
 * One pass with a histogram of 1/16-nat steps below max. */
float ct_select_nucleus_floor(const ct_logit_row *r, float max, double scale, double p, double *total);

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
