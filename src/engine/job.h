/* job.h - one piece of work for the scheduler: evaluate a stream, then perhaps generate an answer or score continuations.
 *
 *   QUEUED    waits until the cache can promise it a sequence
 *   WAITING   for another job, whose prompt it shares (several answers to one prompt), and which is queued
 *   PROMISED  the same, but that one is being read: there is a sequence for this one, which will be a fork
 *   READING   its stream is evaluated, a chunk a step; images are encoded on the way. Continuations that it scores are
 *             read after it, one after the other
 *   DECODING  its answer is generated
 *   CLOSING   the answer has ended; what a session's sequence lacks of it is still evaluated
 *   DONE      the result is final; the scheduler does not touch it any more
 *
 *   submitted:  QUEUED ----------------------> READING ---> DECODING (---> CLOSING) ---> DONE, which any state may
 *               WAITING ---> PROMISED (a follower) --^                                        come to
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_JOB_H
#define CT_ENGINE_JOB_H

#include <stdatomic.h>

#include "base/wake.h"
#include "engine/draft.h"
#include "engine/guess.h"
#include "engine/queue.h"
#include "engine/readout.h"
#include "engine/scores.h"
#include "engine/seq.h"

typedef enum ct_job_state {
    CT_JOB_QUEUED,
    CT_JOB_WAITING,
    CT_JOB_PROMISED,
    CT_JOB_READING,
    CT_JOB_DECODING,
    CT_JOB_CLOSING,
    CT_JOB_DONE,
    CT_N_JOB_STATES
} ct_job_state;

/* How far an answer may run ahead of its listener, in events. */
#define CT_JOB_EVENTS 32

/* How many tokens a step may bring to one answer, and how far one may be ahead of its sequence: forced by a mask, or
 * guessed. Enough for what a JSON schema forces at a time (`", "quantity": ` is some eight tokens), and half the ring: a
 * listener who is one step behind does not slow the answer down. */
#define CT_MAX_AHEAD 16

/* How many positions of local layers the cache must keep beyond the window (kv/cache.h, max_batch): the longest step,
 * or how far an answer may be ahead when its listener ends it and the session is rewound. */
size_t ct_job_reach(size_t batch, size_t n_ctx);

/* How far a job is, for reports of progress. */
typedef struct ct_job_progress {
    size_t n_read;   /* tokens of the stream: evaluated, or adopted from the cache */
    size_t n_images; /* of the stream, whose soft tokens are encoded */
} ct_job_progress;

struct ct_job {
    /* ---- set by whoever submits it; borrowed until it is over ---- */
    ct_group *group;         /* of which it is a part */
    ct_seq *seq;             /* a session's; NULL: the job gets one of its own, of n_ctx, and resumes a prefix */
    size_t n_ctx;            /* of its own sequence */
    const ct_blend *blend;   /* likewise: adapters that it is computed with; NULL: none */
    const ct_stream *stream; /* what to evaluate; empty where gen continues from what seq holds. Of a job that scores it
                              * becomes that of a continuation */
    size_t from;             /* tokens of the stream that seq holds already */
    ct_generator *gen;       /* NULL: no answer */
    ct_scores *scores;       /* without gen: what is scored after the stream, a prompt's; closed with the job */
    ct_readout *readout;     /* what is reported of the stream, a prompt's; without scores; closed with the job */
    ct_draft draft;          /* guesses for gen; closed with the job. Zeroed: those of `guess` */
    ct_guesses guess;        /* what prompt and answer repeat; closed with the job. Zeroed: none */
    double deadline;         /* seconds of CLOCK_MONOTONIC; 0: none */
    atomic_bool *cancel;     /* checked before each step and each layer of the vision tower */
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
    ct_job *followers; /* those that share this one's prompt; fixed once submitted */
    ct_job *next_follower;
    ct_job_progress progress;
    bool ok;       /* when done; these three may be read without the lock once the job is over */
    carat_err err; /* if not ok */
    carat_result result;
    size_t n_cached;                 /* tokens of the prompt that were in the cache */
    double started, answered, ended; /* first step; first token; the end */

    /* ---- under its queue's lock (queue.h) ---- */
    ct_job *next_ready;
    bool is_ready; /* in the queue's list */
    bool is_over;  /* DONE, and the scheduler has released it */
    bool is_told;  /* and its end has been fetched */
    ct_chunk events[CT_JOB_EVENTS];
    size_t n_sent, n_taken; /* events, ever; the ring holds n_sent - n_taken */

    /* ---- the scheduler's ---- */
    ct_wake *wake; /* its own; set when the job is submitted */
    ct_seq own;
    bool has_begun;                     /* the generator has the prompt's tokens ... */
    size_t n_before;                    /* ... of which there are so many */
    uint64_t number;                    /* no other job of the engine has it */
    size_t at;                          /* tokens of the stream that are evaluated */
    size_t n_part, part_layers;         /* layers of the next n_part tokens, an image's, that are evaluated; 0: none */
    size_t n_images, n_seen, n_encoded; /* of the stream from `from` on; n_encoded: those that were not in the cache */
    /* What the answer is ahead of its sequence: tokens that are certain, reported and not evaluated, then guesses. */
    int32_t pending[CT_MAX_AHEAD];
    size_t n_pending, n_certain;
    /* Of the step at work (answers.c). */
    size_t n_most; /* tokens it may bring: set before it begins */
    bool is_failed;
    bool is_evaluated; /* n_span of `pending` are, the first as first_row of the step */
    size_t n_span, first_row;
    size_t n_rows;             /* of logits that are wanted: of what is scored from first_row on */
    size_t row_begin, row_end; /* those of them in the group that is computed now, from its group_row on */
    size_t group_row;
    ct_chunk chunk[CT_MAX_AHEAD]; /* [n_chunks] tokens that came */
    size_t n_chunks, n_right;     /* n_right guesses have come true; so many rows are scored */
    ct_verdict verdict;
    int32_t guesses[CT_MAX_AHEAD]; /* for the next step */
    size_t n_guesses;
    size_t n_to_draft;            /* none yet: so many may come of a smaller model */
    bool are_forced;              /* ... and they come from the mask */
    bool pending_are_forced;      /* the same of those that are pending */
    size_t n_drafted, n_accepted; /* guesses that were evaluated, ever, and that came true; without forced ones */
};

/* A job of the group, not submitted yet: everything else is to be filled in. */
void ct_job_init(ct_job *j, ct_group *g);
void ct_job_deinit(ct_job *j); /* of one that is over or was never submitted; frees gen, scores, readout and draft */

/* Is its stream a continuation? */
static inline bool ct_job_is_scoring(const ct_job *j)
{
    return j->scores && j->stream == &j->scores->stream;
}

#endif
