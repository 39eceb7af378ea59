/* kernels.h - what every kernel of the levels of this machine reaches, beside what limits it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MEASURE_KERNELS_H
#define CT_MEASURE_KERNELS_H

#include "base/err.h"
#include "carat_weigh.h"

/* As carat_bench_kernels. */
bool ct_bench_kernels(const carat_kernel_query *q, carat_err *err);

#endif
