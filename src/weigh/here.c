/* SPDX-License-Identifier: Apache-2.0 */
#include "weigh/here.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "model/linear.h"

_Static_assert((int)CARAT_N_TYPE <= CARAT_WEIGHT_TYPES, "carat.h has room for every type");

/* ---- memory ---- */

void carat_here_memory(uint64_t *all, uint64_t *available)
{
    carat_memlimit m;
    carat_memlimit_now(&m);
    *all = m.all;
    *available = m.left == UINT64_MAX ? 0 : m.left;
}

/* ---- rates ---- */

/* Matrices of the 4B's size. */
#define ROWS       4096
#define COLS       2560
#define BATCH      512
#define BATCH_ROWS 2048 /* of the one that is multiplied by a batch */

#define BUFFER       ((size_t)256 << 20) /* of weights: many times what caches hold */
#define MAX_MATRICES 256
#define MAX_PASSES   15
#define SECONDS      0.04 /* for all passes of a trial; one is made in any case */

/* Pieces of memory for all trials, and what the one that runs works on. */
typedef struct trial {
    carat_arena arena;
    const carat_kernels *k;
    carat_pool *pool;
    float *x, *y;
    uint8_t *weights, *acts[CARAT_N_ACTS], *scratch[CARAT_MAX_THREADS];
    carat_counter *pieces; /* [MAX_MATRICES] */
    carat_matrix w[MAX_MATRICES];
    size_t n_matrices, n_rows; /* matrices one after the other, each by so many rows of x */
} trial;

static void run_trial(void *arg, int thread, int n_threads)
{
    trial *t = arg;
    carat_linear_job job = {
        .k = t->k,
        .pool = t->pool,
        .acts = t->acts,
        .n = t->n_rows,
        .begin = t->n_rows * (size_t)thread / (size_t)n_threads,
        .end = t->n_rows * (size_t)(thread + 1) / (size_t)n_threads,
        .n_threads = n_threads,
        .scratch = t->scratch[thread],
    };
    for (size_t i = 0; i < t->n_matrices; i++) {
        job.pieces = &t->pieces[i];
        carat_linear_run(&job, t->x, &(carat_product){ &t->w[i], t->y }, 1);
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double one_pass(trial *t)
{
    for (size_t i = 0; i < t->n_matrices; i++)
        atomic_store(&t->pieces[i].next, 0);
    double start = carat_now();
    carat_pool_run(t->pool, run_trial, t);
    return carat_now() - start;
}

/* The median of some passes. */
static double seconds_of(trial *t)
{
    double passes[MAX_PASSES], all = 0;
    size_t n = 0;
    one_pass(t); /* caches, clocks and pages as they will be */
    while (n < MAX_PASSES && (n == 0 || all < SECONDS))
        all += passes[n] = one_pass(t), n++;
    qsort(passes, n, sizeof *passes, ascending);
    return passes[n / 2];
}

/* Bytes of weights a second: through the whole buffer, or as far as slow products get in the time. */
static double decode_rate(trial *t, carat_type type, size_t bytes)
{
    size_t step = (bytes + 63) / 64 * 64, n = BUFFER / step;
    n = n < MAX_MATRICES ? n : MAX_MATRICES;
    for (size_t i = 0; i < n; i++)
        t->w[i] =
            (carat_matrix){ .type = type, .rows = ROWS, .cols = COLS, .packed = t->weights + i * step, .bytes = bytes };
    t->n_rows = 1;
    t->n_matrices = 1;
    double most = SECONDS / one_pass(t);
    t->n_matrices = most < 1 ? 1 : most < (double)n ? (size_t)most : n;
    return (double)(t->n_matrices * bytes) / seconds_of(t);
}

/* Operations a second. */
static double batch_rate(trial *t, carat_type type, size_t bytes)
{
    t->n_matrices = 1;
    t->n_rows = BATCH;
    t->w[0] = (carat_matrix){ .type = type, .rows = BATCH_ROWS, .cols = COLS, .packed = t->weights, .bytes = bytes };
    return 2.0 * BATCH_ROWS * COLS * BATCH / seconds_of(t);
}

/* One walk for the size and for the real thing. */
static void take(trial *t, int n_threads)
{
    carat_arena *a = &t->arena;
    t->x = carat_arena_take(a, (size_t)BATCH * COLS, sizeof(float));
    t->y = carat_arena_take(a, (size_t)BATCH * ROWS, sizeof(float));
    t->weights = carat_arena_take(a, BUFFER, 1);
    t->pieces = carat_arena_take(a, MAX_MATRICES, sizeof(carat_counter));
    for (int form = 0; form < CARAT_N_ACTS; form++)
        t->acts[form] = carat_arena_take(a, BATCH, carat_acts_stride((carat_acts_form)form, COLS));
    for (int i = 0; i < n_threads; i++)
        t->scratch[i] = carat_arena_take(a, CARAT_MUL_SCRATCH, 1);
}

static bool open_trial(trial *t, int n_threads, carat_err *err)
{
    if (!carat_pool_open(n_threads, &t->pool, err))
        return false;
    carat_arena_count(&t->arena);
    take(t, carat_pool_threads(t->pool));
    if (!carat_arena_init(&t->arena, t->arena.used))
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to measure products in");
    take(t, carat_pool_threads(t->pool));
    memset(t->weights, 0x11, BUFFER); /* real pages; any bits are weights, and these are small numbers in every type */
    for (size_t i = 0; i < (size_t)BATCH * COLS; i++)
        t->x[i] = (float)(i % 7) - 3;
    return true;
}

static bool has_kernel(const carat_kernels *k, carat_type type)
{
    return carat_type_get(type) && k->mul[type][carat_linear_form(k, false, type)];
}

bool carat_here_rates(const carat_kernels *k, int n_threads, carat_rates *out, carat_err *err)
{
    *out = (carat_rates){ .decode = { 0 } };
    trial *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to measure products in");
    memset(t, 0, sizeof *t);
    t->k = k;
    bool ok = open_trial(t, n_threads, err);
    for (uint32_t type = 0; ok && type < CARAT_N_TYPE; type++) {
        size_t whole, part;
        if (!has_kernel(k, (carat_type)type) || !carat_pack_bytes((carat_type)type, ROWS, COLS, &whole) ||
            !carat_pack_bytes((carat_type)type, BATCH_ROWS, COLS, &part))
            continue;
        out->decode[type] = decode_rate(t, (carat_type)type, whole);
        out->batch[type] = batch_rate(t, (carat_type)type, part);
    }
    carat_arena_deinit(&t->arena);
    carat_pool_close(t->pool);
    free(t);
    return ok;
}
