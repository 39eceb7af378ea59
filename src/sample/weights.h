/* weights.h - exp(scale (x - max)) of a whole vocabulary of logits, at a nanosecond or two each.
 *
 * A weight is a step of a table, 1/32 of an octave wide, times a polynomial of the rest. All sums of such weights have a
 * known error, far below what separates two tokens in all but a few draws of a million. Whoever decides by them looks
 * whether the decision lies within that error, and if so decides again with `is_exact`, which calls exp for each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_WEIGHTS_H
#define CT_SAMPLE_WEIGHTS_H

#include "sample/select.h"

#define CT_WEIGHT_PER_OCTAVE 32
/* 58 octaves: what lies below, 2^-58 of the largest weight or less, counts as 0. */
#define CT_WEIGHT_STEPS (58 * CT_WEIGHT_PER_OCTAVE)
#define CT_WEIGHT_BLOCK 64

typedef struct ct_weights {
    double max, scale;
    double steps; /* table steps per unit of a logit */
    bool is_exact;
    double table[CT_WEIGHT_STEPS + 1]; /* 2^(-i / 32); the last is 0 */
} ct_weights;

/* Weights relative to the logit `max`, the largest of the row that is used. scale > 0. */
void ct_weights_init(ct_weights *w, double max, double scale, bool is_exact);
/* Of the logits [at, at + n), n <= CT_WEIGHT_BLOCK; 0 for those that are not allowed. step, if not NULL: of each the
 * nearest place in the table. */
void ct_weigh(const ct_weights *w, const ct_logit_row *r, size_t at, size_t n, double *weight, uint32_t *step);

/* A bound on the relative error of a sum of up to n weights, to that of the numbers that exp returns. */
double ct_weights_error(size_t n);

/* All weights of a row, by steps. */
typedef struct ct_spread {
    ct_weights w;
    double total, error; /* error: absolute, of the total, and so of any part of it */
    double weight[CT_WEIGHT_STEPS + 1];
} ct_spread;

void ct_spread_fill(ct_spread *s, const ct_logit_row *r, double max, double scale);

/* A logit below those of the shortest best-first list whose weights add up to p of the total, error or not. */
float ct_spread_floor(const ct_spread *s, double p);

/* As ct_cut_mass; *kept: the sum of the weights that are left. False: too near to a border to decide. */
bool ct_spread_cut(const ct_spread *s, const ct_logit_row *r, double mass, ct_cut *cut, double *kept);

#endif
