/* fit_codebook.c - entries and scales of the codebook types.
 *
 * The nearest entry is found exactly. An entry is two bytes, each of which names half of its weights; the error is a sum
 * over weights, so it is low[byte] + high[byte] of two small tables, filled anew for each scale. Entries are shelved by
 * their high byte: a shelf whose high byte with the best low one cannot beat what was found is passed over.
 *
 * Scales are found as in fit_scale.c: several tries around the one that just reaches the largest weight, then best
 * entries and best scale in turn; then the same for d and the groups' s as they are stored.
 *
 * Where only even numbers of minuses can be stored, the weight whose wrong sign costs least is given it beforehand: the
 * cost is 4 w |x| times its magnitude, and w |x| decides.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit_codebook.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "quant/fit.h"
#include "quant/grids.h"

enum { MAX_ENTRY = 2048, MAX_SHELF = 81, MAX_PER_GROUP = 8 };

typedef struct form {
    const uint16_t *grid;
    int n_entry, dim; /* entries; weights of one */
    int n_level;      /* codes: of two bits where dim is 8, of four where it is 4 */
    float level[8];   /* what a code stands for, rising */
    float shift;      /* added to it or subtracted; 0: neither */
    int len;          /* weights of a group */
    bool one_shift;   /* for the group, not for each entry */
    int s_max;
    bool has_signs, is_even;
    float first,
        step; /* tries of the largest weight, in units of the largest level: first, first step, first step^2 .. */
} form;

#define IQ1_LEVELS 3, { -1, 0, 1 }, 0.125f
#define IQ2_LEVELS 3, { 1, 3.125f, 5.375f }, 0
enum { TRIES = 10, ROUNDS = 2 };

static const form forms[CT_N_BOOK] = {
    [CT_BOOK_IQ1_S] = { ct_grid_iq1, 2048, 8, IQ1_LEVELS, 32, true, 7, false, false, 1.0f, 1.17f },
    [CT_BOOK_IQ1_M] = { ct_grid_iq1, 2048, 8, IQ1_LEVELS, 16, false, 7, false, false, 0.9f, 1.17f },
    [CT_BOOK_IQ2_XXS] = { ct_grid_iq2_xxs, 256, 8, IQ2_LEVELS, 32, true, 15, true, true, 0.75f, 1.12f },
    [CT_BOOK_IQ2_XS] = { ct_grid_iq2_xs, 512, 8, IQ2_LEVELS, 16, true, 15, true, true, 0.75f, 1.12f },
    [CT_BOOK_IQ2_S] = { ct_grid_iq2_s, 1024, 8, IQ2_LEVELS, 16, true, 15, true, false, 0.75f, 1.12f },
    [CT_BOOK_IQ3_XXS] = { ct_grid_iq3_xxs,
                          256,
                          4,
                          8,
                          { 1, 3, 5, 7, 9, 11, 13, 15.5f },
                          0,
                          32,
                          true,
                          15,
                          true,
                          true,
                          0.85f,
                          1.09f },
    [CT_BOOK_IQ3_S] = { ct_grid_iq3_s,
                        512,
                        4,
                        8,
                        { 1, 3, 5, 7, 9, 11, 13, 15 },
                        0,
                        32,
                        true,
                        15,
                        true,
                        false,
                        0.85f,
                        1.09f },
};

/* ---- the shelves ---- */

typedef struct shelf {
    uint8_t high;
    uint16_t begin, end; /* of `order` */
} shelf;

typedef struct library {
    shelf shelves[MAX_SHELF];
    int n_shelf;
    uint16_t order[MAX_ENTRY]; /* entries by their high byte */
    uint8_t low[MAX_ENTRY];    /* their low bytes, in this order */
} library;

static library libraries[CT_N_BOOK];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void shelve(const form *f, library *l)
{
    int n = 0;
    for (int high = 0; high < 256; high++) {
        int begin = n;
        for (int e = 0; e < f->n_entry; e++)
            if (f->grid[e] >> 8 == high) {
                l->order[n] = (uint16_t)e;
                l->low[n++] = (uint8_t)f->grid[e];
            }
        if (n > begin)
            l->shelves[l->n_shelf++] = (shelf){ (uint8_t)high, (uint16_t)begin, (uint16_t)n };
    }
}

static void shelve_all(void)
{
    for (int b = 0; b < CT_N_BOOK; b++)
        shelve(&forms[b], &libraries[b]);
}

/* ---- the nearest entry ---- */

/* The error of each byte of an entry, and the least there is. */
typedef struct errors {
    float of[256], least;
} errors;

/* The error of one weight for each code; codes that there are not cost too much. */
static void weight_errors(const form *f, float x, float w, float scale, float shift, float *out, int n)
{
    for (int k = 0; k < n; k++) {
        float off = x - scale * (f->level[k] + shift);
        out[k] = k < f->n_level ? w * off * off : INFINITY;
    }
}

static float least_of(const float *v)
{
    float least = v[0];
    for (int k = 1; k < 16; k++)
        least = v[k] < least ? v[k] : least;
    return least;
}

/* Of a byte: x and w are of its weights. */
static void byte_errors(const form *f, const float *x, const float *w, float scale, float shift, errors *e)
{
    float part[4][4], low[16], high[16];
    if (f->dim == 8) {
        for (int i = 0; i < 4; i++)
            weight_errors(f, x[i], w[i], scale, shift, part[i], 4);
        for (int k = 0; k < 16; k++) {
            low[k] = part[0][k & 3] + part[1][k >> 2];
            high[k] = part[2][k & 3] + part[3][k >> 2];
        }
    } else {
        for (int k = 8; k < 16; k++)
            low[k] = high[k] = INFINITY;
        weight_errors(f, x[0], w[0], scale, shift, low, 8);
        weight_errors(f, x[1], w[1], scale, shift, high, 8);
    }
    for (int h = 0; h < 11; h++) /* the largest nibble is 10, two codes of 2 */
        for (int k = 0; k < 16; k++)
            e->of[16 * h + k] = low[k] + high[h];
    e->least = least_of(low) + least_of(high);
}

/* The entry with the least error; *best is one to begin with. Returns its error. */
static float nearest_entry(const form *f, const library *l, const errors *low, const errors *high, uint16_t *best)
{
    float least = low->of[f->grid[*best] & 255] + high->of[f->grid[*best] >> 8];
    for (int s = 0; s < l->n_shelf; s++) {
        const shelf *at = &l->shelves[s];
        const float h = high->of[at->high];
        if (!(h + low->least < least))
            continue;
        for (int i = at->begin; i < at->end; i++) {
            float e = low->of[l->low[i]] + h;
            if (e < least) {
                least = e;
                *best = l->order[i];
            }
        }
    }
    return least;
}

/* ---- a group ---- */

typedef struct sums {
    float loss, xl, ll; /* of these levels: the error; sum w x l and sum w l^2 */
} sums;

typedef struct tried {
    sums s;
    uint16_t entry[MAX_PER_GROUP];
    bool minus[MAX_PER_GROUP];
} tried;

static void add(sums *to, sums s)
{
    to->loss += s.loss;
    to->xl += s.xl;
    to->ll += s.ll;
}

/* One entry. *entry is where the search begins. */
static sums try_entry(const form *f, const library *l, const float *x, const float *w, float scale, float shift,
                      uint16_t *entry)
{
    errors low, high;
    sums s = { 0, 0, 0 };
    const int bits = f->dim == 8 ? 2 : 4;
    byte_errors(f, x, w, scale, shift, &low);
    byte_errors(f, x + f->dim / 2, w + f->dim / 2, scale, shift, &high);
    s.loss = nearest_entry(f, l, &low, &high, entry);
    for (int i = 0; i < f->dim; i++) {
        float level = f->level[f->grid[*entry] >> (bits * i) & (f->n_level == 8 ? 7 : 3)] + shift, wl = w[i] * level;
        s.xl += wl * x[i];
        s.ll += wl * level;
    }
    return s;
}

/* The best entries of a group at this scale. *t holds entries to begin with. */
static void try_group(const form *f, const library *l, const float *x, const float *w, float scale, tried *t)
{
    const int n = f->len / f->dim;
    sums total[2] = { { 0, 0, 0 }, { 0, 0, 0 } }, mixed = { 0, 0, 0 };
    uint16_t entry[2][MAX_PER_GROUP];
    for (int k = 0; k < n; k++) {
        sums s[2];
        for (int sign = 0; sign < (f->shift != 0 ? 2 : 1); sign++) {
            entry[sign][k] = t->entry[k];
            s[sign] =
                try_entry(f, l, x + k * f->dim, w + k * f->dim, scale, sign ? -f->shift : f->shift, &entry[sign][k]);
            add(&total[sign], s[sign]);
        }
        t->minus[k] = f->shift != 0 && s[1].loss < s[0].loss;
        add(&mixed, s[t->minus[k]]);
    }
    bool all_minus = f->shift != 0 && total[1].loss < total[0].loss;
    t->s = f->one_shift ? total[all_minus] : mixed;
    for (int k = 0; k < n; k++) {
        if (f->one_shift)
            t->minus[k] = all_minus;
        t->entry[k] = entry[t->minus[k]][k];
    }
}

/* Sums over a group whose weights take the nearest level each, whether or not there is such an entry: near enough to
 * choose a scale by, and many times faster. */
static sums loose_sums(const form *f, const float *x, const float *w, float scale, float shift)
{
    const float inverse = 1 / scale;
    float xl[8] = { 0 }, ll[8] = { 0 };
    for (int i = 0; i < f->len; i += 8)
        for (int j = 0; j < 8; j++) {
            float t = x[i + j] * inverse - shift, level = f->level[0] + shift;
            for (int k = 1; k < f->n_level; k++)
                level += t > (f->level[k - 1] + f->level[k]) * 0.5f ? f->level[k] - f->level[k - 1] : 0.0f;
            float wl = w[i + j] * level;
            xl[j] += wl * x[i + j];
            ll[j] += wl * level;
        }
    return (sums){ 0, add_lanes(xl), add_lanes(ll) };
}

/* Keeps the scale that these levels like best, if it is better than the one so far. */
static void keep_scale(sums s, double *gain, float *scale)
{
    if (s.ll > 0 && s.xl > 0 && (double)s.xl * (double)s.xl > *gain * (double)s.ll) {
        *gain = (double)s.xl * (double)s.xl / (double)s.ll;
        *scale = s.xl / s.ll;
    }
}

/* The best real scale of a group; 0 if every weight is as good as zero. */
static float group_scale(const form *f, const library *l, const float *x, const float *w, tried *t)
{
    float most = 0, scale = 0, top = f->level[f->n_level - 1] + f->shift;
    double gain = 0;
    for (int i = 0; i < f->len; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    if (most < CT_FIT_TINY)
        return 0;
    const int tries = ct_fit_is_even(w, f->len) ? TRIES : TRIES + 6;
    float at = most / (top * f->first);
    for (int k = 0; k < tries; k++, at /= f->step) {
        keep_scale(loose_sums(f, x, w, at, f->shift), &gain, &scale);
        if (f->shift != 0)
            keep_scale(loose_sums(f, x, w, at, -f->shift), &gain, &scale);
    }
    gain = 0;
    at = scale;
    for (int round = 0; round < ROUNDS && scale != 0; round++) {
        try_group(f, l, x, w, at, t);
        keep_scale(t->s, &gain, &scale);
        at = scale;
    }
    return scale;
}

/* ---- a block ---- */

/* Magnitudes for the types that store signs apart; where their number of minuses must be even, one may become negative. */
static void take_signs(const form *f, const float *x, const float *w, float *a, uint8_t *signs)
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

/* The best s of a group near the one that its scale asks for. */
static void choose(const form *f, const library *l, const float *x, const float *w, float d, int around, group *g)
{
    int wish = (int)nearest(clamp((g->scale / d - 1) * 0.5f, 0, (float)f->s_max));
    tried best = { .s = { INFINITY, 0, 0 } };
    for (int s = wish - around; s <= wish + around; s++) {
        if (s < 0 || s > f->s_max)
            continue;
        try_group(f, l, x, w, d * (float)(2 * s + 1), &g->t);
        if (g->t.s.loss < best.s.loss) {
            best = g->t;
            g->s = s;
        }
    }
    g->t = best;
    if (best.s.ll > 0 && best.s.xl > 0)
        g->scale = best.s.xl / best.s.ll;
}

static void keep(const form *f, const group *groups, int n_group, uint16_t d, ct_coded *out)
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

void ct_fit_codebook(ct_book book, const float *x, const float *w, ct_coded *out)
{
    const form *f = &forms[book];
    const library *l = &libraries[book];
    const int n_group = 256 / f->len;
    group groups[16];
    float a[256], most = 0, best_loss = 0;
    pthread_once(&once, shelve_all);
    memset(out, 0, sizeof *out);
    memset(groups, 0, sizeof groups);
    if (f->has_signs)
        take_signs(f, x, w, a, out->signs);
    else
        memcpy(a, x, sizeof a);
    for (int i = 0; i < 256; i++) /* what a block of zeros leaves */
        best_loss += w[i] * a[i] * a[i];
    for (int g = 0; g < n_group; g++) {
        groups[g].scale = group_scale(f, l, a + g * f->len, w + g * f->len, &groups[g].t);
        most = groups[g].scale > most ? groups[g].scale : most;
    }
    float d = most / (float)(2 * f->s_max + 1);
    for (int round = 0; round < 5 && d > 0; round++) {
        uint16_t h = ct_fit_f16(d);
        float loss = 0, xl = 0, ll = 0;
        for (int g = 0; g < n_group; g++) {
            choose(f, l, a + g * f->len, w + g * f->len, ct_f16_to_f32(h), round == 0 ? 1 : 0, &groups[g]);
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
