/* A semaphore that never exceeds one; not a condition variable, which a signal handler must not use.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/wake.h"

#include <errno.h>

#include "base/clock.h"

bool ct_wake_init(ct_wake *w)
{
    atomic_init(&w->is_set, false);
    return sem_init(&w->sem, 0, 0) == 0;
}

void ct_wake_deinit(ct_wake *w)
{
    sem_destroy(&w->sem);
}

void ct_wake_up(ct_wake *w)
{
    if (!atomic_exchange(&w->is_set, true))
        sem_post(&w->sem);
}

void ct_wake_wait(ct_wake *w, double until)
{
    struct timespec t = ct_timespec(until);
    int rc;
    do
        rc = until > 0 ? sem_clockwait(&w->sem, CLOCK_MONOTONIC, &t) : sem_wait(&w->sem);
    while (rc != 0 && errno == EINTR);
    /* After the semaphore was taken, so that it stays at most one. An exchange, not a store: a thread that found the
     * flag set and did not post wrote its news before, so that they are visible from here on. */
    if (rc == 0)
        atomic_exchange(&w->is_set, false);
}
