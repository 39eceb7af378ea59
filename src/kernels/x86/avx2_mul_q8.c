/* avx2_mul_q8.c - quantised weights times int8 activations, without VNNI.
 *
 * Per stretch of 32 columns, in column order, for every path the same:
 *
 *     isum = sum over the stretch of code * x              exact in int32, with the small scales of 16 columns inside
 *     acc  = fma(scale * d_x, (float)isum, acc)
 *     acc  = fma(add, d_x * sum_x, acc)                    types with a minimum; once or twice
 *
 * vpmaddubsw multiplies u8 by s8 and adds pairs into int16. With codes below 128 a pair cannot saturate, and the int16
 * sums of a stretch (or half or a quarter of one) can be let run: the end value fits, as kind_of() shows, whatever
 * wraps on the way. The bias of the codes is in the start value. One vpmaddwd then widens; where 16 columns have their
 * own small integer scale it is that instruction's other operand, and the result, at most 2*16*32*127*128 < 2^24, is
 * still exact as f32.
 *
 * 8-bit codes ("wide") would saturate. Few tokens: |w| * sign(x, w), vpmaddwd at once (2*128*127 = 32512). Many tokens:
 * codes and activations as i16 and vpmaddwd alone, 16 + 16 instructions a stretch against 16 + 24.
 *
 * Few tokens (decode): half a panel's stretch is unpacked in registers and multiplied at once; the weights stream by
 * and nothing is stored.
 *
 * Many tokens (prefill): some columns of a panel are unpacked into a buffer that stays in L1 and multiplied with all
 * tiles of TILE tokens. Sums of a row wait in y for the next columns. Of the 4-bit types' 20 vector instructions for
 * 32 columns x 8 rows x 1 token 8 are vpmaddubsw and 8 vpaddw.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2_q8_tokens.h"
#include "kernels/x86/avx2_y_tile.h"

#define TILE       4 /* tokens of a prefill tile */
#define FEW        4 /* tokens up to which weights are streamed */
#define ALIGN_UNIT 8 /* stretches: whole units of every type */

#define CHUNK      16 /* stretches unpacked at a time */
#define CHUNK_WIDE 8

/* ---- few tokens ---- */

/* Columns 32 s0 .. 32 s1 of one panel times a tile of tokens: c [T][ldc >= 16]; is_first: c is not read. */
typedef void few_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, size_t ldc,
                    bool is_first);

/* One token's part of a stretch: int32 [8 rows], without scale. */
INLINE __m256i dot_stretch(const q8_kind k, const __m256i code[8], const stretch_scales *w, const uint8_t *x,
                           const uint8_t *start, size_t start_step)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int groups = 8 / k.sums;
    __m256i total = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int i = 0; i < k.sums; i++) {
        __m256i sum = k.bias ? broadcast_i32(start + start_step * (size_t)i) : _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int g = groups * i; g < groups * i + groups; g++) {
            const __m256i q = broadcast_i32(x + 4 * g);
            if (k.is_wide) {
                const __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(code[g]), _mm256_sign_epi8(q, code[g]));
                total = _mm256_add_epi32(total, _mm256_madd_epi16(p, ones));
            } else {
                sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(code[g], q));
            }
        }
        if (!k.is_wide)
            total = _mm256_add_epi32(total, _mm256_madd_epi16(sum, k.is_half ? w->mult[2 * i / k.sums] : ones));
    }
    return total;
}

INLINE void few_stretch(const ct_type type, const int T, const ct_unit *f, const uint8_t *unit, const unit_scales *u,
                        int s, int half, const uint8_t *x, __m256 *acc)
{
    const q8_kind k = kind_of(type);
    const q8_record r = record_of(k, false, (size_t)T);
    const stretch_scales w = unpack_scales(type, f, unit, u, s, half);
    __m256i code[8];
    unpack_codes(type, f, unit, s, half, code);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        const __m256i isum = dot_stretch(k, code, &w, x + 32 * t, x + r.start + 4 * t, 4 * (size_t)T);
        const __m256 scale = _mm256_mul_ps(w.scale, broadcast_f32(x + r.d + 4 * t));
        acc[t] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(isum), acc[t]);
#pragma GCC unroll 2
        for (int i = 0; i < k.adds; i++)
            acc[t] = _mm256_fmadd_ps(w.add[i], broadcast_f32(x + r.xm + 4 * (T * i + t)), acc[t]);
    }
}

INLINE void few_unit(const ct_type type, const int T, const ct_unit f, const uint8_t *unit, const uint8_t *tail,
                     const uint8_t *x, __m256 acc[2][FEW])
{
    const size_t step = record_of(kind_of(type), false, (size_t)T).bytes;
    unit_scales u;
    unpack_unit_scales(type, &f, unit, tail, &u);
    for (int s = 0; s < f.stretches; s++, x += step) {
        few_stretch(type, T, &f, unit, &u, s, 0, x, acc[0]);
        few_stretch(type, T, &f, unit, &u, s, 1, x, acc[1]);
    }
}

INLINE void mul_few_tile(const ct_type type, const int T, const uint8_t *panel, size_t cols, size_t s0, size_t s1,
                         const uint8_t *x, float *c, size_t ldc, bool is_first)
{
    const ct_unit f = ct_unit_of(type, 2);
    const size_t per = (size_t)f.stretches, step = per * record_of(kind_of(type), false, (size_t)T).bytes;
    const uint8_t *unit = panel + ct_unit_offset(type, s0 / per), *tail = panel;
    if (f.has_tail)
        tail += ct_tail_offset(type, cols) + s0 / per * 32;
    __m256 acc[2][FEW];
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        for (int half = 0; half < 2; half++)
            acc[half][t] = is_first ? _mm256_setzero_ps() : _mm256_loadu_ps(c + (size_t)t * ldc + 8 * half);
    for (size_t s = s0; s + per <= s1; s += per, unit += f.bytes, tail += 32, x += step)
        few_unit(type, T, f, unit, tail, x, acc);
    if (per == 2 && (s1 - s0) % 2) /* a 64-column unit with one stretch */
        few_unit(type, T, ct_unit_of(type, 1), unit, tail, x, acc);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        for (int half = 0; half < 2; half++)
            _mm256_storeu_ps(c + (size_t)t * ldc + 8 * half, acc[half][t]);
}

/* ---- many tokens ---- */

/* An unpacked stretch of a panel: codes u8 [8 groups][64] (wide: i16 pairs [8][2][64]), then vectors of 64 bytes. */
typedef struct w_record {
    size_t scale, add, mult, bytes;
} w_record;

INLINE w_record w_record_of(const q8_kind k)
{
    w_record r = { .scale = k.is_wide ? 1024 : 512 };
    r.add = r.scale + 64;
    r.mult = r.add + 64 * (size_t)k.adds;
    r.bytes = r.mult + (k.is_half ? 128 : 0);
    return r;
}

/* Unpacks columns 32 s0 .. 32 s1 of a panel. */
typedef void unpack_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, uint8_t *out);

INLINE void unpack_half_stretch(const ct_type type, const ct_unit *f, const uint8_t *unit, const unit_scales *u, int s,
                                int half, uint8_t *out)
{
    const q8_kind k = kind_of(type);
    const w_record r = w_record_of(k);
    __m256i code[8];
    unpack_codes(type, f, unit, s, half, code);
    const stretch_scales w = unpack_scales(type, f, unit, u, s, half);
    out += 32 * half;
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        if (k.is_wide) {
            store256(out + 128 * g, _mm256_srai_epi16(_mm256_slli_epi16(code[g], 8), 8));
            store256(out + 128 * g + 64, _mm256_srai_epi16(code[g], 8));
        } else {
            store256(out + 64 * g, code[g]);
        }
    }
    store256(out + r.scale, _mm256_castps_si256(w.scale));
    for (int i = 0; i < k.adds; i++)
        store256(out + r.add + 64 * i, _mm256_castps_si256(w.add[i]));
    for (int i = 0; k.is_half && i < 2; i++)
        store256(out + r.mult + 64 * i, w.mult[i]);
}

INLINE void unpack_chunk(const ct_type type, const uint8_t *panel, size_t cols, size_t s0, size_t s1, uint8_t *out)
{
    const ct_unit whole = ct_unit_of(type, 2);
    const size_t per = (size_t)whole.stretches, step = w_record_of(kind_of(type)).bytes;
    const uint8_t *tail = panel + (whole.has_tail ? ct_tail_offset(type, cols) : 0);
    for (size_t i = s0 / per; i * per < s1; i++) {
        const uint8_t *unit = panel + ct_unit_offset(type, i);
        const ct_unit f = ct_unit_at(type, cols, i);
        unit_scales u;
        unpack_unit_scales(type, &f, unit, tail + 32 * i, &u);
        for (int s = 0; s < f.stretches; s++, out += step) {
            unpack_half_stretch(type, &f, unit, &u, s, 0, out);
            unpack_half_stretch(type, &f, unit, &u, s, 1, out);
        }
    }
}

/* n unpacked stretches times one tile of tokens: c [T][ldc >= 16]. */
typedef void tile_fn(const uint8_t *w, const uint8_t *x, size_t n, float *c, size_t ldc, bool is_first);

/* The integer sums of one stretch. */
INLINE void tile_dots(const q8_kind k, const int T, const uint8_t *w, const uint8_t *x, __m256i total[TILE][2])
{
    const q8_record r = record_of(k, k.is_wide, (size_t)T);
    const int groups = 8 / k.sums;
#pragma GCC unroll 4
    for (int i = 0; i < k.sums; i++) {
        __m256i sum[TILE][2];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            if (k.bias)
                sum[t][0] = sum[t][1] = broadcast_i32(x + r.start + 4 * (T * i + t));
#pragma GCC unroll 8
        for (int g = groups * i; g < groups * i + groups; g++) {
            const __m256i w0 = load256(w + 64 * g), w1 = load256(w + 64 * g + 32);
#pragma GCC unroll 4
            for (int t = 0; t < T; t++) {
                const __m256i q = broadcast_i32(x + 32 * t + 4 * g);
                const bool is_start = !k.bias && g == groups * i;
                const __m256i p0 = _mm256_maddubs_epi16(w0, q), p1 = _mm256_maddubs_epi16(w1, q);
                sum[t][0] = is_start ? p0 : _mm256_add_epi16(sum[t][0], p0);
                IN_ORDER(sum[t][0]);
                sum[t][1] = is_start ? p1 : _mm256_add_epi16(sum[t][1], p1);
                IN_ORDER(sum[t][1]);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                const __m256i by = k.is_half ? load256(w + w_record_of(k).mult + 64 * (2 * i / k.sums) + 32 * half)
                                             : _mm256_set1_epi16(1);
                const __m256i part = _mm256_madd_epi16(sum[t][half], by);
                total[t][half] = i ? _mm256_add_epi32(total[t][half], part) : part;
            }
    }
}

INLINE void tile_dots_wide(const int T, const uint8_t *w, const uint8_t *x, __m256i total[TILE][2])
{
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) { /* half a group: two columns */
        const __m256i w0 = load256(w + 64 * g), w1 = load256(w + 64 * g + 32);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            const __m256i q = broadcast_i32(x + 64 * t + 32 * (g % 2) + 4 * (g / 2));
            const __m256i p0 = _mm256_madd_epi16(w0, q), p1 = _mm256_madd_epi16(w1, q);
            total[t][0] = g ? _mm256_add_epi32(total[t][0], p0) : p0;
            IN_ORDER(total[t][0]);
            total[t][1] = g ? _mm256_add_epi32(total[t][1], p1) : p1;
            IN_ORDER(total[t][1]);
        }
    }
}

INLINE void multiply_tile(const q8_kind k, const int T, const uint8_t *w, const uint8_t *x, size_t n, float *c,
                          size_t ldc, bool is_first)
{
    const q8_record r = record_of(k, k.is_wide, (size_t)T);
    const w_record wr = w_record_of(k);
    __m256 acc[TILE][2];
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        for (int half = 0; half < 2; half++)
            acc[t][half] = is_first ? _mm256_setzero_ps() : _mm256_loadu_ps(c + (size_t)t * ldc + 8 * half);
    for (; n; n--, w += wr.bytes, x += r.bytes) {
        __m256i total[TILE][2];
        if (k.is_wide)
            tile_dots_wide(T, w, x, total);
        else
            tile_dots(k, T, w, x, total);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            const __m256 d = broadcast_f32(x + r.d + 4 * t);
#pragma GCC unroll 2
            for (int half = 0; half < 2; half++) {
                const __m256 scale =
                    _mm256_mul_ps(_mm256_load_ps((const float *)(const void *)(w + wr.scale) + 8 * half), d);
                acc[t][half] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(total[t][half]), acc[t][half]);
#pragma GCC unroll 2
                for (int i = 0; i < k.adds; i++)
                    acc[t][half] =
                        _mm256_fmadd_ps(_mm256_load_ps((const float *)(const void *)(w + wr.add + 64 * i) + 8 * half),
                                        broadcast_f32(x + r.xm + 4 * (T * i + t)), acc[t][half]);
            }
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        for (int half = 0; half < 2; half++)
            _mm256_storeu_ps(c + (size_t)t * ldc + 8 * half, acc[t][half]);
}

/* ---- the loops around ---- */

typedef uint8_t *put_fn(const ct_mul *m, size_t t0, size_t n, size_t s0, size_t s1, uint8_t *out);

/* The kernels of a type. */
typedef struct q8_ops {
    q8_kind kind;
    put_fn *put_few, *put_many; /* in tiles of FEW and TILE */
    few_fn *few[FEW];           /* of 1.. tokens */
    unpack_fn *unpack;
    tile_fn *tile[TILE]; /* of 1.. tokens */
} q8_ops;

static void mul_few(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const size_t stretches = m->cols / 32, panel_bytes = panel_bytes_of(m);
    const size_t most = CT_MUL_SCRATCH / record_of(o->kind, false, m->n).bytes / ALIGN_UNIT * ALIGN_UNIT;
    for (size_t s0 = 0; s0 < stretches; s0 += most) {
        const size_t s1 = smaller(stretches, s0 + most);
        o->put_few(m, 0, m->n, s0, s1, scratch);
        for (size_t p = panel_begin; p < panel_end; p++) {
            y_tile e;
            y_begin(&e, m, p, 0, m->n, s0 == 0);
            o->few[m->n - 1]((const uint8_t *)m->w + p * panel_bytes, m->cols, s0, s1, scratch, e.c, e.ldc, s0 == 0);
            y_end(&e);
        }
    }
}

/* One unpacked chunk of a panel times tokens [t0, t0 + n), whose records of stretches [s0, s1) stand at x. */
static void mul_tiles(const q8_ops *o, const ct_mul *m, size_t panel, const uint8_t *w, const uint8_t *x, size_t t0,
                      size_t n, size_t s0, size_t s1)
{
    for (size_t t = 0; t < n; t += TILE) {
        const size_t here = smaller(n - t, TILE);
        y_tile e;
        y_begin(&e, m, panel, t0 + t, here, s0 == 0);
        o->tile[here - 1](w, x, s1 - s0, e.c, e.ldc, s0 == 0);
        y_end(&e);
        x += (s1 - s0) * record_of(o->kind, o->kind.is_wide, here).bytes;
    }
}

static void mul_many(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const q8_kind k = o->kind;
    const size_t stretches = m->cols / 32, panel_bytes = panel_bytes_of(m), chunk = k.is_wide ? CHUNK_WIDE : CHUNK;
    const size_t w_bytes = (w_record_of(k).bytes * chunk + 63) & ~(size_t)63;
    uint8_t *x = scratch + w_bytes;
    const size_t tokens = (CT_MUL_SCRATCH - w_bytes) / (record_of(k, k.is_wide, TILE).bytes * chunk) * TILE;
    for (size_t t0 = 0; t0 < m->n; t0 += tokens) {
        const size_t n = smaller(m->n - t0, tokens);
        for (size_t s0 = 0; s0 < stretches; s0 += chunk) {
            const size_t s1 = smaller(stretches, s0 + chunk);
            o->put_many(m, t0, n, s0, s1, x);
            for (size_t p = panel_begin; p < panel_end; p++) {
                o->unpack((const uint8_t *)m->w + p * panel_bytes, m->cols, s0, s1, scratch);
                mul_tiles(o, m, p, scratch, x, t0, n, s0, s1);
            }
        }
    }
}

static void mul_q8(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    if (m->n == 0 || panel_begin >= panel_end)
        return;
    if (m->n <= FEW)
        mul_few(o, m, panel_begin, panel_end, scratch);
    else
        mul_many(o, m, panel_begin, panel_end, scratch);
}

/* ---- one set of kernels a type ---- */

#define FEW_KERNEL(T, n_tok)                                                                                           \
    static void few_##T##_##n_tok(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, \
                                  size_t ldc, bool is_first)                                                           \
    {                                                                                                                  \
        mul_few_tile(CT_##T, n_tok, panel, cols, s0, s1, x, c, ldc, is_first);                                         \
    }
#define TILE_KERNEL(T, n_tok)                                                                                          \
    static void tile_##T##_##n_tok(const uint8_t *w, const uint8_t *x, size_t n, float *c, size_t ldc, bool is_first)  \
    {                                                                                                                  \
        multiply_tile(kind_of(CT_##T), n_tok, w, x, n, c, ldc, is_first);                                              \
    }
#define EACH_SIZE(X, T) X(T, 1) X(T, 2) X(T, 3) X(T, 4)

#define DEFINE(T, ...)                                                                                                 \
    EACH_SIZE(FEW_KERNEL, T)                                                                                           \
    EACH_SIZE(TILE_KERNEL, T)                                                                                          \
    static uint8_t *put_few_##T(const ct_mul *m, size_t t0, size_t n, size_t s0, size_t s1, uint8_t *out)              \
    {                                                                                                                  \
        return put_tokens(kind_of(CT_##T), false, m, t0, n, s0, s1, FEW, out);                                         \
    }                                                                                                                  \
    static uint8_t *put_many_##T(const ct_mul *m, size_t t0, size_t n, size_t s0, size_t s1, uint8_t *out)             \
    {                                                                                                                  \
        return put_tokens(kind_of(CT_##T), kind_of(CT_##T).is_wide, m, t0, n, s0, s1, TILE, out);                      \
    }                                                                                                                  \
    static void unpack_##T(const uint8_t *panel, size_t cols, size_t s0, size_t s1, uint8_t *out)                      \
    {                                                                                                                  \
        unpack_chunk(CT_##T, panel, cols, s0, s1, out);                                                                \
    }                                                                                                                  \
    static void mul_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                          \
    {                                                                                                                  \
        const q8_ops ops = { .kind = kind_of(CT_##T),                                                                  \
                             .put_few = put_few_##T,                                                                   \
                             .put_many = put_many_##T,                                                                 \
                             .few = { few_##T##_1, few_##T##_2, few_##T##_3, few_##T##_4 },                            \
                             .unpack = unpack_##T,                                                                     \
                             .tile = { tile_##T##_1, tile_##T##_2, tile_##T##_3, tile_##T##_4 } };                     \
        mul_q8(&ops, m, panel_begin, panel_end, scratch);                                                              \
    }
CT_FORMS(DEFINE)

void ct_avx2_mul_q8(ct_kernels *k)
{
#define INSTALL(T, ...)                                                                                                \
    k->mul[CT_##T][CT_ACTS_Q8] = mul_##T;                                                                              \
    k->form[CT_##T] = CT_ACTS_Q8;
    CT_FORMS(INSTALL)
}
