/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/job.h"

bool carat_job_init(carat_job *j, carat_err *err)
{
    *j = (carat_job){ .state = CARAT_JOB_DONE };
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    if (pthread_cond_init(&j->news, &a) != 0)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    pthread_condattr_destroy(&a);
    for (size_t i = 0; i < CARAT_JOB_EVENTS; i++)
        carat_said_init(&j->events[i]);
    carat_said_init(&j->said);
    return true;
}

void carat_job_deinit(carat_job *j)
{
    for (size_t i = 0; i < CARAT_JOB_EVENTS; i++)
        carat_said_deinit(&j->events[i]);
    carat_said_deinit(&j->said);
    carat_generator_close(j->gen);
    j->gen = NULL;
    pthread_cond_destroy(&j->news);
}

size_t carat_job_reach(size_t batch, size_t n_ctx)
{
    size_t most = batch > CARAT_JOB_EVENTS ? batch : CARAT_JOB_EVENTS;
    return most < n_ctx ? most : n_ctx;
}

static void swap_said(carat_said *a, carat_said *b)
{
    carat_said t = *a;
    *a = *b;
    *b = t;
}

bool carat_job_has_room(const carat_job *j)
{
    return j->n_sent - j->n_taken + 2 <= CARAT_JOB_EVENTS;
}

void carat_job_send(carat_job *j)
{
    swap_said(&j->said, &j->events[j->n_sent++ % CARAT_JOB_EVENTS]);
    pthread_cond_signal(&j->news);
}

void carat_job_take(carat_job *j, carat_said *said)
{
    swap_said(said, &j->events[j->n_taken++ % CARAT_JOB_EVENTS]);
}
