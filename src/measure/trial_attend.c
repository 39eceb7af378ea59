/* Attention over cached keys and values, and over the whole set of an image's patches.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trial.h"

#define LONGEST 0.02 /* seconds of a run that is wanted; slower work is cut down */

/* ---- the cache ---- */

#define DIM   256 /* of a head */
#define ROWS  256 /* (token, head) pairs: a prompt's */
#define TILES 12  /* that they see: 768 keys */
#define FEW   2   /* rows: a token's heads on one KV head of the 4B */
#define CALL  128 /* tiles of a call with few rows: 8,192 keys */

static const char *const elem_names[CT_N_KV_ELEM] = { [CT_KV_F16] = "f16", [CT_KV_F32] = "f32", [CT_KV_Q8_0] = "q8_0" };

typedef struct cache {
    ct_trials *t;
    ct_kv_elem elem;
    size_t n_tiles, n_rows; /* of a slice; of a prompt */
    size_t slice;
    const void **k, **v; /* [n_tiles * CT_TRIAL_SLICES] */
    float *q, *out;      /* [ROWS][DIM], [threads][ROWS][DIM] */
} cache;

static void attend(const cache *c, size_t tile, size_t n_tiles, size_t n, int thread)
{
    const float *q[ROWS];
    float *out[ROWS];
    size_t lo[ROWS], hi[ROWS];
    for (size_t r = 0; r < n; r++) {
        q[r] = c->q + r * DIM;
        out[r] = c->out + ((size_t)thread * ROWS + r) * DIM;
        lo[r] = 0, hi[r] = n_tiles * CT_TILE;
    }
    const ct_attend a = { DIM, 0.0625f, c->elem, c->k + tile, c->v + tile, 0, n, q, out, lo, hi };
    c->t->k->attend(&a, c->t->scratch[thread]);
}

static void run_prompt(void *arg, int thread, int n_threads)
{
    const cache *c = arg;
    (void)n_threads;
    attend(c, 0, TILES, c->n_rows, thread);
}

static void next_tiles(void *arg)
{
    cache *c = arg;
    c->slice = (c->slice + 1) % CT_TRIAL_SLICES;
}

/* Each thread has its own stretch of the slice. */
static void run_token(void *arg, int thread, int n_threads)
{
    const cache *c = arg;
    const size_t i = (size_t)thread, n = (size_t)n_threads, end = c->n_tiles * (i + 1) / n;
    for (size_t at = c->n_tiles * i / n; at < end; at += CALL)
        attend(c, c->n_tiles * c->slice + at, end - at < CALL ? end - at : CALL, FEW, thread);
}

/* So many tiles, the first few of random numbers and the others like them. */
static void fill_tiles(cache *c, const float *x, size_t n)
{
    const size_t bytes = ct_kv_tile_bytes(c->elem, DIM);
    uint8_t *at = c->t->memory;
    for (size_t i = 0; i < n && !c->t->is_list; i++, at += 2 * bytes) {
        c->k[i] = at, c->v[i] = at + bytes;
        if (i >= TILES) {
            memcpy(at, c->t->memory + i % TILES * 2 * bytes, 2 * bytes);
            continue;
        }
        memset(at, 0, 2 * bytes);
        for (size_t slot = 0; slot < CT_TILE; slot++) {
            const size_t row = (i * 31 + slot) % ROWS;
            c->t->k->kv_put(c->elem, at, at + bytes, slot, x + row * DIM, x + (ROWS - 1 - row) * DIM, DIM);
        }
    }
}

static void trial_elem(cache *c, ct_kv_elem elem)
{
    ct_trials *t = c->t;
    const size_t bytes = 2 * ct_kv_tile_bytes(elem, DIM);
    c->elem = elem;
    c->n_tiles = CALL;
    c->slice = 0;
    fill_tiles(c, c->q, CALL);
    ct_work w = { .kernel = "attend",
                  .type = elem_names[elem],
                  .form = "",
                  .fn = (ct_any_fn *)t->k->attend,
                  .generic = (ct_any_fn *)t->generic->attend,
                  .arg = c };
    c->n_rows = 1;
    const double fits = LONGEST / ct_trial_once(t, run_prompt, c);
    c->n_rows = fits < 4 ? 4 : fits < ROWS ? (size_t)fits : ROWS;
    w.work = "256 rows", w.limit = CT_LIMIT_PEAK, w.peak = t->k->attend_peak[elem], w.run = run_prompt;
    w.each = 4.0 * (double)c->n_rows * DIM * TILES * CT_TILE;
    ct_trial(t, &w);
    const double calls = LONGEST / ct_trial_once(t, run_token, c);
    const size_t most = CT_TRIAL_SLICE / bytes;
    c->n_tiles = calls < 1 ? CALL : calls * CALL < (double)most ? (size_t)calls * CALL : most;
    fill_tiles(c, c->q, c->n_tiles * CT_TRIAL_SLICES);
    ct_trial_settle(t, c->n_tiles * CT_TRIAL_SLICES * bytes);
    w.next = next_tiles;
    w.work = "2 rows", w.limit = CT_LIMIT_READ, w.read = t->memory, w.run = run_token;
    w.all = (double)(c->n_tiles * bytes), w.each = 0;
    ct_trial(t, &w);
}

bool ct_trial_attend(ct_trials *t, carat_err *err)
{
    const size_t most = CT_TRIAL_MEMORY / (2 * ct_kv_tile_bytes(CT_KV_Q8_0, DIM));
    const size_t threads = (size_t)ct_trials_threads(t);
    cache c = { .t = t };
    c.k = calloc(most, sizeof *c.k);
    c.v = calloc(most, sizeof *c.v);
    c.q = malloc(sizeof *c.q * ROWS * DIM);
    c.out = aligned_alloc(64, sizeof *c.out * ROWS * DIM * threads);
    const bool ok =
        (c.k && c.v && c.q && c.out) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring attention");
    if (ok)
        ct_trial_fill(c.q, (size_t)ROWS * DIM, 2);
    for (int e = 0; ok && e < CT_N_KV_ELEM; e++)
        if (ct_trial_is_wanted(t, "attend", elem_names[e], ""))
            trial_elem(&c, (ct_kv_elem)e);
    free(c.k), free(c.v), free(c.q), free(c.out);
    return ok;
}

/* ---- an image's set ---- */

/* A head of the published tower: 4096 patches. */
#define SET_DIM  72
#define SET_KEYS 4096
#define SET_ROWS 128

typedef struct image {
    ct_trials *t;
    ct_acts_form form;
    ct_set set;
    size_t n_rows;
    float *x, *out; /* [SET_KEYS][SET_DIM], [threads][SET_ROWS][SET_DIM] */
} image;

static void run_set(void *arg, int thread, int n_threads)
{
    const image *s = arg;
    (void)n_threads;
    const ct_set_rows rows = { 0.1178f, s->n_rows, s->x, s->out + (size_t)thread * SET_ROWS * SET_DIM, SET_DIM };
    s->t->k->set_attend[s->form](&s->set, &rows, s->t->scratch[thread]);
}

static void trial_set_form(image *s, ct_acts_form form)
{
    const ct_kernels *k = s->t->k;
    s->form = form;
    s->set = (ct_set){ SET_DIM, SET_KEYS, s->t->memory, NULL };
    s->set.v = s->t->memory + ct_set_k_bytes(k->set_layout[form], SET_DIM, SET_KEYS);
    if (!s->t->is_list)
        k->set_put[form](&s->set, 0, SET_KEYS, s->x, s->x, SET_DIM);
    s->n_rows = 1;
    const double fits = LONGEST / ct_trial_once(s->t, run_set, s);
    s->n_rows = fits < 4 ? 4 : fits < SET_ROWS ? (size_t)fits : SET_ROWS;
    ct_trial(s->t, &(ct_work){ .kernel = "set_attend",
                               .type = "",
                               .form = ct_acts_name(form),
                               .work = "128 rows",
                               .fn = (ct_any_fn *)k->set_attend[form],
                               .generic = (ct_any_fn *)s->t->generic->set_attend[form],
                               .limit = CT_LIMIT_PEAK,
                               .peak = k->set_peak[form],
                               .each = 4.0 * SET_DIM * SET_KEYS * (double)s->n_rows,
                               .run = run_set,
                               .arg = s });
}

bool ct_trial_set(ct_trials *t, carat_err *err)
{
    const size_t threads = (size_t)ct_trials_threads(t);
    image s = { .t = t };
    s.x = malloc(sizeof *s.x * SET_KEYS * SET_DIM);
    s.out = malloc(sizeof *s.out * SET_ROWS * SET_DIM * threads);
    const bool ok =
        (s.x && s.out) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for measuring an image's attention");
    if (ok)
        ct_trial_fill(s.x, (size_t)SET_KEYS * SET_DIM, 3);
    for (int form = 0; ok && form < CT_N_ACTS; form++)
        if (t->k->set_attend[form] && ct_trial_is_wanted(t, "set_attend", "", ct_acts_name((ct_acts_form)form)))
            trial_set_form(&s, (ct_acts_form)form);
    free(s.x), free(s.out);
    return ok;
}
