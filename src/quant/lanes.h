/* lanes.h - inside quant/: vectors of floats for the fits, as wide as the level that a file is built for has them.
 *
 * A lane is a group of weights (fit.h). Nothing is ever added across lanes and nothing is fused, so a group's result is
 * the same to the bit however many stand beside it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_LANES_H
#define CT_QUANT_LANES_H

#include <stdint.h>

#define LANE_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#include <immintrin.h>

enum { LANES = 16 };
typedef __m512 vec;
typedef __mmask16 mask;
typedef __m512i ivec;

LANE_INLINE vec v_set1(float a)
{
    return _mm512_set1_ps(a);
}
LANE_INLINE vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
LANE_INLINE void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}
LANE_INLINE void v_transpose(const float *p, int step, vec out[LANES])
{
    vec a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = v_load(p + i * step);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* a[i + k]: rows i..i+3 of columns k, k + 4, k + 8, k + 12 */
        a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
    for (int k = 0; k < 4; k++) {
        b[k] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0x88); /* columns k and k + 8, rows 0..7 */
        b[k + 4] = _mm512_shuffle_f32x4(a[k], a[k + 4], 0xDD);
        b[k + 8] = _mm512_shuffle_f32x4(a[k + 8], a[k + 12], 0x88);
        b[k + 12] = _mm512_shuffle_f32x4(a[k + 8], a[k + 12], 0xDD);
    }
    for (int k = 0; k < 8; k++) {
        out[k] = _mm512_shuffle_f32x4(b[k], b[k + 8], 0x88);
        out[k + 8] = _mm512_shuffle_f32x4(b[k], b[k + 8], 0xDD);
    }
}
/* Whole numbers from 0 to 255. */
LANE_INLINE void v_store_bytes(uint8_t *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(a)));
}
LANE_INLINE vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
LANE_INLINE vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
LANE_INLINE vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
LANE_INLINE vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
LANE_INLINE vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
LANE_INLINE vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
LANE_INLINE vec v_abs(vec a)
{
    return _mm512_abs_ps(a);
}
LANE_INLINE mask v_less(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
LANE_INLINE mask m_and(mask a, mask b)
{
    return (mask)(a & b);
}
LANE_INLINE mask m_not(mask a)
{
    return (mask)~a;
}
LANE_INLINE bool m_any(mask a)
{
    return a != 0;
}
/* a where the mask is set, else b. */
LANE_INLINE vec v_pick(mask m, vec a, vec b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
LANE_INLINE ivec i_load16(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
LANE_INLINE ivec i_right(ivec a, int n)
{
    return _mm512_srli_epi32(a, (unsigned)n);
}
LANE_INLINE vec v_look4(vec table, ivec key)
{
    return _mm512_permutevar_ps(table, key);
}
LANE_INLINE vec v_look8(const vec *table, ivec key)
{
    return _mm512_permutexvar_ps(key, table[0]);
}
LANE_INLINE float v_least(vec a)
{
    return _mm512_reduce_min_ps(a);
}
LANE_INLINE unsigned v_equals(vec a, float b)
{
    return _mm512_cmp_ps_mask(a, v_set1(b), _CMP_EQ_OQ);
}

#elif defined(__AVX2__)

#include <immintrin.h>

enum { LANES = 8 };
typedef __m256 vec;
typedef __m256 mask;
typedef __m256i ivec;

LANE_INLINE vec v_set1(float a)
{
    return _mm256_set1_ps(a);
}
LANE_INLINE vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
LANE_INLINE void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}
LANE_INLINE void v_transpose(const float *p, int step, vec out[LANES])
{
    vec a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = v_load(p + i * step);
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* a[i + k]: rows i..i+3 of columns k and k + 4 */
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
    for (int k = 0; k < 4; k++) {
        out[k] = _mm256_permute2f128_ps(a[k], a[k + 4], 0x20);
        out[k + 4] = _mm256_permute2f128_ps(a[k], a[k + 4], 0x31);
    }
}
LANE_INLINE void v_store_bytes(uint8_t *p, vec a)
{
    const __m256i codes = _mm256_cvttps_epi32(a);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
LANE_INLINE vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
LANE_INLINE vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
LANE_INLINE vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
LANE_INLINE vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
LANE_INLINE vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
LANE_INLINE vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
LANE_INLINE vec v_abs(vec a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
LANE_INLINE mask v_less(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
LANE_INLINE mask m_and(mask a, mask b)
{
    return _mm256_and_ps(a, b);
}
LANE_INLINE mask m_not(mask a)
{
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
LANE_INLINE bool m_any(mask a)
{
    return _mm256_movemask_ps(a) != 0;
}
LANE_INLINE vec v_pick(mask m, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, m);
}
LANE_INLINE ivec i_load16(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}
LANE_INLINE ivec i_right(ivec a, int n)
{
    return _mm256_srli_epi32(a, n);
}
LANE_INLINE vec v_look4(vec table, ivec key)
{
    return _mm256_permutevar_ps(table, key);
}
LANE_INLINE vec v_look8(const vec *table, ivec key)
{
    return _mm256_permutevar8x32_ps(table[0], key);
}
LANE_INLINE float v_least(vec a)
{
    const __m128 four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps(two, two, 1)));
}
LANE_INLINE unsigned v_equals(vec a, float b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, v_set1(b), _CMP_EQ_OQ));
}

#else /* vectors of the compiler's: every machine */

enum { LANES = 4 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));
typedef int32_t ivec __attribute__((vector_size(16)));

LANE_INLINE vec v_set1(float a)
{
    return (vec){ a, a, a, a };
}
LANE_INLINE vec v_load(const float *p)
{
    return (vec){ p[0], p[1], p[2], p[3] };
}
LANE_INLINE void v_store(float *p, vec a)
{
    for (int i = 0; i < LANES; i++)
        p[i] = a[i];
}
/* out[i] = p[i], p[step + i], p[2 step + i] .. */
LANE_INLINE void v_transpose(const float *p, int step, vec out[LANES])
{
    for (int i = 0; i < LANES; i++)
        out[i] = (vec){ p[i], p[step + i], p[2 * step + i], p[3 * step + i] };
}
LANE_INLINE void v_store_bytes(uint8_t *p, vec a)
{
    for (int i = 0; i < LANES; i++)
        p[i] = (uint8_t)a[i];
}
LANE_INLINE vec v_add(vec a, vec b)
{
    return a + b;
}
LANE_INLINE vec v_sub(vec a, vec b)
{
    return a - b;
}
LANE_INLINE vec v_mul(vec a, vec b)
{
    return a * b;
}
LANE_INLINE vec v_div(vec a, vec b)
{
    return a / b;
}
LANE_INLINE mask v_less(vec a, vec b)
{
    return a < b;
}
LANE_INLINE mask m_and(mask a, mask b)
{
    return a & b;
}
LANE_INLINE mask m_not(mask a)
{
    return ~a;
}
LANE_INLINE bool m_any(mask a)
{
    return (a[0] | a[1] | a[2] | a[3]) != 0;
}
LANE_INLINE vec v_pick(mask m, vec a, vec b)
{
    return (vec)((m & (mask)a) | (~m & (mask)b));
}
LANE_INLINE ivec i_load16(const uint16_t *p)
{
    return (ivec){ p[0], p[1], p[2], p[3] };
}
LANE_INLINE ivec i_right(ivec a, int n)
{
    return a >> n;
}
/* Entries of a table of four by bits 0 and 1 of the keys, of one of eight by bits 0 to 2 (bit 3 is clear). */
LANE_INLINE vec v_look4(vec table, ivec key)
{
    return (vec){ table[key[0] & 3], table[key[1] & 3], table[key[2] & 3], table[key[3] & 3] };
}
LANE_INLINE vec v_look8(const vec *table, ivec key)
{
    vec out;
    for (int i = 0; i < LANES; i++)
        out[i] = table[key[i] >> 2 & 1][key[i] & 3];
    return out;
}
/* The least of the lanes; and in which lanes a number stands, a bit each. */
LANE_INLINE float v_least(vec a)
{
    float least = a[0];
    for (int i = 1; i < LANES; i++)
        least = a[i] < least ? a[i] : least;
    return least;
}
LANE_INLINE unsigned v_equals(vec a, float b)
{
    unsigned bits = 0;
    for (int i = 0; i < LANES; i++)
        bits |= a[i] == b ? 1u << i : 0;
    return bits;
}
/* Of two zeros, and where one is no number, the second: as the instructions of the other levels have it. */
LANE_INLINE vec v_min(vec a, vec b)
{
    return v_pick(a < b, a, b);
}
LANE_INLINE vec v_max(vec a, vec b)
{
    return v_pick(a > b, a, b);
}
LANE_INLINE vec v_abs(vec a)
{
    return (vec)((mask)a & INT32_MAX);
}

#endif

/* A table of four entries, as often as it fits; and one of eight, in so many vectors. */
LANE_INLINE vec v_table4(const float *p)
{
    float t[LANES];
    for (int i = 0; i < LANES; i++)
        t[i] = p[i % 4];
    return v_load(t);
}
enum { TABLE8 = LANES < 8 ? 8 / LANES : 1 };
LANE_INLINE void v_table8(const float *p, vec out[TABLE8])
{
    float t[TABLE8 * LANES];
    for (int i = 0; i < TABLE8 * LANES; i++)
        t[i] = p[i % 8];
    for (int i = 0; i < TABLE8; i++)
        out[i] = v_load(t + i * LANES);
}

/* The nearest whole numbers, ties to even, for |a| < 2^22: beyond the constant there are no fractions to keep. */
LANE_INLINE vec v_nearest(vec a)
{
    const vec c = v_set1(12582912.0f);
    return v_sub(v_add(a, c), c);
}
LANE_INLINE vec v_clamp(vec a, vec lo, vec hi)
{
    return v_min(v_max(a, lo), hi);
}
LANE_INLINE mask v_above(vec a, vec b)
{
    return v_less(b, a);
}

#endif
