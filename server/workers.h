/* workers.h - threads that do what takes long, so that the loop's does not.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_WORKERS_H
#define CT_SERVER_WORKERS_H

#include "base/err.h"

typedef struct ct_workers ct_workers;

/* What is to be done: part of the struct that it is done for. */
typedef struct ct_task ct_task;
struct ct_task {
    void (*work)(ct_task *t); /* on a worker's thread */
    void (*done)(ct_task *t); /* afterwards, in ct_workers_done; may free t, or give it out again */
    bool is_long;             /* it may take seconds: some workers are kept for those that do not */
    ct_task *next;
};

bool ct_workers_open(size_t n, ct_workers **out, carat_err *err);
/* Waits for tasks that have begun; of those that have not, and of all that are not reported, done is called. Accepts NULL. */
void ct_workers_close(ct_workers *w);
/* In the order in which they came. From the loop's thread. */
void ct_workers_give(ct_workers *w, ct_task *t);
/* A thread of its own for t, whose end is reported like the workers'. False: none can be had. */
bool ct_workers_alone(ct_workers *w, ct_task *t);
int ct_workers_fd(const ct_workers *w); /* readable when ct_workers_done has something to do */
void ct_workers_done(ct_workers *w);

#endif
