/* The jobs that are not done, and how they end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/scheduler_inside.h"

void ct_jobs_add(ct_scheduler *s, ct_job *j)
{
    j->prev = s->last;
    j->next = NULL;
    *(s->last ? &s->last->next : &s->first) = j;
    s->last = j;
    s->n_jobs++;
    j->is_listed = true;
}

static void unlist_job(ct_scheduler *s, ct_job *j)
{
    *(j->prev ? &j->prev->next : &s->first) = j->next;
    *(j->next ? &j->next->prev : &s->last) = j->prev;
    j->prev = j->next = NULL;
    s->n_jobs--;
    j->is_listed = false;
}

/* ---- news ---- */

/* q has news, or is NULL. */
static void note(ct_scheduler *s, ct_queue *q)
{
    for (size_t i = 0; q && i < s->n_news; i++)
        if (s->news[i] == q) {
            ct_queue_drop(q);
            return;
        }
    if (q && s->n_news == sizeof s->news / sizeof *s->news)
        ct_queue_wake(q); /* under the lock: no harm but to those who wait for it */
    else if (q)
        s->news[s->n_news++] = q;
}

void ct_jobs_send(ct_scheduler *s, ct_job *j)
{
    note(s, ct_queue_send(j));
}

void ct_jobs_tell(ct_scheduler *s)
{
    if (!s->n_news)
        return;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_news; i++) /* the thread's own */
        ct_queue_wake(s->news[i]);
    s->n_news = 0;
    pthread_mutex_lock(&s->lock);
}

/* ---- ends ---- */

/* The scheduler may still look at it until the end of the step: its listener hears of it then. */
static void add_ended(ct_scheduler *s, ct_job *j)
{
    j->next = NULL;
    *(s->ended_last ? &s->ended_last->next : &s->ended) = j;
    s->ended_last = j;
}

void ct_jobs_let_go(ct_scheduler *s)
{
    for (ct_job *j = s->ended, *next; j; j = next) {
        next = j->next; /* before its owner may free it */
        note(s, ct_queue_end(j));
    }
    s->ended = s->ended_last = NULL;
    if (!s->first)
        pthread_cond_broadcast(&s->idle);
}

size_t ct_jobs_running(const ct_scheduler *s)
{
    return s->n_jobs - s->n_queued + s->n_waiting;
}

void ct_jobs_finish(ct_scheduler *s, ct_job *j, bool ok)
{
    s->n_queued -= j->state == CT_JOB_QUEUED;
    s->n_waiting -= j->state == CT_JOB_WAITING && j->own.kv;
    if (ok && j->gen && ct_generator_flush(j->gen, &j->said))
        ct_jobs_send(s, j);
    if (j->gen) {
        bool cancelled = j->result.finish == CARAT_FINISH_CANCELLED;
        j->result = ct_generator_result(j->gen);
        if (cancelled)
            j->result.finish = CARAT_FINISH_CANCELLED;
        if (j->seq && ok)
            ct_kv_mark(j->seq->kv); /* the next turn goes on from here */
    }
    if (j->seq == &j->own || j->own.kv) {
        ct_seq_close(&j->own);
        j->seq = NULL;
    }
    j->ended = ct_now();
    j->result.seconds = j->answered > 0 ? j->ended - j->answered : 0;
    j->ok = ok;
    j->state = CT_JOB_DONE;
    if (j->is_listed)
        unlist_job(s, j);
    s->stats.done += ok && j->result.finish != CARAT_FINISH_CANCELLED;
    s->stats.failed += !ok && j->err.code != CARAT_ECANCELLED;
    s->stats.cancelled +=
        (!ok && j->err.code == CARAT_ECANCELLED) || (ok && j->result.finish == CARAT_FINISH_CANCELLED);
    add_ended(s, j);
    for (ct_job *f = j->followers; f; f = f->next_follower)
        if (f->state == CT_JOB_WAITING) { /* its prompt will not be read */
            f->err = j->err;
            if (ok)
                ct_fail(&f->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
            ct_jobs_finish(s, f, false);
        }
}

/* Cancelled or late. An answer whose prompt is read is cut, not failed. */
static void stop(ct_scheduler *s, ct_job *j, bool is_late)
{
    bool is_answering = j->state == CT_JOB_DECODING || (j->gen && j->at == j->stream->n);
    if (is_answering && !is_late) {
        j->result.finish = CARAT_FINISH_CANCELLED;
        ct_jobs_finish(s, j, true);
        return;
    }
    if (is_late)
        ct_fail(&j->err, CARAT_ETIME, CARAT_NOWHERE, "the request's time is up");
    else
        ct_fail(&j->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", j->at - j->from,
                j->stream->n - j->from);
    ct_jobs_finish(s, j, false);
}

double ct_jobs_deadline(const ct_scheduler *s)
{
    double first = 0;
    for (const ct_job *j = s->first; j; j = j->next)
        if (j->deadline > 0 && (first == 0 || j->deadline < first))
            first = j->deadline;
    return first;
}

void ct_jobs_stop(ct_scheduler *s)
{
    double now = ct_now();
    for (ct_job *j = s->first, *next; j; j = next) {
        next = j->next;
        bool is_cancelled = s->quits || atomic_load(j->cancel);
        if (is_cancelled || (j->deadline > 0 && now >= j->deadline))
            stop(s, j, !is_cancelled);
    }
}
