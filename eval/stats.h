/* stats.h - what a figure from a sample says of all that it was drawn from: 95 % intervals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_STATS_H
#define CT_EVAL_STATS_H

#include <stddef.h>

#define CT_EVAL_Z 1.959963984540054 /* of the normal distribution: 95 % lie within so many deviations */

typedef struct ct_eval_interval {
    double low, high;
} ct_eval_interval;

/* Of right answers, n > 0: Wilson's score interval, which holds for few items and for shares near 0 and 1 too. */
ct_eval_interval ct_eval_share(size_t right, size_t n);

/* The standard error of sum / count over groups (windows of a text), within which values hang together: that of a ratio of sums,
 * by the groups' deviations. n > 1 groups. */
double ct_eval_group_error(const double *sums, const double *counts, size_t n);
/* The same of n > 1 values taken for independent, from the sum of them and of their squares. */
double ct_eval_value_error(double sum, double squares, double n);

#endif
