/* avx512_q8_tokens.h - int8 activations laid out for the multiplying kernels.
 *
 * Few tokens: a stretch (32 columns) of T tokens is one record, so that the kernels walk one pointer and every operand of
 * a token is a broadcast load at a constant distance; the records of a tile's stretches stand one after another:
 *
 *     i8 [T][32]  codes     i32 [sub][T]  -bias * sum_x     f32 [sub][T]  d_x * sum_x     f32 [T]  d_x
 *
 * sub is 1, or 2 with 16-column scales.
 *
 * Many tokens: codes are read where they stand. Beside them each token has, of up to sixteen stretches,
 *
 *     i32 [sub][16]  -bias * sum_x, or f32 [sub][16]  d_x * sum_x where the type has minima     f32 [16]  d_x
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_Q8_TOKENS_H
#define CT_KERNELS_X86_AVX512_Q8_TOKENS_H

#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_unpack.h"

/* What the kernels know of a type. */
typedef struct q8_kind {
    int bias;
    bool is_half, has_min;
} q8_kind;

INLINE q8_kind kind_of(const ct_type type)
{
    const ct_form *form = ct_form_of(type);
    return (q8_kind){ form->bias, form->is_half, form->has_min };
}

/* Byte offsets of the fields of a record of `tile` tokens; bytes is the distance to the next record. */
typedef struct q8_record {
    size_t start, xm, d, bytes;
} q8_record;

INLINE q8_record record_of(const bool is_half, const size_t tile)
{
    const size_t sub = is_half ? 2 : 1;
    return (q8_record){ 32 * tile, (32 + 4 * sub) * tile, (32 + 8 * sub) * tile, (36 + 8 * sub) * tile };
}

/* What a token's stretches need besides codes, sixteen stretches at a time: [sub][stretch]. */
typedef struct q8_sums {
    _Alignas(64) int32_t start[2][16];
    float xm[2][16], d[16];
} q8_sums;

static void sums_of(const q8_kind *k, const float *d, const int32_t *sums, size_t n, q8_sums *out)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i bias = _mm512_set1_epi32(-k->bias);
    const __m512i a = _mm512_maskz_loadu_epi32(first_lanes(2 * n), sums);
    const __m512i b = n > 8 ? _mm512_maskz_loadu_epi32(first_lanes(2 * n - 16), sums + 16) : _mm512_setzero_si512();
    const __m512 scale = _mm512_maskz_loadu_ps(first_lanes(n), d);
    __m512i sum[2] = { _mm512_permutex2var_epi32(a, even, b),
                       _mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b) };
    if (!k->is_half)
        sum[0] = _mm512_add_epi32(sum[0], sum[1]);
    _mm512_store_ps(out->d, scale);
    for (int i = 0; i < 2; i++) {
        _mm512_store_si512(out->start[i], _mm512_mullo_epi32(sum[i], bias));
        _mm512_store_ps(out->xm[i], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum[i])));
    }
}

/* Stretches [s0, s1) of one token x into lane `lane` of the records at out. */
INLINE void put_token(const q8_kind *k, const bool is_half, const uint8_t *x, size_t cols, size_t s0, size_t s1,
                      size_t tile, size_t lane, uint8_t *out)
{
    const float *d = (const float *)(const void *)(x + ct_acts_d_offset(cols));
    const int32_t *sums = (const int32_t *)(const void *)(x + ct_acts_s_offset(cols));
    const q8_record r = record_of(is_half, tile);
    uint8_t *codes = out + 32 * lane, *start = out + r.start + 4 * lane, *xm = out + r.xm + 4 * lane;
    uint8_t *scale = out + r.d + 4 * lane;
    for (; s0 < s1; s0 += 16) {
        const size_t n = s1 - s0 < 16 ? s1 - s0 : 16;
        q8_sums t;
        sums_of(k, d + s0, sums + 2 * s0, n, &t);
        for (size_t s = 0; s < n; s++, codes += r.bytes, start += r.bytes, xm += r.bytes, scale += r.bytes) {
            memcpy(codes, x + 32 * (s0 + s), 32);
            memcpy(scale, t.d + s, 4);
            memcpy(start, t.start[0] + s, 4);
            memcpy(xm, t.xm[0] + s, 4);
            if (is_half) {
                memcpy(start + 4 * tile, t.start[1] + s, 4);
                memcpy(xm + 4 * tile, t.xm[1] + s, 4);
            }
        }
    }
}

/* Stretches [s0, s1) of tokens [t0, t0 + n) in tiles, one after another; the last tile is filled up with zeros. */
static void put_tokens(const q8_kind *k, const ct_mul *m, size_t t0, size_t n, size_t s0, size_t s1, size_t tile,
                       uint8_t *out)
{
    const size_t tile_bytes = record_of(k->is_half, tile).bytes * (s1 - s0);
    if (n % tile)
        memset(out + n / tile * tile_bytes, 0, tile_bytes);
    const uint8_t *x = (const uint8_t *)m->x + t0 * m->x_stride;
    for (size_t t = 0; t < n; t++, x += m->x_stride) {
        if (k->is_half)
            put_token(k, true, x, m->cols, s0, s1, tile, t % tile, out + t / tile * tile_bytes);
        else
            put_token(k, false, x, m->cols, s0, s1, tile, t % tile, out + t / tile * tile_bytes);
    }
}

/* ---- many tokens ---- */

#define SIDE_STRETCHES 16

/* Bytes of what one token has beside its codes. */
INLINE size_t side_bytes(const bool is_half)
{
    return 64 * ((is_half ? 2 : 1) + 1);
}

/* Of stretches [s0, s0 + n), n at most SIDE_STRETCHES, of tokens [t0, t0 + n_tokens), one after another. */
static void put_sides(const q8_kind *k, const ct_mul *m, size_t t0, size_t n_tokens, size_t s0, size_t n, uint8_t *out)
{
    const size_t d_at = ct_acts_d_offset(m->cols) + 4 * s0, sums_at = ct_acts_s_offset(m->cols) + 8 * s0;
    const uint8_t *x = (const uint8_t *)m->x + t0 * m->x_stride;
    for (; n_tokens; n_tokens--, x += m->x_stride, out += side_bytes(k->is_half)) {
        q8_sums t;
        sums_of(k, (const float *)(const void *)(x + d_at), (const int32_t *)(const void *)(x + sums_at), n, &t);
        for (int i = 0; i < (k->is_half ? 2 : 1); i++)
            _mm512_store_si512(out + 64 * i, _mm512_load_si512(k->has_min ? (const void *)t.xm[i] : t.start[i]));
        _mm512_store_ps(out + side_bytes(k->is_half) - 64, _mm512_load_ps(t.d));
    }
}

#endif
