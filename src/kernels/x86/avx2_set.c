/* avx2_set.c - attention over a whole set in f32.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2_math.h"

typedef __m256 vec;
#define LANES            8
#define v_load(p)        _mm256_load_ps(p)
#define v_store(p, v)    _mm256_store_ps(p, v)
#define v_set1(x)        _mm256_set1_ps(x)
#define v_add(a, b)      _mm256_add_ps(a, b)
#define v_mul(a, b)      _mm256_mul_ps(a, b)
#define v_div(a, b)      _mm256_div_ps(a, b)
#define v_max(a, b)      _mm256_max_ps(a, b)
#define v_fmsub(a, b, c) _mm256_fmsub_ps(a, b, c)
#define v_step(p)        broadcast_f32(p)

#define SET_STEP           1
#define SET_WIDE           6
#define SET_UNIT           1.0f
#define set_dot(acc, a, b) _mm256_fmadd_ps(a, b, acc)
#define set_exp(x)         exp_or_zero(x)
#define set_join(p)        ((p)[0])

INLINE void set_steps(float *to, const float *row, size_t n)
{
    memcpy(to, row, n * sizeof *to);
}

#include "kernels/set_lanes.h"

void ct_avx2_set(ct_kernels *k)
{
    k->set_put[CT_ACTS_F32] = set_put;
    k->set_attend[CT_ACTS_F32] = set_attend;
}
