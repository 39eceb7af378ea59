/* job.h - one piece of work for the scheduler: evaluate a stream, then perhaps generate an answer.
 *
 *   QUEUED    waits until the cache can promise it a sequence
 *   WAITING   for another job, whose prompt it shares (several answers to one prompt), and which is queued
 *   PROMISED  the same, but that one is being read: there is a sequence for this one, which will be a fork
 *   READING   its stream is evaluated, a chunk a step; images are encoded on the way
 *   DECODING  its answer is generated
 *   DONE      the result is there; the scheduler does not touch it any more
 *
 *   submitted:  QUEUED ----------------------> READING ---> DECODING ---> DONE, which any state may come to
 *               WAITING ---> PROMISED (a follower) --^
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_JOB_H
#define CT_ENGINE_JOB_H

#include <stdatomic.h>

#include "base/wake.h"
#include "engine/queue.h"
#include "engine/seq.h"

typedef enum ct_job_state {
    CT_JOB_QUEUED,
    CT_JOB_WAITING,
    CT_JOB_PROMISED,
    CT_JOB_READING,
    CT_JOB_DECODING,
    CT_JOB_DONE,
    CT_N_JOB_STATES
} ct_job_state;

/* How far an answer may run ahead of whoever listens. */
#define CT_JOB_EVENTS 32

/* What the cache must remember of local layers (kv/cache.h, max_batch): the longest step, and what an answer may be
 * ahead when its listener ends it and the session goes back. */
size_t ct_job_reach(size_t batch, size_t n_ctx);

/* How far a job is, for those who ask. */
typedef struct ct_job_progress {
    size_t n_read;   /* tokens of the stream: evaluated, or taken over from the cache */
    size_t n_images; /* of the stream, whose soft tokens are there */
} ct_job_progress;

struct ct_job {
    /* ---- set by whoever submits it; borrowed until it is over ---- */
    ct_group *group;         /* of which it is a part */
    ct_seq *seq;             /* a session's; NULL: the job is given one of n_ctx, its own, and looks for a prefix */
    size_t n_ctx;            /* of its own sequence */
    const ct_stream *stream; /* what to evaluate; of no tokens where gen goes on from what seq holds */
    size_t from;             /* tokens of the stream that seq holds already */
    ct_generator *gen;       /* NULL: evaluate only */
    double deadline;         /* seconds of CLOCK_MONOTONIC; 0: none */
    atomic_bool *cancel;     /* looked at before each step and each layer of the vision tower */
    /* From the scheduler's thread, while the submitter waits; may be NULL; false cancels. */
    carat_logits_fn *on_logits;
    void *on_logits_arg;
    carat_phase_fn *on_progress;
    void *on_progress_arg;

    /* ---- under the scheduler's lock ---- */
    ct_job_state state;
    ct_job *prev, *next;
    bool is_listed;
    ct_job *first;     /* the one whose prompt this one shares */
    ct_job *followers; /* those for which this is it; fixed once submitted */
    ct_job *next_follower;
    ct_job_progress progress;
    bool ok;       /* when done; these three may be read without the lock once the job is over */
    carat_err err; /* if not ok */
    carat_result result;
    size_t n_cached;                 /* tokens of the prompt that were there already */
    double started, answered, ended; /* first step; first token; the end */

    /* ---- under its queue's lock (queue.h) ---- */
    ct_job *next_ready;
    bool is_ready; /* in the queue's list */
    bool is_over;  /* DONE, and the scheduler has let go of it */
    bool is_told;  /* and somebody has fetched that */
    ct_chunk events[CT_JOB_EVENTS];
    size_t n_sent, n_taken; /* events, ever; the ring holds n_sent - n_taken */

    /* ---- the scheduler's ---- */
    ct_wake *wake; /* its own; set when the job is submitted */
    ct_seq own;
    bool has_begun;                     /* the generator has heard the prompt */
    size_t at;                          /* tokens of the stream that are evaluated */
    size_t n_images, n_seen, n_encoded; /* of the stream from `from` on; n_encoded: those that were not in the cache */
    int32_t next_id;                    /* sampled, not evaluated */
    bool is_failed;                     /* in the step at work */
    ct_verdict verdict;
    ct_chunk said;
    size_t row; /* of its logits in the step at work; SIZE_MAX: it does not sample */
    float lse;  /* of that row; if the generator wants it */
};

/* A job of the group, not submitted yet: everything else is to be filled in. */
void ct_job_init(ct_job *j, ct_group *g);
void ct_job_deinit(ct_job *j); /* of one that is over or was never submitted; frees gen */

#endif
