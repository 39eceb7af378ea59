/* The jobs that are not done, and how they end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/scheduler_inside.h"

void ct_jobs_set_state(ct_scheduler *s, ct_job *j, ct_job_state state)
{
    if (j->state != CT_JOB_DONE)
        s->n_in[j->state]--;
    if (state != CT_JOB_DONE)
        s->n_in[state]++;
    j->state = state;
}

size_t ct_jobs_queued(const ct_scheduler *s)
{
    return s->n_in[CT_JOB_QUEUED];
}

size_t ct_jobs_running(const ct_scheduler *s)
{
    return s->n_in[CT_JOB_PROMISED] + s->n_in[CT_JOB_READING] + s->n_in[CT_JOB_DECODING] + s->n_in[CT_JOB_CLOSING];
}

void ct_jobs_add(ct_scheduler *s, ct_job *j)
{
    j->prev = s->last;
    j->next = NULL;
    *(s->last ? &s->last->next : &s->first) = j;
    s->last = j;
    j->is_listed = true;
}

static void unlist_job(ct_scheduler *s, ct_job *j)
{
    *(j->prev ? &j->prev->next : &s->first) = j->next;
    *(j->next ? &j->next->prev : &s->last) = j->prev;
    j->prev = j->next = NULL;
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
        ct_queue_wake(q); /* under the lock: it only delays threads that wait for it */
    else if (q)
        s->news[s->n_news++] = q;
}

void ct_jobs_send(ct_scheduler *s, ct_job *j, ct_chunk *chunk)
{
    note(s, ct_queue_send(j, chunk));
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

/* The scheduler may still use it until the end of the step; its listener gets its end then. */
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

static bool is_cut(const ct_job *j)
{
    return j->ok ? j->result.finish == CARAT_FINISH_CANCELLED : j->err.code == CARAT_ECANCELLED;
}

/* What its answer came to; text that was held back comes last. */
static void end_answer(ct_scheduler *s, ct_job *j)
{
    bool was_cancelled = j->result.finish == CARAT_FINISH_CANCELLED;
    if (j->ok && ct_generator_flush(j->gen, &j->chunk[0]))
        ct_jobs_send(s, j, &j->chunk[0]);
    j->result = ct_generator_result(j->gen);
    j->result.n_drafted = j->n_drafted;
    j->result.n_accepted = j->n_accepted;
    if (was_cancelled) {
        j->result.finish = CARAT_FINISH_CANCELLED;
        j->result.stop = 0;
    }
    if (j->seq && j->ok)
        ct_kv_mark(j->seq->kv); /* the next turn continues from here */
}

/* A session keeps its sequence. An image of which only some layers are evaluated is no part of it. */
static void give_back_sequence(ct_job *j)
{
    if (j->part_layers && j->seq)
        ct_kv_scrub(j->seq->kv, j->n_part);
    j->part_layers = 0;
    ct_seq_close(&j->own);
    if (j->seq == &j->own)
        j->seq = NULL;
}

static void count_end(ct_scheduler *s, const ct_job *j)
{
    s->stats.done += j->ok && !is_cut(j);
    s->stats.cancelled += is_cut(j);
    s->stats.failed += !j->ok && !is_cut(j);
}

/* Those that still wait for its prompt, which will not be read. */
static void end_followers(ct_scheduler *s, ct_job *j)
{
    for (ct_job *f = j->followers; f; f = f->next_follower) {
        if (f->state != CT_JOB_WAITING && f->state != CT_JOB_PROMISED)
            continue;
        f->err = j->err;
        if (j->ok)
            ct_fail(&f->err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
        ct_jobs_finish(s, f, false);
    }
}

void ct_jobs_finish(ct_scheduler *s, ct_job *j, bool ok)
{
    j->ok = ok;
    if (j->gen)
        end_answer(s, j);
    give_back_sequence(j);
    j->ended = ct_now();
    j->result.seconds = j->answered > 0 ? j->ended - j->answered : 0;
    ct_jobs_set_state(s, j, CT_JOB_DONE);
    if (j->is_listed)
        unlist_job(s, j);
    count_end(s, j);
    add_ended(s, j);
    end_followers(s, j);
}

void ct_jobs_close(ct_scheduler *s, ct_job *j)
{
    j->n_pending = j->n_certain;
    if (j->n_pending && j->seq != &j->own) /* a request's is given back */
        ct_jobs_set_state(s, j, CT_JOB_CLOSING);
    else
        ct_jobs_finish(s, j, true);
}

/* Cancelled or late. An answer whose prompt is read is cut, not failed. */
static void stop(ct_scheduler *s, ct_job *j, bool is_late)
{
    bool is_answering = j->state == CT_JOB_DECODING || (j->gen && j->at == j->stream->n);
    if (is_answering && !is_late) {
        j->result.finish = CARAT_FINISH_CANCELLED;
        if (j->n_certain) /* the last token reported need not be evaluated */
            j->n_certain--;
        ct_jobs_close(s, j);
        return;
    }
    if (is_late)
        ct_fail(&j->err, CARAT_ETIME, CARAT_NOWHERE, "the request's deadline has passed");
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
        if (j->state == CT_JOB_CLOSING && !s->quits) /* it ends with the next step */
            continue;
        bool is_cancelled = s->quits || atomic_load(j->cancel);
        if (is_cancelled || (j->deadline > 0 && now >= j->deadline))
            stop(s, j, !is_cancelled);
    }
}
