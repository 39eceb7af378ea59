/* neon.c - int8 matrix products of the AArch64 baseline (Cortex-A53, A57, A72), and the level's installer.
 *
 * Without a dot product instruction a byte product needs a widening multiplication to 16 bits. How many products one
 * 16-bit lane may take before it is widened again follows from the largest |code| * 127:
 *
 *   codes to 31 (4 and 5 bits)        31 * 127 * 8 = 31496   all eight groups of a stretch
 *   codes to 63 (6 bits, two scales)  63 * 127 * 4 = 32004   the four groups of one scale
 *   8 bits and IQ4's table           128 * 127 * 2 = 32512   two groups
 *
 * The other tables go to 31 (IQ1, IQ3), or to 43 (IQ2): 43 * 127 * 4 = 21844.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "arm.h"
#include "tile_lane.h"

/* Four activations in all four lanes. */
ARM_INLINE int8x16_t four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

/* Products of [4 rows][4 columns] as 16-bit lanes: p[0] rows 0 and 1, p[1] rows 2 and 3. */
ARM_INLINE void mul_add(int16x8_t p[2], int8x16_t w, int8x16_t x)
{
    p[0] = vmlal_s8(p[0], vget_low_s8(w), vget_low_s8(x));
    p[1] = vmlal_high_s8(p[1], w, x);
}

ARM_INLINE int32x4_t row_sums(const int16x8_t p[2])
{
    return vpaddq_s32(vpaddlq_s16(p[0]), vpaddlq_s16(p[1]));
}

/* Would the products of all groups that share a scale be too large for a 16-bit lane? */
ARM_INLINE bool is_wide_type(ct_type type)
{
    return type == CT_Q8_0 || type == CT_IQ4_NL || type == CT_IQ4_XS || type == CT_IQ2_XXS;
}

ARM_INLINE void dot_stretch(ct_type type, const stretch *s, const int8_t *const x[], const int n, int32x4_t sum[][2][4])
{
    const code_format f = format_of(type);
    const int last = f.halves - 1;
    const bool is_wide = is_wide_type(type);
    for (int r = 0; r < 4; r++) {
        int16x8_t p[2][2][2] = { 0 }; /* [token][half][row pair] */
        for (int v = 0; v < 4; v++) {
            int8x16_t lo, hi;
            unpack_pair(type, s, v, r, &lo, &hi);
            for (int t = 0; t < n; t++) {
                mul_add(p[t][0], lo, four(x[t] + 4 * v));
                mul_add(p[t][last], hi, four(x[t] + 4 * v + 16));
                if (is_wide) {
                    sum[t][0][r] = vaddq_s32(sum[t][0][r], row_sums(p[t][0]));
                    p[t][0][0] = p[t][0][1] = vdupq_n_s16(0);
                }
            }
        }
        if (!is_wide)
            for (int t = 0; t < n; t++)
                for (int h = 0; h < f.halves; h++)
                    sum[t][h][r] = vaddq_s32(sum[t][h][r], row_sums(p[t][h]));
    }
}

ARM_INLINE void dot_half(const int8_t *w, const int8_t *const x[TILE], int32x4_t sum[TILE][4])
{
    for (int r = 0; r < 4; r++)
        for (int g = 0; g < 4; g += 2) {
            int8x16_t c0 = vld1q_s8(w + g * 64 + r * 16), c1 = vld1q_s8(w + g * 64 + 64 + r * 16);
            for (int t = 0; t < TILE; t++) {
                int16x8_t p[2] = { 0 };
                mul_add(p, c0, four(x[t] + 4 * g));
                mul_add(p, c1, four(x[t] + 4 * g + 4));
                sum[t][r] = vaddq_s32(sum[t][r], row_sums(p));
            }
        }
}

CT_FORMS(MUL_Q8_DEFINE)

void ct_kernels_neon(ct_kernels *k)
{
    k->isa = "neon";
    CT_FORMS(MUL_Q8_INSTALL)
    ct_neon_install_f32(k);
    ct_neon_install_rows(k);
    ct_neon_install_attend(k);
    ct_neon_install_set(k);
    k->mul_peak[CT_ACTS_Q8] = &ct_neon_smlal_peak;
    k->mul_peak[CT_ACTS_F32] = k->set_peak[CT_ACTS_F32] = &ct_neon_fmla_peak;
    for (int e = 0; e < CT_N_KV_ELEM; e++)
        k->attend_peak[e] = &ct_neon_fmla_peak;
}
