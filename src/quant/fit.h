/* fit.h - inside quant/: the best scale (and minimum) for a group of weights and a set of codes.
 *
 * What "best" means. A block stores x as y; a layer's output then errs by sum_i (x_i - y_i) a_i over the activations a.
 * Its expected square is, up to a factor,
 *
 *     E = sum_i w_i (x_i - y_i)^2,     w_i = the mean of a_i^2 that was recorded; 1 where nothing is known of a
 *
 * and that is what every fit minimises, with the scales as they are stored (rounded to f16, or to a whole multiple of
 * the block's f16), not as real numbers. Counting large weights for more (rms + |x|, or rms^2 + x^2, as other
 * quantisers do when they have no recorded activations) was tried on the matrices of Gemma 3 270M with the activations
 * of a 256-token text: the error of the outputs grew by 0.5 to 2 % and 3 to 4 % (Q4_0, Q4_1, IQ4_NL, Q2_K; only Q3_K
 * gained, 2 %). That does not settle it: the whole model's divergence on the same text was smaller with weighting for
 * Q4_0 (0.33 against 0.45 nats) and larger for IQ4_NL (0.34 against 0.19), and these source weights were quantised once
 * before.
 *
 * Groups of weights are fitted side by side, a lane each (lanes.h), and each sum runs over its group's weights in order: the
 * same bits from every compiler, at every level, and whatever groups stand beside it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_FIT_H
#define CT_QUANT_FIT_H

#include "quant/level.h"
#include "quant/types.h"

#include "quant/lanes.h"

/* What the fits are given at a time: blocks of a row, or of rows that lie one after the other. */
enum { CT_STRETCH = 512 };
typedef struct ct_stretch {
    const float *x; /* [CT_STRETCH] weights, finite and at most 2^30 in size; zeros behind the last block */
    const float *w; /* [CT_STRETCH] from 2^-20 to 1 */
    bool is_even;   /* every w is 1 */
} ct_stretch;

/* The levels y / scale that a code can stand for: the whole numbers lo..hi, or the sixteen values of IQ4 codes. */
typedef struct ct_levels {
    int lo, hi;
    bool is_iq4;
} ct_levels;

/* ---- y = scale * level ---- */

/* The codes (level - lo, or the index into the IQ4 values) nearest to x / scale; level 0 throughout if scale is 0. n is a
 * multiple of 16. */
void ct_fit_codes(const float *x, int n, float scale, ct_levels levels, uint8_t *codes);

/* n blocks of 32 with one f16 scale each: their bits. */
void ct_fit_scale(const ct_stretch *s, int n, ct_levels levels, uint16_t *d);

/* Blocks of n_group groups, 256 weights in all, whose scales are d * sub[g] with sub[g] in sub_lo..sub_hi (sub_lo < 0).
 * At most 16 groups in all blocks together. */
void ct_fit_scales(const ct_stretch *s, int n_block, int n_group, ct_levels levels, int sub_lo, int sub_hi, int *sub,
                   uint16_t *d);

/* ---- y = scale * code + min, codes 0..code_max ---- */

/* The codes nearest to (x - min) / scale; 0 throughout if scale is 0. n is a multiple of 16. */
void ct_fit_affine_codes(const float *x, int n, float scale, float min, int code_max, uint8_t *codes);

/* n blocks of 32 with an f16 scale and an f16 minimum of any sign. */
void ct_fit_affine(const ct_stretch *s, int n, int code_max, uint16_t *d, uint16_t *m);

/* Blocks of groups with scale d * sub[g] and minimum -dmin * sub_min[g]; both subs in 0..sub_max. At most 16 groups in
 * all blocks together. */
void ct_fit_affines(const ct_stretch *s, int n_block, int n_group, int code_max, int sub_max, int *sub, int *sub_min,
                    uint16_t *d, uint16_t *dmin);

/* ---- shared by the two ---- */

enum { CT_GROUPS = 16, CT_GROUP_VECS = CT_GROUPS / LANES };

/* LANES groups of len weights side by side: x[i] are their weights i. */
typedef struct ct_groups {
    vec x[32], w[32];
    int len;
    bool is_even;
} ct_groups;

/* The groups from `first` on. Those behind the stretch have no weights but 0. */
LANE_INLINE void ct_take_groups(const ct_stretch *s, int first, int len, ct_groups *g)
{
    const float *x = s->x + first * len, *w = s->w + first * len;
    for (int i = 0; i < len; i += LANES)
        v_transpose(x + i, len, g->x + i);
    for (int i = 0; i < len && !s->is_even; i += LANES)
        v_transpose(w + i, len, g->w + i);
    g->len = len;
    g->is_even = s->is_even;
}

/* Weights below half the smallest f16 are nothing but zero to any of these types. */
#define CT_FIT_TINY 0x1p-26f

/* f16 for a scale: never infinite; and away from zero where the steps of f16 are coarse (subnormals below 32 * 2^-24),
 * since too large a scale costs less than a largest weight cut off, or sub-scales with nothing to multiply. */
uint16_t ct_fit_f16(float scale);

/* 1 / a; 1 where a is 0. */
LANE_INLINE vec v_inverse(vec a)
{
    const vec one = v_set1(1);
    return v_div(one, v_pick(v_less(v_set1(0), v_abs(a)), a, one));
}

/* Numbers as f16 has them, in float: a sum with a constant or a product rounds to its steps. */
LANE_INLINE vec v_f16(vec a)
{
    const vec most = v_set1(65504.0f), fine = v_set1(0.75f);
    a = v_clamp(a, v_sub(v_set1(0), most), most);
    const vec wide = v_mul(a, v_set1(8193.0f));
    return v_pick(v_less(v_abs(a), v_set1(0x1p-14f)), v_sub(v_add(a, fine), fine), v_sub(wide, v_sub(wide, a)));
}

/* ct_fit_f16 of each lane, as the float that its bits stand for. */
LANE_INLINE vec v_fit_f16(vec scale)
{
    const vec h = v_f16(scale), zero = v_set1(0), step = v_set1(0x1p-24f);
    const mask up = m_and(v_less(v_abs(h), v_set1(0x1p-19f)), v_less(v_abs(h), v_abs(scale)));
    return v_pick(up, v_add(h, v_pick(v_less(scale, zero), v_sub(zero, step), step)), h);
}

/* Sums over weights that lie one after the other run in sixteen parts at every level, which are added here. */
enum { CT_PARTS = 16 / LANES };
LANE_INLINE float ct_sum_parts(const vec part[CT_PARTS])
{
    float a[16];
    for (int p = 0; p < CT_PARTS; p++)
        v_store(a + p * LANES, part[p]);
    for (int n = 8; n >= 1; n /= 2)
        for (int i = 0; i < n; i++)
            a[i] += a[i + n];
    return a[0];
}

/* As v_nearest. */
static inline float nearest(float t)
{
    return (t + 12582912.0f) - 12582912.0f;
}

static inline float clamp(float t, float lo, float hi)
{
    t = t < lo ? lo : t;
    return t > hi ? hi : t;
}

#endif
