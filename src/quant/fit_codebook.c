/* fit_codebook.c - entries and scales of the codebook types.
 *
 * Scales are found as in fit_scale.c: several tries around the one that just reaches the largest weight, in which each
 * weight takes its nearest level, whether or not there is such an entry: near enough to choose a scale by, and many times
 * faster. Then best entries and best scale in turn; then the same for d and the groups' s as they are stored.
 *
 * The best entry is looked for among those near the point of nearest levels (codebook.h), a lane each: the error is a sum
 * over weights of small tables, filled anew for each scale.
 *
 * Where only even numbers of minuses can be stored, the weight whose wrong sign costs least is given it beforehand: the
 * cost is 4 w |x| times its magnitude, and w |x| decides.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit_codebook.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_PER_GROUP = 8, TRIES = 10 };

/* ---- the nearest entry ---- */

/* The middles between neighbouring levels. */
static void middles_of(const ct_book_form *f, float middle[7])
{
    for (int k = 0; k + 1 < f->n_level; k++)
        middle[k] = (f->level[k] + f->level[k + 1]) * 0.5f;
}

/* The nearest level's code for each weight of a group. */
static void nearest_codes(const ct_book_form *f, const float *x, float scale, float shift, uint8_t code[32])
{
    const vec inverse = v_set1(1 / scale), off = v_set1(shift), one = v_set1(1), zero = v_set1(0);
    float middle[7];
    middles_of(f, middle);
    for (int i = 0; i < f->len; i += LANES) {
        const vec t = v_sub(v_mul(v_load(x + i), inverse), off);
        vec sum = zero;
        for (int k = 0; k + 1 < f->n_level; k++)
            sum = v_add(sum, v_pick(v_above(t, v_set1(middle[k])), one, zero));
        v_store_bytes(code + i, sum);
    }
}

static int point8(const uint8_t *c)
{
    const int low = c[0] + 3 * c[1] + 9 * c[2] + 27 * c[3], high = c[4] + 3 * c[5] + 9 * c[6] + 27 * c[7];
    return low + 81 * high;
}

static int point4(const uint8_t *c)
{
    return c[0] | c[1] << 3 | c[2] << 6 | c[3] << 9;
}

/* Errors of LANES entries with eight weights, whose tables stand in t; with four. */
LANE_INLINE vec errors8(const vec t[8], ivec key)
{
    vec e = v_look4(t[0], key);
    for (int i = 1; i < 8; i++)
        e = v_add(e, v_look4(t[i], i_right(key, 2 * i)));
    return e;
}
LANE_INLINE vec errors4(vec t[4][TABLE8], ivec key)
{
    vec e = v_look8(t[0], key);
    for (int i = 1; i < 4; i++)
        e = v_add(e, v_look8(t[i], i_right(key, 4 * i)));
    return e;
}

enum { NEAR_VECS = CT_NEAR / LANES };

/* The first of the least. */
LANE_INLINE int first_least(const vec e[NEAR_VECS], float *least)
{
    vec all = e[0];
    unsigned bits = 0;
    for (int k = 1; k < NEAR_VECS; k++)
        all = v_min(e[k], all);
    *least = v_least(all);
    for (int k = 0; k < NEAR_VECS; k++)
        bits |= v_equals(e[k], *least) << (k * LANES);
    return bits ? __builtin_ctz(bits) : 0;
}

/* Where in the list the entry with the least error stands. x and w are of its weights; levels are those of the scale. */
static int best_of8(const ct_near *near, const float *x, const float *w, vec levels, float *least)
{
    vec t[8];
    vec e[NEAR_VECS];
    for (int i = 0; i < 8; i++) {
        const vec off = v_sub(v_set1(x[i]), levels);
        t[i] = v_mul(v_mul(off, off), v_set1(w[i]));
    }
    for (int i = 0; i < NEAR_VECS; i++)
        e[i] = errors8(t, i_load16(near->code + i * LANES));
    return first_least(e, least);
}

static int best_of4(const ct_near *near, const float *x, const float *w, const vec levels[TABLE8], float *least)
{
    vec t[4][TABLE8];
    vec e[NEAR_VECS];
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < TABLE8; k++) {
            const vec off = v_sub(v_set1(x[i]), levels[k]);
            t[i][k] = v_mul(v_mul(off, off), v_set1(w[i]));
        }
    for (int i = 0; i < NEAR_VECS; i++)
        e[i] = errors4(t, i_load16(near->code + i * LANES));
    return first_least(e, least);
}

/* ---- a group ---- */

typedef struct sums {
    float loss, xl, ll; /* of these levels: the error; sum w x l and sum w l^2 */
} sums;

typedef struct tried {
    sums s;
    uint16_t entry[MAX_PER_GROUP], code[MAX_PER_GROUP];
    float loss[MAX_PER_GROUP];
    bool minus[MAX_PER_GROUP];
} tried;

/* The best entries of a group with this shift, and their losses. */
static void try_shift(const ct_book_form *f, const ct_near *lists, const float *x, const float *w, float scale,
                      float shift, tried *t)
{
    uint8_t code[32];
    float level[8] = { 0 };
    vec levels[TABLE8];
    for (int k = 0; k < f->n_level; k++)
        level[k] = scale * (f->level[k] + shift);
    nearest_codes(f, x, scale, shift, code);
    if (f->dim == 8)
        levels[0] = v_table4(level);
    else
        v_table8(level, levels);
    t->s.loss = 0;
    for (int k = 0, at = 0; at < f->len; k++, at += f->dim) {
        const ct_near *near = &lists[f->dim == 8 ? point8(code + at) : point4(code + at)];
        const int i = f->dim == 8 ? best_of8(near, x + at, w + at, levels[0], &t->loss[k])
                                  : best_of4(near, x + at, w + at, levels, &t->loss[k]);
        t->entry[k] = near->entry[i];
        t->code[k] = near->code[i];
        t->minus[k] = shift < 0;
        t->s.loss += t->loss[k];
    }
}

/* The levels of an entry's weights. */
LANE_INLINE void take_levels(const float level[8], unsigned code, int dim, float *out)
{
    for (int i = 0; i < dim; i++)
        out[i] = dim == 8 ? level[code >> (2 * i) & 3] : level[code >> (4 * i) & 7];
}

/* What the scale of the group is reckoned from. */
static void sum_levels(const ct_book_form *f, const float *x, const float *w, tried *t)
{
    float table[2][8], level[32];
    vec xl[CT_PARTS], ll[CT_PARTS];
    for (int k = 0; k < 8; k++) {
        table[0][k] = f->level[k] + f->shift;
        table[1][k] = f->level[k] - f->shift;
    }
    for (int k = 0; k < f->len / f->dim; k++)
        if (f->dim == 8)
            take_levels(table[t->minus[k]], t->code[k], 8, level + 8 * k);
        else
            take_levels(table[t->minus[k]], t->code[k], 4, level + 4 * k);
    for (int p = 0; p < CT_PARTS; p++)
        xl[p] = ll[p] = v_set1(0);
    for (int i = 0; i < f->len; i += 16)
        for (int p = 0; p < CT_PARTS; p++) {
            const vec l = v_load(level + i + p * LANES), wl = v_mul(v_load(w + i + p * LANES), l);
            xl[p] = v_add(xl[p], v_mul(wl, v_load(x + i + p * LANES)));
            ll[p] = v_add(ll[p], v_mul(wl, l));
        }
    t->s.xl = ct_sum_parts(xl);
    t->s.ll = ct_sum_parts(ll);
}

/* Where the shift's sign may differ within a group, each entry takes the better one. */
static void mix(const ct_book_form *f, tried *t, const tried *other)
{
    t->s.loss = 0;
    for (int k = 0; k < f->len / f->dim; k++) {
        if (other->loss[k] < t->loss[k]) {
            t->loss[k] = other->loss[k];
            t->entry[k] = other->entry[k];
            t->code[k] = other->code[k];
            t->minus[k] = true;
        }
        t->s.loss += t->loss[k];
    }
}

/* The best entries of a group at this scale. */
static void try_group(const ct_book_form *f, const ct_near *lists, const float *x, const float *w, float scale,
                      tried *t)
{
    try_shift(f, lists, x, w, scale, f->shift, t);
    if (f->shift != 0) {
        tried other;
        try_shift(f, lists, x, w, scale, -f->shift, &other);
        if (!f->one_shift)
            mix(f, t, &other);
        else if (other.s.loss < t->s.loss)
            *t = other;
    }
    sum_levels(f, x, w, t);
}

/* ---- scales of groups, a lane each ---- */

typedef struct loose {
    vec xl, ll;
} loose;

/* Sums over groups whose weights take the nearest level each. */
static loose loose_sums(const ct_book_form *f, const ct_groups *g, vec inverse, float shift)
{
    const vec zero = v_set1(0), off = v_set1(shift);
    float middle[7];
    loose s = { zero, zero };
    middles_of(f, middle);
    for (int i = 0; i < g->len; i++) {
        const vec t = v_sub(v_mul(g->x[i], inverse), off);
        vec level = v_set1(f->level[0] + shift);
        for (int k = 0; k + 1 < f->n_level; k++)
            level = v_add(level, v_pick(v_above(t, v_set1(middle[k])), v_set1(f->level[k + 1] - f->level[k]), zero));
        const vec wl = g->is_even ? level : v_mul(g->w[i], level);
        s.xl = v_add(s.xl, v_mul(wl, g->x[i]));
        s.ll = v_add(s.ll, v_mul(wl, level));
    }
    return s;
}

/* Keeps the scale that these levels like best, if it is better than the one so far. */
LANE_INLINE void keep_scale(loose s, vec *gain, vec *scale)
{
    const vec likes = v_div(s.xl, s.ll), by = v_mul(s.xl, likes);
    const mask better = m_and(v_above(by, *gain), v_above(s.xl, v_set1(0)));
    *gain = v_pick(better, by, *gain);
    *scale = v_pick(better, likes, *scale);
}

/* The best real scales; 0 where every weight of a group is as good as zero. */
static vec group_scales(const ct_book_form *f, const ct_groups *g)
{
    const float top = f->level[f->n_level - 1] + f->shift;
    const vec zero = v_set1(0);
    vec most = zero, scale = zero, gain = zero;
    for (int i = 0; i < g->len; i++)
        most = v_max(v_abs(g->x[i]), most);
    float reach = top * f->first;
    const vec unit = v_inverse(most);
    const int tries = g->is_even ? TRIES : TRIES + 6;
    for (int k = 0; k < tries; k++, reach *= f->step) {
        const vec inverse = v_mul(v_set1(reach), unit);
        keep_scale(loose_sums(f, g, inverse, f->shift), &gain, &scale);
        if (f->shift != 0)
            keep_scale(loose_sums(f, g, inverse, -f->shift), &gain, &scale);
    }
    return v_pick(v_less(most, v_set1(CT_FIT_TINY)), zero, scale);
}

/* ---- a block ---- */

/* Magnitudes for the types that store signs apart; where their number of minuses must be even, one may become negative. */
static void take_signs(const ct_book_form *f, const float *x, const float *w, float *a, uint8_t *signs)
{
    for (int g = 0; g < 32; g++, x += 8, w += 8, a += 8) {
        int cheapest = 0;
        unsigned bits = 0;
        for (int i = 0; i < 8; i++) {
            bits |= x[i] < 0 ? 1u << i : 0;
            a[i] = fabsf(x[i]);
            if (w[i] * a[i] < w[cheapest] * a[cheapest])
                cheapest = i;
        }
        if (f->is_even && __builtin_parity(bits)) {
            bits ^= 1u << cheapest;
            a[cheapest] = -a[cheapest];
        }
        signs[g] = (uint8_t)bits;
    }
}

typedef struct group {
    float scale; /* that its levels would like best */
    int s;
    tried t;
} group;

/* The scale again, from entries that there are. */
static void refine(const ct_book_form *f, const ct_near *lists, const float *x, const float *w, group *g)
{
    if (g->scale == 0)
        return;
    try_group(f, lists, x, w, g->scale, &g->t);
    if (g->t.s.ll > 0 && g->t.s.xl > 0)
        g->scale = g->t.s.xl / g->t.s.ll;
}

/* The best s of a group near the one that its scale asks for. */
static void choose(const ct_book_form *f, const ct_near *lists, const float *x, const float *w, float d, int around,
                   group *g)
{
    const float wish = clamp((g->scale / d - 1) * 0.5f, 0, (float)f->s_max);
    const int nearest_s = (int)nearest(wish);
    tried best = { .s = { INFINITY, 0, 0 } };
    for (int s = nearest_s - around; s <= nearest_s + around; s++) {
        if (s < 0 || s > f->s_max)
            continue;
        try_group(f, lists, x, w, d * (float)(2 * s + 1), &g->t);
        if (g->t.s.loss < best.s.loss) {
            best = g->t;
            g->s = s;
        }
    }
    g->t = best;
    if (best.s.ll > 0 && best.s.xl > 0)
        g->scale = best.s.xl / best.s.ll;
}

static void keep(const ct_book_form *f, const group *groups, int n_group, uint16_t d, ct_coded *out)
{
    const int n = f->len / f->dim;
    out->d = d;
    for (int g = 0; g < n_group; g++) {
        out->s[g] = (uint8_t)groups[g].s;
        for (int k = 0; k < n; k++) {
            out->entry[g * n + k] = groups[g].t.entry[k];
            if (f->dim == 8)
                out->minus[g * n + k] = groups[g].t.minus[k];
        }
    }
}

/* One block, of whose groups the real scales are known. a: magnitudes, or the weights themselves. */
static void fit_block(const ct_book_form *f, const ct_near *lists, const float *a, const float *w, const float *scale,
                      ct_coded *out)
{
    const int n_group = 256 / f->len;
    group groups[16];
    float most = 0, best_loss = 0;
    for (int i = 0; i < 256; i++) /* what a block of zeros leaves */
        best_loss += w[i] * a[i] * a[i];
    for (int g = 0; g < n_group; g++) {
        groups[g].scale = scale[g];
        groups[g].s = 0;
        refine(f, lists, a + g * f->len, w + g * f->len, &groups[g]);
        most = groups[g].scale > most ? groups[g].scale : most;
    }
    float d = most / (float)(2 * f->s_max + 1);
    for (int round = 0; round < 5 && d > 0; round++) {
        const uint16_t h = ct_fit_f16(d);
        const float stored = ct_f16_to_f32(h);
        float loss = 0, xl = 0, ll = 0;
        for (int g = 0; g < n_group; g++) {
            choose(f, lists, a + g * f->len, w + g * f->len, stored, round == 0 ? 1 : 0, &groups[g]);
            const float times = (float)(2 * groups[g].s + 1);
            loss += groups[g].t.s.loss;
            xl += times * groups[g].t.s.xl;
            ll += times * times * groups[g].t.s.ll;
        }
        if (loss >= best_loss)
            break;
        best_loss = loss;
        keep(f, groups, n_group, h, out);
        d = ll > 0 ? xl / ll : 0;
    }
}

void ct_fit_codebook(ct_book book, const ct_stretch *s, int n, ct_coded *out)
{
    const ct_book_form *f = &ct_book_forms[book];
    const ct_near *lists = ct_near_lists(book);
    const int n_group = 256 / f->len;
    float a[CT_STRETCH], scale[2 * CT_GROUPS];
    assert(n <= 2 && lists);
    memset(out, 0, (size_t)n * sizeof *out);
    memcpy(a, s->x, sizeof a);
    for (int k = 0; k < n && f->has_signs; k++)
        take_signs(f, s->x + 256 * k, s->w + 256 * k, a + 256 * k, out[k].signs);
    for (int at = 0; at < n * n_group; at += LANES) {
        ct_groups g;
        ct_take_groups(&(ct_stretch){ a, s->w, s->is_even }, at, f->len, &g);
        v_store(scale + at, group_scales(f, &g));
    }
    for (int k = 0; k < n; k++)
        fit_block(f, lists, a + 256 * k, s->w + 256 * k, scale + k * n_group, &out[k]);
}
