/* Rows through the threads. A stretch of rows is cut into pieces; every thread takes some, reads them and converts them
 * into their place. One more piece is to write the stretch before: so reading, converting and writing go on beside each
 * other, and results do not depend on how many threads there are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/size.h"

#define STRETCH ((size_t)4 << 20)  /* weights that are worked on at a time */
#define PIECE   ((size_t)32 << 10) /* of them by one thread: in float32 they stay in its cache */
#define COPY    ((size_t)4 << 20)  /* bytes */

bool ct_rows_open(ct_rows *r, int n_threads, size_t widest, carat_err *err)
{
    size_t n, bytes;
    if (!ct_pool_open(n_threads, &r->pool, err))
        return false;
    n = (size_t)ct_pool_threads(r->pool);
    r->widest = (widest + 15) / 16 * 16;
    r->width = r->widest * 2 > PIECE ? r->widest * 2 : PIECE;
    if (ct_mul_size(n, r->width, &bytes) && ct_mul_size(bytes, sizeof *r->wide, &bytes))
        r->wide = aligned_alloc(64, bytes);
    r->windows = calloc(n, sizeof *r->windows);
    return (r->wide && r->windows) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for rows of %zu weights", widest);
}

void ct_rows_close(ct_rows *r)
{
    for (int i = 0; r->windows && i < ct_pool_threads(r->pool); i++)
        ct_window_close(&r->windows[i]);
    ct_pool_close(r->pool);
    free(r->windows);
    free(r->wide);
    free(r->out[0].data);
    free(r->out[1].data);
    *r = (ct_rows){ 0 };
}

bool ct_rows_step(ct_rows *r, uint64_t bytes, carat_err *err)
{
    r->done += bytes;
    return !r->progress || r->progress(r->progress_arg, r->done, r->total) ||
           ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

static bool take_out(struct ct_rows_out *o, size_t bytes, carat_err *err)
{
    if (bytes <= o->room)
        return true;
    free(o->data);
    o->data = malloc(bytes);
    o->room = o->data ? bytes : 0;
    return o->data || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu bytes of rows", bytes);
}

/* ---- converting ---- */

static bool prepare(ct_type type, carat_err *err)
{
    return ct_quantise_prepare(type) ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the entries of %s", ct_type_get(type)->name);
}

typedef struct job {
    ct_rows *r;
    const ct_input_tensor *t;
    const ct_choice *c;
    ct_type type;
    size_t cols, row, out_row;
    size_t at, n, per_piece; /* rows: the stretch's first, how many, those of a piece */
    uint8_t *out;
    ct_gguf_writer *w; /* for the stretch before */
    atomic_int failed; /* why the threads failed, a bit each */
    carat_err err[2];  /* of reading, which several may try to tell, and of writing */
    atomic_flag told;
} job;

enum { NOT_FINITE = 1, NOT_READ = 2, NOT_WRITTEN = 4 };

static void fail(job *j, int why)
{
    atomic_fetch_or(&j->failed, why);
}

/* Rows [first, first + n) of a tensor, to be closed with the thread's window. NULL: they cannot be read, which is noted. */
static const uint8_t *read_rows(job *j, size_t first, size_t n, int thread)
{
    ct_window *w = &j->r->windows[thread];
    carat_err err;
    if (ct_tensor_prepare(j->t->t, first * j->row, n * j->row, w, &err) && ct_window_read(w, 0, n * j->row, &err))
        return w->data;
    if (!atomic_flag_test_and_set(&j->told))
        j->err[0] = err;
    fail(j, NOT_READ);
    return NULL;
}

static void convert_piece(job *j, size_t piece, int thread)
{
    const size_t first = piece * j->per_piece, n = j->n - first < j->per_piece ? j->n - first : j->per_piece;
    float *x = j->r->wide + (size_t)thread * j->r->width;
    const uint8_t *in = read_rows(j, j->at + first, n, thread);
    if (!in)
        return;
    ct_input_unpack(j->t, in, n, x);
    if (!ct_all_finite(x, n * j->cols))
        fail(j, NOT_FINITE);
    ct_quantise_rows(j->type, x, j->c->importance, j->out + first * j->out_row, j->cols, n);
}

static bool write_before(ct_rows *r, ct_gguf_writer *w, carat_err *err)
{
    struct ct_rows_out *before = &r->out[!r->turn];
    const size_t n = before->bytes;
    before->bytes = 0;
    return n == 0 || ct_gguf_writer_data(w, before->data, n, err);
}

/* Piece 0 is what was converted before, the others are of this stretch. */
static void convert(void *arg, size_t begin, size_t end, int thread)
{
    job *j = arg;
    for (size_t i = begin; i < end; i++)
        if (i > 0)
            convert_piece(j, i - 1, thread);
        else if (!write_before(j->r, j->w, &j->err[1]))
            fail(j, NOT_WRITTEN);
}

static bool not_finite(const ct_input_tensor *t, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it has weights that are not finite", t->name);
}

static bool was_done(const job *j, carat_err *err)
{
    const int failed = atomic_load(&j->failed);
    if (!failed)
        return true;
    if (failed & NOT_FINITE)
        return not_finite(j->t, err);
    if (err)
        *err = j->err[failed & NOT_READ ? 0 : 1];
    return false;
}

static job job_of(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_type type)
{
    job j = { .r = r, .t = t, .c = c, .type = type, .cols = (size_t)t->t->dims[0], .row = ct_input_row_bytes(t) };
    ct_row_bytes(type, j.cols, &j.out_row);
    j.per_piece = PIECE / j.cols ? PIECE / j.cols : 1;
    return j;
}

bool ct_rows_flush(ct_rows *r, ct_gguf_writer *w, carat_err *err)
{
    return write_before(r, w, err);
}

static bool copy(ct_rows *r, const ct_tensor *t, ct_gguf_writer *w, carat_err *err)
{
    bool ok = ct_rows_flush(r, w, err);
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
    const size_t n_rows = ct_input_rows(t), most = STRETCH / j.cols ? STRETCH / j.cols : 1;
    bool ok = prepare(c->type, err);
    j.w = w;
    for (j.at = 0; ok && j.at < n_rows; j.at += j.n) {
        struct ct_rows_out *out = &r->out[r->turn];
        j.n = n_rows - j.at < most ? n_rows - j.at : most;
        if (!take_out(out, j.n * j.out_row, err))
            return false;
        j.out = out->data;
        ct_pool_each(r->pool, 1 + (j.n + j.per_piece - 1) / j.per_piece, 1, convert, &j);
        out->bytes = j.n * j.out_row;
        r->turn = !r->turn;
        ok = was_done(&j, err) && ct_rows_step(r, j.n * j.row, err);
    }
    return ok;
}

/* ---- measuring ---- */

typedef struct sampled {
    job j;
    const uint8_t *in;
    double *lost, *all; /* [rows] */
} sampled;

static void measure_row(void *arg, size_t begin, size_t end, int thread)
{
    sampled *s = arg;
    for (size_t i = begin; i < end; i++) {
        float *x = s->j.r->wide + (size_t)thread * s->j.r->width, *y = x + s->j.r->widest;
        const float *w = s->j.c->importance;
        uint8_t *out = s->j.out + i * s->j.out_row;
        ct_input_unpack(s->j.t, s->in + i * s->j.row, 1, x);
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
static bool read_spread(ct_rows *r, const ct_input_tensor *t, size_t n, size_t row, uint8_t *to, carat_err *err)
{
    const size_t n_rows = ct_input_rows(t);
    ct_window *w = &r->windows[0];
    for (size_t i = 0; i < n; i++) {
        if (!ct_tensor_prepare(t->t, i * n_rows / n * row, row, w, err) || !ct_window_read(w, 0, row, err))
            return false;
        memcpy(to + i * row, w->data, row);
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
    bool ok = in && sums && prepare(type, err) && take_out(&r->out[r->turn], n * s.j.out_row, err);
    if (!in || !sums)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu rows of %s", n, t->name);
    ok = ok && read_spread(r, t, n, s.j.row, in, err);
    *lost = *all = 0;
    if (ok) {
        s.in = in;
        s.j.out = r->out[r->turn].data;
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
