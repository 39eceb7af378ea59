/* A job by itself: its memory, and the ring of events between the scheduler and whoever waits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/job.h"

bool ct_job_init(ct_job *j, carat_err *err)
{
    *j = (ct_job){ .state = CT_JOB_DONE };
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    if (pthread_cond_init(&j->news, &a) != 0)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    pthread_condattr_destroy(&a);
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_init(&j->events[i]);
    ct_chunk_init(&j->said);
    return true;
}

void ct_job_deinit(ct_job *j)
{
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_deinit(&j->events[i]);
    ct_chunk_deinit(&j->said);
    ct_generator_close(j->gen);
    j->gen = NULL;
    pthread_cond_destroy(&j->news);
}

size_t ct_job_reach(size_t batch, size_t n_ctx)
{
    size_t most = batch > CT_JOB_EVENTS ? batch : CT_JOB_EVENTS;
    return most < n_ctx ? most : n_ctx;
}

static void swap_said(ct_chunk *a, ct_chunk *b)
{
    ct_chunk t = *a;
    *a = *b;
    *b = t;
}

bool ct_job_has_room(const ct_job *j)
{
    return j->n_sent - j->n_taken + 2 <= CT_JOB_EVENTS;
}

void ct_job_send(ct_job *j)
{
    swap_said(&j->said, &j->events[j->n_sent++ % CT_JOB_EVENTS]);
    pthread_cond_signal(&j->news);
}

void ct_job_take(ct_job *j, ct_chunk *said)
{
    swap_said(said, &j->events[j->n_taken++ % CT_JOB_EVENTS]);
}
