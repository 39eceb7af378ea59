/* amx_mul_bf16.c - weights in bf16 or f16 times bf16 activations.
 *
 * F16 weights are rounded to bf16: 2^-8 of each at most.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/x86/amx_bf16.h"
#include "kernels/x86/amx_mul.h"
#include "kernels/x86/avx512.h"

#define PIECE 256 /* tokens that are best multiplied together */

/* Panels hold [pair of columns][16 rows][2]. */
static void copy_bf16(const ct_mul *m, const uint8_t *panel, size_t s, size_t n, size_t apart, uint8_t *to)
{
    const size_t pairs = (m->cols + 1) / 2;
    for (; n > 0; n--, s++, to += apart) {
        const size_t here = pairs - 16 * s < 16 ? pairs - 16 * s : 16;
        memcpy(to, panel + s * AMX_STRETCH, 64 * here);
        memset(to + 64 * here, 0, AMX_STRETCH - 64 * here);
    }
}

static void mul_bf16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    AMX_NAME(mul)(m, panel_begin, panel_end, copy_bf16, true, scratch);
}

INLINE __m512 sixteen_f16(const uint8_t *from, bool is_there)
{
    return is_there ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from)) : _mm512_setzero_ps();
}

/* Panels of f16 hold [column][16 rows]. */
static void unpack_f16(const ct_mul *m, const uint8_t *panel, size_t s, size_t n, size_t apart, uint8_t *to)
{
    for (; n > 0; n--, s++, to += apart)
        for (size_t c = 32 * s, i = 0; i < 16; c += 2, i++)
            _mm512_storeu_si512(to + 64 * i, pairs_bf16(sixteen_f16(panel + c * 32, c < m->cols),
                                                        sixteen_f16(panel + c * 32 + 32, c + 1 < m->cols)));
}

static void mul_f16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    AMX_NAME(mul)(m, panel_begin, panel_end, unpack_f16, false, scratch);
}

void AMX_NAME(mul_bf16)(ct_kernels *k)
{
    k->mul[CT_BF16][CT_ACTS_BF16] = mul_bf16;
    k->mul[CT_F16][CT_ACTS_BF16] = mul_f16;
    k->mul_scratch = k->mul_scratch > AMX_SCRATCH ? k->mul_scratch : AMX_SCRATCH;
    k->piece_tokens[CT_ACTS_BF16] = PIECE;
    k->acts_tiled[CT_ACTS_BF16] = ct_avx512_acts_bf16_tiled;
    k->form[CT_BF16] = CT_ACTS_BF16;
    k->is_bf16_for_many[CT_F16] = true; /* rounding them costs one token more than half as much again */
}
