/* trial.h - how fast a kernel is: run by one thread and by all, the best of many passes, beside what limits it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MEASURE_TRIAL_H
#define CT_MEASURE_TRIAL_H

#include "base/mem.h"
#include "base/pool.h"
#include "carat_weigh.h"
#include "kernels/kernels.h"

typedef void ct_any_fn(void);

/* What a rate is compared with. */
typedef enum ct_limit {
    CT_LIMIT_PEAK, /* the instruction's own, of `peak` */
    CT_LIMIT_READ, /* a plain read of the memory that the kernel reads */
    CT_LIMIT_COPY, /* a copy of as many floats within the nearest cache */
} ct_limit;

/* One piece of work. Names as in carat_kernel_speed. */
typedef struct ct_work {
    const char *kernel, *type, *form, *work;
    ct_any_fn *fn, *generic; /* the slot's function, and what the generic level has in its place */
    ct_limit limit;
    const ct_peak *peak;
    /* CT_LIMIT_READ: so many slices of (size_t)all bytes lie there, and next goes to another before each pass, so that none is
     * still in a cache. */
    const void *read;
    void (*next)(void *arg);
    double all, each; /* operations, bytes or values of a run: of all threads together, and besides of each of them */
    void (*run)(void *arg, int thread, int n_threads);
    void *arg;
} ct_work;

#define CT_TRIAL_COLS ((size_t)2560) /* of rows of numbers: the 4B's */

typedef struct ct_trials {
    carat_kernel_fn *report;
    void *report_arg;
    const char *filter;           /* words of which each is to stand in a name */
    double seconds;               /* of a measurement */
    bool with_all_forms, is_list; /* list: names alone, nothing is run */

    const ct_kernels *k, *generic; /* the level that is measured */
    ct_pool *pools[2];             /* of one thread, and of all if there are more */
    int n_pools;

    ct_arena arena;
    uint8_t *memory;                  /* [CT_TRIAL_MEMORY] */
    uint8_t *scratch[CT_MAX_THREADS]; /* what products and attention need */
    uint64_t kept;                    /* sums of plain reads */

    struct ct_measured *measured; /* [n_measured]: of levels before, whose functions come again */
    size_t n_measured;
    bool is_ended; /* the caller wants no more, or there is no memory for the books */
} ct_trials;

#define CT_TRIAL_MEMORY ((size_t)1 << 30) /* far more than caches hold: a guest may share half of that */
#define CT_TRIAL_SLICES 8                 /* of it, which are read by turns */
#define CT_TRIAL_SLICE  (CT_TRIAL_MEMORY / CT_TRIAL_SLICES)

/* The pools, the memory, the scratch; n_threads as ct_pool_open. Errors: CARAT_ENOMEM, CARAT_EARG. */
bool ct_trials_open(ct_trials *t, int n_threads, size_t scratch, carat_err *err);
void ct_trials_close(ct_trials *t);
int ct_trials_threads(const ct_trials *t); /* of the largest pool */

/* Is work of these names asked for? False too when no more is wanted. */
bool ct_trial_is_wanted(const ct_trials *t, const char *kernel, const char *type, const char *form);
/* Measures and reports it, once for each pool. */
void ct_trial(ct_trials *t, const ct_work *w);
/* Seconds of one call, to cut down work that would take long; for a list next to none. */
double ct_trial_once(const ct_trials *t, void (*run)(void *arg, int thread, int n_threads), void *arg);

/* The kernels by kind: those of the level t->k. Errors: CARAT_ENOMEM. */
bool ct_trial_mul(ct_trials *t, carat_err *err);
bool ct_trial_attend(ct_trials *t, carat_err *err);
bool ct_trial_set(ct_trials *t, carat_err *err);
bool ct_trial_rows(ct_trials *t, carat_err *err);

/* After `bytes` of the memory were written: puts the last of them out of the caches, which slices begin with. */
void ct_trial_settle(ct_trials *t, size_t bytes);

/* n numbers around 0 with a deviation of about 1. */
void ct_trial_fill(float *x, size_t n, uint64_t seed);

#endif
