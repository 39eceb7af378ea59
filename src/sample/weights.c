/* Weights from a table and a polynomial, their sums by steps, and the cut that leaves a given sum.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/weights.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "sample/float_key.h"

#define LN2       0.69314718055994530942
#define STEP_NATS (LN2 / CT_WEIGHT_PER_OCTAVE)

/* Added to a number below 2^51, this leaves the nearest integer in the lowest bits. */
#define TO_INTEGER 0x1.8p52

void ct_weights_init(ct_weights *w, double max, double scale, bool is_exact)
{
    w->max = max, w->scale = scale, w->is_exact = is_exact;
    w->steps = scale / STEP_NATS;
    for (int i = 0; i < CT_WEIGHT_PER_OCTAVE; i++)
        w->table[i] = exp(-i * STEP_NATS);
    for (int i = CT_WEIGHT_PER_OCTAVE; i < CT_WEIGHT_STEPS; i++)
        w->table[i] = w->table[i - CT_WEIGHT_PER_OCTAVE] / 2;
    w->table[CT_WEIGHT_STEPS] = 0;
}

/* How many steps a logit lies below the largest. */
static double steps_below(const ct_weights *w, float x)
{
    double y = (w->max - (double)x) * w->steps;
    return y < CT_WEIGHT_STEPS ? y : CT_WEIGHT_STEPS;
}

static uint32_t nearest(double y)
{
    uint64_t bits;
    y += TO_INTEGER;
    memcpy(&bits, &y, sizeof bits);
    return (uint32_t)bits;
}

/* The error of a weight: with |z| <= ln 2 / 64 the polynomial lacks at most z^4/24 e^|z| < 5.9e-10 of exp(z); y is off by
 * three roundings of at most 1856 steps, 1e-14 nats; the table by one rounding. */
void ct_weigh(const ct_weights *w, const ct_logit_row *r, size_t at, size_t n, double *weight, uint32_t *step)
{
    uint32_t place[CT_WEIGHT_BLOCK];
    const float *x = r->logits + at;
    for (size_t i = 0; i < n; i++) { /* two loops: compilers make vectors of the first */
        double y = steps_below(w, x[i]), whole = y + TO_INTEGER;
        double z = ((whole - TO_INTEGER) - y) * STEP_NATS;
        place[i] = nearest(y);
        weight[i] = 1 + z * (1 + z * (0.5 + z * (1.0 / 6)));
    }
    for (size_t i = 0; i < n; i++) {
        if (!ct_logit_allowed(r, at + i)) /* one that is not may lie above max */
            place[i] = CT_WEIGHT_STEPS;
        weight[i] *= w->table[place[i]];
        if (step)
            step[i] = place[i];
    }
    for (size_t i = 0; w->is_exact && i < n; i++)
        weight[i] = ct_logit_allowed(r, at + i) ? exp(((double)x[i] - w->max) * w->scale) : 0;
}

double ct_weights_error(size_t n)
{
    /* One weight's, a sum's roundings, and what lies below the table beside a total of at least 1. */
    return 6e-10 + (double)n * (DBL_EPSILON + 0x1p-58);
}

void ct_spread_fill(ct_spread *s, const ct_logit_row *r, double max, double scale)
{
    double weight[CT_WEIGHT_BLOCK];
    uint32_t step[CT_WEIGHT_BLOCK];
    ct_weights_init(&s->w, max, scale, false);
    memset(s->weight, 0, sizeof s->weight);
    for (size_t at = 0; at < r->n; at += CT_WEIGHT_BLOCK) {
        size_t n = r->n - at < CT_WEIGHT_BLOCK ? r->n - at : CT_WEIGHT_BLOCK;
        ct_weigh(&s->w, r, at, n, weight, step);
        for (size_t i = 0; i < n; i++)
            s->weight[step[i]] += weight[i];
    }
    s->total = 0;
    for (size_t i = 0; i < CT_WEIGHT_STEPS; i++)
        s->total += s->weight[i];
    s->error = s->total * ct_weights_error(r->n);
}

/* The logit so many steps below the largest. */
static float logit_at(const ct_spread *s, double steps)
{
    return (float)(s->w.max - steps / s->w.steps);
}

float ct_spread_floor(const ct_spread *s, double p)
{
    double seen = 0;
    for (size_t i = 0; i < CT_WEIGHT_STEPS; i++) {
        seen += s->weight[i];
        if (seen >= p * s->total + 2 * s->error) /* step i ends half a step below its place */
            return logit_at(s, (double)i + 1);
    }
    return -INFINITY;
}

/* ---- the cut ---- */

/* Part of a step, by the ordered bits of its logits. */
#define MOST_PARTS 2048
typedef struct parts {
    double weight[MOST_PARTS];
    uint32_t n[MOST_PARTS];
    uint32_t first, last; /* keys */
    int shift;            /* a part's width */
} parts;

static void fill_parts(const ct_spread *s, const ct_logit_row *r, uint32_t step, parts *p)
{
    float low = ct_key_float(p->first), high = ct_key_float(p->last);
    memset(p->weight, 0, sizeof p->weight);
    memset(p->n, 0, sizeof p->n);
    for (size_t at = 0; at < r->n; at += CT_SCAN_BLOCK) {
        if (!ct_any_within(r, at, low, high))
            continue;
        for (size_t i = at; i < r->n && i < at + CT_SCAN_BLOCK; i++) {
            double weight;
            uint32_t place;
            if (!(r->logits[i] >= low && r->logits[i] <= high) || !ct_logit_allowed(r, i))
                continue;
            ct_weigh(&s->w, r, i, 1, &weight, &place);
            if (place != step)
                continue;
            uint32_t part = (ct_float_key(r->logits[i]) - p->first) >> p->shift;
            p->weight[part] += weight;
            p->n[part]++;
        }
    }
}

/* The part, from the largest logits down, in which the sum *seen reaches the mass. False: none. */
static bool find_part(const parts *p, double mass, double *seen, uint32_t *out)
{
    for (uint32_t i = ((p->last - p->first) >> p->shift) + 1; i-- > 0;) {
        if (p->n[i] > 0 && *seen + p->weight[i] >= mass)
            return *out = i, true;
        *seen += p->weight[i];
    }
    return false;
}

/* All logits of the last part are equal: how many of them? */
static bool cut_equals(const ct_spread *s, const parts *p, uint32_t part, double mass, double seen, ct_cut *cut,
                       double *kept)
{
    double each = p->weight[part] / p->n[part];
    size_t n = 1;
    while (n < p->n[part] && seen + (double)n * each < mass)
        n++;
    *cut = (ct_cut){ ct_key_float(p->first + part), n };
    *kept = seen + (double)n * each;
    double margin = 2 * s->error;
    return *kept - mass > margin && mass - (*kept - each) > margin;
}

bool ct_spread_cut(const ct_spread *s, const ct_logit_row *r, double mass, ct_cut *cut, double *kept)
{
    double seen = 0;
    uint32_t step = 0, part;
    while (step < CT_WEIGHT_STEPS && seen + s->weight[step] < mass)
        seen += s->weight[step++];
    if (step == CT_WEIGHT_STEPS)
        return false;
    parts p = { .first = ct_float_key(logit_at(s, (double)step + 1)),
                .last = ct_float_key(logit_at(s, step ? (double)step - 1 : 0)) };
    for (;;) {
        p.shift = 0;
        while ((p.last - p.first) >> p.shift >= MOST_PARTS)
            p.shift++;
        fill_parts(s, r, step, &p);
        if (!find_part(&p, mass, &seen, &part))
            return false;
        if (p.shift == 0)
            return cut_equals(s, &p, part, mass, seen, cut, kept);
        p.first += part << p.shift;
        if (p.last - p.first >= UINT32_C(1) << p.shift)
            p.last = p.first + (UINT32_C(1) << p.shift) - 1;
    }
}
