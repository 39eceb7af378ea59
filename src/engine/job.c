/* A job by itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/job.h"

void ct_job_init(ct_job *j, ct_group *g)
{
    *j = (ct_job){ .state = CT_JOB_DONE, .group = g };
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_init(&j->events[i]);
    ct_chunk_init(&j->said);
}

void ct_job_deinit(ct_job *j)
{
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_deinit(&j->events[i]);
    ct_chunk_deinit(&j->said);
    ct_generator_close(j->gen);
    j->gen = NULL;
}

size_t ct_job_reach(size_t batch, size_t n_ctx)
{
    size_t most = batch > CT_JOB_EVENTS ? batch : CT_JOB_EVENTS;
    return most < n_ctx ? most : n_ctx;
}
