/* scheduler.h - many jobs, one batch a step.
 *
 * One thread runs steps as long as there is work. A step takes the next token of every answer that is being generated,
 * and fills up with prompts: a chunk of them when no answer is being generated, else no more than keeps the step within
 * its time. Prompts take turns. By batch invariance none of this changes any numbers.
 *
 * A job with an error (activations that are not finite, no memory) fails alone. One that is cancelled or past its
 * deadline ends before the next step, or within a layer of the vision tower.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_SCHEDULER_H
#define CT_ENGINE_SCHEDULER_H

#include "base/pool.h"
#include "engine/drafter.h"
#include "engine/image_cache.h"
#include "engine/job.h"

typedef struct ct_scheduler ct_scheduler;

typedef struct ct_scheduler_parts { /* borrowed; used by the scheduler's thread, or by a visitor */
    const ct_model *model;
    ct_pool *pool;             /* for sampling */
    const ct_backend *backend; /* loaded for the sizes that go with the options */
    ct_image_cache *images;    /* NULL: text only */
    ct_cache *cache;           /* of this backend */
    ct_step_limits limits;     /* max_batch: batch + max_jobs */
    ct_drafter *drafter;       /* NULL: no smaller model */
} ct_scheduler_parts;

typedef struct ct_scheduler_options {
    size_t chunk;        /* tokens of prompts in a step when no answer is being generated */
    size_t batch;        /* the same, or if they are more an image's tokens, or those of an encoder's text */
    size_t max_jobs;     /* that run at once: rows of logits that are kept */
    size_t max_queue;    /* jobs that wait for a sequence; more are refused */
    double step_seconds; /* what a step should take while answers are being generated */
} ct_scheduler_options;

/* Errors: CARAT_ENOMEM. */
bool ct_scheduler_open(const ct_scheduler_parts *p, const ct_scheduler_options *o, ct_scheduler **out, carat_err *err);
void ct_scheduler_close(
    ct_scheduler *s); /* jobs of groups that were left are ended; there must be no others; accepts NULL */
/* Bytes that open takes. False on overflow. */
bool ct_scheduler_bytes(const ct_config *c, const ct_scheduler_options *o, size_t *out);

/* Jobs begin in the order of their submission. jobs[1..n) are other answers to the prompt of jobs[0], each with a
 * generator: they share its pages. n <= max_jobs. They belong to the scheduler until their queue has reported their
 * end. Errors: CARAT_ELIMIT (the queue is full; both numbers), CARAT_ECLOSED (after a drain). */
bool ct_scheduler_submit(ct_scheduler *s, ct_job *const *jobs, size_t n, carat_err *err);
/* A cancel flag was set: the scheduler checks it now, or after the step that is running. From any thread and from a
 * signal handler. */
void ct_scheduler_nudge(ct_scheduler *s);
/* Takes no more jobs that need a sequence, and waits at most `seconds` (< 0: however long) until there are none of any
 * kind. Errors: CARAT_ETIME (how many are left). */
bool ct_scheduler_drain(ct_scheduler *s, double seconds, carat_err *err);

typedef struct ct_job_place {
    ct_job_state state;
    size_t n_before; /* QUEUED: jobs that are queued before it */
    size_t n_cached;
    ct_job_progress progress;
    double started; /* ct_now() when it got a sequence; 0: it has none */
} ct_job_place;
/* Where a submitted job is. Does not wait for a step. */
ct_job_place ct_scheduler_find(ct_scheduler *s, const ct_job *j);

/* Between two steps, one visitor at a time: the caller may use the parts and sequences until it leaves. Steps wait; no
 * other call here does. */
void ct_scheduler_visit(ct_scheduler *s);
void ct_scheduler_leave(ct_scheduler *s);

typedef struct ct_scheduler_stats {
    uint64_t steps, read_tokens, decoded_tokens, cached_tokens, drafted_tokens, accepted_tokens;
    uint64_t done, failed, cancelled; /* jobs */
    size_t running, queued;
    double busy_seconds;
    ct_cache_usage kv; /* these two: now, or before the step or visit that is under way */
    ct_image_cache_stats images;
} ct_scheduler_stats;
/* Does not wait for a step or a visitor. */
ct_scheduler_stats ct_scheduler_counters(ct_scheduler *s);

#endif
