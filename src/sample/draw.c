/* The draw: from a list of the best, or, where too many are left for one, through the whole row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/draw.h"

#include <math.h>

#include "sample/weights.h"

typedef struct drawing {
    const carat_sampling *set;
    const ct_logit_row *r;
    size_t k;                        /* 0: all */
    double best, scale, hot, number; /* filters weigh by scale, the draw by hot */
} drawing;

/* ---- from a list ---- */

static double weigh_list(ct_candidate *c, size_t n, double scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].p = exp(((double)c[i].logit - (double)c[0].logit) * scale);
    return sum;
}

/* The fewest that add up to a mass between these two; 0: it depends on which. */
static size_t keep_mass(const ct_candidate *c, size_t n, double least, double most)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += c[i].p;
        if (sum >= least)
            return sum >= most ? i + 1 : 0;
    }
    return least == most ? n : 0;
}

static double exact_total(const drawing *d)
{
    double sum = 0;
    for (size_t i = 0; i < d->r->n; i++)
        if (ct_logit_allowed(d->r, i))
            sum += exp(((double)d->r->logits[i] - d->best) * d->scale);
    return sum;
}

static int32_t draw_from_list(const drawing *d, ct_candidate *c, size_t n)
{
    size_t kept = 1;
    while (kept < n && c[kept].p >= (double)d->set->min_p)
        kept++;
    double sum = weigh_list(c, kept, d->hot), u = d->number * sum;
    for (size_t i = 0; i < kept; i++) {
        u -= c[i].p;
        if (u < 0)
            return c[i].id;
    }
    return c[kept - 1].id; /* u fell on the rounding error of the sum */
}

static int32_t draw_from_top(const drawing *d)
{
    ct_candidate top[CT_MOST_LISTED];
    size_t n = ct_select_top(d->r, d->k, top);
    double mass = (double)d->set->top_p * weigh_list(top, n, d->scale);
    if (d->set->top_p < 1)
        n = keep_mass(top, n, mass, mass);
    return draw_from_list(d, top, n);
}

/* Top-p alone. -1: there may be more in the nucleus than a list holds. */
static int32_t draw_from_nucleus(const drawing *d, const ct_spread *s)
{
    ct_candidate top[CT_MOST_LISTED];
    size_t n, kept;
    double p = (double)d->set->top_p;
    if (!ct_select_above(d->r, ct_spread_floor(s, p), CT_MOST_LISTED, top, &n))
        return -1;
    weigh_list(top, n, d->scale);
    kept = keep_mass(top, n, p * (s->total - 2 * s->error), p * (s->total + 2 * s->error));
    if (kept == 0) {
        double mass = p * exact_total(d);
        kept = keep_mass(top, n, mass, mass);
    }
    return draw_from_list(d, top, kept);
}

/* ---- through the row ---- */

/* What is left of it: those of the cut that pass min-p. */
typedef struct rest {
    const drawing *d;
    ct_cut cut;
    double min_p;           /* 0 until it is its turn */
    float unlikely, likely; /* of logits between these min-p is computed; below and above it is known */
} rest;

static void begin_min_p(rest *left)
{
    const drawing *d = left->d;
    left->min_p = (double)d->set->min_p;
    double gap = log(left->min_p) / d->scale, margin = 1e-6 * (1 + fabs(d->best) - gap);
    left->unlikely = (float)(d->best + gap - margin), left->likely = (float)(d->best + gap + margin);
}

static bool passes_min_p(const rest *left, float x)
{
    if (left->min_p <= 0 || x > left->likely)
        return true;
    return x >= left->unlikely && exp(((double)x - left->d->best) * left->d->scale) >= left->min_p;
}

/* Where a walk ended: at the token that lifted the sum above the limit, or at the last that is left. */
typedef struct place {
    int32_t id;
    double before, sum; /* without it, with it */
} place;

/* Adds up the weights of what is left, in the order of ids. */
static place walk(const rest *left, const ct_weights *w, double limit)
{
    const ct_logit_row *r = left->d->r;
    place p = { .id = -1 };
    size_t n_equal = 0;
    float floor = left->min_p > 0 && left->unlikely > left->cut.floor ? left->unlikely : left->cut.floor;
    double weight[CT_WEIGHT_BLOCK];
    for (size_t at = 0; at < r->n; at += CT_SCAN_BLOCK) {
        if (!ct_any_within(r, at, floor, INFINITY))
            continue;
        size_t n = r->n - at < CT_SCAN_BLOCK ? r->n - at : CT_SCAN_BLOCK;
        ct_weigh(w, r, at, n, weight, NULL);
        for (size_t i = 0; i < n; i++) {
            float x = r->logits[at + i];
            if (x < left->cut.floor || !ct_logit_allowed(r, at + i) ||
                (!(x > left->cut.floor) && n_equal++ >= left->cut.n_equal) || !passes_min_p(left, x))
                continue;
            p = (place){ (int32_t)(at + i), p.sum, p.sum + weight[i] };
            if (p.sum > limit)
                return p;
        }
    }
    return p;
}

static bool is_narrower(ct_cut a, ct_cut b)
{
    return a.floor > b.floor || (a.floor == b.floor && a.n_equal < b.n_equal);
}

/* Top-p of what top-k has left. *kept: the sum of the weights where it is known, else negative. False: undecided. */
static bool cut_nucleus(rest *left, const ct_spread *s, bool is_exact, double *kept)
{
    const drawing *d = left->d;
    ct_cut cut;
    double all = is_exact || d->k ? walk(left, &s->w, INFINITY).sum : s->total, mass = (double)d->set->top_p * all;
    if (is_exact)
        cut = ct_cut_mass(d->r, d->best, d->scale, mass);
    else if (!ct_spread_cut(s, d->r, mass, &cut, kept))
        return false;
    if (is_narrower(cut, left->cut))
        left->cut = cut;
    else
        *kept = -1;
    return true;
}

/* Do the filters leave everything, and is it drawn by the weights that they go by? */
static bool has_no_filter(const drawing *d)
{
    return d->k == 0 && d->set->top_p >= 1 && d->set->min_p <= 0 && d->hot == d->scale;
}

/* -1: undecided, because the weights are not exact. */
static int32_t draw_from_row(const drawing *d, ct_spread *s, bool is_exact)
{
    rest left = { .d = d, .cut = { -INFINITY, 0 } };
    double kept = has_no_filter(d) ? s->total : -1, error = s->error;
    if (is_exact)
        ct_weights_init(&s->w, d->best, d->scale, true);
    if (d->k > 0)
        left.cut = ct_cut_count(d->r, d->k);
    if (d->set->top_p < 1 && !cut_nucleus(&left, s, is_exact, &kept))
        return -1;
    if (d->set->min_p > 0)
        begin_min_p(&left);
    if (d->hot != d->scale)
        ct_weights_init(&s->w, d->best, d->hot, is_exact);
    if (is_exact || kept < 0 || left.min_p > 0 || d->hot != d->scale) {
        kept = walk(&left, &s->w, INFINITY).sum;
        error = kept * ct_weights_error(d->r->n);
    }
    double limit = d->number * kept;
    place p = walk(&left, &s->w, limit);
    bool is_near = limit - p.before <= 2 * error || p.sum - limit <= 2 * error;
    return is_near && !is_exact ? -1 : p.id;
}

int32_t ct_draw(const carat_sampling *set, const ct_logit_row *r, float best, double number)
{
    double hot = 1 / (double)set->temperature;
    const drawing d = { .set = set,
                        .r = r,
                        .k = (size_t)set->top_k < r->n ? (size_t)set->top_k : r->n,
                        .best = (double)best,
                        .scale = set->order == CARAT_TEMP_LAST ? 1 : hot,
                        .hot = hot,
                        .number = number };
    if (d.k > 0 && d.k <= CT_MOST_LISTED)
        return draw_from_top(&d);
    ct_spread s;
    if (set->top_p < 1 || has_no_filter(&d))
        ct_spread_fill(&s, r, d.best, d.scale);
    else
        ct_weights_init(&s.w, d.best, d.scale, false), s.error = 0;
    int32_t id = -1;
    if (d.k == 0 && set->top_p < 1)
        id = draw_from_nucleus(&d, &s);
    if (id < 0)
        id = draw_from_row(&d, &s, false);
    if (id < 0)
        id = draw_from_row(&d, &s, true);
    return id;
}
