/* fit.h - inside quant/: the best scale (and minimum) for a group of weights and a set of codes.
 *
 * What "best" means. A block stores x as y; a layer's output then errs by sum_i (x_i - y_i) a_i over the activations a.
 * Its expected square is, up to a factor,
 *
 *     E = sum_i w_i (x_i - y_i)^2,     w_i = the mean of a_i^2 that was recorded; 1 where nothing is known of a
 *
 * and that is what every fit minimises, with the scales as they are stored (rounded to f16, or to a whole multiple of
 * the block's f16), not as real numbers. Every function takes w [as x], positive. Counting large weights for more (rms + |x|, or rms^2 + x^2, as other
 * quantisers do when they have no recorded activations) was tried on the matrices of Gemma 3 270M with the activations
 * of a 256-token text: the error of the outputs grew by 0.5 to 2 % and 3 to 4 % (Q4_0, Q4_1, IQ4_NL, Q2_K; only Q3_K
 * gained, 2 %). That does not settle it: the whole model's divergence on the same text was smaller with weighting for
 * Q4_0 (0.33 against 0.45 nats) and larger for IQ4_NL (0.34 against 0.19), and these source weights were quantised once
 * before.
 *
 * All sums run in eight fixed lanes: the same bits from every compiler.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_FIT_H
#define CT_QUANT_FIT_H

#include "quant/level.h"
#include "quant/types.h"

/* The levels y / scale that a code can stand for: the whole numbers lo..hi, or the sixteen values of IQ4 codes. */
typedef struct ct_levels {
    int lo, hi;
    bool is_iq4;
} ct_levels;

/* ---- y = scale * level ---- */

/* The codes (level - lo, or the index into the IQ4 values) nearest to x / scale; level 0 throughout if scale is 0. */
void ct_fit_codes(const float *x, int n, float scale, ct_levels levels, uint8_t *codes);

/* A block with one f16 scale: returns its bits. n is a multiple of 8. */
uint16_t ct_fit_scale(const float *x, const float *w, int n, ct_levels levels);

/* A block of n_group groups of len weights (len a multiple of 8, 256 in all), whose scales are d * sub[g] with
 * sub[g] in sub_lo..sub_hi (sub_lo < 0). Returns the bits of d. */
uint16_t ct_fit_scales(const float *x, const float *w, int n_group, int len, ct_levels levels, int sub_lo, int sub_hi,
                       int *sub);

/* ---- y = scale * code + min, codes 0..code_max ---- */

/* The codes nearest to (x - min) / scale; 0 throughout if scale is 0. */
void ct_fit_affine_codes(const float *x, int n, float scale, float min, int code_max, uint8_t *codes);

/* A block with an f16 scale and an f16 minimum of any sign. */
void ct_fit_affine(const float *x, const float *w, int n, int code_max, uint16_t *d, uint16_t *m);

/* A block of groups with scale d * sub[g] and minimum -dmin * sub_min[g]; both subs in 0..sub_max. */
void ct_fit_affines(const float *x, const float *w, int n_group, int len, int code_max, int sub_max, int *sub,
                    int *sub_min, uint16_t *d, uint16_t *dmin);

/* ---- shared by the two ---- */

/* Weights below half the smallest f16 are nothing but zero to any of these types. */
#define CT_FIT_TINY 0x1p-26f

/* f16 for a scale: never infinite; and away from zero where the steps of f16 are coarse (subnormals below 32 * 2^-24),
 * since too large a scale costs less than a largest weight cut off, or sub-scales with nothing to multiply. */
uint16_t ct_fit_f16(float scale);

/* Does every weight of the group count the same? */
static inline bool ct_fit_is_even(const float *w, int n)
{
    for (int i = 1; i < n; i++)
        if (w[i] != w[0])
            return false;
    return true;
}

static inline float add_lanes(const float a[8])
{
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/* The nearest whole number, ties to even, for |t| < 2^22: beyond the constant there are no fractions to keep. */
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
