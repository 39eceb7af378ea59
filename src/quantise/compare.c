/* What two files differ by, tensor by tensor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "quantise/quantise.h"
#include "quantise/rows.h"

#define STRETCH ((size_t)2 << 20) /* weights that are compared at a time */

typedef struct sums {
    double off, a, b, ab, most; /* sum (a - b)^2, sum a^2, sum b^2, sum a b; the largest |a - b| */
} sums;

typedef struct pair {
    ct_rows *r;
    const ct_input_tensor *a, *b;
    const uint8_t *from_a, *from_b;
    size_t cols;
    sums *rows; /* of the stretch */
} pair;

static void compare_rows(void *arg, size_t begin, size_t end, int thread)
{
    const pair *p = arg;
    float *x = p->r->wide + (size_t)thread * p->r->width, *y = x + p->r->widest;
    for (size_t i = begin; i < end; i++) {
        sums s = { 0 };
        ct_input_unpack(p->a, p->from_a + i * ct_input_row_bytes(p->a), 1, x);
        ct_input_unpack(p->b, p->from_b + i * ct_input_row_bytes(p->b), 1, y);
        for (size_t k = 0; k < p->cols; k++) {
            const double a = (double)x[k], b = (double)y[k], off = fabs(a - b);
            s.off += off * off;
            s.a += a * a;
            s.b += b * b;
            s.ab += a * b;
            s.most = off > s.most || isnan(off) ? off : s.most;
        }
        p->rows[i] = s;
    }
}

static void add(sums *to, const sums *s)
{
    to->off += s->off;
    to->a += s->a;
    to->b += s->b;
    to->ab += s->ab;
    to->most = s->most > to->most || isnan(s->most) ? s->most : to->most;
}

static bool compare_tensors(ct_rows *r, const ct_input_tensor *a, const ct_input_tensor *b, sums *total, carat_err *err)
{
    pair p = { .r = r, .a = a, .b = b, .cols = (size_t)a->t->dims[0] };
    const size_t n_rows = ct_input_rows(a), most = STRETCH / p.cols ? STRETCH / p.cols : 1;
    p.rows = calloc(most, sizeof *p.rows);
    bool ok = p.rows || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu rows of %s", most, a->name);
    *total = (sums){ 0 };
    for (size_t at = 0, n; ok && at < n_rows; at += n) {
        ct_window wa = { 0 }, wb = { 0 };
        n = n_rows - at < most ? n_rows - at : most;
        const size_t row_a = ct_input_row_bytes(a), row_b = ct_input_row_bytes(b);
        ok = ct_tensor_window(a->t, at * row_a, n * row_a, &wa, err) &&
             ct_tensor_window(b->t, at * row_b, n * row_b, &wb, err);
        if (ok) {
            p.from_a = wa.data;
            p.from_b = wb.data;
            ct_pool_each(r->pool, n, 8, compare_rows, &p);
            for (size_t i = 0; i < n; i++)
                add(total, &p.rows[i]);
        }
        ct_window_close(&wa);
        ct_window_close(&wb);
    }
    free(p.rows);
    return ok;
}

static const ct_input_tensor *find(const ct_input *in, const char *name)
{
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(in->tensors[i].name, name) == 0)
            return &in->tensors[i];
    return NULL;
}

static const char *type_of(const ct_input_tensor *t)
{
    return t ? ct_type_get(t->t->type)->name : NULL;
}

static bool have_one_shape(const ct_input_tensor *a, const ct_input_tensor *b)
{
    for (int d = 0; d < CT_MAX_DIMS; d++)
        if (a->t->dims[d] != b->t->dims[d])
            return false;
    return true;
}

static carat_difference difference_of(const ct_input_tensor *a, const ct_input_tensor *b, const sums *s)
{
    const ct_input_tensor *any = a ? a : b;
    const double n = (double)any->t->dims[0] * (double)ct_input_rows(any);
    return (carat_difference){ .name = any->name,
                               .type_a = type_of(a),
                               .type_b = type_of(b),
                               .cols = any->t->dims[0],
                               .rows = ct_input_rows(any),
                               .rmse = sqrt(s->off / n),
                               .relative = s->off == 0 ? 0 : sqrt(s->off / s->a),
                               .cosine = s->off == 0 ? 1 : s->ab / sqrt(s->a) / sqrt(s->b),
                               .most = s->most };
}

static bool compare_all(const ct_input *a, const ct_input *b, ct_rows *r, carat_difference_fn *fn, void *arg,
                        carat_err *err)
{
    char of_a[96], of_b[96];
    sums s = { 0 };
    for (size_t i = 0; i < a->n; i++) {
        const ct_input_tensor *x = &a->tensors[i], *y = find(b, x->name);
        if (y && !have_one_shape(x, y))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s is %s in %s, and %s in %s: two models", x->name,
                           ct_tensor_shape(x->t, of_a), a->path, ct_tensor_shape(y->t, of_b), b->path);
        s = (sums){ .off = NAN, .a = NAN, .b = NAN, .ab = NAN, .most = NAN };
        if (y && !compare_tensors(r, x, y, &s, err))
            return false;
        const carat_difference d = difference_of(x, y, &s);
        if (!fn(arg, &d))
            return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
    }
    s = (sums){ .off = NAN, .a = NAN, .b = NAN, .ab = NAN, .most = NAN };
    for (size_t i = 0; i < b->n; i++) {
        const carat_difference d = difference_of(NULL, &b->tensors[i], &s);
        if (!find(a, b->tensors[i].name) && !fn(arg, &d))
            return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
    }
    return true;
}

bool ct_compare(const char *path_a, const char *path_b, size_t n_threads, carat_difference_fn *fn, void *arg,
                carat_err *err)
{
    ct_input a, b = { 0 };
    ct_rows r = { 0 };
    size_t widest = 1;
    bool ok = ct_input_open(&a, path_a, err) && ct_input_open(&b, path_b, err);
    if (ok && (a.leaves_tower || b.leaves_tower))
        ct_logf(CARAT_LOG_WARN, "%s: its vision tower is not compared", a.leaves_tower ? path_a : path_b);
    for (size_t i = 0; ok && i < a.n; i++)
        widest = a.tensors[i].t->dims[0] > widest ? (size_t)a.tensors[i].t->dims[0] : widest;
    ok = ok && ct_rows_open(&r, (int)n_threads, widest, err) && compare_all(&a, &b, &r, fn, arg, err);
    ct_rows_close(&r);
    ct_input_close(&b);
    ct_input_close(&a);
    return ok;
}
