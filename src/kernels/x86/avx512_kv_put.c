/* avx512_kv_put.c - the writing of keys and values into tiles (quant/kv_tile.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/generic/generic.h"
#include "kernels/generic/kv_q8.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"

/* Thirty-two values: int8 and the scale's bits. */
static uint16_t quantise(const float *x, int8_t q[CT_KV_GROUP])
{
    const __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    const __m512i top = _mm512_max_epu32(_mm512_castps_si512(_mm512_abs_ps(a)), _mm512_castps_si512(_mm512_abs_ps(b)));
    float inverse;
    const uint16_t d = ct_kv_q8_scale(_mm512_reduce_max_epu32(top), &inverse);
    const __mmask16 live = inverse != 0 ? 0xFFFF : 0; /* infinity and NaN times 0 would be no 0 */
    const __m512 f = _mm512_set1_ps(inverse);
    _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_maskz_mul_ps(live, a, f))));
    _mm_storeu_si128((__m128i *)(void *)(q + 16),
                     _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_maskz_mul_ps(live, b, f))));
    return d;
}

static void kv_put(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                   size_t head_dim)
{
    if (elem == CT_KV_Q8_0) {
        for (size_t i = 0; i < head_dim; i += CT_KV_GROUP) {
            int8_t q[2][CT_KV_GROUP];
            const uint16_t kd = quantise(k + i, q[0]), vd = quantise(v + i, q[1]);
            ct_kv_q8_put_group(k_tile, v_tile, slot, i, q, kd, vd, head_dim);
        }
        return;
    }
    if (elem == CT_KV_F32) { /* nothing to convert */
        ct_kv_put_generic(elem, k_tile, v_tile, slot, k, v, head_dim);
        return;
    }
    const size_t k0 = slot / 16 * head_dim * 16 + slot % 16, v0 = slot * head_dim;
    enum { nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }; /* clang requires a constant expression */
    uint16_t *k_out = (uint16_t *)k_tile + k0, *v_out = (uint16_t *)v_tile + v0;
    for (size_t i = 0; i < head_dim; i += 16) {
        const __mmask16 lanes = first_lanes(head_dim - i);
        uint16_t half[16];
        _mm256_storeu_si256((__m256i *)(void *)half, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, k + i), nearest));
        for (size_t j = 0; j < 16 && i + j < head_dim; j++)
            k_out[(i + j) * 16] = half[j];
        _mm256_mask_storeu_epi16(v_out + i, lanes, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(lanes, v + i), nearest));
    }
}

void ct_avx512_kv_put(ct_kernels *k)
{
    k->kv_put = kv_put;
}
