/* The clock of kernels, what they are compared with, and the book of what was measured before.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bandwidth.h"
#include "base/clock.h"
#include "base/rng.h"

/* A figure that was reported: for levels above that have the same function, and peaks for other kernels. */
struct ct_measured {
    ct_any_fn *fn;
    carat_kernel_speed speed;
};

/* ---- opening ---- */

static void take(ct_trials *t, size_t scratch)
{
    t->memory = ct_arena_take(&t->arena, CT_TRIAL_MEMORY, 1);
    for (int i = 0; i < ct_trials_threads(t); i++)
        t->scratch[i] = ct_arena_take(&t->arena, scratch, 1);
}

bool ct_trials_open(ct_trials *t, int n_threads, size_t scratch, carat_err *err)
{
    if (!ct_pool_open(1, &t->pools[t->n_pools++], err))
        return false;
    if (n_threads == 0)
        n_threads = ct_cpu_default();
    if (n_threads != 1 && !ct_pool_open(n_threads, &t->pools[t->n_pools++], err))
        return false;
    ct_arena_count(&t->arena);
    take(t, scratch);
    if (!ct_arena_init(&t->arena, t->arena.used))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring kernels");
    take(t, scratch);
    return true;
}

void ct_trials_close(ct_trials *t)
{
    ct_arena_deinit(&t->arena);
    for (int i = 0; i < 2; i++)
        ct_pool_close(t->pools[i]);
    free(t->measured);
}

int ct_trials_threads(const ct_trials *t)
{
    return ct_pool_threads(t->pools[t->n_pools - 1]);
}

/* ---- names ---- */

bool ct_trial_is_wanted(const ct_trials *t, const char *kernel, const char *type, const char *form)
{
    char name[96], word[32];
    snprintf(name, sizeof name, "%s %s %s", kernel, type, form);
    for (const char *p = t->filter ? t->filter : ""; *(p += strspn(p, " "));) {
        const size_t n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        if (n >= sizeof word || !strcasestr(name, word))
            return false;
        p += n;
    }
    return !t->is_ended;
}

/* ---- the clock ---- */

#define SHORTEST     1e-3 /* a pass: shorter work is repeated, so that beginning and ending do not count */
#define LEAST_PASSES 3

typedef struct pass {
    void (*run)(void *arg, int thread, int n_threads);
    void (*next)(void *arg); /* before each; NULL: nothing */
    void *arg;
    size_t repeat;
} pass;

static void run_pass(void *arg, int thread, int n_threads)
{
    const pass *p = arg;
    for (size_t i = 0; i < p->repeat; i++)
        p->run(p->arg, thread, n_threads);
}

static double time_pass(ct_pool *pool, pass *p)
{
    if (p->next)
        p->next(p->arg);
    const double start = ct_now();
    ct_pool_run(pool, run_pass, p);
    return ct_now() - start;
}

/* Seconds of a run by all threads of the pool: the best of as many as the time allows, some at least. */
static double best_time(ct_pool *pool, pass p, double budget)
{
    p.repeat = 1;
    double best = time_pass(pool, &p);
    while (!p.next && best < SHORTEST && p.repeat < (size_t)1 << 24) {
        p.repeat *= best < SHORTEST / 16 ? 8 : 2;
        best = time_pass(pool, &p);
    }
    double all = best;
    for (int n = 0; n < LEAST_PASSES || all < budget; n++) {
        const double now = time_pass(pool, &p);
        best = now < best ? now : best;
        all += now;
    }
    return best / (double)p.repeat;
}

double ct_trial_once(const ct_trials *t, void (*run)(void *arg, int thread, int n_threads), void *arg)
{
    if (t->is_list)
        return 1e-9;
    const double start = ct_now();
    run(arg, 0, 1);
    return ct_now() - start;
}

/* ---- limits ---- */

#define PEAK_ROUNDS ((size_t)1 << 12)

static void run_peak(void *arg, int thread, int n_threads)
{
    (void)thread, (void)n_threads;
    ((const ct_peak *)arg)->run(PEAK_ROUNDS);
}

typedef struct reading {
    const uint8_t *data;
    size_t bytes, slice; /* of a slice, rounded to whole lines; the one that is read */
    uint64_t kept[CT_MAX_THREADS];
} reading;

static void next_reading(void *arg)
{
    reading *r = arg;
    r->slice = (r->slice + 1) % CT_TRIAL_SLICES;
}

static void run_read(void *arg, int thread, int n_threads)
{
    reading *r = arg;
    const size_t part = r->bytes / (size_t)n_threads / 256 * 256;
    r->kept[thread] += ct_read_bytes(r->data + r->bytes * r->slice + part * (size_t)thread, part);
}

static void run_copy(void *arg, int thread, int n_threads)
{
    float *x = (float *)(void *)((ct_trials *)arg)->scratch[thread];
    (void)n_threads;
    memcpy(x, x + CT_TRIAL_COLS, CT_TRIAL_COLS * sizeof *x);
    __asm__ volatile("" : : "r"(x) : "memory");
}

static double read_rate(ct_trials *t, ct_pool *pool, const ct_work *w)
{
    reading r = { .data = w->read, .bytes = (size_t)w->all / 256 * 256 };
    const double seconds = best_time(pool, (pass){ run_read, next_reading, &r, 1 }, t->seconds);
    for (int i = 0; i < ct_pool_threads(pool); i++)
        t->kept += r.kept[i];
    return (double)r.bytes / seconds;
}

void ct_trial_settle(ct_trials *t, size_t bytes)
{
    if (!t->is_list)
        t->kept += ct_read_bytes(t->memory, bytes / 2);
}

/* ---- reporting ---- */

static void report(ct_trials *t, ct_any_fn *fn, const carat_kernel_speed *s)
{
    if (t->n_measured % 64 == 0) {
        struct ct_measured *more = realloc(t->measured, (t->n_measured + 64) * sizeof *more);
        if (!more) {
            t->is_ended = true;
            return;
        }
        t->measured = more;
    }
    t->measured[t->n_measured++] = (struct ct_measured){ fn, *s };
    t->is_ended = !t->report(t->report_arg, s);
}

static bool is_same_work(const carat_kernel_speed *a, const carat_kernel_speed *b)
{
    return a->n_threads == b->n_threads && strcmp(a->kernel, b->kernel) == 0 && strcmp(a->type, b->type) == 0 &&
           strcmp(a->form, b->form) == 0 && strcmp(a->work, b->work) == 0;
}

/* Of a level before; NULL: not measured. */
static const carat_kernel_speed *find(const ct_trials *t, ct_any_fn *fn, const carat_kernel_speed *s)
{
    for (size_t i = 0; i < t->n_measured; i++)
        if (t->measured[i].fn == fn && is_same_work(&t->measured[i].speed, s))
            return &t->measured[i].speed;
    return NULL;
}

/* An instruction's peak, or what copying reaches, is measured when a kernel first needs it, and is a line of the report. */
static double shared_limit(ct_trials *t, int pool, const ct_work *w)
{
    const bool is_peak = w->limit == CT_LIMIT_PEAK;
    carat_kernel_speed s = { .level = t->k->isa,
                             .kernel = is_peak ? "peak" : "copy",
                             .type = is_peak ? w->peak->name : "f32",
                             .form = "",
                             .work = "",
                             .unit = is_peak ? "operations" : "values",
                             .limited_by = "",
                             .same_as = "",
                             .n_threads = (size_t)ct_pool_threads(t->pools[pool]) };
    const carat_kernel_speed *known = find(t, NULL, &s);
    if (known)
        return known->rate;
    const double of_run = is_peak ? w->peak->ops * (double)PEAK_ROUNDS : (double)CT_TRIAL_COLS;
    void *arg = is_peak ? (void *)(uintptr_t)w->peak : t;
    s.rate = of_run * (double)s.n_threads /
             best_time(t->pools[pool], (pass){ is_peak ? run_peak : run_copy, NULL, arg, 1 }, 4 * t->seconds);
    report(t, NULL, &s);
    return s.rate;
}

static void measure(ct_trials *t, int pool, const ct_work *w, carat_kernel_speed *s)
{
    static const char *const units[] = { "operations", "bytes", "values" };
    s->unit = units[w->limit];
    const bool has_limit = w->limit != CT_LIMIT_PEAK || (w->peak && w->fn != w->generic);
    if (has_limit) {
        s->limited_by = w->limit == CT_LIMIT_PEAK   ? w->peak->name
                        : w->limit == CT_LIMIT_READ ? "a plain read"
                                                    : "a copy";
        s->limit = w->limit == CT_LIMIT_READ ? 0 : shared_limit(t, pool, w);
    }
    if (t->is_list)
        return;
    s->rate = (w->all + w->each * (double)s->n_threads) /
              best_time(t->pools[pool], (pass){ w->run, w->next, w->arg, 1 }, t->seconds);
    if (w->limit == CT_LIMIT_READ)
        s->limit = read_rate(t, t->pools[pool], w);
}

void ct_trial(ct_trials *t, const ct_work *w)
{
    for (int i = 0; i < t->n_pools && !t->is_ended; i++) {
        carat_kernel_speed s = { .level = t->k->isa,
                                 .kernel = w->kernel,
                                 .type = w->type,
                                 .form = w->form,
                                 .work = w->work,
                                 .limited_by = "",
                                 .same_as = "",
                                 .n_threads = (size_t)ct_pool_threads(t->pools[i]) };
        const carat_kernel_speed *known = find(t, w->fn, &s);
        if (known) {
            const char *first = *known->same_as ? known->same_as : known->level;
            s = *known;
            s.level = t->k->isa;
            s.same_as = first;
        } else {
            measure(t, i, w, &s);
        }
        if (!t->is_ended)
            report(t, w->fn, &s);
    }
}

void ct_trial_fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < 4; j++)
            sum += ct_rng_unit(&seed) - 0.5;
        x[i] = (float)(sum * 1.732);
    }
}
