/* avx512_vector.h - the vector operations that kernels/set_lanes.h needs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_VECTOR_H
#define CT_KERNELS_X86_AVX512_VECTOR_H

#include <string.h>

#include "kernels/x86/avx512_math.h"

typedef __m512 vec;
#define LANES            16
#define v_load(p)        _mm512_load_ps(p)
#define v_store(p, v)    _mm512_store_ps(p, v)
#define v_set1(x)        _mm512_set1_ps(x)
#define v_add(a, b)      _mm512_add_ps(a, b)
#define v_mul(a, b)      _mm512_mul_ps(a, b)
#define v_div(a, b)      _mm512_div_ps(a, b)
#define v_max(a, b)      _mm512_max_ps(a, b)
#define v_fmsub(a, b, c) _mm512_fmsub_ps(a, b, c)

INLINE vec v_step(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_castsi512_ps(_mm512_set1_epi32(v));
}

#endif
