/* check_mul.c - y = W x for every weight type and form of activations.
 *
 * The reference is worked out in double from the source blocks' bits, read through panel_drawn.c (interleaved types) or
 * ct_unpack_row (the others, whose kernels must use it). How far a kernel may be from it, by Higham, "Accuracy and
 * Stability of Numerical Algorithms", section 3.1: a sum of n terms in float32, added in any order, is off by at most
 * (n - 1) u sum|term|, u = 2^-24; a term that took k roundings adds k u |term|.
 *
 *   q8    terms: (scale * dx) * isum and min * (dx * sum_x) of each group; scale, min and isum are exact in float32
 *         (11 bits of d times at most 8 of the scale byte; |isum| < 2^24), so k = 2; 3 allows for another grouping
 *   f32   terms: w * x of each column; w may have been rounded once from product + min, so k = 2 on |product| + |min|
 *   bf16  as f32 with w rounded to bf16 first, and exact then; the instruction may take subnormal operands as zero and
 *         flush subnormal sums
 *   grid  a weight is within 3/2 step of its number, step at most 65/64 / 128 of what its 32 columns can reach, or 2^-47;
 *         sums over 32 columns are exact, so n is the number of those. All levels have generic's bits.
 *
 * and 4 more additions for a kernel's own lanes. Below 2^-126 roundings are absolute: half a SUBNORMAL, which isum may
 * then multiply.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernels/generic/plain_unit.h"
#include "panel_drawn.h"

static const char *const form_names[CT_N_ACTS] = { "f32", "bf16", "q8", "grid" };

/* ---- weights ---- */

/* Where a type's block keeps its f16 scale and minimum; -1: none. */
static const struct scale_place {
    ct_type type;
    int d, m;
} scale_places[] = {
    { CT_Q4_0, 0, -1 },   { CT_Q4_1, 0, 2 },     { CT_Q5_0, 0, -1 },   { CT_Q5_1, 0, 2 },     { CT_Q8_0, 0, -1 },
    { CT_Q8_1, 0, 2 },    { CT_IQ4_NL, 0, -1 },  { CT_Q2_K, 80, 82 },  { CT_Q3_K, 108, -1 },  { CT_Q4_K, 0, 2 },
    { CT_Q5_K, 0, 2 },    { CT_Q6_K, 208, -1 },  { CT_IQ4_XS, 0, -1 }, { CT_IQ2_XXS, 0, -1 }, { CT_IQ2_XS, 0, -1 },
    { CT_IQ2_S, 0, -1 },  { CT_IQ3_XXS, 0, -1 }, { CT_IQ3_S, 0, -1 },  { CT_IQ1_S, 0, -1 },   { CT_TQ1_0, 52, -1 },
    { CT_TQ2_0, 64, -1 }, { CT_Q1_0, 0, -1 },
};

enum fill { RANDOM, MIN_CODES, MAX_CODES, TOP_BITS, ZERO_SCALES, TINY_SCALES, HUGE_SCALES, BAD_SCALES, N_FILL };
static const char *const fill_names[] = { "random",      "codes 0",     "codes 255",   "codes 128",
                                          "zero scales", "tiny scales", "huge scales", "bad scales" };

/* Rows whose first block has a NaN or an infinity in BAD_SCALES. */
#define NAN_ROW 3
#define INF_ROW 5

static float scale_value(enum fill f, size_t row, size_t block, rng *r)
{
    float x = rng_unit(r);
    switch (f) {
    case ZERO_SCALES:
        return x < 0 ? -0.0f : 0.0f;
    case TINY_SCALES: /* f16 subnormals, some zero */
        return x * 0x1p-14f;
    case HUGE_SCALES:
        return x < 0 ? -65504.0f : 65504.0f;
    case BAD_SCALES:
        return block == 0 && row == NAN_ROW ? NAN : block == 0 && row == INF_ROW ? INFINITY : x;
    default:
        return x;
    }
}

static void put_half(uint8_t *p, float x)
{
    uint16_t h = ct_f32_to_f16(x);
    memcpy(p, &h, 2);
}

/* A plain weight: random, or the like of a fill. */
static void fill_plain(ct_type type, uint8_t *p, enum fill f, size_t row, size_t col, rng *r)
{
    float x = f == MIN_CODES || f == MAX_CODES || f == TOP_BITS ? (float)f : scale_value(f, row, col, r);
    if (f == TINY_SCALES && type != CT_F16)
        x *= 0x1p-120f;
    if (type == CT_F32)
        memcpy(p, &x, 4);
    else if (type == CT_F16)
        put_half(p, x);
    else
        memcpy(p, &(uint16_t){ ct_f32_to_bf16(x) }, 2);
}

static void fill_block(ct_type type, uint8_t *p, enum fill f, size_t row, size_t block, rng *r)
{
    const ct_type_info *info = ct_type_get(type);
    if (info->block == 1) {
        fill_plain(type, p, f, row, block, r);
        return;
    }
    for (int i = 0; i < info->bytes; i++)
        p[i] = f == MIN_CODES ? 0x00 : f == MAX_CODES ? 0xFF : f == TOP_BITS ? 0x80 : (uint8_t)rng_u32(r);
    for (size_t i = 0; i < sizeof scale_places / sizeof *scale_places; i++)
        if (scale_places[i].type == type) {
            put_half(p + scale_places[i].d, scale_value(f, row, block, r));
            if (scale_places[i].m >= 0)
                put_half(p + scale_places[i].m, scale_value(f == BAD_SCALES ? RANDOM : f, row, block, r));
            return;
        }
    switch ((int)type) { /* scales that are no f16: keep them finite */
    case CT_Q8_K: {
        float d = scale_value(f, row, block, r);
        memcpy(p, &d, 4);
        break;
    }
    case CT_MXFP4:
        p[0] = (uint8_t)(112 + p[0] % 32);
        break;
    case CT_NVFP4:
        for (int i = 0; i < 4; i++)
            p[i] = p[i] % 0x7F;
        break;
    case CT_IQ1_M: /* the four top nibbles of bytes 49, 51, 53, 55 are the f16 scale */
        p[55] = (uint8_t)((p[55] & 0x8F) | 0x20);
        break;
    default:
        fprintf(stderr, "%s: this test does not know where its blocks keep their scales (scale_places)\n", info->name);
        exit(1);
    }
}

typedef struct matrix {
    ct_type type;
    size_t rows, cols, bytes, panel_bytes;
    enum fill fill;
    uint8_t *packed;       /* guarded */
    double *product, *min; /* [rows][cols]: the weight is their sum */
    double *sum, *mag;     /* the same; the sum of their magnitudes */
    double *held;          /* the weight rounded to bf16 */
    double *reach;         /* [rows][cols / 32]: the largest magnitude that codes of the stretch can have */
} matrix;

/* Of the stretches that a unit's groups are in. */
static void raise_reach(const ct_plain_unit *u, int groups, size_t row, double largest, double *reach)
{
    for (int g = 0; g < groups; g++) {
        const double min = u->has_min ? (double)u->min[g][row] : 0, max = (double)u->scale[g][row] * largest + min;
        double *r = &reach[g * u->group / 32];
        *r = fmax(*r, fmax(fabs(min), fabs(max)));
    }
}

/* From the scales, which the q8 products share and are checked by. */
static void find_reach(matrix *w)
{
    const ct_form *form = ct_form_of(w->type);
    const size_t stretches = w->cols / 32, units = form->codes == CT_CODES_NONE ? 0 : ct_units(w->type, w->cols);
    ct_plain_unit *u = need(1, sizeof *u);
    w->reach = need(w->rows * stretches + 1, sizeof(double));
    for (size_t first = 0; first < w->rows; first += CT_PANEL) {
        const uint8_t *panel = w->packed + first / CT_PANEL * w->panel_bytes;
        const uint8_t *tail = ct_unit_of(w->type, 2).has_tail ? panel + ct_tail_offset(w->type, w->cols) : panel;
        for (size_t i = 0, s = 0; i < units; i++) {
            const ct_unit f = ct_unit_at(w->type, w->cols, i);
            ct_plain_unit_of(w->type, &f, panel + ct_unit_offset(w->type, i), tail + 32 * i, u);
            for (size_t row = first; row < w->rows && row < first + CT_PANEL; row++)
                raise_reach(u, f.cols / u->group, row - first, form->largest, &w->reach[row * stretches + s]);
            s += (size_t)f.stretches;
        }
    }
    free(u);
}

static void matrix_open(matrix *w, ct_type type, size_t rows, size_t cols, enum fill f, rng *r)
{
    const ct_type_info *info = ct_type_get(type);
    size_t row_bytes = 0, blocks = cols / info->block;
    *w = (matrix){ .type = type, .rows = rows, .cols = cols, .fill = f };
    ct_row_bytes(type, cols, &row_bytes);
    ct_panel_bytes(type, cols, &w->panel_bytes);
    ct_pack_bytes(type, rows, cols, &w->bytes);
    uint8_t *source = need(rows, row_bytes);
    for (size_t row = 0; row < rows; row++)
        for (size_t b = 0; b < blocks; b++)
            fill_block(type, source + row * row_bytes + b * info->bytes, f, row, b, r);
    w->packed = guarded(w->bytes, 64, rng_below(r, 4) != 0);
    for (size_t row = 0; row < rows; row += CT_PANEL)
        ct_pack_panel(type, source + row * row_bytes, row_bytes, rows - row < 16 ? (int)(rows - row) : 16, cols,
                      w->packed + row / CT_PANEL * w->panel_bytes);
    w->product = need(rows * cols, sizeof(double));
    w->min = need(rows * cols, sizeof(double));
    w->sum = need(rows * cols, sizeof(double));
    w->mag = need(rows * cols, sizeof(double));
    w->held = need(rows * cols, sizeof(double));
    float *values = need(cols, sizeof(float));
    for (size_t i = 0; i < rows * cols; i++) {
        const size_t row = i / cols, col = i % cols;
        float product, min = 0;
        if (ct_pack_is_interleaved(type)) {
            drawn_weight(type, w->packed + row / CT_PANEL * w->panel_bytes, cols, (int)(row % CT_PANEL), (int)col,
                         &product, &min);
        } else {
            if (col == 0)
                ct_unpack_row(type, source + row * row_bytes, values, cols);
            product = values[col];
        }
        w->product[i] = (double)product;
        w->min[i] = (double)min;
        w->sum[i] = w->product[i] + w->min[i];
        w->mag[i] = fabs(w->product[i]) + fabs(w->min[i]);
        w->held[i] = (double)ct_bf16_to_f32(ct_f32_to_bf16((float)w->sum[i]));
    }
    free(values);
    free(source);
    find_reach(w);
}

static void matrix_close(matrix *w)
{
    unguard(w->packed);
    free(w->product);
    free(w->min);
    free(w->sum);
    free(w->mag);
    free(w->held);
    free(w->reach);
}

/* ---- activations ---- */

enum x_fill { X_RANDOM, X_EXTREME, X_HUGE, X_TINY, X_ZERO, X_NAN, N_X_FILL };
static const char *const x_names[] = { "random", "extreme", "huge", "tiny", "zero", "NaN" };

/* n tokens in a form. X_NAN: token 1 alone has a NaN, in its last column. */
typedef struct tokens {
    ct_acts_form form;
    enum x_fill fill;
    size_t n, cols, stride;
    uint8_t *x; /* guarded */
} tokens;

static float x_value(enum x_fill f, size_t token, size_t col, size_t cols, rng *r)
{
    switch (f) {
    case X_EXTREME: /* all codes +-127: sums of bytes at their limits */
        return token % 3 == 0 ? 1.0f : token % 3 == 1 ? -1.0f : col % 4 < 2 ? 1.0f : -1.0f;
    case X_HUGE:
        return rng_unit(r) * 1e25f;
    case X_TINY:
        return rng_unit(r) * 0x1p-95f;
    case X_ZERO:
        return col % 2 ? 0.0f : -0.0f;
    case X_NAN:
        return token == 1 && col == cols - 1 ? NAN : rng_normal(r);
    default:
        return rng_normal(r) * (col % 37 == 5 ? 20.0f : 1.0f); /* with outliers, as hidden states have */
    }
}

static void tokens_open(tokens *x, const ct_kernels *k, ct_acts_form form, size_t n, size_t cols, enum x_fill f, rng *r)
{
    *x = (tokens){ form, f, n, cols, ct_acts_stride(form, cols), NULL };
    x->x = guarded(n * x->stride, 64, true);
    float *values = need(cols, sizeof(float));
    for (size_t t = 0; t < n; t++) {
        for (size_t c = 0; c < cols; c++)
            values[c] = x_value(f, t, c, cols, r);
        k->acts[form](values, cols, x->x + t * x->stride);
    }
    free(values);
}

/* ---- the reference ---- */

typedef struct expected {
    double *y, *tolerance; /* [n][rows] */
} expected;

static int group_of(ct_type type)
{
    return type == CT_Q2_K || type == CT_Q3_K || type == CT_Q6_K || type == CT_IQ2_XS || type == CT_IQ2_S ||
                   type == CT_IQ1_M
               ? 16
               : 32;
}

/* A token's values, of q8 its codes, and their magnitudes: [2][cols]. */
static void read_token(const tokens *x, size_t token, double *v)
{
    const uint8_t *row = x->x + token * x->stride;
    for (size_t c = 0; c < x->cols; c++) {
        float f;
        uint16_t h;
        if (x->form == CT_ACTS_Q8) {
            f = (int8_t)row[c];
        } else if (x->form == CT_ACTS_F32) {
            memcpy(&f, row + 4 * c, 4);
        } else {
            memcpy(&h, row + 2 * (x->form == CT_ACTS_GRID ? c / 4 * 4 + (size_t) "\0\2\1\3"[c % 4] : c), 2);
            f = ct_bf16_to_f32(h);
        }
        v[c] = (double)f;
        v[x->cols + c] = fabs(v[c]);
    }
}

/* In four sums, which compilers make vectors of when told so. */
static double dot(const double *a, const double *b, size_t n)
{
    typedef double four __attribute__((vector_size(32)));
    four sum = { 0 }, x, y;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        sum += x * y;
    }
    for (; i < n; i++)
        sum[0] += a[i] * b[i];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

static void expect_q8(const matrix *w, const uint8_t *x, const double *q, size_t row, double *y, double *tolerance)
{
    const double *product = w->product + row * w->cols, *min = w->min + row * w->cols;
    const size_t group = (size_t)group_of(w->type);
    double sum = 0, mag = 0, tiny = 0, terms = 0;
    for (size_t c = 0; c < w->cols; c += group) {
        double a = dot(product + c, q + c, group), sum_x = 0;
        float dx;
        memcpy(&dx, x + ct_acts_d_offset(w->cols) + c / 32 * 4, 4);
        for (size_t i = c; i < c + group; i++)
            sum_x += q[i];
        double b = min[c] * sum_x;
        sum += (double)dx * (a + b);
        mag += fabs((double)dx) * (fabs(a) + fabs(b));
        tiny += (double)group * 128 * 127 + 4;
        terms += signbit(min[c]) && min[c] == 0 ? 1 : 2; /* -0: no minimum */
    }
    *y = sum;
    *tolerance = mag * (terms - 1 + 3 + 4) * UNIT_ROUND + tiny * SUBNORMAL;
}

/* What the bf16 instruction may take for zero. */
static double flushed_of(const double *product, const double *v, size_t n)
{
    double sum = (double)n * 0x1p-126;
    for (size_t c = 0; c < n; c++)
        if (fabs(product[c]) < 0x1p-126 || fabs(v[c]) < 0x1p-126)
            sum += fabs(product[c] * v[c]);
    return sum;
}

/* v: the token's values, and their magnitudes. */
static void expect_float(const matrix *w, bool is_bf16, const double *v, size_t row, double *y, double *tolerance)
{
    const size_t n = w->cols, at = row * n;
    *y = dot((is_bf16 ? w->held : w->sum) + at, v, n);
    *tolerance = dot(w->mag + at, v + n, n) * ((double)n - 1 + 2 + 4) * UNIT_ROUND + (double)n * 4 * SUBNORMAL +
                 (is_bf16 ? flushed_of(w->held + at, v, n) : 0);
}

static void expect_grid(const matrix *w, const double *v, size_t row, double *y, double *tolerance)
{
    const size_t n = w->cols, at = row * n;
    double mag = dot(w->mag + at, v + n, n), off = 0;
    for (size_t c = 0; c < n; c += 32) {
        const double step = fmax(w->reach[(at + c) / 32] * 65 / 64 / 128, 0x1p-47);
        for (size_t i = c; i < c + 32; i++)
            off += 1.5 * step * (1 + 4 * UNIT_ROUND) * v[n + i];
    }
    *y = dot(w->sum + at, v, n);
    *tolerance = off + (mag + off) * (double)(n / 32) * UNIT_ROUND;
}

static void expect(expected *e, const matrix *w, const tokens *x)
{
    double *v = need(2 * x->cols, sizeof *v);
    e->y = need(x->n * w->rows, sizeof(double));
    e->tolerance = need(x->n * w->rows, sizeof(double));
    for (size_t t = 0; t < x->n; t++) {
        read_token(x, t, v);
        for (size_t row = 0; row < w->rows; row++) {
            size_t i = t * w->rows + row;
            if (x->form == CT_ACTS_Q8)
                expect_q8(w, x->x + t * x->stride, v, row, &e->y[i], &e->tolerance[i]);
            else if (x->form == CT_ACTS_GRID)
                expect_grid(w, v, row, &e->y[i], &e->tolerance[i]);
            else
                expect_float(w, x->form == CT_ACTS_BF16, v, row, &e->y[i], &e->tolerance[i]);
        }
    }
    free(v);
}

/* ---- one product and its pieces ---- */

/* Runs panels [begin, end) for tokens [t0, t0 + n) into y, which is guarded and filled with 0xFF. */
static float *run_mul(const check *c, const matrix *w, const tokens *x, size_t t0, size_t n, size_t begin, size_t end,
                      size_t y_stride, void *scratch)
{
    float *y = guarded(((n - 1) * y_stride + w->rows) * sizeof *y, 4, (t0 + n + begin) % 4 != 3);
    ct_mul m = { .w = w->packed, .type = w->type, .rows = w->rows, .cols = w->cols, .n = n };
    m.x = x->x + t0 * x->stride;
    m.x_stride = x->stride;
    m.y = y;
    m.y_stride = y_stride;
    c->isa->mul[w->type][x->form](&m, begin, end, scratch);
    return y;
}

/* What a call over panels [begin, end) must not have written. */
static void check_untouched(const float *y, size_t n, size_t rows, size_t begin, size_t end, size_t y_stride)
{
    static const uint32_t untouched = 0xFFFFFFFFu;
    for (size_t i = 0; i < (n - 1) * y_stride + rows; i++) {
        size_t row = i % y_stride;
        bool is_ours = row < rows && row >= begin * CT_PANEL && row < end * CT_PANEL;
        if (!is_ours && memcmp(&y[i], &untouched, 4) != 0) {
            check_fail("panels %zu-%zu of %zu rows, y stride %zu: wrote y[%zu]", begin, end, rows, y_stride, i);
            return;
        }
    }
}

static void check_values(const matrix *w, const tokens *x, const float *y, size_t y_stride, const expected *e)
{
    for (size_t t = 0; t < x->n; t++)
        for (size_t row = 0; row < w->rows; row++) {
            double expect_y = e->y[t * w->rows + row], tolerance = e->tolerance[t * w->rows + row];
            float got = y[t * y_stride + row];
            if (!is_near(got, expect_y, tolerance)) {
                check_fail("%zu x %zu, %s, %zu tokens, %s: token %zu row %zu is %.9g, expected %.9g +- %.3g", w->rows,
                           w->cols, fill_names[w->fill], x->n, x_names[x->fill], t, row, (double)got, expect_y,
                           tolerance);
                return;
            }
        }
}

/* Every way of cutting the work gives the bits of the whole. */
static void check_cuts(const check *c, const matrix *w, const tokens *x, const float *whole, size_t whole_stride,
                       void *scratch)
{
    static const size_t cuts[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24, 32, 33 };
    size_t panels = (w->rows + CT_PANEL - 1) / CT_PANEL;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts && cuts[i] <= x->n; i++)
        for (size_t t0 = 0; t0 < x->n; t0 += cuts[i]) {
            size_t n = x->n - t0 < cuts[i] ? x->n - t0 : cuts[i];
            size_t begin = (t0 + i) % panels, end = begin + 1 + i % (panels - begin), stride = w->rows + i % 3;
            float *y = run_mul(c, w, x, t0, n, begin, end, stride, scratch);
            check_untouched(y, n, w->rows, begin, end, stride);
            for (size_t t = 0; t < n; t++)
                for (size_t row = begin * CT_PANEL; row < end * CT_PANEL && row < w->rows; row++)
                    if (!is_same(y[t * stride + row], whole[(t0 + t) * whole_stride + row])) {
                        check_fail("%zu x %zu: token %zu row %zu is %a in a call of %zu tokens and panels %zu-%zu, %a "
                                   "among all %zu",
                                   w->rows, w->cols, t0 + t, row, (double)y[t * stride + row], n, begin, end,
                                   (double)whole[(t0 + t) * whole_stride + row], x->n);
                        t = n - 1;
                        break;
                    }
            unguard(y);
        }
}

/* The grid's products have one result, whoever computes it. */
static void check_generic(const check *c, const matrix *w, const tokens *x, const float *y, size_t y_stride,
                          void *scratch)
{
    const check generic = { .isa = c->generic };
    float *same = run_mul(&generic, w, x, 0, x->n, 0, (w->rows + CT_PANEL - 1) / CT_PANEL, w->rows, scratch);
    for (size_t t = 0; t < x->n; t++)
        for (size_t row = 0; row < w->rows; row++)
            if (!is_same(y[t * y_stride + row], same[t * w->rows + row])) {
                check_fail("%zu x %zu, %s, %zu tokens, %s: token %zu row %zu is %a, generic %a", w->rows, w->cols,
                           fill_names[w->fill], x->n, x_names[x->fill], t, row, (double)y[t * y_stride + row],
                           (double)same[t * w->rows + row]);
                t = x->n - 1;
                break;
            }
    unguard(same);
}

/* Tokens in tiles, all of them and from a sixteenth one on: the same bits. */
static void check_tiled(const check *c, const matrix *w, const tokens *x, const float *whole, size_t whole_stride,
                        void *scratch)
{
    uint8_t *tiled = guarded((x->n + CT_TILED - 1) / CT_TILED * CT_TILED * x->stride, 64, true);
    for (size_t t = 0; t < x->n; t++)
        for (size_t s = 0; s < (w->cols + 31) / 32; s++) {
            const size_t left = 2 * (w->cols - 32 * s), live = left < 64 ? left : 64;
            uint8_t *to = tiled + t / CT_TILED * CT_TILED * x->stride + 1024 * s + t % CT_TILED * 64;
            memcpy(to, x->x + t * x->stride + 64 * s, live);
            memset(to + live, 0, 64 - live);
        }
    for (size_t t0 = 0; t0 < x->n; t0 += (x->n / 2 + CT_TILED) / CT_TILED * CT_TILED) {
        ct_mul m = { .w = w->packed, .type = w->type, .rows = w->rows, .cols = w->cols, .n = x->n - t0 };
        m.x = tiled + t0 * x->stride;
        m.x_stride = x->stride;
        m.x_is_tiled = true;
        m.y_stride = w->rows;
        m.y = guarded(m.n * m.y_stride * sizeof *m.y, 4, true);
        c->isa->mul[w->type][x->form](&m, 0, (w->rows + CT_PANEL - 1) / CT_PANEL, scratch);
        for (size_t i = 0; i < m.n * w->rows; i++) {
            const float same = whole[(t0 + i / w->rows) * whole_stride + i % w->rows];
            if (is_same(m.y[i], same))
                continue;
            check_fail("%zu x %zu: token %zu row %zu of %zu tokens is %a in tiles, %a in rows", w->rows, w->cols,
                       t0 + i / w->rows, i % w->rows, x->n, (double)m.y[i], (double)same);
            break;
        }
        unguard(m.y);
    }
    unguard(tiled);
}

static void check_product(const check *c, const matrix *w, ct_acts_form form, size_t n, enum x_fill f, bool with_cuts,
                          rng *r)
{
    tokens x;
    expected e;
    void *scratch = guarded(c->isa->mul_scratch, 64, true);
    tokens_open(&x, c->generic, form, n, w->cols, f, r);
    expect(&e, w, &x);
    size_t panels = (w->rows + CT_PANEL - 1) / CT_PANEL, y_stride = w->rows + (n > 1 ? 5 : 0);
    float *y = run_mul(c, w, &x, 0, n, 0, panels, y_stride, scratch);
    check_untouched(y, n, w->rows, 0, panels, y_stride);
    check_values(w, &x, y, y_stride, &e);
    if (form == CT_ACTS_GRID && n < 100)
        check_generic(c, w, &x, y, y_stride, scratch);
    if (c->isa->acts_tiled[form] && n >= c->isa->tiled_tokens)
        check_tiled(c, w, &x, y, y_stride, scratch);
    if (with_cuts)
        check_cuts(c, w, &x, y, y_stride, scratch);
    unguard(y);
    unguard(x.x);
    unguard(scratch);
    free(e.y);
    free(e.tolerance);
}

/* ---- shapes ---- */

typedef struct shape {
    size_t rows, cols, n;
} shape;

/* cols is counted in blocks for the quantised types; n is tokens. */
static const shape plain_shapes[] = { { 1, 1, 3 },    { 16, 2, 5 },   { 40, 3, 17 },   { 7, 31, 9 },   { 33, 72, 33 },
                                      { 17, 144, 8 }, { 5, 257, 33 }, { 100, 96, 16 }, { 23, 640, 18 } };
static const shape block32_shapes[] = { { 1, 1, 3 },   { 16, 2, 5 },  { 40, 3, 17 },  { 7, 5, 9 },
                                        { 33, 8, 33 }, { 17, 11, 8 }, { 100, 2, 33 }, { 23, 20, 18 } };
static const shape block256_shapes[] = { { 1, 1, 3 },  { 40, 1, 33 }, { 23, 2, 17 },
                                         { 16, 3, 8 }, { 100, 2, 9 }, { 33, 5, 18 } };

static void check_shape(const check *c, ct_type type, ct_acts_form form, const shape *s, rng *r)
{
    matrix w;
    size_t cols = s->cols * ct_type_get(type)->block;
    matrix_open(&w, type, s->rows, cols, RANDOM, r);
    for (int f = 0; f < N_X_FILL; f++)
        check_product(c, &w, form, s->n, (enum x_fill)f, f == X_RANDOM, r);
    matrix_close(&w);
    for (int f = RANDOM + 1; f < N_FILL; f++) {
        matrix_open(&w, type, s->rows, cols, (enum fill)f, r);
        check_product(c, &w, form, s->n < 9 ? s->n : 9, X_RANDOM, false, r);
        check_product(c, &w, form, s->n < 4 ? s->n : 4, X_EXTREME, false, r);
        if (f == TINY_SCALES)
            check_product(c, &w, form, s->n < 4 ? s->n : 4, X_TINY, false, r);
        if (f == HUGE_SCALES)
            check_product(c, &w, form, s->n < 4 ? s->n : 4, X_HUGE, false, r);
        matrix_close(&w);
    }
}

/* More tokens than any kernel blocks by, and their pieces. The largest blocks, of level avx512, hold 1320 tokens of int8
 * (avx512_q8_loops.h), and 1280 of plain numbers if a row fills a chunk of steps: of f32 128 columns, of bf16 256. */
static void check_many_tokens(const check *c, ct_type type, ct_acts_form form, rng *r)
{
    matrix w;
    size_t block = ct_type_get(type)->block;
    matrix_open(&w, type, 21, block == 1 ? 256 : block, RANDOM, r);
    check_product(c, &w, form, 1361, X_RANDOM, false, r);
    check_product(c, &w, form, 131, X_RANDOM, true, r);
    matrix_close(&w);
}

/* Rows longer than any kernel unpacks or multiplies at a time, with a ragged end, and their tokens in pieces; and panels
 * of more tokens than are multiplied together. */
static void check_long_rows(const check *c, ct_type type, ct_acts_form form, rng *r)
{
    matrix w;
    size_t block = ct_type_get(type)->block;
    matrix_open(&w, type, 21, block == 1 ? 6433 : block == 32 ? 201 * 32 : 25 * 256, RANDOM, r);
    check_product(c, &w, form, 17, X_RANDOM, true, r);
    if (form == CT_ACTS_GRID)
        check_product(c, &w, form, 99, X_RANDOM, false, r);
    matrix_close(&w);
}

static void check_slot(const check *c, ct_type type, ct_acts_form form)
{
    rng r = { (uint64_t)type * 8 + form };
    size_t block = ct_type_get(type)->block;
    const shape *shapes = block == 1 ? plain_shapes : block == 256 ? block256_shapes : block32_shapes;
    size_t n = block == 1     ? sizeof plain_shapes / sizeof *plain_shapes
               : block == 256 ? sizeof block256_shapes / sizeof *block256_shapes
                              : sizeof block32_shapes / sizeof *block32_shapes;
    const size_t step = c->is_quick ? 4 : 1, share = ((size_t)type + form) % step;
    for (size_t i = share; i < n; i += step)
        check_shape(c, type, form, &shapes[i], &r);
    if (share == 0)
        check_many_tokens(c, type, form, &r);
    /* Not where generic does the work: it is slow, and sums in one piece. */
    if (share == step / 2 && c->isa->mul[type][form] != c->generic->mul[type][form] && ct_pack_is_interleaved(type))
        check_long_rows(c, type, form, &r);
}

/* Is the slot's function one of a level below, whose own test has it? */
static bool is_from_below(const check *c, uint32_t type, int form)
{
    for (int i = 0; i < c->n_below; i++)
        if (c->below[i].mul[type][form] == c->isa->mul[type][form])
            return true;
    return false;
}

/* ---- every slot ---- */

void check_mul(check *c)
{
    bool is_generic = strcmp(c->isa->isa, "generic") == 0; /* only there a slot of the generic level is checked */
    for (uint32_t type = 0; type < CT_N_TYPE; type++)
        for (int form = 0; ct_type_get(type) && form < CT_N_ACTS; form++) {
            ct_mul_fn *fn = c->isa->mul[type][form], *plain = c->generic->mul[type][form];
            if (!fn && !plain && form != CT_ACTS_F32)
                continue;
            if (!check_begin(c, "mul_%s_%s", ct_type_get(type)->name, form_names[form]))
                continue;
            if (!fn || !c->isa->mul[type][c->isa->form[type]])
                check_fail("the slot is empty");
            else if ((fn != plain || is_generic) && !is_from_below(c, type, form))
                check_slot(c, (ct_type)type, (ct_acts_form)form);
        }
}
