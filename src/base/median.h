/* median.h - the middle of some measurements.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_MEDIAN_H
#define CT_BASE_MEDIAN_H

#include <stddef.h>

double ct_median(double *v, size_t n); /* of n > 0 numbers; sorts them */

#endif
