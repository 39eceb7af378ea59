/* Memory and speed of the machine that this runs on, measured.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure/here.h"

#include <string.h>

#include "base/clock.h"
#include "base/median.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "cpu/products.h"

_Static_assert((int)CT_N_TYPE <= CARAT_WEIGHT_TYPES, "carat.h has room for every type");

/* ---- memory ---- */

void ct_here_memory(uint64_t *all, uint64_t *available)
{
    ct_memlimit m;
    ct_memlimit_now(&m);
    *all = m.all;
    *available = m.left == UINT64_MAX ? 0 : m.left;
}

/* ---- rates ---- */

/* Matrices of the 4B's size. */
#define ROWS       4096
#define COLS       2560
#define BATCH      512
#define BATCH_ROWS 2048 /* of the one that is multiplied by a batch */

#define BUFFER       ((size_t)256 << 20) /* of weights: many times the size of the caches */
#define MAX_MATRICES 256
#define MAX_PASSES   15
#define SECONDS      0.04 /* for all passes of a trial, at least one */

/* Pieces of memory for all trials, and what the one that runs works on. */
typedef struct trial {
    ct_arena arena;
    const ct_kernels *k;
    ct_pool *pool;
    float *x, *y;
    uint8_t *weights, *acts[CT_N_ACTS], *scratch[CT_MAX_THREADS];
    ct_counter *pieces; /* [MAX_MATRICES] */
    ct_matrix w[MAX_MATRICES];
    size_t n_matrices, n_rows; /* matrices one after the other, each by so many rows of x */
} trial;

static void run_trial(void *arg, int thread, int n_threads)
{
    trial *t = arg;
    ct_linear_job job = {
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
        ct_linear_run(&job, t->x, &(ct_product){ &t->w[i], t->y }, 1);
    }
}

static double one_pass(trial *t)
{
    for (size_t i = 0; i < t->n_matrices; i++)
        atomic_store(&t->pieces[i].next, 0);
    double start = ct_now();
    ct_pool_run(t->pool, run_trial, t);
    return ct_now() - start;
}

/* The median of some passes. */
static double seconds_of(trial *t)
{
    double passes[MAX_PASSES], all = 0;
    size_t n = 0;
    one_pass(t); /* a first pass, so that caches, clock rates and pages are in their steady state */
    while (n < MAX_PASSES && (n == 0 || all < SECONDS))
        all += passes[n] = one_pass(t), n++;
    return ct_median(passes, n);
}

/* Bytes of weights a second: through the whole buffer, or through as much of it as slow products reach in the time. */
static double decode_rate(trial *t, ct_type type, size_t bytes)
{
    size_t step = (bytes + 63) / 64 * 64, n = BUFFER / step;
    n = n < MAX_MATRICES ? n : MAX_MATRICES;
    for (size_t i = 0; i < n; i++)
        t->w[i] =
            (ct_matrix){ .type = type, .rows = ROWS, .cols = COLS, .packed = t->weights + i * step, .bytes = bytes };
    t->n_rows = 1;
    t->n_matrices = 1;
    double most = SECONDS / one_pass(t);
    t->n_matrices = most < 1 ? 1 : most < (double)n ? (size_t)most : n;
    return (double)(t->n_matrices * bytes) / seconds_of(t);
}

/* Operations a second. */
static double batch_rate(trial *t, ct_type type, size_t bytes)
{
    t->n_matrices = 1;
    t->n_rows = BATCH;
    t->w[0] = (ct_matrix){ .type = type, .rows = BATCH_ROWS, .cols = COLS, .packed = t->weights, .bytes = bytes };
    return 2.0 * BATCH_ROWS * COLS * BATCH / seconds_of(t);
}

/* One walk for counting and for allocating. */
static void take(trial *t, int n_threads)
{
    ct_arena *a = &t->arena;
    t->x = ct_arena_take(a, (size_t)BATCH * COLS, sizeof(float));
    t->y = ct_arena_take(a, (size_t)BATCH * ROWS, sizeof(float));
    t->weights = ct_arena_take(a, BUFFER, 1);
    t->pieces = ct_arena_take(a, MAX_MATRICES, sizeof(ct_counter));
    for (int form = 0; form < CT_N_ACTS; form++)
        t->acts[form] = ct_arena_take(a, BATCH, ct_acts_stride((ct_acts_form)form, COLS));
    for (int i = 0; i < n_threads; i++)
        t->scratch[i] = ct_arena_take(a, t->k->mul_scratch, 1);
}

static bool open_trial(trial *t, int n_threads, carat_err *err)
{
    if (!ct_pool_open(n_threads, &t->pool, err))
        return false;
    ct_arena_count(&t->arena);
    take(t, ct_pool_threads(t->pool));
    if (!ct_arena_init(&t->arena, t->arena.used))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring the speed of products");
    take(t, ct_pool_threads(t->pool));
    memset(t->weights, 0x11,
           BUFFER); /* touches the pages; any bits are valid weights, and these are small numbers in every type */
    for (size_t i = 0; i < (size_t)BATCH * COLS; i++)
        t->x[i] = (float)(i % 7) - 3;
    return true;
}

static bool has_kernel(const ct_kernels *k, ct_type type)
{
    return ct_type_get(type) && k->mul[type][ct_linear_form(k, false, false, type)];
}

bool ct_here_rates(const ct_kernels *k, int n_threads, carat_rates *out, carat_err *err)
{
    *out = (carat_rates){ .decode = { 0 } };
    trial *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring the speed of products");
    memset(t, 0, sizeof *t);
    t->k = k;
    bool ok = open_trial(t, n_threads, err);
    for (uint32_t type = 0; ok && type < CT_N_TYPE; type++) {
        size_t whole, part;
        if (!has_kernel(k, (ct_type)type) || !ct_pack_bytes((ct_type)type, ROWS, COLS, &whole) ||
            !ct_pack_bytes((ct_type)type, BATCH_ROWS, COLS, &part))
            continue;
        out->decode[type] = decode_rate(t, (ct_type)type, whole);
        out->batch[type] = batch_rate(t, (ct_type)type, part);
    }
    ct_arena_deinit(&t->arena);
    ct_pool_close(t->pool);
    free(t);
    return ok;
}
