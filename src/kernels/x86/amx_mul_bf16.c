/* amx_mul_bf16.c - weights in bf16 or f16 times bf16 activations.
 *
 * F16 weights are rounded to bf16: 2^-8 of each at most.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_bf16.h"
#include "kernels/x86/amx_mul.h"

static void mul_bf16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    AMX_NAME(mul)(m, panel_begin, panel_end, NULL, scratch);
}

/* Panels of f16 hold [column][16 rows]. */
static void unpack_f16(const ct_mul *m, const uint8_t *panel, size_t s, size_t n, uint8_t *to)
{
    const size_t end = s * 32 + n * 32 < m->cols ? s * 32 + n * 32 : m->cols;
    for (size_t c = s * 32; c < end; c += 2, to += 64) {
        const uint8_t *from = panel + c * 32;
        const __m512 even = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
        const __m512 odd = c + 1 < end ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(from + 32)))
                                       : _mm512_setzero_ps();
        _mm512_storeu_si512(to, pairs_bf16(even, odd));
    }
}

static void mul_f16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    AMX_NAME(mul)(m, panel_begin, panel_end, unpack_f16, scratch);
}

void AMX_NAME(mul_bf16)(ct_kernels *k)
{
    k->mul[CT_BF16][CT_ACTS_BF16] = mul_bf16;
    k->mul[CT_F16][CT_ACTS_BF16] = mul_f16;
    k->mul_scratch = k->mul_scratch > AMX_SCRATCH ? k->mul_scratch : AMX_SCRATCH;
    k->piece_tokens[CT_ACTS_BF16] = AMX_BLOCK;
    k->form[CT_BF16] = CT_ACTS_BF16;
    k->is_bf16_for_many[CT_F16] = true; /* rounding them costs one token more than half as much again */
}
