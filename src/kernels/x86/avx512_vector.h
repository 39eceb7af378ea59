/* avx512_vector.h - the vector operations that kernels/vec_lanes.h and kernels/set_lanes.h need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_VECTOR_H
#define CT_KERNELS_X86_AVX512_VECTOR_H

#include <string.h>

#include "kernels/x86/avx512_math.h"

typedef __m512 vec;
typedef __m512d vecd;
#define LANES                 16
#define v_load(p)             _mm512_load_ps(p)
#define v_store(p, v)         _mm512_store_ps(p, v)
#define v_loadu(p)            _mm512_loadu_ps(p)
#define v_load_part(p, n)     _mm512_maskz_loadu_ps(first_lanes(n), p)
#define v_store_part(p, n, v) _mm512_mask_storeu_ps(p, first_lanes(n), v)
#define v_load_or(p, n, fill) _mm512_mask_loadu_ps(fill, first_lanes(n), p)
#define v_keep(v, n)          _mm512_maskz_mov_ps(first_lanes(n), v)
#define v_set1(x)             _mm512_set1_ps(x)
#define v_add(a, b)           _mm512_add_ps(a, b)
#define v_sub(a, b)           _mm512_sub_ps(a, b)
#define v_mul(a, b)           _mm512_mul_ps(a, b)
#define v_div(a, b)           _mm512_div_ps(a, b)
#define v_max(a, b)           _mm512_max_ps(a, b)
#define v_fmadd(a, b, c)      _mm512_fmadd_ps(a, b, c)
#define v_fmsub(a, b, c)      _mm512_fmsub_ps(a, b, c)
#define v_add_square(sum, v)  v_fmadd(v, v, sum)
#define v_sum(v)              _mm512_reduce_add_ps(v)
#define v_highest(v)          _mm512_reduce_max_ps(v)
#define v_exp(x)              exp512(x)
#define v_exp_or_zero(x)      exp_or_zero(x)
#define v_zero_d              _mm512_setzero_pd()
#define v_add_d(a, b)         _mm512_add_pd(a, b)
#define v_low_d(v)            _mm512_cvtps_pd(_mm512_castps512_ps256(v))
#define v_high_d(v)           _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))
#define v_sum_d(v)            _mm512_reduce_add_pd(v)

INLINE vec v_step(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_castsi512_ps(_mm512_set1_epi32(v));
}

#endif
