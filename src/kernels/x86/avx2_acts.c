/* avx2_acts.c - one token's vector in the form that a weight type is multiplied with. Bit for bit as generic/acts.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/x86/avx2_math.h"

/* Eight floats rounded to bf16, nearest even, as u32; NaN kept quiet. */
INLINE __m256i to_bf16(__m256 x)
{
    const __m256i u = _mm256_castps_si256(x), one = _mm256_set1_epi32(1);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), one);
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7FFF)), odd);
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
}

static void acts_bf16(const float *x, size_t cols, void *dst)
{
    uint16_t *q = dst;
    size_t i = 0;
    for (; i + 16 <= cols; i += 16) {
        const __m256i v = _mm256_packus_epi32(to_bf16(_mm256_loadu_ps(x + i)), to_bf16(_mm256_loadu_ps(x + i + 8)));
        store256(q + i, _mm256_permute4x64_epi64(v, 0xD8)); /* packing works in 128-bit halves */
    }
    for (; i < cols; i++)
        q[i] = ct_f32_to_bf16(x[i]);
    if (cols % 2)
        q[cols] = 0;
}

/* Largest magnitude of a group, as bits: magnitudes order like their bits, infinity and NaN above all. */
INLINE uint32_t group_amax(const __m256 x[4])
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i top = _mm256_and_si256(_mm256_castps_si256(x[0]), magnitude);
    for (int i = 1; i < 4; i++)
        top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(x[i]), magnitude));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

/* Sums of the sixteen codes in each half of q. */
INLINE void put_sums(__m256i q, int32_t sums[2])
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    __m256i s = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4E));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xB1));
    sums[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(s));
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(s, 1));
}

INLINE __m256i codes(const __m256 x[4], float inverse)
{
    __m256i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_cvtps_epi32(_mm256_round_ps(_mm256_mul_ps(x[i], _mm256_set1_ps(inverse)), NEAREST));
    /* Packing works in 128-bit halves: undone at the end, four codes at a time. */
    const __m256i q = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    return _mm256_permutevar8x32_epi32(q, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static void acts_q8(const float *x, size_t cols, void *dst)
{
    int8_t *q = dst;
    float *d = (float *)(void *)((char *)dst + ct_acts_d_offset(cols));
    int32_t *sums = (int32_t *)(void *)((char *)dst + ct_acts_s_offset(cols));
    for (size_t g = 0; g < cols / CT_ACTS_GROUP; g++, x += CT_ACTS_GROUP, q += CT_ACTS_GROUP) {
        const __m256 v[4] = { _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16),
                              _mm256_loadu_ps(x + 24) };
        const uint32_t bits = group_amax(v);
        float amax;
        memcpy(&amax, &bits, 4);
        if (bits >= 0x7F800000 || !(amax >= CT_ACTS_TINY)) {
            d[g] = isfinite(amax) ? 0.0f : NAN;
            sums[2 * g] = sums[2 * g + 1] = 0;
            store256(q, _mm256_setzero_si256());
            continue;
        }
        const __m256i c = codes(v, 127.0f / amax);
        d[g] = amax / 127.0f;
        store256(q, c);
        put_sums(c, sums + 2 * g);
    }
}

void ct_avx2_acts(ct_kernels *k)
{
    k->acts[CT_ACTS_BF16] = acts_bf16;
    k->acts[CT_ACTS_Q8] = acts_q8;
}
