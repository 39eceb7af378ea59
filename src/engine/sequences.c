/* Admission: which job gets a sequence, and when.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/scheduler_inside.h"

static void begin(ct_scheduler *s, ct_job *j)
{
    ct_jobs_set_state(s, j, CT_JOB_READING);
    j->started = ct_now();
    j->number = ++s->n_begun;
    j->at = j->progress.n_read = j->from;
    s->stats.cached_tokens += j->from;
    ct_stream_places(j->stream, j->from, j->stream->n, &j->n_images);
    j->progress.n_images = j->stream->n_places - j->n_images;
}

static bool open_own(ct_scheduler *s, ct_job *j, carat_err *err)
{
    if (!ct_seq_open(&j->own, s->run.p.cache, j->n_ctx, s->run.p.model->cfg.hidden, err))
        return false;
    ct_seq_set_blend(&j->own, j->blend);
    return true;
}

/* Sequences for a job and its followers, all or none. */
static bool open_all(ct_scheduler *s, ct_job *j, carat_err *err)
{
    bool ok = open_own(s, j, err);
    for (ct_job *f = j->followers; f && ok; f = f->next_follower)
        ok = open_own(s, f, err);
    if (ok)
        return true;
    ct_seq_close(&j->own);
    for (ct_job *f = j->followers; f; f = f->next_follower)
        ct_seq_close(&f->own);
    return false;
}

/* Does another job hold memory that its end will give back? A session keeps its memory. */
static bool somebody_will_leave(const ct_scheduler *s)
{
    for (const ct_job *j = s->first; j; j = j->next)
        if (j->own.kv)
            return true;
    return false;
}

/* Gives a job its sequence, and with it the prefix that is in the cache. False: not now. */
static bool admit(ct_scheduler *s, ct_job *j)
{
    carat_err err;
    if (!open_all(s, j, &err)) {
        if (err.code == CARAT_ELIMIT && somebody_will_leave(s))
            return false;
        j->err = err;
        ct_jobs_finish(s, j, false);
        return true;
    }
    j->seq = &j->own;
    for (ct_job *f = j->followers; f; f = f->next_follower) {
        f->seq = &f->own;
        ct_jobs_set_state(s, f, CT_JOB_PROMISED);
    }
    if (!j->readout) /* which needs the hidden states of all tokens */
        ct_seq_resume(j->seq, j->stream, j->stream->n - 1);
    j->from = j->n_cached = j->own.n;
    begin(s, j);
    return true;
}

static size_t group_size(const ct_job *j)
{
    size_t n = 1;
    for (const ct_job *f = j->followers; f; f = f->next_follower)
        n++;
    return n;
}

/* Strictly first come, first served: the first that does not fit holds up those behind it, or it might wait forever. It
 * does not hold up sessions' jobs, which have their memory. */
void ct_jobs_admit(ct_scheduler *s)
{
    bool no_memory = false;
    for (ct_job *j = s->first, *next; j && ct_jobs_queued(s); j = next) {
        next = j->next;
        if (j->state != CT_JOB_QUEUED || (no_memory && !j->seq))
            continue;
        if (ct_jobs_running(s) + group_size(j) > s->run.o.max_jobs)
            return;
        if (j->seq)
            begin(s, j);
        else
            no_memory = !admit(s, j);
    }
}
