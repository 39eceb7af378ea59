/* clock.h - time that passes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_CLOCK_H
#define CT_BASE_CLOCK_H

#include <time.h>

/* Seconds of a clock that never goes back. */
static inline double ct_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
