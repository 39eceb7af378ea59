/* avx512_mul_q8.c - quantised weights times int8 activations, with VNNI.
 *
 * Per stretch of 32 columns (16 where the type's scales stand for 16), in column order, for every path the same:
 *
 *     isum = -bias * sum_x + sum_c code * x          vpdpbusd: codes unsigned, x signed; exact in int32
 *     acc  = fma(scale * d_x, (float)isum, acc)
 *     acc  = fma(add, d_x * sum_x, acc)              types with a minimum
 *
 * Few tokens (decode): a panel is unpacked in registers and multiplied at once.
 *
 * Many tokens (prefill): tiles of six tokens times two unpacked panels, 12 int32 and 12 f32 accumulators in registers.
 * Of the 2 x 6 x 10 instructions that go to the multiplying ports in a stretch, 96 are vpdpbusd: 80 % of the peak is
 * the ceiling (73 % with minima, 67 % with 16-column scales).
 *
 * Tokens: avx512_q8_tokens.h. The loops around: avx512_q8_loops.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define TILE 6 /* tokens of a prefill tile */
#include "kernels/x86/avx512_q8_loops.h"

INLINE __m512i broadcast_i32(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

INLINE __m512 broadcast_f32(const uint8_t *p)
{
    float v;
    memcpy(&v, p, 4);
    return _mm512_set1_ps(v);
}

INLINE __m512i start_of(const q8_kind k, const uint8_t *p)
{
    return k.bias ? broadcast_i32(p) : _mm512_setzero_si512();
}

/* ---- decode ---- */

/* One stretch, its weights in registers, times T tokens. Tokens inside columns: their sums do not wait for each other.
 * Zen 4, one thread, Q4_0 2560 x 10240, 8 tokens: token after token 270 Gop/s, so 318. */
INLINE void multiply_stretch(const q8_kind k, const int T, const __m512i code[8], const __m512 scale[2],
                             const __m512 add[2], const uint8_t *x, __m512 *acc)
{
    const q8_record r = record_of(k.is_half, (size_t)T);
    const int n_sub = k.is_half ? 2 : 1, groups = 8 / n_sub;
#pragma GCC unroll 2
    for (int i = 0; i < n_sub; i++) {
        __m512i sum[8];
#pragma GCC unroll 8
        for (int t = 0; t < T; t++)
            sum[t] = start_of(k, x + r.start + 4 * (T * i + t));
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++)
#pragma GCC unroll 8
            for (int t = 0; t < T; t++)
                sum[t] =
                    _mm512_dpbusd_epi32(sum[t], code[groups * i + g], broadcast_i32(x + 32 * t + 4 * (groups * i + g)));
#pragma GCC unroll 8
        for (int t = 0; t < T; t++) {
            const __m512 d = broadcast_f32(x + r.d + 4 * t);
            acc[t] = _mm512_fmadd_ps(_mm512_mul_ps(scale[i], d), _mm512_cvtepi32_ps(sum[t]), acc[t]);
            if (k.has_min)
                acc[t] = _mm512_fmadd_ps(add[i], broadcast_f32(x + r.xm + 4 * (T * i + t)), acc[t]);
        }
    }
}

INLINE void multiply_unit(const ct_type type, const int T, const ct_unit f, const uint8_t *unit, const uint8_t *tail,
                          const uint8_t *x, __m512 *acc)
{
    const q8_kind k = kind_of(type);
    const size_t step = record_of(k.is_half, (size_t)T).bytes;
    unit_scales u;
    unpack_unit_scales(type, &f, unit, tail, &u);
    /* Weights are prefetched long before their turn, into L2, which handles more misses at once than L1. Measured on
     * Zen 4, one thread, from memory: Q4_0 21.7 -> 29.5 GB/s, Q6_K 10.9 -> 22.4; a plain read loop 24-27. */
    const int lines = (f.bytes / f.stretches + 63) / 64, ahead = ct_form_of(type)->codes == CT_CODES_8 ? 4096 : 12288;
    for (int s = 0; s < f.stretches; s++, x += step) {
        __m512i code[8];
        __m512 scale[2], add[2];
#pragma GCC unroll 9
        for (int i = 0; i < lines; i++)
            _mm_prefetch((const char *)unit + ahead + 64 * (lines * s + i), _MM_HINT_T1);
        unpack_codes(type, &f, unit, s, code);
        unpack_scales(type, &f, unit, &u, s, scale, add);
        multiply_stretch(k, T, code, scale, add, x, acc);
    }
}

INLINE void decode(const ct_type type, const int T, const uint8_t *panel, size_t cols, size_t s0, size_t s1,
                   const uint8_t *x, float *c, size_t ldc, bool is_first)
{
    const ct_unit f = ct_unit_of(type, 2);
    const size_t per = (size_t)f.stretches, step = per * record_of(kind_of(type).is_half, (size_t)T).bytes;
    const uint8_t *unit = panel + ct_unit_offset(type, s0 / per), *tail = panel;
    if (f.has_tail)
        tail += ct_tail_offset(type, cols) + s0 / per * 32;
    __m512 acc[8];
#pragma GCC unroll 8
    for (int t = 0; t < T; t++)
        acc[t] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc);
    for (size_t s = s0; s + per <= s1; s += per, unit += f.bytes, tail += 32, x += step)
        multiply_unit(type, T, f, unit, tail, x, acc);
    if (per == 2 && (s1 - s0) % 2) /* a 64-column unit with one stretch */
        multiply_unit(type, T, ct_unit_of(type, 1), unit, tail, x, acc);
#pragma GCC unroll 8
    for (int t = 0; t < T; t++)
        _mm512_storeu_ps(c + (size_t)t * ldc, acc[t]);
}

/* ---- prefill ---- */

INLINE void unpack_chunk(const ct_type type, const uint8_t *panel, size_t cols, size_t s0, size_t s1, size_t lane,
                         size_t R, uint8_t *out)
{
    const q8_kind k = kind_of(type);
    const ct_unit whole = ct_unit_of(type, 2);
    const size_t per = (size_t)whole.stretches, n_sub = k.is_half ? 2 : 1;
    const uint8_t *tail = panel + (whole.has_tail ? ct_tail_offset(type, cols) : 0);
    out += 64 * lane;
    for (size_t u = s0 / per; u * per < s1; u++) {
        const uint8_t *unit = panel + ct_unit_offset(type, u);
        const ct_unit f = ct_unit_at(type, cols, u);
        unit_scales us;
        unpack_unit_scales(type, &f, unit, tail + 32 * u, &us);
        for (int s = 0; s < f.stretches; s++, out += weights_bytes(k, R)) {
            __m512i code[8];
            __m512 scale[2], add[2];
            unpack_codes(type, &f, unit, s, code);
            unpack_scales(type, &f, unit, &us, s, scale, add);
            for (size_t g = 0; g < 8; g++)
                _mm512_store_si512(out + 64 * R * g, code[g]);
            for (size_t i = 0; i < n_sub; i++) {
                _mm512_store_ps(out + 64 * R * (8 + i), scale[i]);
                if (k.has_min)
                    _mm512_store_ps(out + 64 * R * (8 + n_sub + i), add[i]);
            }
        }
    }
}

INLINE void multiply_tile(const q8_kind k, const int R, const uint8_t *w, const q8_tile *tile, size_t n, float *c,
                          size_t ldc, bool is_first)
{
    const int n_sub = k.is_half ? 2 : 1, groups = 8 / n_sub;
    const size_t stride = tile->stride, beside = side_bytes(k.is_half);
    const uint8_t *x[2] = { tile->codes, tile->codes + 3 * stride }, *side = tile->side; /* three tokens from each */
    __m512 acc[TILE][2];
#pragma GCC unroll 6
    for (int t = 0; t < TILE; t++)
#pragma GCC unroll 2
        for (int p = 0; p < R; p++)
            acc[t][p] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc + 16 * p);
    for (; n; n--, w += weights_bytes(k, (size_t)R), x[0] += 32, x[1] += 32, side += 4) {
#pragma GCC unroll 2
        for (int i = 0; i < n_sub; i++) {
            __m512i sum[TILE][2];
#pragma GCC unroll 6
            for (size_t t = 0; t < TILE; t++)
#pragma GCC unroll 2
                for (int p = 0; p < R; p++)
                    sum[t][p] = start_of(k, side + beside * t + 64 * i);
#pragma GCC unroll 8
            for (int g = groups * i; g < groups * i + groups; g++) {
                __m512i code[2];
#pragma GCC unroll 2
                for (int p = 0; p < R; p++)
                    code[p] = _mm512_load_si512(w + 64 * (R * g + p));
#pragma GCC unroll 6
                for (size_t t = 0; t < TILE; t++) {
                    const __m512i q = broadcast_i32(x[t / 3] + t % 3 * stride + 4 * g);
#pragma GCC unroll 2
                    for (int p = 0; p < R; p++)
                        sum[t][p] = _mm512_dpbusd_epi32(sum[t][p], code[p], q);
                }
            }
#pragma GCC unroll 6
            for (size_t t = 0; t < TILE; t++) {
                const __m512 d = broadcast_f32(side + beside * t + 64 * n_sub);
#pragma GCC unroll 2
                for (int p = 0; p < R; p++) {
                    const __m512 scale = _mm512_mul_ps(_mm512_load_ps(w + 64 * (R * (8 + i) + p)), d);
                    acc[t][p] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum[t][p]), acc[t][p]);
                    if (k.has_min)
                        acc[t][p] = _mm512_fmadd_ps(_mm512_load_ps(w + 64 * (R * (8 + n_sub + i) + p)),
                                                    broadcast_f32(side + beside * t + 64 * i), acc[t][p]);
                }
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < TILE; t++)
#pragma GCC unroll 2
        for (int p = 0; p < R; p++)
            _mm512_storeu_ps(c + (size_t)t * ldc + 16 * p, acc[t][p]);
}

/* ---- one set of kernels a type ---- */

#define DECODE_KERNEL(T, n_tok)                                                                                        \
    static void decode_##T##_##n_tok(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x,        \
                                     float *c, size_t ldc, bool is_first)                                              \
    {                                                                                                                  \
        decode(CT_##T, n_tok, panel, cols, s0, s1, x, c, ldc, is_first);                                               \
    }
#define TILE_KERNEL(T, R)                                                                                              \
    static void tile_##T##_##R(const uint8_t *w, const q8_tile *x, size_t n, float *c, size_t ldc, bool is_first)      \
    {                                                                                                                  \
        multiply_tile(kind_of(CT_##T), R, w, x, n, c, ldc, is_first);                                                  \
    }

#define DEFINE(T, ...)                                                                                                 \
    DECODE_KERNEL(T, 1)                                                                                                \
    DECODE_KERNEL(T, 2)                                                                                                \
    DECODE_KERNEL(T, 4)                                                                                                \
    DECODE_KERNEL(T, 8)                                                                                                \
    TILE_KERNEL(T, 1)                                                                                                  \
    TILE_KERNEL(T, 2)                                                                                                  \
    static void unpack_##T(const uint8_t *panel, size_t cols, size_t s0, size_t s1, size_t lane, size_t R,             \
                           uint8_t *out)                                                                               \
    {                                                                                                                  \
        unpack_chunk(CT_##T, panel, cols, s0, s1, lane, R, out);                                                       \
    }                                                                                                                  \
    static void mul_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                          \
    {                                                                                                                  \
        const q8_ops ops = { .kind = kind_of(CT_##T),                                                                  \
                             .decode = { decode_##T##_1, decode_##T##_2, decode_##T##_4, decode_##T##_8 },             \
                             .unpack = unpack_##T,                                                                     \
                             .tile = { tile_##T##_1, tile_##T##_2 } };                                                 \
        mul_q8(&ops, m, panel_begin, panel_end, scratch);                                                              \
    }
CT_FORMS(DEFINE)

void ct_avx512_mul_q8(ct_kernels *k)
{
#define INSTALL(T, ...)                                                                                                \
    k->mul[CT_##T][CT_ACTS_Q8] = mul_##T;                                                                              \
    k->form[CT_##T] = CT_ACTS_Q8;
    CT_FORMS(INSTALL)
}
