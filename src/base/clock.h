/* clock.h - a monotonic clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_CLOCK_H
#define CT_BASE_CLOCK_H

#include <time.h>

/* Seconds on a clock that never goes backwards. */
static inline double ct_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The same in the form that system calls take; at most a billion seconds, which is practically forever. */
static inline struct timespec ct_timespec(double seconds)
{
    if (!(seconds <= 1e9)) /* nor what is not a number */
        seconds = 1e9;
    time_t whole = (time_t)seconds;
    return (struct timespec){ .tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9) };
}

#endif
