/* A job by itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/job.h"

void ct_job_init(ct_job *j, ct_group *g)
{
    *j = (ct_job){ .state = CT_JOB_DONE, .group = g };
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_init(&j->events[i]);
    for (size_t i = 0; i < CT_MAX_AHEAD; i++)
        ct_chunk_init(&j->chunk[i]);
}

void ct_job_deinit(ct_job *j)
{
    for (size_t i = 0; i < CT_JOB_EVENTS; i++)
        ct_chunk_deinit(&j->events[i]);
    for (size_t i = 0; i < CT_MAX_AHEAD; i++)
        ct_chunk_deinit(&j->chunk[i]);
    ct_generator_close(j->gen);
    j->gen = NULL;
    ct_scores_close(j->scores);
    j->scores = NULL;
    ct_readout_close(j->readout);
    j->readout = NULL;
    if (j->draft.close)
        j->draft.close(j->draft.self);
    j->draft = (ct_draft){ 0 };
    ct_guesses_deinit(&j->guess);
}

size_t ct_job_reach(size_t batch, size_t n_ctx)
{
    size_t ahead = CT_JOB_EVENTS + CT_MAX_AHEAD; /* its ring, and a step that had begun */
    size_t most = batch > ahead ? batch : ahead;
    return most < n_ctx ? most : n_ctx;
}
