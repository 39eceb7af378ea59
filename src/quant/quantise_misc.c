/* quantise_misc.c - ternary and binary blocks, and those of 4-bit floating-point numbers: the mirror of unpack_misc.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/le.h"
#include "quant/fit.h"
#include "quant/quantise.h"

/* ---- ternary: y = d (digit - 1) ---- */

typedef struct magnitudes {
    _Alignas(64) float a[256], wa[256], w[256]; /* |x|, w |x|, w */
} magnitudes;

/* The scale that the digits nearest for a scale like best, and what it gains. */
static float ternary_scale(const magnitudes *m, float d, float *gain)
{
    const vec half = v_set1(d / 2), zero = v_set1(0);
    vec xl[CT_PARTS], ll[CT_PARTS];
    for (int p = 0; p < CT_PARTS; p++)
        xl[p] = ll[p] = zero;
    for (int i = 0; i < 256; i += 16)
        for (int p = 0; p < CT_PARTS; p++) {
            const int at = i + p * LANES;
            const mask counts = v_above(v_load(m->a + at), half);
            xl[p] = v_add(xl[p], v_pick(counts, v_load(m->wa + at), zero));
            ll[p] = v_add(ll[p], v_pick(counts, v_load(m->w + at), zero));
        }
    const float x = ct_sum_parts(xl), l = ct_sum_parts(ll);
    *gain = l > 0 ? x * x / l : 0;
    return l > 0 ? x / l : 0;
}

static float rms_of(const magnitudes *m)
{
    vec xx[CT_PARTS], ww[CT_PARTS];
    for (int p = 0; p < CT_PARTS; p++)
        xx[p] = ww[p] = v_set1(0);
    for (int i = 0; i < 256; i += 16)
        for (int p = 0; p < CT_PARTS; p++) {
            const int at = i + p * LANES;
            xx[p] = v_add(xx[p], v_mul(v_load(m->wa + at), v_load(m->a + at)));
            ww[p] = v_add(ww[p], v_load(m->w + at));
        }
    return sqrtf(ct_sum_parts(xx) / ct_sum_parts(ww));
}

static void ternary_digits(const float *x, float d, uint8_t *digit)
{
    const vec up = v_set1(d / 2), down = v_set1(-d / 2), zero = v_set1(0), one = v_set1(1);
    for (int i = 0; i < 256; i += LANES) {
        const vec a = v_load(x + i);
        const vec sum = v_add(one, v_pick(v_above(a, up), one, zero));
        v_store_bytes(digit + i, v_sub(sum, v_pick(v_less(a, down), one, zero)));
    }
}

/* The best scale is found from several starting points: each round gives the best digits for the scale, then the best scale
 * for the digits. */
static uint16_t fit_ternary(const float *x, const float *w, uint8_t *digit)
{
    enum { TRIES = 8, ROUNDS = 4 };
    magnitudes m;
    float d[TRIES], best = 0, scale = 0, gain;
    for (int i = 0; i < 256; i++) {
        m.a[i] = fabsf(x[i]);
        m.wa[i] = w[i] * m.a[i];
        m.w[i] = w[i];
    }
    const float rms = rms_of(&m);
    for (int k = 0; k < TRIES; k++)
        d[k] = rms * (0.7f + 0.25f * (float)k);
    for (int round = 0; round < ROUNDS; round++)
        for (int k = 0; k < TRIES; k++) {
            d[k] = ternary_scale(&m, d[k], &gain);
            if (gain > best) {
                best = gain;
                scale = d[k];
            }
        }
    const uint16_t h = ct_fit_f16(scale);
    ternary_digits(x, ct_f16_to_f32(h), digit);
    return h;
}

static void make_tq1_0(const float *x, const float *w, uint8_t *b)
{
    static const struct {
        int offset, width, digits;
    } part[3] = { { 0, 32, 5 }, { 32, 16, 5 }, { 48, 4, 4 } };
    uint8_t digit[256];
    const uint8_t *from = digit;
    ct_put_le16(b + 52, fit_ternary(x, w, digit));
    for (int p = 0; p < 3; p++) {
        for (int i = 0; i < part[p].width; i++) {
            unsigned number = 0;
            for (int n = 0; n < 5; n++)
                number = 3 * number + (n < part[p].digits ? from[n * part[p].width + i] : 0);
            b[part[p].offset + i] = (uint8_t)((number * 256 + 242) / 243);
        }
        from += part[p].width * part[p].digits;
    }
}

static void make_tq2_0(const float *x, const float *w, uint8_t *b)
{
    uint8_t digit[256];
    memset(b, 0, 64);
    ct_put_le16(b + 64, fit_ternary(x, w, digit));
    for (int i = 0; i < 256; i++)
        b[32 * (i / 128) + i % 32] |= (uint8_t)(digit[i] << (2 * (i / 32 % 4)));
}

/* ---- binary: y = d or -d. The best d is the mean magnitude. ---- */

static void make_q1_0(const float *x, const float *w, uint8_t *b)
{
    double sum = 0, ww = 0;
    memset(b, 0, 18);
    for (int i = 0; i < 128; i++) {
        sum += (double)(w[i] * fabsf(x[i]));
        ww += (double)w[i];
        b[2 + i / 8] |= (uint8_t)((x[i] >= 0) << (i % 8));
    }
    ct_put_le16(b, ct_f32_to_f16(clamp((float)(sum / ww), 0, 65504.0f)));
}

/* ---- MXFP4: y = 2^(e - 128) value ---- */

/* Magnitudes as steps, and the middles between neighbours. */
static const float e2m1_middle[7] = { 0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10 }, e2m1_step[7] = { 1, 1, 1, 1, 2, 2, 4 };

/* The sum of a step for every middle below a. */
LANE_INLINE vec steps_below(vec a, const float *step)
{
    vec sum = v_set1(0);
    for (int k = 0; k < 7; k++)
        sum = v_add(sum, v_pick(v_above(a, v_set1(e2m1_middle[k])), v_set1(step[k]), v_set1(0)));
    return sum;
}

/* 2^e for -126 <= e <= 127, and the e of 2^e > a for a >= FLT_MIN, as frexpf has it. */
static float power_of_2(int e)
{
    const uint32_t bits = (uint32_t)(e + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static int exponent_of(float a)
{
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    return (int)(bits >> 23 & 255) - 126;
}

static vec mxfp4_loss(const ct_groups *g, vec half, vec inverse)
{
    vec loss = v_set1(0);
    for (int i = 0; i < 32; i++) {
        const vec a = v_abs(g->x[i]), off = v_sub(a, v_mul(half, steps_below(v_mul(a, inverse), e2m1_step)));
        loss = v_add(loss, g->is_even ? v_mul(off, off) : v_mul(v_mul(g->w[i], off), off));
    }
    return loss;
}

/* The exponents that suit LANES blocks best; 0 where the weights are as good as zero. */
static void mxfp4_exponents(const ct_groups *g, uint8_t best_e[LANES])
{
    vec all = v_set1(0);
    float most[LANES], best[LANES], half[LANES], inverse[LANES], loss[LANES];
    int top[LANES];
    for (int i = 0; i < 32; i++)
        all = v_max(v_abs(g->x[i]), all);
    v_store(most, all);
    for (int i = 0; i < LANES; i++) {
        top[i] = exponent_of(most[i]);
        best[i] = INFINITY;
        best_e[i] = 0;
    }
    for (int k = 122; k <= 127; k++) {
        for (int i = 0; i < LANES; i++) { /* half the scale is 2^(e - 128) */
            const int e = top[i] + k, exponent = e < 2 ? 2 : e > 254 ? 254 : e;
            half[i] = power_of_2(exponent - 128);
            inverse[i] = power_of_2(128 - exponent);
        }
        v_store(loss, mxfp4_loss(g, v_load(half), v_load(inverse)));
        for (int i = 0; i < LANES; i++)
            if (most[i] >= FLT_MIN && top[i] + k >= 2 && top[i] + k <= 254 && loss[i] < best[i]) {
                best[i] = loss[i];
                best_e[i] = (uint8_t)(top[i] + k);
            }
    }
}

static void put_mxfp4(const float *x, uint8_t e, uint8_t *b)
{
    static const float ones[7] = { 1, 1, 1, 1, 1, 1, 1 };
    const vec inverse = v_set1(power_of_2(e ? 128 - e : 0)), zero = v_set1(0);
    uint8_t code[32];
    memset(b, 0, 17);
    if (e == 0)
        return;
    for (int i = 0; i < 32; i += LANES) {
        const vec t = v_mul(v_load(x + i), inverse), magnitude = steps_below(v_abs(t), ones);
        const mask minus = m_and(v_less(t, zero), v_above(magnitude, zero));
        v_store_bytes(code + i, v_add(magnitude, v_pick(minus, v_set1(8), zero)));
    }
    b[0] = e;
    for (int i = 0; i < 16; i++)
        b[1 + i] = (uint8_t)(code[i] | code[i + 16] << 4);
}

void CT_AT_LEVEL(ct_quantise_mxfp4)(const ct_stretch *s, int n, uint8_t *b)
{
    for (int at = 0; at < n; at += LANES) {
        ct_groups g;
        uint8_t e[LANES];
        ct_take_groups(s, at, 32, &g);
        mxfp4_exponents(&g, e);
        for (int i = 0; i < LANES && at + i < n; i++, b += 17)
            put_mxfp4(s->x + 32 * (at + i), e[i], b);
    }
}

/* ---- blocks one by one ---- */

#define MAKE_EACH(t, T, block)                                                                                         \
    void CT_AT_LEVEL(ct_quantise_##t)(const ct_stretch *s, int n, uint8_t *b)                                          \
    {                                                                                                                  \
        for (int k = 0; k < n; k++)                                                                                    \
            make_##t(s->x + block * k, s->w + block * k, b + k * ct_type_get(CT_##T)->bytes);                          \
    }
MAKE_EACH(tq1_0, TQ1_0, 256)
MAKE_EACH(tq2_0, TQ2_0, 256)
MAKE_EACH(q1_0, Q1_0, 128)
