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
static void put_nibbles(uint8_t *restrict p, const uint8_t *restrict codes)
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

enum { MAX_SMALL = CT_STRETCH / 32 };

/* Writes the codes of a block behind its scale. */
typedef void put_codes(uint8_t *b, const uint8_t *codes);

/* n blocks without a minimum: a scale, as f16, and 32 codes. */
static void fit_blocks(const ct_stretch *s, int n, ct_levels levels, ct_type type, put_codes *put, uint8_t *b)
{
    uint16_t d[MAX_SMALL];
    ct_fit_scale(s, n, levels, d);
    for (int k = 0; k < n; k++, b += ct_type_get(type)->bytes) {
        uint8_t codes[32];
        ct_fit_codes(s->x + 32 * k, 32, ct_f16_to_f32(d[k]), levels, codes);
        ct_put_le16(b, d[k]);
        put(b + 2, codes);
    }
}

/* n blocks with one. */
static void fit_affine_blocks(const ct_stretch *s, int n, int code_max, ct_type type, put_codes *put, uint8_t *b)
{
    uint16_t d[MAX_SMALL], m[MAX_SMALL];
    ct_fit_affine(s, n, code_max, d, m);
    for (int k = 0; k < n; k++, b += ct_type_get(type)->bytes) {
        uint8_t codes[32];
        ct_fit_affine_codes(s->x + 32 * k, 32, ct_f16_to_f32(d[k]), ct_f16_to_f32(m[k]), code_max, codes);
        ct_put_le16(b, d[k]);
        ct_put_le16(b + 2, m[k]);
        put(b + 4, codes);
    }
}

static void put_bytes(uint8_t *restrict b, const uint8_t *restrict codes)
{
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)(codes[i] - 127);
}

static void put_fifths(uint8_t *b, const uint8_t *codes)
{
    ct_put_le32(b, fifth_bits(codes));
    put_nibbles(b + 4, codes);
}

static void quantise_q8_0(const ct_stretch *s, int n, uint8_t *b)
{
    fit_blocks(s, n, (ct_levels){ -127, 127, false }, CT_Q8_0, put_bytes, b);
}

static void quantise_q4_0(const ct_stretch *s, int n, uint8_t *b)
{
    fit_blocks(s, n, (ct_levels){ -8, 7, false }, CT_Q4_0, put_nibbles, b);
}

static void quantise_q5_0(const ct_stretch *s, int n, uint8_t *b)
{
    fit_blocks(s, n, (ct_levels){ -16, 15, false }, CT_Q5_0, put_fifths, b);
}

static void quantise_iq4_nl(const ct_stretch *s, int n, uint8_t *b)
{
    fit_blocks(s, n, (ct_levels){ -127, 113, true }, CT_IQ4_NL, put_nibbles, b);
}

static void quantise_q4_1(const ct_stretch *s, int n, uint8_t *b)
{
    fit_affine_blocks(s, n, 15, CT_Q4_1, put_nibbles, b);
}

static void quantise_q5_1(const ct_stretch *s, int n, uint8_t *b)
{
    fit_affine_blocks(s, n, 31, CT_Q5_1, put_fifths, b);
}

/* ---- blocks of 256 with scales ---- */

typedef struct scaled_block {
    uint16_t d;
    const int *sub;
    uint8_t codes[256];
} scaled_block;

/* n blocks, each of which `put` writes: as many at a time as have 16 groups. */
static void fit_scaled_blocks(const ct_stretch *s, int n, int n_group, ct_levels levels, int sub_lo, int sub_hi,
                              ct_type type, void (*put)(const scaled_block *a, uint8_t *b), uint8_t *b)
{
    const int most = 16 / n_group, len = 256 / n_group;
    for (int at = 0, now; at < n; at += now) {
        const ct_stretch part = { s->x + 256 * at, s->w + 256 * at, s->is_even };
        int sub[16];
        uint16_t d[2];
        now = n - at < most ? n - at : most;
        ct_fit_scales(&part, now, n_group, levels, sub_lo, sub_hi, sub, d);
        for (int k = 0; k < now; k++, b += ct_type_get(type)->bytes) {
            scaled_block a;
            const float scale = ct_f16_to_f32(d[k]);
            a.d = d[k];
            a.sub = sub + k * n_group;
            for (int g = 0; g < n_group; g++)
                ct_fit_codes(part.x + 256 * k + g * len, len, scale * (float)a.sub[g], levels, a.codes + g * len);
            put(&a, b);
        }
    }
}

/* Bits 0 and 1 of 256 codes. */
static void put_quarters(uint8_t *b, const uint8_t *codes)
{
    for (int half = 0; half < 2; half++) {
        const uint8_t *c = codes + 128 * half;
        uint8_t low[32];
        for (int i = 0; i < 32; i++)
            low[i] = (uint8_t)((c[i] & 3) | (c[i + 32] & 3) << 2 | (c[i + 64] & 3) << 4 | (c[i + 96] & 3) << 6);
        memcpy(b + 32 * half, low, 32);
    }
}

static void put_q6_k(const scaled_block *restrict a, uint8_t *restrict b)
{
    ct_put_le16(b + 208, a->d);
    for (int half = 0; half < 2; half++) {
        const uint8_t *c = a->codes + 128 * half;
        for (int i = 0; i < 64; i++)
            b[64 * half + i] = (uint8_t)((c[i] & 15) | (c[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            b[128 + 32 * half + i] =
                (uint8_t)(c[i] >> 4 | (c[i + 32] >> 4) << 2 | (c[i + 64] >> 4) << 4 | (c[i + 96] >> 4) << 6);
    }
    for (int g = 0; g < 16; g++)
        b[192 + g] = (uint8_t)a->sub[g];
}

static void quantise_q6_k(const ct_stretch *s, int n, uint8_t *b)
{
    fit_scaled_blocks(s, n, 16, (ct_levels){ -32, 31, false }, -128, 127, CT_Q6_K, put_q6_k, b);
}

static void put_q3_k(const scaled_block *a, uint8_t *b)
{
    uint8_t high[32] = { 0 }, *scales = b + 96; /* code = level + 4: bit 2 set is the mask's "nothing to subtract" */
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            high[i] |= (uint8_t)((a->codes[32 * j + i] >> 2) << j);
    memcpy(b, high, 32);
    put_quarters(b + 32, a->codes);
    memset(scales, 0, 12);
    ct_put_le16(b + 108, a->d);
    for (int g = 0; g < 16; g++) {
        int s = a->sub[g] + 32;
        scales[g % 8] |= (uint8_t)((s & 15) << (g < 8 ? 0 : 4));
        scales[8 + g % 4] |= (uint8_t)((s >> 4) << (2 * (g / 4)));
    }
}

static void quantise_q3_k(const ct_stretch *s, int n, uint8_t *b)
{
    fit_scaled_blocks(s, n, 16, (ct_levels){ -4, 3, false }, -32, 31, CT_Q3_K, put_q3_k, b);
}

static void put_iq4_xs(const scaled_block *a, uint8_t *b)
{
    unsigned high = 0;
    ct_put_le16(b, a->d);
    memset(b + 4, 0, 4);
    for (int g = 0; g < 8; g++) {
        int s = a->sub[g] + 32;
        high |= (unsigned)(s >> 4) << (2 * g);
        b[4 + g / 2] |= (uint8_t)((s & 15) << (4 * (g % 2)));
        put_nibbles(b + 8 + 16 * g, a->codes + 32 * g);
    }
    ct_put_le16(b + 2, (uint16_t)high);
}

static void quantise_iq4_xs(const ct_stretch *s, int n, uint8_t *b)
{
    fit_scaled_blocks(s, n, 8, (ct_levels){ -127, 113, true }, -32, 31, CT_IQ4_XS, put_iq4_xs, b);
}

/* ---- blocks of 256 with scales and minimums ---- */

typedef struct affine_block {
    uint16_t d, dmin;
    const int *sub, *sub_min;
    uint8_t codes[256];
} affine_block;

/* As fit_scaled_blocks. */
static void fit_affine_groups(const ct_stretch *s, int n, int n_group, int code_max, int sub_max, ct_type type,
                              void (*put)(const affine_block *a, uint8_t *b), uint8_t *b)
{
    const int most = 16 / n_group, len = 256 / n_group;
    for (int at = 0, now; at < n; at += now) {
        const ct_stretch part = { s->x + 256 * at, s->w + 256 * at, s->is_even };
        int sub[16], sub_min[16];
        uint16_t d[2], dmin[2];
        now = n - at < most ? n - at : most;
        ct_fit_affines(&part, now, n_group, code_max, sub_max, sub, sub_min, d, dmin);
        for (int k = 0; k < now; k++, b += ct_type_get(type)->bytes) {
            affine_block a;
            a.d = d[k];
            a.dmin = dmin[k];
            a.sub = sub + k * n_group;
            a.sub_min = sub_min + k * n_group;
            const float scale = ct_f16_to_f32(d[k]), min = ct_f16_to_f32(dmin[k]);
            for (int g = 0; g < n_group; g++)
                ct_fit_affine_codes(part.x + 256 * k + g * len, len, scale * (float)a.sub[g],
                                    -(min * (float)a.sub_min[g]), code_max, a.codes + g * len);
            put(&a, b);
        }
    }
}

static void put_q2_k(const affine_block *a, uint8_t *b)
{
    for (int g = 0; g < 16; g++)
        b[g] = (uint8_t)(a->sub[g] | a->sub_min[g] << 4);
    put_quarters(b + 16, a->codes);
    ct_put_le16(b + 80, a->d);
    ct_put_le16(b + 82, a->dmin);
}

static void quantise_q2_k(const ct_stretch *s, int n, uint8_t *b)
{
    fit_affine_groups(s, n, 16, 3, 15, CT_Q2_K, put_q2_k, b);
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

static void put_q4_k(const affine_block *restrict a, uint8_t *restrict b)
{
    put_scale_head(a, b);
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = a->codes + 64 * (i / 32) + i % 32;
        b[16 + i] = (uint8_t)(c[0] | c[32] << 4);
    }
}

static void quantise_q4_k(const ct_stretch *s, int n, uint8_t *b)
{
    fit_affine_groups(s, n, 8, 15, 63, CT_Q4_K, put_q4_k, b);
}

static void put_q5_k(const affine_block *restrict a, uint8_t *restrict b)
{
    put_scale_head(a, b);
    uint8_t high[32] = { 0 };
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            high[i] |= (uint8_t)((a->codes[32 * j + i] >> 4) << j);
    memcpy(b + 16, high, 32);
    for (int i = 0; i < 128; i++) {
        const uint8_t *c = a->codes + 64 * (i / 32) + i % 32;
        b[48 + i] = (uint8_t)((c[0] & 15) | (c[32] & 15) << 4);
    }
}

static void quantise_q5_k(const ct_stretch *s, int n, uint8_t *b)
{
    fit_affine_groups(s, n, 8, 31, 63, CT_Q5_K, put_q5_k, b);
}

/* ---- the table ---- */

#define ROW_1(T, t)                                [CT_##T] = quantise_##t,
#define ROW_2(T, t)                                [CT_##T] = CT_AT_LEVEL(ct_quantise_##t),
#define ROW_0(T, t)                                /* nothing here makes it */
#define QUANTISE(T, t, number, block, bytes, fits) ROW_##fits(T, t)
ct_quantise_fn *const ct_quantise_blocks[CT_N_TYPE] = { CT_BLOCK_TYPES(QUANTISE) };
