/* avx512_mul_q8.c - quantised weights times int8 activations, with VNNI.
 *
 * Per stretch of 32 columns (16 where the type's scales stand for 16), in column order, for every path the same:
 *
 *     isum = -bias * sum_x + sum_c code * x          vpdpbusd: codes unsigned, x signed; exact in int32
 *     acc  = fma(scale * d_x, (float)isum, acc)
 *     acc  = fma(add, d_x * sum_x, acc)              types with a minimum
 *
 * Both paths first lay the tokens out in tiles (put_tokens): a stretch of T tokens is one record, so that the kernels
 * walk one pointer and every operand of a token is a broadcast load at a constant distance:
 *
 *     i8 [T][32]  codes     i32 [sub][T]  -bias * sum_x     f32 [sub][T]  d_x * sum_x     f32 [T]  d_x
 *
 * sub is 1, or 2 with 16-column scales.
 *
 * Few tokens (decode): a panel is unpacked in registers and multiplied at once with tiles of eight tokens and one of
 * the rest, filled up with zeros to 1, 2, 4 or 8; the weights stream by and nothing is stored.
 *
 * Many tokens (prefill): 512 columns of two panels are unpacked into a buffer that stays in L1, and multiplied with all
 * tiles of six tokens: 12 int32 and 12 f32 accumulators in registers. Of the 2 x 6 x 10 instructions that the
 * multiplying ports see in a stretch, 96 are vpdpbusd: 80 % of the peak is the ceiling (73 % with minima, 67 % with
 * 16-column scales). Sums of a row wait in y for the next 512 columns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_unpack.h"

#define TILE        6  /* tokens of a prefill tile */
#define CHUNK       16 /* stretches unpacked at a time in prefill */
#define DECODE_TILE 8  /* tokens of the largest decode tile */
#define MAX_DECODE  24 /* tokens; above, prefill is as fast. Zen 4, Q4_0 4096 x 10240, n 12: 3.9 against 5.0 ms */
#define PANEL_ALIGN 8  /* stretches: whole units of every type */

/* What the kernels know of a type. */
typedef struct q8_kind {
    int bias;
    bool is_half, has_min;
} q8_kind;

INLINE q8_kind kind_of(const ct_type type)
{
    return (q8_kind){ type_bias(type), ct_scale_is_half(type), type_has_min(type) };
}

/* ---- tokens in tiles ---- */

/* Byte offsets of the fields of a record of `tile` tokens; bytes is the distance to the next record. */
typedef struct q8_record {
    size_t start, xm, d, bytes;
} q8_record;

INLINE q8_record record_of(const bool is_half, const size_t tile)
{
    const size_t sub = is_half ? 2 : 1;
    return (q8_record){ 32 * tile, (32 + 4 * sub) * tile, (32 + 8 * sub) * tile, (36 + 8 * sub) * tile };
}

/* What a token's stretches need besides codes, sixteen stretches at a time: [sub][stretch]. */
typedef struct q8_sums {
    _Alignas(64) int32_t start[2][16];
    float xm[2][16], d[16];
} q8_sums;

static void sums_of(const q8_kind *k, const float *d, const int32_t *sums, size_t n, q8_sums *out)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i bias = _mm512_set1_epi32(-k->bias);
    const __m512i a = _mm512_maskz_loadu_epi32(first_lanes(2 * n), sums);
    const __m512i b = n > 8 ? _mm512_maskz_loadu_epi32(first_lanes(2 * n - 16), sums + 16) : _mm512_setzero_si512();
    const __m512 scale = _mm512_maskz_loadu_ps(first_lanes(n), d);
    __m512i sum[2] = { _mm512_permutex2var_epi32(a, even, b),
                       _mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b) };
    if (!k->is_half)
        sum[0] = _mm512_add_epi32(sum[0], sum[1]);
    _mm512_store_ps(out->d, scale);
    for (int i = 0; i < 2; i++) {
        _mm512_store_si512(out->start[i], _mm512_mullo_epi32(sum[i], bias));
        _mm512_store_ps(out->xm[i], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum[i])));
    }
}

/* Stretches [s0, s1) of one token x into lane `lane` of the records at out. */
INLINE void put_token(const q8_kind *k, const bool is_half, const uint8_t *x, size_t cols, size_t s0, size_t s1,
                      size_t tile, size_t lane, uint8_t *out)
{
    const float *d = (const float *)(const void *)(x + ct_acts_d_offset(cols));
    const int32_t *sums = (const int32_t *)(const void *)(x + ct_acts_s_offset(cols));
    const q8_record r = record_of(is_half, tile);
    uint8_t *codes = out + 32 * lane, *start = out + r.start + 4 * lane, *xm = out + r.xm + 4 * lane;
    uint8_t *scale = out + r.d + 4 * lane;
    for (; s0 < s1; s0 += 16) {
        const size_t n = s1 - s0 < 16 ? s1 - s0 : 16;
        q8_sums t;
        sums_of(k, d + s0, sums + 2 * s0, n, &t);
        for (size_t s = 0; s < n; s++, codes += r.bytes, start += r.bytes, xm += r.bytes, scale += r.bytes) {
            memcpy(codes, x + 32 * (s0 + s), 32);
            memcpy(scale, t.d + s, 4);
            memcpy(start, t.start[0] + s, 4);
            memcpy(xm, t.xm[0] + s, 4);
            if (is_half) {
                memcpy(start + 4 * tile, t.start[1] + s, 4);
                memcpy(xm + 4 * tile, t.xm[1] + s, 4);
            }
        }
    }
}

/* Stretches [s0, s1) of tokens [t0, t0 + n) in tiles, one after another; the last tile is filled up with zeros. */
static void put_tokens(const q8_kind *k, const ct_mul *m, size_t t0, size_t n, size_t s0, size_t s1, size_t tile,
                       uint8_t *out)
{
    const size_t tile_bytes = record_of(k->is_half, tile).bytes * (s1 - s0);
    if (n % tile)
        memset(out + n / tile * tile_bytes, 0, tile_bytes);
    const uint8_t *x = (const uint8_t *)m->x + t0 * m->x_stride;
    for (size_t t = 0; t < n; t++, x += m->x_stride) {
        if (k->is_half)
            put_token(k, true, x, m->cols, s0, s1, tile, t % tile, out + t / tile * tile_bytes);
        else
            put_token(k, false, x, m->cols, s0, s1, tile, t % tile, out + t / tile * tile_bytes);
    }
}

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

/* Columns 32 s0 .. 32 s1 of one panel times one tile of tokens: c [T][ldc >= 16]; is_first: c is not read. */
typedef void decode_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, size_t ldc,
                       bool is_first);

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
    /* Weights are asked for long before their turn, into L2, which takes more misses at once than L1 does. Measured on
     * Zen 4, one thread, from memory: Q4_0 21.7 -> 29.5 GB/s, Q6_K 10.9 -> 22.4; a plain read loop 24-27. */
    const int lines = (f.bytes / f.stretches + 63) / 64, ahead = type == CT_Q8_0 ? 4096 : 12288;
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
    const size_t per = (size_t)f.stretches, step = per * record_of(ct_scale_is_half(type), (size_t)T).bytes;
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

/* The unpacked stretch of R panels: u8 [8 groups][R][64], f32 [sub][R][16] scales, f32 [sub][R][16] minima. */
INLINE size_t weights_bytes(const q8_kind k, const size_t R)
{
    return R * 64 * (8 + (k.is_half ? 2 : 1) * (k.has_min ? 2 : 1));
}

/* Unpacks columns 32 s0 .. 32 s1 of a panel into place `lane` of R. */
typedef void unpack_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, size_t lane, size_t R, uint8_t *out);

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

/* n stretches of R unpacked panels times one tile of tokens: c [TILE][ldc >= 16 R]. */
typedef void tile_fn(const uint8_t *w, const uint8_t *x, size_t n, float *c, size_t ldc, bool is_first);

INLINE void multiply_tile(const q8_kind k, const int R, const uint8_t *w, const uint8_t *x, size_t n, float *c,
                          size_t ldc, bool is_first)
{
    const q8_record r = record_of(k.is_half, TILE);
    const int n_sub = k.is_half ? 2 : 1, groups = 8 / n_sub;
    __m512 acc[TILE][2];
#pragma GCC unroll 6
    for (int t = 0; t < TILE; t++)
#pragma GCC unroll 2
        for (int p = 0; p < R; p++)
            acc[t][p] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc + 16 * p);
    for (; n; n--, w += weights_bytes(k, (size_t)R), x += r.bytes) {
#pragma GCC unroll 2
        for (int i = 0; i < n_sub; i++) {
            __m512i sum[TILE][2];
#pragma GCC unroll 6
            for (int t = 0; t < TILE; t++)
#pragma GCC unroll 2
                for (int p = 0; p < R; p++)
                    sum[t][p] = start_of(k, x + r.start + 4 * (TILE * i + t));
#pragma GCC unroll 8
            for (int g = groups * i; g < groups * i + groups; g++) {
                __m512i code[2];
#pragma GCC unroll 2
                for (int p = 0; p < R; p++)
                    code[p] = _mm512_load_si512(w + 64 * (R * g + p));
#pragma GCC unroll 6
                for (int t = 0; t < TILE; t++) {
                    const __m512i q = broadcast_i32(x + 32 * t + 4 * g);
#pragma GCC unroll 2
                    for (int p = 0; p < R; p++)
                        sum[t][p] = _mm512_dpbusd_epi32(sum[t][p], code[p], q);
                }
            }
#pragma GCC unroll 6
            for (int t = 0; t < TILE; t++) {
                const __m512 d = broadcast_f32(x + r.d + 4 * t);
#pragma GCC unroll 2
                for (int p = 0; p < R; p++) {
                    const __m512 scale = _mm512_mul_ps(_mm512_load_ps(w + 64 * (R * (8 + i) + p)), d);
                    acc[t][p] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum[t][p]), acc[t][p]);
                    if (k.has_min)
                        acc[t][p] = _mm512_fmadd_ps(_mm512_load_ps(w + 64 * (R * (8 + n_sub + i) + p)),
                                                    broadcast_f32(x + r.xm + 4 * (TILE * i + t)), acc[t][p]);
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

#define TILE_KERNELS(name, bias, is_half, has_min)                                                                     \
    static void name##_1(const uint8_t *w, const uint8_t *x, size_t n, float *c, size_t ldc, bool is_first)            \
    {                                                                                                                  \
        multiply_tile((q8_kind){ bias, is_half, has_min }, 1, w, x, n, c, ldc, is_first);                              \
    }                                                                                                                  \
    static void name##_2(const uint8_t *w, const uint8_t *x, size_t n, float *c, size_t ldc, bool is_first)            \
    {                                                                                                                  \
        multiply_tile((q8_kind){ bias, is_half, has_min }, 2, w, x, n, c, ldc, is_first);                              \
    }
TILE_KERNELS(tile_signed, 1, false, false)
TILE_KERNELS(tile_min, 0, false, true)
TILE_KERNELS(tile_signed_half, 1, true, false)
TILE_KERNELS(tile_min_half, 0, true, true)

/* ---- the loops around ---- */

typedef struct q8_ops {
    q8_kind kind;
    decode_fn *decode[4]; /* 1, 2, 4, 8 tokens */
    unpack_fn *unpack;
    tile_fn *tile[2]; /* 1, 2 panels */
} q8_ops;

/* Where a kernel's tile of y is written: in place if whole, else through `copy`. */
typedef struct y_tile {
    float *y, *copy; /* copy: [tokens][width], 64-aligned; not cleared, only what exists is read back */
    size_t stride, tokens, rows;
} y_tile;

#define Y_COPY (DECODE_TILE * 2 * CT_PANEL) /* floats */

static float *y_begin(const y_tile *e, size_t width, bool is_first)
{
    for (size_t t = 0; !is_first && t < e->tokens; t++)
        memcpy(e->copy + width * t, e->y + e->stride * t, e->rows * sizeof *e->y);
    return e->copy;
}

static void y_end(const y_tile *e, size_t width)
{
    for (size_t t = 0; t < e->tokens; t++)
        memcpy(e->y + e->stride * t, e->copy + width * t, e->rows * sizeof *e->y);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What a pass over the panels for few tokens has in hand. */
typedef struct few_pass {
    const q8_ops *ops;
    const ct_mul *m;
    size_t s0, s1; /* stretches */
} few_pass;

/* Tokens [t0, t0 + n) at x, in one tile of 1 << log, times panel p. */
static void few_tile(const few_pass *f, const uint8_t *panel, size_t p, const uint8_t *x, size_t t0, size_t n,
                     size_t log)
{
    const ct_mul *m = f->m;
    const bool is_first = f->s0 == 0;
    _Alignas(64) float copy[Y_COPY];
    const y_tile e = { .y = m->y + t0 * m->y_stride + p * CT_PANEL,
                       .copy = copy,
                       .stride = m->y_stride,
                       .tokens = n,
                       .rows = min_size(m->rows - p * CT_PANEL, CT_PANEL) };
    if (n == (size_t)1 << log && e.rows == CT_PANEL) {
        f->ops->decode[log](panel, m->cols, f->s0, f->s1, x, e.y, m->y_stride, is_first);
    } else {
        float *c = y_begin(&e, CT_PANEL, is_first);
        f->ops->decode[log](panel, m->cols, f->s0, f->s1, x, c, CT_PANEL, is_first);
        y_end(&e, CT_PANEL);
    }
}

static void mul_few(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const size_t rest = m->n % DECODE_TILE, whole = m->n - rest, stretches = m->cols / 32;
    const size_t log = rest > 4 ? 3 : rest > 2 ? 2 : rest > 1 ? 1 : 0, rest_tile = rest ? (size_t)1 << log : 0;
    const size_t token_bytes = record_of(o->kind.is_half, 1).bytes; /* a record is as large as its tokens */
    const size_t fit = CT_MUL_SCRATCH / (token_bytes * (whole + rest_tile)) / PANEL_ALIGN * PANEL_ALIGN;
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t s0 = 0; s0 < stretches; s0 += fit) {
        const few_pass f = { o, m, s0, min_size(s0 + fit, stretches) };
        uint8_t *rest_x = scratch + token_bytes * whole * (f.s1 - s0);
        put_tokens(&o->kind, m, 0, whole, s0, f.s1, DECODE_TILE, scratch);
        if (rest)
            put_tokens(&o->kind, m, whole, rest, s0, f.s1, rest_tile, rest_x);
        for (size_t p = panel_begin; p < panel_end; p++) {
            const uint8_t *panel = (const uint8_t *)m->w + p * panel_bytes;
            for (size_t t = 0; t < whole; t += DECODE_TILE)
                few_tile(&f, panel, p, scratch + token_bytes * t * (f.s1 - s0), t, DECODE_TILE, 3);
            if (rest)
                few_tile(&f, panel, p, rest_x, whole, rest, log);
        }
    }
}

/* Weights that will be unpacked next: fetched a little with every tile. */
typedef struct ahead {
    const uint8_t *at[2]; /* one panel each */
    size_t bytes;         /* of each still to fetch */
} ahead;

static void fetch_ahead(ahead *a, size_t step)
{
    step = min_size(step, a->bytes);
    for (size_t i = 0; i < step; i += 64) {
        _mm_prefetch((const char *)a->at[0] + i, _MM_HINT_T1);
        _mm_prefetch((const char *)a->at[1] + i, _MM_HINT_T1);
    }
    a->at[0] += step;
    a->at[1] += step;
    a->bytes -= step;
}

/* n tokens in tiles at x times `panels` (1 or 2) unpacked panels at w; y: the first token's first row. */
static void mul_tiles(const q8_ops *o, const ct_mul *m, const uint8_t *w, const uint8_t *x, size_t n, size_t s0,
                      size_t s1, size_t panels, size_t rows, float *y, ahead next)
{
    const size_t fetch = (next.bytes / ((n + TILE - 1) / TILE) + 127) / 64 * 64;
    const size_t tile_bytes = record_of(o->kind.is_half, TILE).bytes * (s1 - s0), width = panels * CT_PANEL;
    tile_fn *kernel = o->tile[panels - 1];
    _Alignas(64) float copy[Y_COPY];
    for (size_t t = 0; t < n; t += TILE, x += tile_bytes) {
        fetch_ahead(&next, fetch);
        const y_tile e = { y + t * m->y_stride, copy, m->y_stride, min_size(n - t, TILE), rows };
        if (e.tokens == TILE && rows == width) {
            for (size_t i = TILE; i < 2 * TILE && t + i < n; i++) {
                _mm_prefetch((const char *)(e.y + i * m->y_stride), _MM_HINT_T1);
                _mm_prefetch((const char *)(e.y + i * m->y_stride + 16), _MM_HINT_T1);
            }
            kernel(w, x, s1 - s0, e.y, m->y_stride, s0 == 0);
        } else {
            float *c = y_begin(&e, width, s0 == 0);
            kernel(w, x, s1 - s0, c, width, s0 == 0);
            y_end(&e, width);
        }
    }
}

#define WEIGHTS_SCRATCH ((size_t)CHUNK * 2 * 64 * 12) /* the largest weights_bytes */

static void mul_many(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    uint8_t *w = scratch, *x = scratch + WEIGHTS_SCRATCH;
    const size_t stretches = m->cols / 32, tile_bytes = record_of(o->kind.is_half, TILE).bytes * CHUNK;
    const size_t fit = (CT_MUL_SCRATCH - WEIGHTS_SCRATCH) / tile_bytes, tiles = (m->n + TILE - 1) / TILE;
    const size_t blocks = (tiles + fit - 1) / fit, block = (tiles + blocks - 1) / blocks * TILE; /* of equal size */
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t s0 = 0; s0 < stretches; s0 += CHUNK) {
        const size_t s1 = min_size(s0 + CHUNK, stretches);
        for (size_t t0 = 0; t0 < m->n; t0 += block) {
            const size_t n = min_size(block, m->n - t0);
            put_tokens(&o->kind, m, t0, n, s0, s1, TILE, x);
            for (size_t p = panel_begin; p < panel_end; p += 2) {
                const size_t panels = min_size(panel_end - p, 2), row = p * CT_PANEL;
                for (size_t i = 0; i < panels; i++)
                    o->unpack((const uint8_t *)m->w + (p + i) * panel_bytes, m->cols, s0, s1, i, panels, w);
                ahead next = { .bytes = p + 2 < panel_end ? panel_bytes * (s1 - s0) / stretches : 0 };
                for (size_t i = 0; i < 2; i++) /* roughly: a panel's tail is elsewhere */
                    next.at[i] = (const uint8_t *)m->w + min_size(p + 2 + i, panel_end - 1) * panel_bytes +
                                 panel_bytes * s0 / stretches;
                mul_tiles(o, m, w, x, n, s0, s1, panels, min_size(m->rows - row, panels * CT_PANEL),
                          m->y + t0 * m->y_stride + row, next);
            }
        }
    }
}

static void mul_q8(const q8_ops *o, const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)
{
    if (m->n == 0 || panel_begin >= panel_end)
        return;
    if (m->n <= MAX_DECODE)
        mul_few(o, m, panel_begin, panel_end, scratch);
    else
        mul_many(o, m, panel_begin, panel_end, scratch);
}

/* ---- one set of kernels a type ---- */

#define DECODE(type, T)                                                                                                \
    static void decode_##type##_##T(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x,         \
                                    float *c, size_t ldc, bool is_first)                                               \
    {                                                                                                                  \
        decode(CT_##type, T, panel, cols, s0, s1, x, c, ldc, is_first);                                                \
    }

#define TYPE(type, tile)                                                                                               \
    DECODE(type, 1)                                                                                                    \
    DECODE(type, 2)                                                                                                    \
    DECODE(type, 4)                                                                                                    \
    DECODE(type, 8)                                                                                                    \
    static void unpack_##type(const uint8_t *panel, size_t cols, size_t s0, size_t s1, size_t lane, size_t R,          \
                              uint8_t *out)                                                                            \
    {                                                                                                                  \
        unpack_chunk(CT_##type, panel, cols, s0, s1, lane, R, out);                                                    \
    }                                                                                                                  \
    static void mul_##type(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                       \
    {                                                                                                                  \
        const q8_ops ops = { kind_of(CT_##type),                                                                       \
                             { decode_##type##_1, decode_##type##_2, decode_##type##_4, decode_##type##_8 },           \
                             unpack_##type,                                                                            \
                             { tile##_1, tile##_2 } };                                                                 \
        mul_q8(&ops, m, panel_begin, panel_end, scratch);                                                              \
    }

TYPE(Q4_0, tile_signed)
TYPE(Q4_1, tile_min)
TYPE(Q5_0, tile_signed)
TYPE(Q5_1, tile_min)
TYPE(Q8_0, tile_signed)
TYPE(Q2_K, tile_min_half)
TYPE(Q3_K, tile_signed_half)
TYPE(Q4_K, tile_min)
TYPE(Q5_K, tile_min)
TYPE(Q6_K, tile_signed_half)
TYPE(IQ4_NL, tile_signed)
TYPE(IQ4_XS, tile_signed)
TYPE(IQ3_XXS, tile_signed)
TYPE(IQ3_S, tile_signed)
TYPE(IQ2_XXS, tile_signed)
TYPE(IQ2_XS, tile_signed_half)
TYPE(IQ2_S, tile_signed_half)
TYPE(IQ1_S, tile_signed)
TYPE(IQ1_M, tile_signed_half)

void ct_avx512_mul_q8(ct_kernels *k)
{
    static const struct {
        ct_type type;
        ct_mul_fn *mul;
    } slots[] = {
        { CT_Q4_0, mul_Q4_0 },       { CT_Q4_1, mul_Q4_1 },   { CT_Q5_0, mul_Q5_0 },       { CT_Q5_1, mul_Q5_1 },
        { CT_Q8_0, mul_Q8_0 },       { CT_Q2_K, mul_Q2_K },   { CT_Q3_K, mul_Q3_K },       { CT_Q4_K, mul_Q4_K },
        { CT_Q5_K, mul_Q5_K },       { CT_Q6_K, mul_Q6_K },   { CT_IQ4_NL, mul_IQ4_NL },   { CT_IQ4_XS, mul_IQ4_XS },
        { CT_IQ3_XXS, mul_IQ3_XXS }, { CT_IQ3_S, mul_IQ3_S }, { CT_IQ2_XXS, mul_IQ2_XXS }, { CT_IQ2_XS, mul_IQ2_XS },
        { CT_IQ2_S, mul_IQ2_S },     { CT_IQ1_S, mul_IQ1_S }, { CT_IQ1_M, mul_IQ1_M },
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        k->mul[slots[i].type][CT_ACTS_Q8] = slots[i].mul;
        k->form[slots[i].type] = CT_ACTS_Q8;
    }
}
