/* quantise_blocks.c - the blocks of whole-number codes and of IQ4, written from their fits.
 *
 * fit_scale.c and fit_affine.c choose scales; here they and the codes are written in the format's layout, the mirror
 * image of unpack_*.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/fit.h"
#include "quant/quantise.h"

#include <string.h>

#include "base/le.h"

/* 32 codes into 16 bytes: code i in the low nibble of byte i, code i + 16 in the high one. */
static void put_nibbles(uint8_t *p, const uint8_t *codes)
{
    for (int i = 0; i < 16; i++)
        p[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
}

/* Bit 4 of 32 codes. */
static uint32_t fifth_bits(const uint8_t *codes)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++)
        bits |= (uint32_t)(codes[i] >> 4) << i;
    return bits;
}

/* ---- blocks of 32 ---- */

/* The scale, as f16 at b, and 32 codes of a block without a minimum. */
static void fit_block(const float *x, const float *w, ct_levels levels, uint8_t codes[32], uint8_t *b)
{
    const uint16_t d = ct_fit_scale(x, w, 32, levels);
    ct_fit_codes(x, 32, ct_f16_to_f32(d), levels, codes);
    ct_put_le16(b, d);
}

static void quantise_q8_0(const float *x, const float *w, uint8_t *b)
{
    const ct_levels levels = { -127, 127, false };
    uint8_t codes[32];
    fit_block(x, w, levels, codes, b);
    for (int i = 0; i < 32; i++)
        b[2 + i] = (uint8_t)(codes[i] - 127);
}

static void quantise_q4_0(const float *x, const float *w, uint8_t *b)
{
    const ct_levels levels = { -8, 7, false };
    uint8_t codes[32];
    fit_block(x, w, levels, codes, b);
    put_nibbles(b + 2, codes);
}

static void quantise_q5_0(const float *x, const float *w, uint8_t *b)
{
    const ct_levels levels = { -16, 15, false };
    uint8_t codes[32];
    fit_block(x, w, levels, codes, b);
    ct_put_le32(b + 2, fifth_bits(codes));
    put_nibbles(b + 6, codes);
}

static void quantise_iq4_nl(const float *x, const float *w, uint8_t *b)
{
    const ct_levels levels = { -127, 113, true };
    uint8_t codes[32];
    fit_block(x, w, levels, codes, b);
    put_nibbles(b + 2, codes);
}

static void quantise_q4_1(const float *x, const float *w, uint8_t *b)
{
    uint8_t codes[32];
    uint16_t d, m;
    ct_fit_affine(x, w, 32, 15, &d, &m);
    ct_fit_affine_codes(x, 32, ct_f16_to_f32(d), ct_f16_to_f32(m), 15, codes);
    ct_put_le16(b, d);
    ct_put_le16(b + 2, m);
    put_nibbles(b + 4, codes);
}

static void quantise_q5_1(const float *x, const float *w, uint8_t *b)
{
    uint8_t codes[32];
    uint16_t d, m;
    ct_fit_affine(x, w, 32, 31, &d, &m);
    ct_fit_affine_codes(x, 32, ct_f16_to_f32(d), ct_f16_to_f32(m), 31, codes);
    ct_put_le16(b, d);
    ct_put_le16(b + 2, m);
    ct_put_le32(b + 4, fifth_bits(codes));
    put_nibbles(b + 8, codes);
}

/* ---- blocks of 256 with scales ---- */

static uint16_t fit_groups(const float *x, const float *w, int n_group, ct_levels levels, int sub_lo, int sub_hi,
                           int *sub, uint8_t *codes)
{
    int len = 256 / n_group;
    uint16_t d = ct_fit_scales(x, w, n_group, len, levels, sub_lo, sub_hi, sub);
    for (int g = 0; g < n_group; g++)
        ct_fit_codes(x + g * len, len, ct_f16_to_f32(d) * (float)sub[g], levels, codes + g * len);
    return d;
}

static void quantise_q6_k(const float *x, const float *w, uint8_t *b)
{
    uint8_t codes[256];
    int sub[16];
    ct_put_le16(b + 208, fit_groups(x, w, 16, (ct_levels){ -32, 31, false }, -128, 127, sub, codes));
    for (int half = 0; half < 2; half++) {
        const uint8_t *c = codes + 128 * half;
        for (int i = 0; i < 64; i++)
            b[64 * half + i] = (uint8_t)((c[i] & 15) | (c[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            b[128 + 32 * half + i] =
                (uint8_t)(c[i] >> 4 | (c[i + 32] >> 4) << 2 | (c[i + 64] >> 4) << 4 | (c[i + 96] >> 4) << 6);
    }
    for (int g = 0; g < 16; g++)
        b[192 + g] = (uint8_t)sub[g];
}

static void quantise_q3_k(const float *x, const float *w, uint8_t *b)
{
    uint8_t codes[256], *high = b, *low = b + 32, *scales = b + 96;
    int sub[16];
    memset(b, 0, 108);
    ct_put_le16(b + 108, fit_groups(x, w, 16, (ct_levels){ -4, 3, false }, -32, 31, sub, codes));
    for (int i = 0; i < 256; i++) { /* code = level + 4: bit 2 set is the mask's "nothing to subtract" */
        high[i % 32] |= (uint8_t)((codes[i] >> 2) << (i / 32));
        low[32 * (i / 128) + i % 32] |= (uint8_t)((codes[i] & 3) << (2 * (i / 32 % 4)));
    }
    for (int g = 0; g < 16; g++) {
        int s = sub[g] + 32;
        scales[g % 8] |= (uint8_t)((s & 15) << (g < 8 ? 0 : 4));
        scales[8 + g % 4] |= (uint8_t)((s >> 4) << (2 * (g / 4)));
    }
}

static void quantise_iq4_xs(const float *x, const float *w, uint8_t *b)
{
    uint8_t codes[256];
    int sub[8];
    unsigned high = 0;
    ct_put_le16(b, fit_groups(x, w, 8, (ct_levels){ -127, 113, true }, -32, 31, sub, codes));
    memset(b + 4, 0, 4);
    for (int g = 0; g < 8; g++) {
        int s = sub[g] + 32;
        high |= (unsigned)(s >> 4) << (2 * g);
        b[4 + g / 2] |= (uint8_t)((s & 15) << (4 * (g % 2)));
        put_nibbles(b + 8 + 16 * g, codes + 32 * g);
    }
    ct_put_le16(b + 2, (uint16_t)high);
}

/* ---- blocks of 256 with scales and minimums ---- */

typedef struct affine_block {
    uint16_t d, dmin;
    int sub[16], sub_min[16];
    uint8_t codes[256];
} affine_block;

static void fit_affine_groups(affine_block *a, const float *x, const float *w, int n_group, int code_max, int sub_max)
{
    int len = 256 / n_group;
    ct_fit_affines(x, w, n_group, len, code_max, sub_max, a->sub, a->sub_min, &a->d, &a->dmin);
    float d = ct_f16_to_f32(a->d), dmin = ct_f16_to_f32(a->dmin);
    for (int g = 0; g < n_group; g++)
        ct_fit_affine_codes(x + g * len, len, d * (float)a->sub[g], -(dmin * (float)a->sub_min[g]), code_max,
                            a->codes + g * len);
}

static void quantise_q2_k(const float *x, const float *w, uint8_t *b)
{
    affine_block a;
    fit_affine_groups(&a, x, w, 16, 3, 15);
    memset(b, 0, 80);
    for (int g = 0; g < 16; g++)
        b[g] = (uint8_t)(a.sub[g] | a.sub_min[g] << 4);
    for (int i = 0; i < 256; i++)
        b[16 + 32 * (i / 128) + i % 32] |= (uint8_t)(a.codes[i] << (2 * (i / 32 % 4)));
    ct_put_le16(b + 80, a.d);
    ct_put_le16(b + 82, a.dmin);
}

/* d, dmin and the twelve scale bytes that begin a Q4_K and a Q5_K block; unpack.h draws them. */
static void put_scale_head(const affine_block *a, uint8_t *b)
{
    uint8_t *s = b + 4;
    ct_put_le16(b, a->d);
    ct_put_le16(b + 2, a->dmin);
    for (int g = 0; g < 4; g++) {
        s[g] = (uint8_t)(a->sub[g] | (a->sub[g + 4] >> 4) << 6);
        s[g + 4] = (uint8_t)(a->sub_min[g] | (a->sub_min[g + 4] >> 4) << 6);
        s[g + 8] = (uint8_t)((a->sub[g + 4] & 15) | (a->sub_min[g + 4] & 15) << 4);
    }
}

static void quantise_q4_k(const float *x, const float *w, uint8_t *b)
{
    affine_block a;
    fit_affine_groups(&a, x, w, 8, 15, 63);
    put_scale_head(&a, b);
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = a.codes + 64 * (i / 32) + i % 32;
        b[16 + i] = (uint8_t)(c[0] | c[32] << 4);
    }
}

static void quantise_q5_k(const float *x, const float *w, uint8_t *b)
{
    affine_block a;
    fit_affine_groups(&a, x, w, 8, 31, 63);
    put_scale_head(&a, b);
    memset(b + 16, 0, 32);
    for (int i = 0; i < 256; i++)
        b[16 + i % 32] |= (uint8_t)((a.codes[i] >> 4) << (i / 32));
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = a.codes + 64 * (i / 32) + i % 32;
        b[48 + i] = (uint8_t)((c[0] & 15) | (c[32] & 15) << 4);
    }
}

/* ---- the table ---- */

#define ROW_1(T, t)                                [CT_##T] = quantise_##t,
#define ROW_2(T, t)                                [CT_##T] = CT_AT_LEVEL(ct_quantise_##t),
#define ROW_0(T, t)                                /* nothing here makes it */
#define QUANTISE(T, t, number, block, bytes, fits) ROW_##fits(T, t)
ct_quantise_block *const ct_quantise_blocks[CT_N_TYPE] = { CT_BLOCK_TYPES(QUANTISE) };
