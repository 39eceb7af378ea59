/* avx512bf16.c - the level of AVX512_BF16, over avx512: bf16 weights times bf16 activations.
 *
 * vdpbf16ps adds the products of a pair of columns to each f32 sum; pairs in column order. It rounds to nearest even
 * and takes subnormal operands as zero, whatever the control register says (Intel SDM, VDPBF16PS).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_mul_plain.h"
#include "kernels/x86/avx512bf16.h"

INLINE void add_pair(const int R, const int T, const uint8_t *const w[], const uint8_t *x, size_t s, __m512 acc[12][4])
{
    __m512bh v[4];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
        v[r] = (__m512bh)_mm512_loadu_si512(w[r] + 64 * s);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
        int32_t pair;
        memcpy(&pair, x + 4 * ((size_t)T * s + (size_t)t), 4);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = _mm512_dpbf16_ps(acc[t][r], v[r], (__m512bh)_mm512_set1_epi32(pair));
    }
}

INLINE void multiply(const int R, const int T, const uint8_t *const w[], const uint8_t *x, size_t n, float *c,
                     size_t ldc, bool is_first)
{
    __m512 acc[12][4];
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc + 16 * r);
    for (size_t s = 0; s < n; s++)
        add_pair(R, T, w, x, s, acc);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            _mm512_storeu_ps(c + (size_t)t * ldc + 16 * r, acc[t][r]);
}

#define KERNEL(R, T)                                                                                                   \
    static void kernel_##R##x##T(const uint8_t *const w[PLAIN_MAX_PANELS], const uint8_t *x, size_t n, float *c,       \
                                 size_t ldc, bool is_first)                                                            \
    {                                                                                                                  \
        multiply(R, T, w, x, n, c, ldc, is_first);                                                                     \
    }
KERNEL(4, 1)
KERNEL(2, 4)
KERNEL(2, 12)

static void mul_bf16(const carat_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    static const plain_path one = { 4, 1, kernel_4x1, NULL, 2048, 64 };
    static const plain_path four = { 2, 4, kernel_2x4, NULL, 2048, 64 };
    static const plain_path many = { 2, 12, kernel_2x12, NULL, 128, 64 };
    carat_avx512_mul_plain(m->n == 1   ? &one
                           : m->n <= 4 ? &four
                                       : &many,
                           (m->cols + 1) / 2, m, panel_begin, panel_end, scratch);
}

void carat_kernels_avx512bf16(carat_kernels *k)
{
    k->isa = "avx512bf16";
    k->mul[CARAT_BF16][CARAT_ACTS_BF16] = mul_bf16;
    k->form[CARAT_BF16] = CARAT_ACTS_BF16;
    carat_avx512bf16_set(k);
}
