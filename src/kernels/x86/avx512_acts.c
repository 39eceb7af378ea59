/* avx512_acts.c - one token's vector in the form that a weight type is multiplied with. Bit for bit as generic/acts.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"

#define NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* Sixteen floats rounded to bf16, nearest even; NaN kept quiet. */
INLINE __m256i to_bf16(__m512 x)
{
    const __m512i u = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7FFF)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i v = _mm512_mask_or_epi32(rounded, nan, u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16));
}

static void acts_bf16(const float *x, size_t cols, void *dst)
{
    uint16_t *q = dst;
    for (size_t i = 0; i < cols; i += 16) {
        const __mmask16 k = first_lanes(cols - i);
        _mm256_mask_storeu_epi16(q + i, k, to_bf16(_mm512_maskz_loadu_ps(k, x + i)));
    }
    if (cols % 2)
        q[cols] = 0;
}

void ct_avx512_acts_bf16_tiled(const float *x, size_t cols, void *dst)
{
    uint8_t *to = dst;
    for (size_t i = 0; i < cols; i += 32, to += 1024) {
        const size_t left = cols - i;
        const __m256i low = to_bf16(_mm512_maskz_loadu_ps(first_lanes(left), x + i));
        const __m256i high =
            left > 16 ? to_bf16(_mm512_maskz_loadu_ps(first_lanes(left - 16), x + i + 16)) : _mm256_setzero_si256();
        _mm512_storeu_si512(to, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
    }
}

INLINE __m128i codes_of(__m512 x, __m512 inverse)
{
    return _mm512_cvtepi32_epi8(_mm512_cvt_roundps_epi32(_mm512_mul_ps(x, inverse), NEAREST));
}

/* Sums of the sixteen codes in each half of q. */
INLINE void put_sums(__m256i q, int32_t sums[2])
{
    __m256i s = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), q);
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4E));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xB1));
    sums[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(s));
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(s, 1));
}

static void acts_q8(const float *x, size_t cols, void *dst)
{
    int8_t *q = dst;
    float *d = (float *)(void *)((char *)dst + ct_acts_d_offset(cols));
    int32_t *sums = (int32_t *)(void *)((char *)dst + ct_acts_s_offset(cols));
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF), infinity = _mm512_set1_epi32(0x7F800000);
    for (size_t g = 0; g < cols / CT_ACTS_GROUP; g++) {
        const __m512 a = _mm512_loadu_ps(x + 32 * g), b = _mm512_loadu_ps(x + 32 * g + 16);
        /* Magnitudes order like their bits, NaN and infinity above all. */
        const __m512i ma = _mm512_and_si512(_mm512_castps_si512(a), magnitude);
        const __m512i mb = _mm512_and_si512(_mm512_castps_si512(b), magnitude);
        const __m512i top = _mm512_set1_epi32(_mm512_reduce_max_epi32(_mm512_max_epi32(ma, mb)));
        const float amax = _mm512_cvtss_f32(_mm512_castsi512_ps(top));
        if (_mm512_cmpge_epi32_mask(top, infinity) || !(amax >= CT_ACTS_TINY)) {
            d[g] = isfinite(amax) ? 0.0f : NAN;
            sums[2 * g] = sums[2 * g + 1] = 0;
            _mm256_storeu_si256((__m256i *)(void *)(q + 32 * g), _mm256_setzero_si256());
            continue;
        }
        const __m512 inverse = _mm512_set1_ps(127.0f / amax);
        d[g] = amax / 127.0f;
        const __m256i codes = _mm256_set_m128i(codes_of(b, inverse), codes_of(a, inverse));
        _mm256_storeu_si256((__m256i *)(void *)(q + 32 * g), codes);
        put_sums(codes, sums + 2 * g);
    }
}

/* Sixteen floats rounded to bf16, as floats; NaN kept. */
INLINE __m512 as_bf16(__m512 x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(to_bf16(x)), 16));
}

/* Groups `step` bytes apart. */
INLINE void put_grid(const float *x, size_t cols, uint8_t *to, const size_t step)
{
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    for (size_t g = 0; g < cols; g += CT_ACTS_GROUP, to += step) {
        __m512 a = as_bf16(_mm512_loadu_ps(x + g)), b = as_bf16(_mm512_loadu_ps(x + g + 16));
        /* Magnitudes order like their bits, NaN and infinity above all. */
        const __m512i top =
            _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(a)), _mm512_castps_si512(_mm512_abs_ps(b)));
        const __m512i amax = _mm512_set1_epi32(_mm512_reduce_max_epi32(top));
        const __m512i power = _mm512_and_si512(amax, _mm512_set1_epi32(0x7F800000));
        const __m512 magic = _mm512_castsi512_ps(/* 1.5 * 2^(e+13) */
                                                 _mm512_add_epi32(power, _mm512_set1_epi32((13 << 23) + (1 << 22))));
        a = _mm512_sub_ps(_mm512_add_ps(a, magic), magic);
        b = _mm512_sub_ps(_mm512_add_ps(b, magic), magic);
        const __mmask16 tiny = _mm512_cmplt_epi32_mask(amax, _mm512_castps_si512(_mm512_set1_ps(CT_GRID_TINY)));
        const __mmask16 bad = _mm512_cmpge_epi32_mask(amax, _mm512_castps_si512(_mm512_set1_ps(CT_GRID_HUGE)));
        const __m512 fault = _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000));
        a = _mm512_mask_mov_ps(_mm512_maskz_mov_ps((__mmask16)~tiny, a), bad, fault);
        b = _mm512_mask_mov_ps(_mm512_maskz_mov_ps((__mmask16)~tiny, b), bad, fault);
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(to_bf16(a)), to_bf16(b), 1);
        _mm512_storeu_si512(to, _mm512_shuffle_epi8(both, order));
    }
}

static void acts_grid(const float *x, size_t cols, void *dst)
{
    put_grid(x, cols, dst, 64);
}

void ct_avx512_acts_grid_tiled(const float *x, size_t cols, void *dst)
{
    put_grid(x, cols, dst, 1024);
}

void ct_avx512_acts(ct_kernels *k)
{
    k->acts[CT_ACTS_GRID] = acts_grid;
    k->acts[CT_ACTS_BF16] = acts_bf16;
    k->acts[CT_ACTS_Q8] = acts_q8;
}
