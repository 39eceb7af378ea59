/* What works on rows of numbers: activations into their forms, norms, rotation, the gate, logits; writing of keys and values.
 * All beside a copy of as many floats.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "measure/trial.h"

#define N        CT_TRIAL_COLS
#define HEAD     ((size_t)256)
#define SET_DIM  ((size_t)72)
#define SET_KEYS ((size_t)96)
#define ROOM     ((size_t)192 << 10) /* bytes that a thread writes to: rows in tiles, tiles of keys and values */

typedef struct rows {
    ct_trials *t;
    int variant;  /* a form, an element */
    float *x, *w; /* [N]; [N]: of a norm, or an angle's cosine and sine */
    uint8_t *to;  /* [threads][ROOM] */
} rows;

static float *own(const rows *r, int thread)
{
    return (float *)(void *)(r->to + ROOM * (size_t)thread);
}

/* One function a slot of the table. */
#define RUN(name, call)                                                                                                \
    static void run_##name(void *arg, int thread, int n_threads)                                                       \
    {                                                                                                                  \
        const rows *r = arg;                                                                                           \
        const ct_kernels *k = r->t->k;                                                                                 \
        float *y = own(r, thread);                                                                                     \
        (void)n_threads;                                                                                               \
        call;                                                                                                          \
    }
RUN(acts, k->acts[r->variant](r->x, N, y))
RUN(acts_tiled, k->acts_tiled[r->variant](r->x, N, y))
RUN(rmsnorm, k->rmsnorm(y, r->x, r->w, N, 1e-6f))
RUN(rmsnorm_add, k->rmsnorm_add(y, r->x, r->w, N, 1e-6f))
RUN(layernorm, k->layernorm(y, r->x, r->w, r->w, N, 1e-6f))
RUN(geglu, k->geglu(y, r->x, r->w, N))
RUN(logsumexp, float max; y[0] = k->logsumexp(r->x, N, &max))

/* Heads of a row that is the thread's own: it is turned in place. */
static void run_rope(void *arg, int thread, int n_threads)
{
    const rows *r = arg;
    float *y = own(r, thread);
    (void)n_threads;
    for (size_t at = 0; at < N; at += HEAD)
        r->t->k->rope(y + at, r->w, HEAD);
}

static void run_kv_put(void *arg, int thread, int n_threads)
{
    const rows *r = arg;
    uint8_t *k = (uint8_t *)own(r, thread), *v = k + ct_kv_tile_bytes((ct_kv_elem)r->variant, HEAD);
    (void)n_threads;
    for (size_t i = 0; i + 2 * HEAD <= N; i += 2 * HEAD)
        r->t->k->kv_put((ct_kv_elem)r->variant, k, v, i / HEAD * 13 % CT_TILE, r->x + i, r->x + i + HEAD, HEAD);
}

static void run_set_put(void *arg, int thread, int n_threads)
{
    const rows *r = arg;
    const ct_kernels *k = r->t->k;
    ct_set s = { SET_DIM, SET_KEYS, own(r, thread), NULL };
    (void)n_threads;
    s.v = (uint8_t *)s.k + ct_set_k_bytes(k->set_layout[r->variant], SET_DIM, SET_KEYS);
    k->set_put[r->variant](&s, 0, SET_KEYS, r->x, r->x, (N - SET_DIM) / SET_KEYS);
}

static void trial(rows *r, const char *kernel, const char *type, const char *form, void (*run)(void *, int, int),
                  ct_any_fn *fn, ct_any_fn *generic, double values)
{
    if (!fn || !ct_trial_is_wanted(r->t, kernel, type, form))
        return;
    for (int i = 0; i < ct_trials_threads(r->t); i++)
        memcpy(own(r, i), r->x, N * sizeof(float));
    ct_trial(r->t, &(ct_work){ .kernel = kernel,
                               .type = type,
                               .form = form,
                               .work = "rows",
                               .fn = fn,
                               .generic = generic,
                               .limit = CT_LIMIT_COPY,
                               .each = values,
                               .run = run,
                               .arg = r });
}

#define TRIAL(name) trial(r, #name, "", "", run_##name, (ct_any_fn *)k->name, (ct_any_fn *)generic->name, (double)N)
#define TRIAL_FORM(name, form, values)                                                                                 \
    trial(r, #name, "", ct_acts_name(form), run_##name, (ct_any_fn *)k->name[form], (ct_any_fn *)generic->name[form],  \
          values)

static void trial_all(rows *r)
{
    const ct_kernels *k = r->t->k, *generic = r->t->generic;
    static const char *const elems[CT_N_KV_ELEM] = { [CT_KV_F16] = "f16", [CT_KV_F32] = "f32", [CT_KV_Q8_0] = "q8_0" };
    for (int form = 0; form < CT_N_ACTS; form++) {
        r->variant = form;
        TRIAL_FORM(acts, form, (double)N);
        TRIAL_FORM(acts_tiled, form, (double)N);
        TRIAL_FORM(set_put, form, 2.0 * SET_DIM * SET_KEYS);
    }
    TRIAL(rmsnorm);
    TRIAL(rmsnorm_add);
    TRIAL(layernorm);
    TRIAL(geglu);
    TRIAL(logsumexp);
    for (r->variant = 0; r->variant < CT_N_KV_ELEM; r->variant++)
        trial(r, "kv_put", elems[r->variant], "", run_kv_put, (ct_any_fn *)k->kv_put, (ct_any_fn *)generic->kv_put,
              (double)(N / (2 * HEAD) * 2 * HEAD));
    for (size_t i = 0; i < HEAD; i++) /* a rotation, so that turning again and again does not grow */
        r->w[i] = i < HEAD / 2 ? 0.6f : 0.8f;
    TRIAL(rope);
}

bool ct_trial_rows(ct_trials *t, carat_err *err)
{
    rows r = { .t = t };
    r.x = malloc(2 * N * sizeof *r.x);
    r.to = aligned_alloc(64, ROOM * (size_t)ct_trials_threads(t));
    const bool ok =
        (r.x && r.to) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring kernels of rows");
    if (ok) {
        r.w = r.x + N;
        ct_trial_fill(r.x, 2 * N, 4);
        memset(r.to, 0, ROOM * (size_t)ct_trials_threads(t));
        trial_all(&r);
    }
    free(r.x), free(r.to);
    return ok;
}
