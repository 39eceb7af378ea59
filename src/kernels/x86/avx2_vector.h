/* avx2_vector.h - the vector operations that kernels/vec_lanes.h and kernels/set_lanes.h need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_VECTOR_H
#define CT_KERNELS_X86_AVX2_VECTOR_H

#include "kernels/x86/avx2_math.h"

typedef __m256 vec;
typedef __m256d vecd;
#define LANES                 8
#define v_load(p)             _mm256_load_ps(p)
#define v_store(p, v)         _mm256_store_ps(p, v)
#define v_loadu(p)            _mm256_loadu_ps(p)
#define v_load_part(p, n)     load_part(p, n)
#define v_store_part(p, n, v) store_part(p, n, v)
#define v_set1(x)             _mm256_set1_ps(x)
#define v_add(a, b)           _mm256_add_ps(a, b)
#define v_sub(a, b)           _mm256_sub_ps(a, b)
#define v_mul(a, b)           _mm256_mul_ps(a, b)
#define v_div(a, b)           _mm256_div_ps(a, b)
#define v_max(a, b)           _mm256_max_ps(a, b)
#define v_fmadd(a, b, c)      _mm256_fmadd_ps(a, b, c)
#define v_fmsub(a, b, c)      _mm256_fmsub_ps(a, b, c)
#define v_add_square(sum, v)  v_add(sum, v_mul(v, v))
#define v_sum(v)              sum_of_lanes(v)
#define v_highest(v)          max_of_lanes(v)
#define v_exp(x)              exp256(x)
#define v_exp_or_zero(x)      exp_or_zero(x)
#define v_step(p)             broadcast_f32(p)
#define v_zero_d              _mm256_setzero_pd()
#define v_add_d(a, b)         _mm256_add_pd(a, b)
#define v_low_d(v)            _mm256_cvtps_pd(_mm256_castps256_ps128(v))
#define v_high_d(v)           _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))

INLINE vec v_load_or(const float *p, size_t n, vec fill)
{
    if (n >= LANES)
        return v_loadu(p);
    return _mm256_blendv_ps(fill, load_part(p, n), _mm256_castsi256_ps(first_lanes(n)));
}

INLINE vec v_keep(vec v, size_t n)
{
    return n >= LANES ? v : _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(n)));
}

INLINE double v_sum_d(vecd v)
{
    double lanes[4];
    _mm256_storeu_pd(lanes, v);
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

#endif
