/* avx2_q8_tokens.h - int8 activations laid out for the multiplying kernels.
 *
 * A stretch (32 columns) of T tokens is one record, so that a kernel walks one pointer and every operand of a token is
 * a broadcast load at a constant distance; the records of a tile's stretches stand one after another:
 *
 *     i8  [T][32]       codes; or i16 [T][2][8][2]: columns (4g, 4g+2) of the eight groups, then (4g+1, 4g+3)
 *     i16 [sums][T][2]  where codes of weights are biased: -bias * the sum of what the int16 lane will multiply,
 *                       which is columns 4g, 4g+1 for the even lane and 4g+2, 4g+3 for the odd one
 *     f32 [adds][T]     d * (sum of the codes of the 32 or 16 columns)
 *     f32 [T]           d, the scale
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX2_Q8_TOKENS_H
#define CT_KERNELS_X86_AVX2_Q8_TOKENS_H

#include "kernels/x86/avx2_unpack.h"

typedef struct q8_record {
    size_t code_bytes;   /* of a token: 32, or 64 as pairs of i16 */
    size_t start, xm, d; /* byte offsets of the fields */
    size_t bytes;        /* distance to the next record */
} q8_record;

INLINE q8_record record_of(const q8_kind k, const bool as_pairs, const size_t tile)
{
    q8_record r = { .code_bytes = as_pairs ? 64 : 32 };
    r.start = r.code_bytes * tile;
    r.xm = r.start + (k.bias ? 4 * (size_t)k.sums * tile : 0);
    r.d = r.xm + 4 * (size_t)k.adds * tile;
    r.bytes = r.d + 4 * tile;
    return r;
}

/* Each 32-bit lane: sums of the even and of the odd pairs of 8, 16 or 32 codes, the lowest lane of each the first. */
INLINE void put_starts(const q8_kind k, __m256i q, size_t tile, uint8_t *out)
{
    _Alignas(32) int32_t lanes[8];
    __m256i sum = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0xB1));
    if (k.sums < 4)
        sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0x4E));
    if (k.sums < 2)
        sum = _mm256_add_epi16(sum, _mm256_permute2x128_si256(sum, sum, 1));
    _mm256_store_si256((__m256i *)lanes, _mm256_mullo_epi16(sum, _mm256_set1_epi16((short)-k.bias)));
    for (int i = 0; i < k.sums; i++)
        memcpy(out + 4 * tile * (size_t)i, &lanes[8 / k.sums * i], 4);
}

/* Stretches [s0, s1) of one token x into lane `lane` of the records at out. */
INLINE void put_token(const q8_kind k, const bool as_pairs, const uint8_t *x, size_t cols, size_t s0, size_t s1,
                      size_t tile, size_t lane, uint8_t *out)
{
    const float *d = (const float *)(const void *)(x + ct_acts_d_offset(cols));
    const int32_t *sums = (const int32_t *)(const void *)(x + ct_acts_s_offset(cols));
    const q8_record r = record_of(k, as_pairs, tile);
    for (size_t s = s0; s < s1; s++, out += r.bytes) {
        const __m256i q = load256(x + 32 * s);
        if (as_pairs) {
            store256(out + 64 * lane, _mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8));
            store256(out + 64 * lane + 32, _mm256_srai_epi16(q, 8));
        } else {
            store256(out + 32 * lane, q);
        }
        if (k.bias)
            put_starts(k, q, tile, out + r.start + 4 * lane);
        const float xm[2] = { d[s] * (float)(k.adds == 1 ? sums[2 * s] + sums[2 * s + 1] : sums[2 * s]),
                              d[s] * (float)sums[2 * s + 1] };
        for (int i = 0; i < k.adds; i++)
            memcpy(out + r.xm + 4 * (tile * (size_t)i + lane), &xm[i], 4);
        memcpy(out + r.d + 4 * lane, d + s, 4);
    }
}

/* Stretches [s0, s1) of tokens [t0, t0 + n) of m in tiles of `tile`, a last one of what is left. Returns the end. */
INLINE uint8_t *put_tokens(const q8_kind k, const bool as_pairs, const ct_mul *m, size_t t0, size_t n, size_t s0,
                           size_t s1, size_t tile, uint8_t *out)
{
    for (size_t t = 0; t < n; t += tile) {
        const size_t here = n - t < tile ? n - t : tile;
        for (size_t lane = 0; lane < here; lane++)
            put_token(k, as_pairs, (const uint8_t *)m->x + (t0 + t + lane) * m->x_stride, m->cols, s0, s1, here, lane,
                      out);
        out += record_of(k, as_pairs, here).bytes * (s1 - s0);
    }
    return out;
}

#endif
