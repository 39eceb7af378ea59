/* i8mm.c - int8 matrix products with SMMLA (Armv8.6 matrix multiply: Neoverse V1 and N2, Cortex-A510, Apple M2).
 *
 * SMMLA multiplies [2 rows][8 columns] by [2 tokens][8 columns]: twice the work of SDOT in one instruction. The
 * expanded stretch is therefore [4 eights of columns][8 row pairs][2][8], one zip of two neighbouring groups away from
 * the packed form, and lanes of a sum are (row, token) = 00 01 10 11. Scales of rows stand doubled to match, so that
 * the f32 steps work on those lanes as they are and only the finished tile is untangled. One or two tokens use SDOT.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "mul_q8.h"

#include "kernels/peak_loop.h"
#include "lane_dot.h"

ARM_INLINE void put_codes(int8_t *w, int v, int r, int8x16_t a, int8x16_t b)
{
    int32x4_t p = vreinterpretq_s32_s8(a), q = vreinterpretq_s32_s8(b);
    int8_t *at = w + v * 64 + r * 32;
    vst1q_s8(at, vreinterpretq_s8_s32(vzip1q_s32(p, q)));
    vst1q_s8(at + 16, vreinterpretq_s8_s32(vzip2q_s32(p, q)));
}

ARM_INLINE void put_scale(float *dst, int r, float32x4_t f)
{
    vst1q_f32(dst + 8 * r, vzip1q_f32(f, f));
    vst1q_f32(dst + 8 * r + 4, vzip2q_f32(f, f));
}

/* sum[p][r] += 16 columns of rows 2r, 2r + 1 times tokens 2p, 2p + 1. */
ARM_INLINE void matrix_half(const int8_t *w, const int8_t *const x[TILE], int32x4_t sum[2][8])
{
    int8x16_t q[2][2];
    for (int p = 0; p < 2; p++) {
        int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(x[2 * p])), b = vreinterpretq_s64_s8(vld1q_s8(x[2 * p + 1]));
        q[p][0] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
        q[p][1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
    }
    for (int e = 0; e < 2; e++)
        for (int r = 0; r < 8; r++) {
            int8x16_t c = vld1q_s8(w + e * 128 + r * 16);
            for (int p = 0; p < 2; p++)
                sum[p][r] = vmmlaq_s32(sum[p][r], c, q[p][e]);
        }
}

/* The f32 steps of one scale, as in tile_lane.h but with lanes (row, token). */
ARM_INLINE void scale_tile(const chunk *c, size_t i, int halves, int h, bool has_min, const acts_q8 x[TILE],
                           int32x4_t sum[2][8], float *acc)
{
    for (int p = 0; p < 2; p++) {
        const acts_q8 *x0 = &x[2 * p], *x1 = &x[2 * p + 1];
        size_t at = c->first + i;
        float32x4_t dx = { x0->d[at], x1->d[at], x0->d[at], x1->d[at] }, sx = dx;
        if (has_min) {
            float32x4_t s = vcvtq_f32_s32((int32x4_t){ acts_sum(x0, halves, at, h), acts_sum(x1, halves, at, h),
                                                       acts_sum(x0, halves, at, h), acts_sum(x1, halves, at, h) });
            sx = vmulq_f32(dx, s);
        }
        for (int r = 0; r < 8; r++) {
            float *a = acc + 32 * p + 4 * r;
            float32x4_t d = vmulq_f32(vld1q_f32(c->d[i][h] + 4 * r), dx);
            float32x4_t v = vfmaq_f32(vld1q_f32(a), d, vcvtq_f32_s32(sum[p][r]));
            if (has_min)
                v = vfmaq_f32(v, vld1q_f32(c->m[i][h] + 4 * r), sx);
            vst1q_f32(a, v);
        }
    }
}

ARM_INLINE void tile(const chunk *c, int halves, bool has_min, const acts_q8 x[TILE], float *acc)
{
    for (size_t i = 0; i < c->n; i++) {
        int32x4_t sum[2][8];
        for (int h = 0; h < 2; h++) {
            const int8_t *q[TILE];
            for (int t = 0; t < TILE; t++)
                q[t] = x[t].q + 32 * (c->first + i) + 16 * h;
            if (h == 0 || halves == 2)
                for (int p = 0; p < 2; p++)
                    for (int r = 0; r < 8; r++)
                        sum[p][r] = vdupq_n_s32(0);
            matrix_half(c->codes[i] + 256 * h, q, sum);
            if (halves == 2)
                scale_tile(c, i, halves, h, has_min, x, sum, acc);
        }
        if (halves == 1)
            scale_tile(c, i, halves, 0, has_min, x, sum, acc);
    }
}

ARM_INLINE void finish_tile(const float *acc, float out[TILE][CT_PANEL])
{
    for (int p = 0; p < 2; p++)
        for (int r = 0; r < 8; r += 2) {
            float32x4_t a = vld1q_f32(acc + 32 * p + 4 * r), b = vld1q_f32(acc + 32 * p + 4 * r + 4);
            vst1q_f32(&out[2 * p][2 * r], vuzp1q_f32(a, b));
            vst1q_f32(&out[2 * p + 1][2 * r], vuzp2q_f32(a, b));
        }
}

CT_FORMS(MUL_Q8_DEFINE)

#define PEAK_SUMS 16

DEFINE_PEAK_LOOP(run_peak, uint32x4_t, PEAK_SUMS, "w", "smmla %0.4s, %2.16b, %3.16b", vdupq_n_u32(1),
                 vdupq_n_u32(0x05030e09), vdupq_n_u32(0x85e67c1b))

static const ct_peak peak = { "SMMLA", 2.0 * 32 * PEAK_SUMS, run_peak };

void ct_kernels_i8mm(ct_kernels *k)
{
    k->isa = "i8mm";
    CT_FORMS(MUL_Q8_INSTALL)
    k->mul_peak[CT_ACTS_Q8] = &peak;
}
