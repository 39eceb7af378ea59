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

/* The digits for a scale, and the scale that these digits like best. */
static float ternary_digits(const float *x, const float *w, float d, uint8_t *digit, double *gain)
{
    double xl = 0, ll = 0;
    for (int i = 0; i < 256; i++) {
        digit[i] = (uint8_t)(1 + (x[i] > d / 2) - (x[i] < -d / 2));
        if (digit[i] != 1) {
            xl += (double)(w[i] * fabsf(x[i]));
            ll += (double)w[i];
        }
    }
    *gain = ll > 0 ? xl * xl / ll : 0;
    return ll > 0 ? (float)(xl / ll) : 0;
}

/* The best scale is found from several starting points: each round gives the best digits for the scale, then the best scale
 * for the digits. */
static uint16_t fit_ternary(const float *x, const float *w, uint8_t *digit)
{
    enum { TRIES = 8, ROUNDS = 4 };
    double xx = 0, ww = 0, best = 0, gain;
    float scale = 0;
    for (int i = 0; i < 256; i++) {
        xx += (double)(w[i] * x[i] * x[i]);
        ww += (double)w[i];
    }
    const float rms = (float)sqrt(xx / ww);
    for (int k = 0; k < TRIES; k++) {
        float d = rms * (0.7f + 0.25f * (float)k);
        for (int round = 0; round < ROUNDS; round++) {
            d = ternary_digits(x, w, d, digit, &gain);
            if (gain > best) {
                best = gain;
                scale = d;
            }
        }
    }
    const uint16_t h = ct_fit_f16(scale);
    ternary_digits(x, w, ct_f16_to_f32(h), digit, &gain);
    return h;
}

void CT_AT_LEVEL(ct_quantise_tq1_0)(const float *x, const float *w, uint8_t *b)
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

void CT_AT_LEVEL(ct_quantise_tq2_0)(const float *x, const float *w, uint8_t *b)
{
    uint8_t digit[256];
    memset(b, 0, 64);
    ct_put_le16(b + 64, fit_ternary(x, w, digit));
    for (int i = 0; i < 256; i++)
        b[32 * (i / 128) + i % 32] |= (uint8_t)(digit[i] << (2 * (i / 32 % 4)));
}

/* ---- binary: y = d or -d. The best d is the mean magnitude. ---- */

void CT_AT_LEVEL(ct_quantise_q1_0)(const float *x, const float *w, uint8_t *b)
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

/* ---- 4-bit floating point with a power of two for a scale ---- */

/* The code nearest to t in units of half the scale (0 1 2 3 4 6 8 12 and their negatives). */
static uint8_t e2m1(float t)
{
    static const float middle[7] = { 0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10 };
    uint8_t code = 0;
    for (int k = 0; k < 7; k++)
        code = (uint8_t)(code + (fabsf(t) > middle[k]));
    return t < 0 && code ? (uint8_t)(code | 8) : code;
}

static float mxfp4_codes(const float *x, const float *w, float half, uint8_t *code)
{
    static const float value[8] = { 0, 1, 2, 3, 4, 6, 8, 12 };
    float loss = 0;
    for (int i = 0; i < 32; i++) {
        code[i] = e2m1(x[i] / half);
        float off = fabsf(x[i]) - half * value[code[i] & 7];
        loss += w[i] * off * off;
    }
    return loss;
}

void CT_AT_LEVEL(ct_quantise_mxfp4)(const float *x, const float *w, uint8_t *b)
{
    float most = 0, best = INFINITY;
    int exponent;
    memset(b, 0, 17);
    for (int i = 0; i < 32; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    if (!(most >= FLT_MIN))
        return;
    frexpf(most, &exponent);
    for (int e = exponent + 122; e <= exponent + 127; e++) { /* half the scale is 2^(e - 128) */
        uint8_t code[32];
        if (e < 2 || e > 254)
            continue;
        float loss = mxfp4_codes(x, w, ldexpf(1, e - 128), code);
        if (loss >= best)
            continue;
        best = loss;
        b[0] = (uint8_t)e;
        for (int i = 0; i < 16; i++)
            b[1 + i] = (uint8_t)(code[i] | code[i + 16] << 4);
    }
}
