/* Intervals, and the errors that they are made of.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats.h"

#include <math.h>

/* E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927. */
ct_eval_interval ct_eval_share(size_t right, size_t n)
{
    const double p = (double)right / (double)n, z2 = CT_EVAL_Z * CT_EVAL_Z / (double)n;
    const double middle = (p + z2 / 2) / (1 + z2);
    const double half = CT_EVAL_Z / (1 + z2) * sqrt(p * (1 - p) / (double)n + z2 / (4 * (double)n));
    return (ct_eval_interval){ right ? middle - half : 0, right < n ? middle + half : 1 };
}

double ct_eval_group_error(const double *sums, const double *counts, size_t n)
{
    double sum = 0, count = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sums[i];
        count += counts[i];
    }
    for (size_t i = 0; i < n; i++) {
        const double d = sums[i] - sum / count * counts[i];
        squares += d * d;
    }
    return sqrt((double)n / (double)(n - 1) * squares) / count;
}

double ct_eval_value_error(double sum, double squares, double n)
{
    const double mean = sum / n;
    return sqrt(fmax(0, squares / n - mean * mean) / (n - 1));
}
