/* avx512_mul_f32.c - any weights times f32 activations: acc = fma(w, x, acc), column by column.
 *
 * F32, F16 and BF16 are multiplied where they stand while the tokens are few; for many tokens, and for quantised types
 * always, chunks of two panels are first brought to f32 in a buffer, with exactly the values of ct_unpack_row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_mul_plain.h"
#include "kernels/x86/avx512_unpack.h"

INLINE __m512 bf16_even(__m512i pair)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
}

INLINE __m512 bf16_odd(__m512i pair)
{
    return _mm512_castsi512_ps(_mm512_and_si512(pair, _mm512_set1_epi32((int)0xFFFF0000)));
}

/* Column s of a panel of plain numbers. */
INLINE __m512 column(const ct_type type, const uint8_t *w, size_t s)
{
    if (type == CT_F16)
        return f16x16(w + 32 * s);
    if (type == CT_BF16)
        return s % 2 ? bf16_odd(load512(w + 32 * (s - 1))) : bf16_even(load512(w + 32 * s));
    return _mm512_loadu_ps(w + 64 * s);
}

INLINE void add_column(const ct_type type, const int R, const int T, const uint8_t *const w[],
                       const uint8_t *const x[4], size_t stride, size_t s, __m512 acc[12][4])
{
    __m512 v[4];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
        v[r] = column(type, w[r], s);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++) {
        float f;
        memcpy(&f, plain_token(x, stride, (size_t)t) + 4 * s, 4);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = _mm512_fmadd_ps(v[r], _mm512_set1_ps(f), acc[t][r]);
    }
}

INLINE void multiply(const ct_type type, const int R, const int T, const uint8_t *const w[], const plain_tokens *tile,
                     size_t n, float *c, size_t ldc, bool is_first)
{
    const size_t stride = tile->stride;
    const uint8_t *x[4] = { tile->x };
#pragma GCC unroll 4
    for (int i = 1; 3 * i < T; i++)
        x[i] = tile->x + 3 * (size_t)i * stride;
    __m512 acc[12][4];
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            acc[t][r] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc + 16 * r);
    size_t s = 0;
    for (; s + 2 <= n; s += 2) {
        add_column(type, R, T, w, x, stride, s, acc);
        add_column(type, R, T, w, x, stride, s + 1, acc);
    }
    if (s < n)
        add_column(type, R, T, w, x, stride, s, acc);
#pragma GCC unroll 12
    for (int t = 0; t < T; t++)
#pragma GCC unroll 4
        for (int r = 0; r < R; r++)
            _mm512_storeu_ps(c + (size_t)t * ldc + 16 * r, acc[t][r]);
}

#define KERNEL(type, R, T)                                                                                             \
    static void kernel_##type##_##R##x##T(const uint8_t *const w[PLAIN_MAX_PANELS], const plain_tokens *x, size_t n,   \
                                          float *c, size_t ldc, bool is_first)                                         \
    {                                                                                                                  \
        multiply(CT_##type, R, T, w, x, n, c, ldc, is_first);                                                          \
    }
KERNEL(F32, 4, 1)
KERNEL(F16, 4, 1)
KERNEL(BF16, 4, 1)
KERNEL(F32, 2, 4)
KERNEL(F16, 2, 4)
KERNEL(BF16, 2, 4)
KERNEL(F32, 2, 12)

/* ---- to f32 ---- */

static void unpack_F16(const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, uint8_t *buf)
{
    (void)m;
    for (size_t s = 0; s < n; s++)
        _mm512_store_ps(buf + 64 * s, column(CT_F16, panel, s0 + s));
}

static void unpack_BF16(const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, uint8_t *buf)
{
    (void)m;
    for (size_t s = 0; s < n; s++)
        _mm512_store_ps(buf + 64 * s, column(CT_BF16, panel, s0 + s));
}

/* Types without an interleaved form: their blocks are wider than a chunk of the others. */
static void unpack_rows(const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, uint8_t *buf)
{
    ct_panel_f32(m->type, panel, m->cols, s0, n, (float *)(void *)buf);
}

/* The 32 columns of a stretch: scale * (code - bias) is exact (but for IQ4_XS: one rounding, as in ct_unpack_row),
 * so that the fused sum with the minimum rounds once, as there. */
INLINE void stretch_to_f32(const ct_type type, const __m512i code[8], const __m512 scale[2], const __m512 add[2],
                           uint8_t *buf)
{
    const ct_form *form = ct_form_of(type);
    const __m512i bias = _mm512_set1_epi32(form->bias), byte = _mm512_set1_epi32(255);
    for (int g = 0; g < 8; g++)
        for (int c = 0; c < 4; c++) {
            const __m512i q = _mm512_and_si512(_mm512_srli_epi32(code[g], (unsigned)(8 * c)), byte);
            const __m512 v = _mm512_cvtepi32_ps(_mm512_sub_epi32(q, bias));
            const int sub = form->is_half ? g / 4 : 0;
            _mm512_store_ps(buf + 64 * (4 * g + c),
                            form->has_min ? _mm512_fmadd_ps(scale[sub], v, add[sub]) : _mm512_mul_ps(scale[sub], v));
        }
}

INLINE void unpack_quantised(const ct_type type, const ct_mul *m, const uint8_t *panel, size_t s0, size_t n,
                             uint8_t *buf)
{
    const ct_unit whole = ct_unit_of(type, 2);
    const uint8_t *tail = panel + (whole.has_tail ? ct_tail_offset(type, m->cols) : 0);
    const size_t per = (size_t)whole.stretches;
    for (size_t s = s0 / 32; s < (s0 + n) / 32; s++, buf += 32 * 64) {
        const ct_unit f = ct_unit_at(type, m->cols, s / per);
        const uint8_t *unit = panel + ct_unit_offset(type, s / per);
        unit_scales u;
        __m512i code[8];
        __m512 scale[2], add[2];
        unpack_unit_scales(type, &f, unit, tail + 32 * (s / per), &u);
        unpack_codes(type, &f, unit, (int)(s % per), code);
        unpack_scales(type, &f, unit, &u, (int)(s % per), scale, add);
        stretch_to_f32(type, code, scale, add, buf);
    }
}

/* ---- one entry a type ---- */

#define FEW_CHUNK  64   /* columns; four panels of them in f32 take 16 KiB */
#define MANY_CHUNK 128  /* two panels: 16 KiB */
#define PLACE      2048 /* in place there is no buffer to outgrow, but the last tokens still take scratch */

static const plain_path one_f32 = { 4, 1, kernel_F32_4x1, NULL, PLACE, 64 };
static const plain_path one_f16 = { 4, 1, kernel_F16_4x1, NULL, PLACE, 32 };
static const plain_path one_bf16 = { 4, 1, kernel_BF16_4x1, NULL, PLACE, 32 };
static const plain_path four_f32 = { 2, 4, kernel_F32_2x4, NULL, PLACE, 64 };
static const plain_path four_f16 = { 2, 4, kernel_F16_2x4, NULL, PLACE, 32 };
static const plain_path four_bf16 = { 2, 4, kernel_BF16_2x4, NULL, PLACE, 32 };
static const plain_path many_f32 = { 2, 12, kernel_F32_2x12, NULL, MANY_CHUNK, 64 };
static const plain_path many_f16 = { 2, 12, kernel_F32_2x12, unpack_F16, MANY_CHUNK, 0 };
static const plain_path many_bf16 = { 2, 12, kernel_F32_2x12, unpack_BF16, MANY_CHUNK, 0 };

static void mul(const plain_path *one, const plain_path *four, const plain_path *many, const ct_mul *m, size_t p0,
                size_t p1, void *scratch)
{
    ct_avx512_mul_plain(m->n == 1 ? one : m->n <= 4 ? four : many, m->cols, m, p0, p1, scratch);
}

static void mul_F32(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul(&one_f32, &four_f32, &many_f32, m, panel_begin, panel_end, scratch);
}

static void mul_F16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul(&one_f16, &four_f16, &many_f16, m, panel_begin, panel_end, scratch);
}

static void mul_BF16(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul(&one_bf16, &four_bf16, &many_bf16, m, panel_begin, panel_end, scratch);
}

static void mul_unpacked(const ct_mul *m, plain_unpack *unpack, size_t few_chunk, size_t many_chunk, size_t p0,
                         size_t p1, void *scratch)
{
    const plain_path one = { 4, 1, kernel_F32_4x1, unpack, few_chunk, 0 };
    const plain_path four = { 2, 4, kernel_F32_2x4, unpack, many_chunk, 0 };
    const plain_path many = { 2, 12, kernel_F32_2x12, unpack, many_chunk, 0 };
    mul(&one, &four, &many, m, p0, p1, scratch);
}

static void mul_rows(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    mul_unpacked(m, unpack_rows, CT_PANEL_CHUNK, CT_PANEL_CHUNK, panel_begin, panel_end, scratch);
}

#define DEFINE(T, ...)                                                                                                 \
    static void unpack_##T(const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, uint8_t *buf)                   \
    {                                                                                                                  \
        unpack_quantised(CT_##T, m, panel, s0, n, buf);                                                                \
    }                                                                                                                  \
    static void mul_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                          \
    {                                                                                                                  \
        mul_unpacked(m, unpack_##T, FEW_CHUNK, MANY_CHUNK, panel_begin, panel_end, scratch);                           \
    }
CT_FORMS(DEFINE)

void ct_avx512_mul_f32(ct_kernels *k)
{
#define ENTRY(T, ...) [CT_##T] = mul_##T,
    static ct_mul_fn *const own[CT_N_TYPE] = { CT_PLAIN_TYPES(ENTRY) CT_FORMS(ENTRY) };
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (ct_type_get(t))
            k->mul[t][CT_ACTS_F32] = own[t] ? own[t] : mul_rows;
}
