/* tile_lane.h - the expanded layout and the tile of the levels whose lanes are rows (neon, dotprod).
 *
 * An expanded stretch is [8 groups][16 rows][4 columns], sums of a tile are acc[4 tokens][16 rows]. The includer
 * defines dot_half(w, x, sum): sum[t][r] += 16 columns (4 groups) of 16 rows times TILE tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_TILE_LANE_H
#define CT_KERNELS_ARM_TILE_LANE_H

#include "mul_q8.h"

ARM_INLINE void dot_half(const int8_t *w, const int8_t *const x[TILE], int32x4_t sum[TILE][4]);

ARM_INLINE void put_codes(int8_t *w, int v, int r, int8x16_t a, int8x16_t b)
{
    vst1q_s8(w + v * 64 + r * 16, a);
    vst1q_s8(w + (v + 1) * 64 + r * 16, b);
}

ARM_INLINE void put_scale(float *dst, int r, float32x4_t f)
{
    vst1q_f32(dst + 4 * r, f);
}

/* The f32 steps of one scale: acc += d_w d_x sum, then the minimum's share. */
ARM_INLINE void scale_tile(const chunk *c, size_t i, int halves, int h, bool has_min, const acts_q8 x[TILE],
                           int32x4_t sum[TILE][4], float *acc)
{
    for (int t = 0; t < TILE; t++) {
        size_t at = c->first + i;
        float32x4_t dx = vdupq_n_f32(x[t].d[at]), sx = dx;
        if (has_min)
            sx = vdupq_n_f32(x[t].d[at] * (float)acts_sum(&x[t], halves, at, h));
        for (int r = 0; r < 4; r++) {
            float *a = acc + 16 * t + 4 * r;
            float32x4_t d = vmulq_f32(vld1q_f32(c->d[i][h] + 4 * r), dx);
            float32x4_t v = vfmaq_f32(vld1q_f32(a), d, vcvtq_f32_s32(sum[t][r]));
            if (has_min)
                v = vfmaq_f32(v, vld1q_f32(c->m[i][h] + 4 * r), sx);
            vst1q_f32(a, v);
        }
    }
}

ARM_INLINE void tile(const chunk *c, int halves, bool has_min, const acts_q8 x[TILE], float *acc)
{
    for (size_t i = 0; i < c->n; i++) {
        int32x4_t sum[TILE][4];
        for (int h = 0; h < 2; h++) {
            const int8_t *q[TILE];
            for (int t = 0; t < TILE; t++)
                q[t] = x[t].q + 32 * (c->first + i) + 16 * h;
            if (h == 0 || halves == 2)
                for (int t = 0; t < TILE; t++)
                    for (int r = 0; r < 4; r++)
                        sum[t][r] = vdupq_n_s32(0);
            dot_half(c->codes[i] + 256 * h, q, sum);
            if (halves == 2)
                scale_tile(c, i, halves, h, has_min, x, sum, acc);
        }
        if (halves == 1)
            scale_tile(c, i, halves, 0, has_min, x, sum, acc);
    }
}

ARM_INLINE void finish_tile(const float *acc, float out[TILE][CT_PANEL])
{
    for (int i = 0; i < TILE * CT_PANEL; i += 4)
        vst1q_f32(&out[0][0] + i, vld1q_f32(acc + i));
}

#endif
