/* The jobs that are not done, and how they end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/part.h"

void carat_jobs_add(carat_scheduler *s, carat_job *j)
{
    j->prev = s->last;
    j->next = NULL;
    *(s->last ? &s->last->next : &s->first) = j;
    s->last = j;
    s->n_jobs++;
    j->is_listed = true;
}

static void unlist_job(carat_scheduler *s, carat_job *j)
{
    *(j->prev ? &j->prev->next : &s->first) = j->next;
    *(j->next ? &j->next->prev : &s->last) = j->prev;
    j->prev = j->next = NULL;
    s->n_jobs--;
    j->is_listed = false;
}

size_t carat_jobs_running(const carat_scheduler *s)
{
    return s->n_jobs - s->n_queued + s->n_waiting;
}

void carat_jobs_finish(carat_scheduler *s, carat_job *j, bool ok)
{
    s->n_queued -= j->state == CARAT_JOB_QUEUED;
    s->n_waiting -= j->state == CARAT_JOB_WAITING && j->own.kv;
    if (ok && j->gen && carat_generator_flush(j->gen, &j->said))
        carat_job_send(j);
    if (j->gen) {
        bool cancelled = j->result.finish == CARAT_FINISH_CANCELLED;
        j->result = carat_generator_result(j->gen);
        if (cancelled)
            j->result.finish = CARAT_FINISH_CANCELLED;
        if (j->seq && ok)
            carat_kv_mark(j->seq->kv); /* the next turn goes on from here */
    }
    if (j->seq == &j->own || j->own.kv) {
        carat_seq_close(&j->own);
        j->seq = NULL;
    }
    j->ended = carat_now();
    j->result.seconds = j->answered > 0 ? j->ended - j->answered : 0;
    j->ok = ok;
    j->state = CARAT_JOB_DONE;
    if (j->is_listed)
        unlist_job(s, j);
    s->stats.done += ok && j->result.finish != CARAT_FINISH_CANCELLED;
    s->stats.failed += !ok && j->err.code != CARAT_ECANCELLED;
    s->stats.cancelled +=
        (!ok && j->err.code == CARAT_ECANCELLED) || (ok && j->result.finish == CARAT_FINISH_CANCELLED);
    pthread_cond_broadcast(&j->news);
    for (carat_job *f = j->followers; f; f = f->next_follower)
        if (f->state == CARAT_JOB_WAITING) { /* its prompt will not be read */
            f->err = j->err;
            if (ok)
                carat_fail(&f->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
            carat_jobs_finish(s, f, false);
        }
}

/* Cancelled or late. An answer whose prompt is read is cut, not failed. */
static void stop(carat_scheduler *s, carat_job *j, bool is_late)
{
    bool is_answering = j->state == CARAT_JOB_DECODING || (j->gen && j->at == j->stream->n);
    if (is_answering && !is_late) {
        j->result.finish = CARAT_FINISH_CANCELLED;
        carat_jobs_finish(s, j, true);
        return;
    }
    if (is_late)
        carat_fail(&j->err, CARAT_ETIME, CARAT_NOWHERE, "the request's time is up");
    else
        carat_fail(&j->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", j->at - j->from,
                   j->stream->n - j->from);
    carat_jobs_finish(s, j, false);
}

void carat_jobs_stop(carat_scheduler *s)
{
    double now = carat_now();
    for (carat_job *j = s->first, *next; j; j = next) {
        next = j->next;
        bool is_late = j->deadline > 0 && now > j->deadline;
        if (!atomic_load(j->cancel) && !is_late)
            continue;
        stop(s, j, is_late && !atomic_load(j->cancel));
    }
}
