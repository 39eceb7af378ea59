/* The mix of a size. Every matrix that no rule has settled is tried in every type on some of its rows; what is made least is
 *
 *     sum over matrices of   sum w (x - y)^2 / sum w x^2,      w: importances, 1 without
 *
 * which is, where importances are known, the part of each product's output that is lost, all products counting the same. For
 * a price L of a byte each matrix takes the type with the least loss + L bytes; the smallest L whose file is small enough is
 * found by bisection. What room is left goes to the matrices that gain most by it for a byte, also unrounded: a price is for rounded
 * ones alone, since 1/40,000 that Q8_0 loses is worth no matrix in fewer bits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantise/rows.h"

#define SAMPLE     ((size_t)1 << 17) /* weights of a matrix that are tried */
#define BISECTIONS 60

static const ct_type wide_types[] = { CT_Q8_0,    CT_Q6_K, CT_Q5_K,  CT_Q4_K,   CT_IQ4_XS,  CT_Q3_K, CT_IQ3_S,
                                      CT_IQ3_XXS, CT_Q2_K, CT_IQ2_S, CT_IQ2_XS, CT_IQ2_XXS, CT_IQ1_M };
static const ct_type narrow_types[] = { CT_Q8_0, CT_Q5_1, CT_Q5_0, CT_Q4_1, CT_IQ4_NL, CT_Q4_0 };
enum { MAX_TYPES = sizeof wide_types / sizeof *wide_types, UNROUNDED = 2 };

typedef struct option {
    ct_type type;
    double loss;
    uint64_t bytes;
} option;

typedef struct matrix { /* one that is free */
    size_t i;           /* of the input */
    option of[MAX_TYPES + UNROUNDED];
    int n, now, n_rounded;
} matrix;

typedef struct search {
    matrix *m;
    size_t n;
    uint64_t fixed; /* bytes of everything else: the head, what is settled */
} search;

static bool is_free(const ct_input_tensor *t, const ct_choice *c)
{
    return t->is_matrix && !t->is_vision && !c->is_ruled && t->t->dims[0] % 32 == 0;
}

/* Of a tensor in the file, with the bytes up to the next. */
static uint64_t placed_bytes(const ct_input_tensor *t, ct_type type)
{
    return (ct_choice_bytes(t, type) + CT_GGUF_ALIGNMENT - 1) / CT_GGUF_ALIGNMENT * CT_GGUF_ALIGNMENT;
}

static size_t sample_rows(const ct_input_tensor *t)
{
    const size_t rows = SAMPLE / (size_t)t->t->dims[0], all = ct_input_rows(t);
    return rows < 8 ? (all < 8 ? all : 8) : rows < all ? rows : all;
}

static bool try_type(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, ct_type type, matrix *m, carat_err *err)
{
    double lost, all;
    const size_t rows = sample_rows(t);
    if (!ct_rows_measure(r, t, c, type, rows, &lost, &all, err) ||
        !ct_rows_step(r, rows * (size_t)t->t->dims[0] * sizeof(float), err))
        return false;
    m->of[m->n++] = (option){ type, all > 0 ? lost / all : 0, placed_bytes(t, type) };
    return true;
}

static bool try_types(ct_rows *r, const ct_input_tensor *t, const ct_choice *c, matrix *m, carat_err *err)
{
    const bool is_wide = t->t->dims[0] % 256 == 0;
    const ct_type *types = is_wide ? wide_types : narrow_types;
    const int n = is_wide ? MAX_TYPES : (int)(sizeof narrow_types / sizeof *narrow_types);
    for (int k = 0; k < n; k++)
        if (!try_type(r, t, c, types[k], m, err))
            return false;
    m->n_rounded = m->n;
    if (t->t->type == CT_F32 && !try_type(r, t, c, CT_BF16, m, err))
        return false;
    if (!ct_type_get(t->t->type)->is_quantised)
        m->of[m->n++] = (option){ t->t->type, 0, placed_bytes(t, t->t->type) };
    return true;
}

/* Every matrix takes what is best at this price. Returns the bytes of everything. */
static uint64_t at_price(search *s, double price)
{
    uint64_t bytes = s->fixed;
    for (size_t i = 0; i < s->n; i++) {
        matrix *m = &s->m[i];
        m->now = 0;
        for (int k = 1; k < m->n_rounded; k++)
            if (m->of[k].loss + price * (double)m->of[k].bytes <
                m->of[m->now].loss + price * (double)m->of[m->now].bytes)
                m->now = k;
        bytes += m->of[m->now].bytes;
    }
    return bytes;
}

/* The change of one matrix that gains most for a byte, among those that fit in what is left. False: there is none. */
static bool spend(search *s, uint64_t *left)
{
    matrix *best = NULL;
    int to = 0;
    double gain = 0;
    for (size_t i = 0; i < s->n; i++) {
        matrix *m = &s->m[i];
        const option *now = &m->of[m->now];
        for (int k = 0; k < m->n; k++) {
            const option *o = &m->of[k];
            if (o->loss >= now->loss || (o->bytes > now->bytes && o->bytes - now->bytes > *left))
                continue;
            const double by =
                o->bytes > now->bytes ? (now->loss - o->loss) / (double)(o->bytes - now->bytes) : INFINITY;
            if (by > gain) {
                gain = by;
                best = m;
                to = k;
            }
        }
    }
    if (!best)
        return false;
    *left += best->of[best->now].bytes;
    *left -= best->of[to].bytes;
    best->now = to;
    return true;
}

/* The smallest file there is. */
static uint64_t least_bytes(const search *s)
{
    uint64_t bytes = s->fixed;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t least = UINT64_MAX;
        for (int k = 0; k < s->m[i].n; k++)
            least = s->m[i].of[k].bytes < least ? s->m[i].of[k].bytes : least;
        bytes += least;
    }
    return bytes;
}

/* A price at which the file is small enough, and hardly more; there is one, since the least file is. */
static double find_price(search *s, uint64_t bytes)
{
    double low = 1e-18, high = 1;
    if (at_price(s, 0) <= bytes)
        return 0;
    while (at_price(s, high) > bytes &&
           high < 1e280) /* losses are at most some ones, and matrices have some hundred bytes, as a rule */
        high *= 1e6;
    for (int k = 0; k < BISECTIONS; k++) {
        const double middle = sqrt(low * high);
        *(at_price(s, middle) > bytes ? &low : &high) = middle;
    }
    return high;
}

static bool find_mix(search *s, uint64_t bytes, carat_err *err)
{
    const uint64_t least = least_bytes(s);
    if (least > bytes)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE,
                       "the smallest file has %.1f MB, of which %.1f MB are settled; expected at most %.1f MB",
                       (double)least / 1e6, (double)s->fixed / 1e6, (double)bytes / 1e6);
    const uint64_t now = at_price(s, find_price(s, bytes));
    uint64_t left = now < bytes ? bytes - now : 0;
    while (spend(s, &left))
        ;
    return true;
}

bool ct_choose_for_size(const ct_input *in, ct_choices *c, uint64_t head, uint64_t bytes, ct_rows *rows, carat_err *err)
{
    search s = { .m = calloc(in->n + 1, sizeof *s.m), .fixed = head };
    bool ok = s.m || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a search over %zu tensors", in->n);
    for (size_t i = 0; ok && i < in->n; i++) {
        const ct_input_tensor *t = &in->tensors[i];
        if (!is_free(t, &c->of[i])) {
            s.fixed += placed_bytes(t, c->of[i].type);
            continue;
        }
        rows->total += (uint64_t)sample_rows(t) * t->t->dims[0] * sizeof(float) *
                       ((t->t->dims[0] % 256 == 0 ? MAX_TYPES : sizeof narrow_types / sizeof *narrow_types) +
                        (t->t->type == CT_F32));
        s.m[s.n++].i = i;
    }
    for (size_t k = 0; ok && k < s.n; k++)
        ok = try_types(rows, &in->tensors[s.m[k].i], &c->of[s.m[k].i], &s.m[k], err);
    ok = ok && find_mix(&s, bytes, err);
    for (size_t k = 0; ok && k < s.n; k++) {
        c->of[s.m[k].i].type = s.m[k].of[s.m[k].now].type;
        c->of[s.m[k].i].error = s.m[k].of[s.m[k].now].loss;
    }
    free(s.m);
    return ok;
}
