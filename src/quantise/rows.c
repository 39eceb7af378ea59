/* Rows through the threads. A stretch of rows is read, then every thread takes rows of it and converts them, then the
 * stretch is written: results do not depend on how many threads there are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/size.h"

#define STRETCH ((size_t)16 << 20) /* bytes of float32 that are worked on at a time */
#define COPY    ((size_t)4 << 20)

bool ct_rows_open(ct_rows *r, int n_threads, size_t widest, carat_err *err)
{
    size_t n, bytes;
    if (!ct_pool_open(n_threads, &r->pool, err))
        return false;
    r->widest = (widest + 15) / 16 * 16;
    n = (size_t)ct_pool_threads(r->pool) * 2;
    if (ct_mul_size(n, r->widest, &n) && ct_mul_size(n, sizeof *r->wide, &bytes))
        r->wide = aligned_alloc(64, bytes + 64 - bytes % 64);
    return r->wide || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for rows of %zu weights", widest);
}

void ct_rows_close(ct_rows *r)
{
    ct_pool_close(r->pool);
    free(r->wide);
    free(r->out);
    r->pool = NULL;
    r->wide = NULL;
    r->out = NULL;
}

bool ct_rows_step(ct_rows *r, uint64_t bytes, carat_err *err)
{
    r->done += bytes;
    return !r->progress || r->progress(r->progress_arg, r->done, r->total) ||
           ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static bool take_out(ct_rows *r, size_t bytes, carat_err *err)
{
    if (bytes <= r->out_bytes)
        return true;
    free(r->out);
    r->out = malloc(bytes);
    r->out_bytes = r->out ? bytes : 0;
    return r->out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu bytes of rows", bytes);
}

/* ---- converting ---- */

typedef struct job {
    ct_rows *r;
    const ct_input_tensor *t;
    const ct_choice *c;
    ct_type type;
    const uint8_t *in;
    size_t cols, row, out_row;
    atomic_bool failed;
} job;

static float *row_of(const job *j, size_t i, int thread)
{
    float *x = j->r->wide + 2 * (size_t)thread * j->r->widest;
    ct_input_unpack(j->t, j->in + i * j->row, 1, x);
    return x;
}

static void convert(void *arg, size_t begin, size_t end, int thread)
{
    job *j = arg;
    for (size_t i = begin; i < end; i++) {
        const float *x = row_of(j, i, thread);
        if (!ct_all_finite(x, j->cols))
            atomic_store(&j->failed, true);
        ct_quantise_row_for(j->type, x, j->c->importance, j->r->out + i * j->out_row, j->cols);
    }
}

static bool not_finite(const ct_input_tensor *t, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it has weights that are not finite", t->name);
}

static job job_of(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_type type)
{
    job j = { .r = r, .t = t, .c = c, .type = type, .cols = (size_t)t->t->dims[0], .row = ct_input_row_bytes(t) };
    ct_row_bytes(type, j.cols, &j.out_row);
    return j;
}

static bool copy(ct_rows *r, const ct_tensor *t, ct_gguf_writer *w, carat_err *err)
{
    bool ok = true;
    for (size_t at = 0, n; ok && at < t->bytes; at += n) {
        ct_window win = { 0 };
        n = t->bytes - at < COPY ? t->bytes - at : COPY;
        ok = ct_tensor_window(t, at, n, &win, err) && ct_gguf_writer_data(w, win.data, n, err) &&
             ct_rows_step(r, n, err);
        ct_window_close(&win);
    }
    return ok;
}

bool ct_rows_write(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_gguf_writer *w, carat_err *err)
{
    if (c->type == t->t->type && !t->adds_one)
        return copy(r, t->t, w, err);
    job j = job_of(r, t, c, c->type);
    const size_t n_rows = ct_input_rows(t), most = STRETCH / 4 / j.cols ? STRETCH / 4 / j.cols : 1;
    bool ok = take_out(r, (most < n_rows ? most : n_rows) * j.out_row, err);
    for (size_t at = 0, n; ok && at < n_rows; at += n) {
        ct_window win = { 0 };
        n = n_rows - at < most ? n_rows - at : most;
        ok = ct_tensor_window(t->t, at * j.row, n * j.row, &win, err);
        if (ok) {
            j.in = win.data;
            ct_pool_each(r->pool, n, 4, convert, &j);
            ok = (!atomic_load(&j.failed) || not_finite(t, err)) &&
                 ct_gguf_writer_data(w, r->out, n * j.out_row, err) && ct_rows_step(r, n * j.row, err);
        }
        ct_window_close(&win);
    }
    return ok;
}

/* ---- measuring ---- */

typedef struct sampled {
    job j;
    double *lost, *all; /* [rows] */
} sampled;

static void measure_row(void *arg, size_t begin, size_t end, int thread)
{
    sampled *s = arg;
    for (size_t i = begin; i < end; i++) {
        const float *x = row_of(&s->j, i, thread), *w = s->j.c->importance;
        float *y = s->j.r->wide + (2 * (size_t)thread + 1) * s->j.r->widest;
        uint8_t *out = s->j.r->out + i * s->j.out_row;
        ct_quantise_row_for(s->j.type, x, w, out, s->j.cols);
        ct_unpack_row(s->j.type, out, y, s->j.cols);
        double lost = 0, all = 0;
        for (size_t k = 0; k < s->j.cols; k++) {
            const double by = w ? (double)w[k] : 1, off = (double)x[k] - (double)y[k];
            lost += by * off * off;
            all += by * (double)x[k] * (double)x[k];
        }
        s->lost[i] = lost;
        s->all[i] = all;
    }
}

/* n rows of a tensor, evenly spread, one after the other. */
static bool read_spread(const ct_input_tensor *t, size_t n, size_t row, uint8_t *to, carat_err *err)
{
    const size_t n_rows = ct_input_rows(t);
    for (size_t i = 0; i < n; i++) {
        ct_window w = { 0 };
        if (!ct_tensor_window(t->t, i * n_rows / n * row, row, &w, err))
            return false;
        memcpy(to + i * row, w.data, row);
        ct_window_close(&w);
    }
    return true;
}

bool ct_rows_measure(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_type type, size_t most, double *lost,
                     double *all, carat_err *err)
{
    sampled s = { .j = job_of(r, t, c, type) };
    const size_t n_rows = ct_input_rows(t), n = n_rows < most ? n_rows : most;
    uint8_t *in = malloc(n * s.j.row + 1);
    double *sums = calloc(2 * n + 1, sizeof *sums);
    bool ok = in && sums && take_out(r, n * s.j.out_row, err);
    if (!in || !sums)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu rows of %s", n, t->name);
    ok = ok && read_spread(t, n, s.j.row, in, err);
    *lost = *all = 0;
    if (ok) {
        s.j.in = in;
        s.lost = sums;
        s.all = sums + n;
        ct_pool_each(r->pool, n, 1, measure_row, &s);
        for (size_t i = 0; i < n; i++) {
            *lost += s.lost[i];
            *all += s.all[i];
        }
        ok = (isfinite(*lost) && isfinite(*all)) || not_finite(t, err);
    }
    free(in);
    free(sums);
    return ok;
}
