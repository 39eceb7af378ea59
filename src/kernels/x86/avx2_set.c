/* avx2_set.c - attention over a whole set in f32.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2_vector.h"

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
