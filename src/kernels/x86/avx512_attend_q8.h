/* avx512_attend_q8.h - scores and values of a Q8_0 tile in integers, for avx512_attend.c, and for amx_attend.c, whose tiles
 * give the same sums of bytes.
 *
 * Keys and values are int8 already. What they meet is rounded to 16 bits, as two bytes, so that VNNI sums exactly:
 *
 *     queries   q = dq * q16, q16 = 256 hi + lo from -32512 to 32512; dq = max|q| / 32512 of the row
 *     weights   p * d = s * w16, w16 = 256 hi + lo from 0 to 65535; s = the largest p * d that the row has in the tile,
 *               over 65535
 *
 *     score  = scale * (dq * (fma over the groups of 32, in order, of d * (sum over the 32 of q16 * q8)))
 *     o      = fma(s, sum over the 64 keys of w16 * q8, o * exp(m - m'))
 *
 * The sums in parentheses are exact int32: 32 * 127 * 32512 and 64 * 127 * 65535 at most. A q16 and a w16 are at most half a step
 * off and a few roundings of f32. A query with a value that is not finite has dq = NaN.
 *
 * vpdpbusd wants four bytes of a sum side by side, the first operand unsigned:
 *
 *     keys      [4 dimensions][16 keys] becomes [16 keys][4 dimensions], plus 128, which is taken off where sums start
 *     values    four rows of 64 dimensions, keys j, j + 16, j + 32 and j + 48, become four vectors of [4 dimensions][4 keys] in
 *               each quarter: element 4 v + e of quarter L is dimension 16 L + 4 v + e
 *     weights   unsigned as they are; word j of a vector is those keys
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_ATTEND_Q8_H
#define CT_KERNELS_X86_AVX512_ATTEND_Q8_H

#include <math.h>
#include <string.h>

#include "kernels/x86/avx512_math.h"
#include "quant/kv_tile.h"

#define MAX_GROUPS (CT_MAX_HEAD_DIM / CT_KV_GROUP)
#define Q_STEPS    32512.0f
#define W_STEPS    65535.0f
#define LEAST      0x1p-100f /* a largest value below it counts as 0: steps would overflow */

/* A query as the sums take it. */
typedef struct q8_query {
    _Alignas(64) int8_t hi[CT_MAX_HEAD_DIM], lo[CT_MAX_HEAD_DIM];
    int32_t start[MAX_GROUPS][2]; /* hi, lo: minus 128 times the sum of the group's */
    float d;
} q8_query;

/* A row's weights of a tile. */
typedef struct q8_weights {
    _Alignas(64) uint8_t of[MAX_GROUPS][2][CT_TILE]; /* hi, lo, in the order above */
    float s;
} q8_weights;

/* Bytes that come next, fetched a few lines at a time wherever there is work. Into L1: a thread has few lines on the way at
 * once, and one that is fetched into L2 first takes two of them. Two rows from memory on a Sapphire Rapids, in shares of a
 * plain read: so 76 %, into L2 72, without 64. */
typedef struct ahead {
    const char *at, *end;
} ahead;

INLINE void fetch_ahead(ahead *a, size_t lines)
{
    for (size_t i = 0; i < lines && a->at < a->end; i++, a->at += 64)
        _mm_prefetch(a->at, _MM_HINT_T0);
}

#define LINES_KEYS    6  /* of the values' tile, a group of sixteen keys: 24 of its 34 a group ... */
#define LINES_WEIGHTS 10 /* ... and the rest while weights are made, by one row or several */
#define LINES_VALUES  5  /* of the next keys' tile, four values and 64 dimensions */

/* ---- queries ---- */

INLINE float largest_of(__m512i bits) /* of numbers without a sign, by their bits: a NaN is larger than all */
{
    const uint32_t top = _mm512_reduce_max_epu32(bits);
    float x;
    memcpy(&x, &top, sizeof x);
    return x;
}

static inline void q8_split(const float *q, size_t head_dim, q8_query *out)
{
    __m512i bits = _mm512_setzero_si512();
    for (size_t i = 0; i < head_dim; i += 16)
        bits = _mm512_max_epu32(bits, _mm512_castps_si512(_mm512_abs_ps(_mm512_loadu_ps(q + i))));
    const float top = largest_of(bits), inverse = top >= LEAST && top < INFINITY ? Q_STEPS / top : 0;
    out->d = !(top < INFINITY) ? NAN : inverse > 0 ? top / Q_STEPS : 0;
    const __mmask16 live = inverse > 0 ? 0xFFFF : 0; /* infinity and NaN times 0 would be no 0 */
    for (size_t g = 0; g < head_dim / CT_KV_GROUP; g++) {
        int32_t sums[2] = { 0 };
        for (size_t i = g * CT_KV_GROUP; i < (g + 1) * CT_KV_GROUP; i += 16) {
            const __m512i x =
                _mm512_cvtps_epi32(_mm512_maskz_mul_ps(live, _mm512_loadu_ps(q + i), _mm512_set1_ps(inverse)));
            const __m512i hi = _mm512_srai_epi32(_mm512_add_epi32(x, _mm512_set1_epi32(128)), 8);
            const __m512i lo = _mm512_sub_epi32(x, _mm512_slli_epi32(hi, 8));
            _mm_store_si128((__m128i *)(void *)(out->hi + i), _mm512_cvtepi32_epi8(hi));
            _mm_store_si128((__m128i *)(void *)(out->lo + i), _mm512_cvtepi32_epi8(lo));
            sums[0] += _mm512_reduce_add_epi32(hi);
            sums[1] += _mm512_reduce_add_epi32(lo);
        }
        out->start[g][0] = -128 * sums[0];
        out->start[g][1] = -128 * sums[1];
    }
}

/* ---- keys ---- */

/* [4 dimensions][16 keys] of int8 -> [16 keys][4 dimensions]. */
INLINE __m512i turn_keys(const void *p)
{
    const __m512i words = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(words, _mm512_loadu_si512(p)), bytes);
}

/* ... plus 128. */
INLINE __m512i turn_keys_unsigned(const void *p)
{
    return _mm512_xor_si512(turn_keys(p), _mm512_set1_epi8((char)0x80));
}

INLINE __m512i word_of(const void *p)
{
    int32_t w;
    memcpy(&w, p, sizeof w);
    return _mm512_set1_epi32(w);
}

/* p[t][64] = q[t] . k, T rows. is_turned: the keys have been through turn_keys_unsigned. */
INLINE void q8_scores(const bool is_turned, const int T, const q8_query *const q[], const uint8_t *k, const uint16_t *d,
                      size_t head_dim, float (*p)[CT_TILE], ahead *next)
{
    const size_t n_groups = head_dim / CT_KV_GROUP;
    for (size_t b = 0; b < 4; b++) {
        __m512 acc[6];
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_setzero_ps();
        for (size_t g = 0; g < n_groups; g++, k += 512, d += 16) {
            __m512i hi[6], lo[6];
            fetch_ahead(next, LINES_KEYS);
#pragma GCC unroll 6
            for (int t = 0; t < T; t++) {
                hi[t] = _mm512_set1_epi32(q[t]->start[g][0]);
                lo[t] = _mm512_set1_epi32(q[t]->start[g][1]);
            }
#pragma GCC unroll 8
            for (size_t v = 0; v < 8; v++) {
                const __m512i code = is_turned ? _mm512_load_si512(k + 64 * v) : turn_keys_unsigned(k + 64 * v);
#pragma GCC unroll 6
                for (int t = 0; t < T; t++) {
                    hi[t] = _mm512_dpbusd_epi32(hi[t], code, word_of(q[t]->hi + CT_KV_GROUP * g + 4 * v));
                    lo[t] = _mm512_dpbusd_epi32(lo[t], code, word_of(q[t]->lo + CT_KV_GROUP * g + 4 * v));
                }
            }
            const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)d));
#pragma GCC unroll 6
            for (int t = 0; t < T; t++) {
                const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(hi[t], 8), lo[t]);
                acc[t] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum), acc[t]);
            }
        }
#pragma GCC unroll 6
        for (int t = 0; t < T; t++)
            _mm512_store_ps(p[t] + 16 * b, _mm512_mul_ps(acc[t], _mm512_set1_ps(q[t]->d)));
    }
}

static inline void turn_tile_keys(const uint8_t *k, size_t head_dim, uint8_t *out, ahead *next)
{
    for (size_t i = 0; i < CT_TILE * head_dim; i += 64) {
        fetch_ahead(next, 2);
        _mm512_store_si512(out + i, turn_keys_unsigned(k + i));
    }
}

/* ---- weights ---- */

/* The largest scale that each value of a tile has, as f32. */
static inline void q8_largest_scales(const uint16_t *d, size_t n_groups, float top[CT_TILE])
{
    for (size_t key = 0; key < CT_TILE; key += 32) {
        __m512i most = _mm512_setzero_si512();
        for (size_t g = 0; g < n_groups; g++) /* scales have no sign: their bits order like them, NaN on top */
            most = _mm512_max_epu16(most, _mm512_loadu_si512(d + g * CT_TILE + key));
        _mm512_store_ps(top + key, _mm512_cvtph_ps(_mm512_castsi512_si256(most)));
        _mm512_store_ps(top + key + 16, _mm512_cvtph_ps(_mm512_extracti64x4_epi64(most, 1)));
    }
}

/* The weights p of a tile become multiples of 1 / s for every group. top: of q8_largest_scales. Returns s. */
INLINE float q8_scale_weights(const float p[CT_TILE], const float top[CT_TILE], __m512 x[4])
{
    __m512i bits = _mm512_setzero_si512();
    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_load_ps(p + 16 * i);
        const __m512 product = _mm512_abs_ps(_mm512_mul_ps(x[i], _mm512_load_ps(top + 16 * i))); /* a NaN has a sign */
        bits = _mm512_max_epu32(bits, _mm512_castps_si512(product));
    }
    const float most = largest_of(bits), inverse = most >= LEAST && most < INFINITY ? W_STEPS / most : 0;
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_mul_ps(x[i], _mm512_set1_ps(inverse));
    return !(most < INFINITY) ? NAN : inverse > 0 ? most / W_STEPS : 0;
}

/* Scaled weights times a group's scales, rounded in one operation: the numbers are the last bits of 2^23 + them. Then the two
 * digits, in the order above. */
INLINE void q8_round_weights(const __m512 x[4], const __m512 scale[4], uint8_t hi[CT_TILE], uint8_t lo[CT_TILE])
{
    enum { a_or_c_by_b = 0xE2 }; /* bits of the first where the mask, the second, has one, else of the third */
    __m512i w[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        w[i] = _mm512_castps_si512(_mm512_fmadd_ps(x[i], scale[i], _mm512_set1_ps(0x1p23f)));
    const __m512i words = _mm512_set1_epi32(0xFFFF), bytes = _mm512_set1_epi16(0xFF);
    const __m512i even = _mm512_ternarylogic_epi32(w[0], words, _mm512_slli_epi32(w[2], 16), a_or_c_by_b);
    const __m512i odd = _mm512_ternarylogic_epi32(w[1], words, _mm512_slli_epi32(w[3], 16), a_or_c_by_b);
    _mm512_store_si512(hi, _mm512_ternarylogic_epi32(_mm512_srli_epi16(even, 8), bytes, odd, a_or_c_by_b));
    _mm512_store_si512(lo, _mm512_ternarylogic_epi32(even, bytes, _mm512_slli_epi16(odd, 8), a_or_c_by_b));
}

/* The scales of a group's 64 values. */
INLINE void q8_scales(const uint16_t *d, __m512 scale[4])
{
    for (int i = 0; i < 4; i++)
        scale[i] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(d + 16 * i)));
}

static inline void q8_weigh(const float p[CT_TILE], const float top[CT_TILE], const uint16_t *d, size_t n_groups,
                            q8_weights *w, ahead *next, size_t lines)
{
    __m512 x[4], scale[4];
    w->s = q8_scale_weights(p, top, x);
    for (size_t g = 0; g < n_groups; g++, d += CT_TILE) {
        fetch_ahead(next, lines);
        q8_scales(d, scale);
        q8_round_weights(x, scale, w->of[g][0], w->of[g][1]);
    }
}

/* ---- values ---- */

/* Four rows, sixteen keys apart, of the bytes that `lanes` names -> four vectors of [4 dimensions][4 keys] in each quarter. */
INLINE void turn_values(const uint8_t *v, size_t head_dim, const __mmask64 lanes, __m512i out[4])
{
    __m512i row[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
        row[i] = _mm512_maskz_loadu_epi8(lanes, v + 16 * i * head_dim);
    const __m512i a = _mm512_unpacklo_epi8(row[0], row[1]), b = _mm512_unpacklo_epi8(row[2], row[3]);
    const __m512i c = _mm512_unpackhi_epi8(row[0], row[1]), d = _mm512_unpackhi_epi8(row[2], row[3]);
    out[0] = _mm512_unpacklo_epi16(a, b);
    out[1] = _mm512_unpackhi_epi16(a, b);
    out[2] = _mm512_unpacklo_epi16(c, d);
    out[3] = _mm512_unpackhi_epi16(c, d);
}

/* Where a chunk of 64 dimensions, or 32 at the end, stands in a tile whose values have been turned. */
#define TURNED_CHUNK (CT_TILE * 64)

static inline void turn_tile_values(const uint8_t *v, size_t head_dim, uint8_t *out, ahead *next)
{
    for (size_t key = 0; key < CT_TILE / 4; key++)
        for (size_t i = 0; i < head_dim; i += 64) {
            const __mmask64 lanes = head_dim - i < 64 ? 0xFFFFFFFF : ~(__mmask64)0;
            uint8_t *to = out + i / 64 * TURNED_CHUNK + 4 * 64 * key;
            __m512i turned[4];
            fetch_ahead(next, LINES_VALUES);
            turn_values(v + key * head_dim + i, head_dim, lanes, turned);
            for (size_t j = 0; j < 4; j++)
                _mm512_store_si512(to + 64 * j, turned[j]);
        }
}

/* Word `at` of the weights for a chunk, one digit of each: that of the second group in the upper half. */
INLINE __m512i weights_of(const int n_groups, const uint8_t (*first)[2][CT_TILE], int digit, size_t at)
{
    const __m512i w = word_of(first[0][digit] + 4 * at);
    return n_groups == 1 ? w : _mm512_mask_mov_epi32(w, 0xFF00, word_of(first[1][digit] + 4 * at));
}

/* From the order of turn_values to that of dimensions. */
INLINE void order_values(const __m512i x[4], __m512i out[4])
{
    const __m512i a = _mm512_shuffle_i32x4(x[0], x[1], 0x44), b = _mm512_shuffle_i32x4(x[2], x[3], 0x44);
    const __m512i c = _mm512_shuffle_i32x4(x[0], x[1], 0xEE), d = _mm512_shuffle_i32x4(x[2], x[3], 0xEE);
    out[0] = _mm512_shuffle_i32x4(a, b, 0x88), out[1] = _mm512_shuffle_i32x4(a, b, 0xDD);
    out[2] = _mm512_shuffle_i32x4(c, d, 0x88), out[3] = _mm512_shuffle_i32x4(c, d, 0xDD);
}

/* Sixteen dimensions of o = o * rescale + s * sum. */
INLINE void q8_add_values(__m512i sum, float s, float rescale, float *o)
{
    const __m512 kept = _mm512_mul_ps(_mm512_loadu_ps(o), _mm512_set1_ps(rescale));
    _mm512_storeu_ps(o, _mm512_fmadd_ps(_mm512_set1_ps(s), _mm512_cvtepi32_ps(sum), kept));
}

INLINE void add_chunk(const int n_groups, const __m512i sum[4], float s, float rescale, float *o)
{
    __m512i in_order[4];
    order_values(sum, in_order);
#pragma GCC unroll 4
    for (int i = 0; i < 2 * n_groups; i++)
        q8_add_values(in_order[i], s, rescale, o + 16 * i);
}

/* A chunk of n_groups * 32 dimensions, group g the first of them. */
typedef struct q8_chunk {
    const uint8_t *v;
    size_t head_dim, g;
    const q8_weights *w;
    ahead *next;
} q8_chunk;

/* acc += digits [digit, digit + n) of the weights times the values, over all keys. Four blocks of four keys a turn: gcc
 * moves loop-carried sums about, 16 of them in every turn. */
INLINE void add_keys(const bool is_turned, const int T, const int n_groups, const bool fetches, const int digit,
                     const int n, const q8_chunk *c, __m512i acc[6][2][4])
{
    const __mmask64 lanes = n_groups == 1 ? 0xFFFFFFFF : ~(__mmask64)0;
    for (size_t m = 0; m < 4; m++) {
#pragma GCC unroll 4
        for (size_t block = 0; block < 4; block++) {
            const size_t key = 4 * m + block;
            __m512i x[4];
            if (is_turned) {
#pragma GCC unroll 4
                for (size_t j = 0; j < 4; j++)
                    x[j] = _mm512_load_si512(c->v + 64 * (4 * key + j));
            } else {
                turn_values(c->v + key * c->head_dim, c->head_dim, lanes, x);
            }
            if (fetches)
                fetch_ahead(c->next, LINES_VALUES);
#pragma GCC unroll 6
            for (int t = 0; t < T; t++)
#pragma GCC unroll 2
                for (int i = 0; i < n; i++) {
                    const __m512i weight = weights_of(n_groups, c->w[t].of + c->g, digit + i, key);
#pragma GCC unroll 4
                    for (int j = 0; j < 4; j++)
                        acc[t][i][j] = _mm512_dpbusd_epi32(acc[t][i][j], weight, x[j]);
                }
        }
    }
}

/* Up to two rows sum both digits side by side; more have no registers for it and go over the keys once a digit. The high
 * digit is worth 256 of the low one. */
INLINE void q8_values_chunk(const bool is_turned, const int T, const int n_groups, float *const o[],
                            const float *rescale, const q8_chunk *c)
{
    const int at_once = T <= 2 ? 2 : 1;
    __m512i acc[6][2][4];
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            acc[t][0][j] = acc[t][1][j] = _mm512_setzero_si512();
    add_keys(is_turned, T, n_groups, true, 0, at_once, c, acc);
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            acc[t][0][j] = _mm512_add_epi32(_mm512_slli_epi32(acc[t][0][j], 8), acc[t][1][j]);
    if (at_once == 1)
        add_keys(is_turned, T, n_groups, false, 1, 1, c, acc);
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        add_chunk(n_groups, acc[t][0], c->w[t].s, rescale[t], o[t] + c->g * CT_KV_GROUP);
}

/* o[t] = o[t] * rescale[t] + sum over keys of p[t][key] v[key]. top: of q8_largest_scales; rest: of this tile, still to be
 * fetched. */
INLINE void q8_values(const bool is_turned, const int T, float *const o[], const float *rescale, float (*p)[CT_TILE],
                      const float top[CT_TILE], const uint8_t *v, const uint16_t *d, size_t head_dim, ahead *rest,
                      ahead *next)
{
    const size_t n_groups = head_dim / CT_KV_GROUP;
    q8_weights w[6];
    for (int t = 0; t < T; t++)
        q8_weigh(p[t], top, d, n_groups, &w[t], rest, (LINES_WEIGHTS + (size_t)T - 1) / (size_t)T);
    for (size_t g = 0; g < n_groups; g += 2) {
        const q8_chunk c = { .v = is_turned ? v + g / 2 * TURNED_CHUNK : v + g * CT_KV_GROUP,
                             .head_dim = head_dim,
                             .g = g,
                             .w = w,
                             .next = next };
        if (g + 2 <= n_groups)
            q8_values_chunk(is_turned, T, 2, o, rescale, &c);
        else
            q8_values_chunk(is_turned, T, 1, o, rescale, &c);
    }
}

#endif
