/* scheduler.h - many jobs, one batch a step.
 *
 * One thread runs steps as long as there is work. A step takes the next token of every answer that is being generated,
 * and fills up with prompts: a chunk of them when nobody is waiting for tokens, else no more than keeps the step within
 * its time. Prompts take turns. By batch invariance none of this changes anybody's numbers.
 *
 * A job that goes wrong (activations that are not finite, no memory) fails alone. One that is cancelled or too late
 * ends before the next step, or within a layer of the vision tower.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_ENGINE_SCHEDULER_H
#define CARAT_ENGINE_SCHEDULER_H

#include "base/bandwidth.h"
#include "engine/job.h"
#include "engine/sight.h"

typedef struct carat_scheduler carat_scheduler;

typedef struct carat_scheduler_parts { /* borrowed; used by the scheduler's thread, or by a visitor */
    const carat_model *model;
    carat_pool *pool;
    carat_text *text;   /* max_batch: batch + max_jobs */
    carat_sight *sight; /* NULL: text only */
    carat_cache *cache;
} carat_scheduler_parts;

typedef struct carat_scheduler_options {
    size_t chunk;        /* tokens of prompts in a step when nobody waits for tokens */
    size_t batch;        /* the same, or an image's tokens if they are more */
    size_t max_jobs;     /* that run at once: rows of logits that are kept */
    size_t max_queue;    /* jobs that wait for a sequence; more are refused */
    double step_seconds; /* what a step should take while answers are being generated */
} carat_scheduler_options;

/* Errors: CARAT_ENOMEM. */
bool carat_scheduler_open(const carat_scheduler_parts *p, const carat_scheduler_options *o, carat_scheduler **out,
                          carat_err *err);
void carat_scheduler_close(carat_scheduler *s); /* every job must be done; accepts NULL */
/* Bytes that open takes. False on overflow. */
bool carat_scheduler_bytes(const carat_config *c, const carat_scheduler_options *o, size_t *out);

/* Jobs begin in the order of their submission. jobs[1..n) are other answers to the prompt of jobs[0], each with a
 * generator: they share its pages. n <= max_jobs. Errors: CARAT_ELIMIT (the queue is full; both numbers). */
bool carat_scheduler_submit(carat_scheduler *s, carat_job *const *jobs, size_t n, carat_err *err);
/* Waits for the next event: *said is swapped with it. False: none within `seconds` (< 0: forever), or *is_done. */
bool carat_scheduler_next(carat_scheduler *s, carat_job *j, carat_said *said, double seconds, bool *is_done);
/* Waits until it is done; events are dropped. */
void carat_scheduler_finish(carat_scheduler *s, carat_job *j);
/* Somebody set a cancel flag: look at it now rather than after the next step. */
void carat_scheduler_nudge(carat_scheduler *s);

/* Between two steps, one visitor at a time: the caller may use the parts and sequences until it leaves. Steps wait;
 * nothing else here does. */
void carat_scheduler_visit(carat_scheduler *s);
void carat_scheduler_leave(carat_scheduler *s);

typedef struct carat_scheduler_stats {
    uint64_t steps, read_tokens, decoded_tokens, cached_tokens;
    uint64_t done, failed, cancelled; /* jobs */
    size_t running, queued;
    double busy_seconds;
    carat_cache_usage kv; /* these two: now, or before the step or visit that is under way */
    carat_sight_stats sight;
} carat_scheduler_stats;
/* Does not wait for a step or a visitor. */
carat_scheduler_stats carat_scheduler_counters(carat_scheduler *s);

#endif
