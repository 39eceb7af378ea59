/* wake.h - what one thread sleeps on until another thread, or a signal handler, has work for it.
 *
 * Any number of ct_wake_up between two waits counts as one, because a thread that wakes checks everything again. What
 * was written before ct_wake_up is visible after the ct_wake_wait that it ended.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_WAKE_H
#define CT_BASE_WAKE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct ct_wake {
    sem_t sem;          /* 0 or 1 */
    atomic_bool is_set; /* it is 1, or will be at once */
} ct_wake;

bool ct_wake_init(ct_wake *w);
void ct_wake_deinit(ct_wake *w);

/* From any thread and from a signal handler: an atomic exchange and sem_post, which is async-signal-safe. */
void ct_wake_up(ct_wake *w);
/* Returns when woken, or at `until` in seconds of ct_now(); 0: no time limit. One thread. */
void ct_wake_wait(ct_wake *w, double until);

#endif
