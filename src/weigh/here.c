/* SPDX-License-Identifier: Apache-2.0 */
#include "weigh/here.h"

#include <stdlib.h>
#include <string.h>

#include "base/bandwidth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "model/linear.h"

/* ---- memory ---- */

void carat_here_memory(uint64_t *all, uint64_t *available)
{
    carat_memlimit m;
    carat_memlimit_now(0, &m);
    *all = m.all;
    *available = m.left == UINT64_MAX ? 0 : m.left;
}

/* ---- rates ---- */

#define ROWS   4096
#define COLS   2560
#define BATCH  256
#define PASSES 5

typedef struct trial {
    carat_linear_job job;
    carat_product product;
    const float *x;
    carat_counter pieces;
    uint8_t *scratch[CARAT_MAX_THREADS];
} trial;

static void run_trial(void *arg, int thread, int n_threads)
{
    trial *t = arg;
    carat_linear_job job = t->job;
    job.begin = (size_t)BATCH * (size_t)thread / (size_t)n_threads;
    job.end = (size_t)BATCH * (size_t)(thread + 1) / (size_t)n_threads;
    job.n_threads = n_threads;
    job.scratch = t->scratch[thread];
    carat_linear_run(&job, t->x, &t->product, 1);
}

/* One walk for the size and for the real thing. */
static void take(carat_arena *a, trial *t, carat_matrix *w, uint8_t **acts, carat_acts_form form, int n_threads)
{
    t->x = carat_arena_take(a, (size_t)BATCH * COLS, sizeof(float));
    t->product.y = carat_arena_take(a, (size_t)BATCH * ROWS, sizeof(float));
    w->packed = carat_arena_take(a, w->bytes, 1);
    acts[form] = carat_arena_take(a, BATCH, carat_acts_stride(form, COLS));
    for (int i = 0; i < n_threads; i++)
        t->scratch[i] = carat_arena_take(a, CARAT_MUL_SCRATCH, 1);
}

static double best_rate(carat_pool *pool, trial *t)
{
    double best = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        atomic_store(&t->pieces.next, 0);
        double start = carat_now();
        carat_pool_run(pool, run_trial, t);
        double rate = 2.0 * ROWS * COLS * BATCH / (carat_now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

bool carat_here_rate(const carat_kernels *k, int n_threads, carat_type type, double *rate, carat_err *err)
{
    carat_matrix w = { .type = type, .rows = ROWS, .cols = COLS };
    uint8_t *acts[CARAT_N_ACTS] = { NULL };
    carat_arena a;
    carat_pool *pool;
    if (!carat_pack_bytes(type, ROWS, COLS, &w.bytes))
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "no products of type %d", (int)type);
    if (!carat_pool_open(n_threads, &pool, err))
        return false;
    trial *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    n_threads = carat_pool_threads(pool);
    carat_arena_count(&a);
    bool ok = t != NULL;
    if (ok) {
        carat_acts_form form = carat_linear_form(k, false, type);
        memset(t, 0, sizeof *t);
        take(&a, t, &w, acts, form, n_threads);
        ok = carat_arena_init(&a, a.used);
        if (ok) {
            take(&a, t, &w, acts, form, n_threads);
            memset(w.packed, 0x11, w.bytes); /* real pages; any bits are weights */
            t->product.w = &w;
            t->job = (carat_linear_job){ .k = k, .pool = pool, .acts = acts, .n = BATCH, .pieces = &t->pieces };
            *rate = best_rate(pool, t);
        }
        carat_arena_deinit(&a);
    }
    free(t);
    carat_pool_close(pool);
    return ok || carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory to measure products in");
}
