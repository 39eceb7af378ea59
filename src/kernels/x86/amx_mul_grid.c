/* amx_mul_grid.c - quantised weights on the grid (kernels.h): integers for few tokens, tiles for more.
 *
 * Sums over a stretch are exact, so every path has the same bits: one rounding a stretch, in column order.
 *
 * Up to MAX_FEW tokens: the panels stream by, each stretch becomes integers in registers, and vpdpwssd multiplies them with
 * the tokens. Up to MAX_STREAM: each stretch becomes a tile in a ring, and is multiplied LAG stretches
 * later, when its stores have reached the cache, while the next ones are unpacked; the ring does not stop at a panel's
 * end. Above: amx_mul_many.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx_grid.h"
#include "kernels/x86/amx_grid_tokens.h"
#include "kernels/x86/amx_mul.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/tiles.h"

#define MAX_FEW    2
#define MAX_STREAM (2 * TILE_ROWS)
#define RING       16 /* stretches */
#define LAG        4

_Static_assert(RING *AMX_STRETCH <= CT_MUL_SCRATCH && LAG < RING, "the ring is in the scratch");

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Weights are prefetched into L1 before their turn. Measured on Sapphire Rapids, two threads, one token, GB/s from memory of
 * both: Q4_0 1, 2, 3, 4, 6 KiB ahead 22.6, 23.1, 23.8, 23.3, 22.0; Q4_K a unit and 1, 2, 3, 4 KiB 21.7, 20.4, 20.7, 20.2.
 * In a unit of 256 columns a stretch's fields stand apart. With 12 KiB ahead into L2 besides: 21.0. */
INLINE void fetch_stretch(const ct_unit *f, const uint8_t *unit, int s)
{
    const int lines = (f->bytes / f->stretches + 63) / 64, ahead = f->stretches == 8 ? 1024 + f->bytes : 3072;
#pragma GCC unroll 9
    for (int i = 0; i < lines; i++)
        _mm_prefetch((const char *)unit + ahead + 64 * (lines * s + i), _MM_HINT_T0);
}

/* ---- integers ---- */

INLINE __m512i two_words(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

INLINE __m512 one_float(const uint8_t *p)
{
    float v;
    memcpy(&v, p, 4);
    return _mm512_set1_ps(v);
}

/* Integers of a stretch times the numbers of T tokens at x. One token alone has four sums, for the chain's sake. */
INLINE void multiply_stretch(const ct_form *form, const int T, const grid_scale *scale, const __m512i n[GRID_PAIRS],
                             const uint8_t *x, __m512 *acc)
{
    const grid_record r = grid_record_of((size_t)T);
    const int chains = T == 1 ? 4 : 2;
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        __m512i sum[4];
#pragma GCC unroll 4
        for (int i = 0; i < chains; i++)
            sum[i] = _mm512_setzero_si512();
#pragma GCC unroll 16
        for (int p = 0; p < GRID_PAIRS; p++)
            sum[p % chains] = _mm512_dpwssd_epi32(sum[p % chains], n[p], two_words(x + 4 * (T * p + t)));
#pragma GCC unroll 4
        for (int i = 1; i < chains; i++)
            sum[0] = _mm512_add_epi32(sum[0], sum[i]);
        for (int i = 0; i < 2 && form->has_min; i++)
            sum[0] = _mm512_add_epi32(sum[0], _mm512_mullo_epi32(scale->a[form->is_half ? i : 0],
                                                                 two_words(x + r.sums + 4 * (size_t)(T * i + t))));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[0]),
                                 _mm512_mul_ps(scale->step, one_float(x + r.power + 4 * (size_t)t)), acc[t]);
    }
}

INLINE void multiply_unit(const ct_type type, const int T, const ct_unit f, const uint8_t *unit, const uint8_t *tail,
                          const uint8_t *x, __m512 *acc)
{
    unit_scales u;
    unpack_unit_scales(type, &f, unit, tail, &u);
    for (int s = 0; s < f.stretches; s++, x += grid_record_of((size_t)T).bytes) {
        __m512 scale[2], add[2];
        __m512i n[GRID_PAIRS];
        grid_scale g;
        fetch_stretch(&f, unit, s);
        unpack_scales(type, &f, unit, &u, s, scale, add);
        grid_ready(type, scale, add, &g);
        grid_numbers(type, &f, unit, s, &g, n);
        multiply_stretch(ct_form_of(type), T, &g, n, x, acc);
    }
}

/* Stretches [s0, s1) of a panel, whole units but for a row's end, times T tokens: c [T][ldc >= 16]. */
INLINE void few(const ct_type type, const int T, const uint8_t *panel, size_t cols, size_t s0, size_t s1,
                const uint8_t *x, float *c, size_t ldc)
{
    const ct_unit f = ct_unit_of(type, 2);
    const size_t per = (size_t)f.stretches, step = per * grid_record_of((size_t)T).bytes;
    const uint8_t *unit = panel + ct_unit_offset(type, s0 / per), *tail = panel;
    if (f.has_tail)
        tail += ct_tail_offset(type, cols) + s0 / per * 32;
    __m512 acc[MAX_FEW];
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        acc[t] = s0 == 0 ? _mm512_setzero_ps() : _mm512_loadu_ps(c + (size_t)t * ldc);
    for (size_t s = s0; s + per <= s1; s += per, unit += f.bytes, tail += 32, x += step)
        multiply_unit(type, T, f, unit, tail, x, acc);
    if (per == 2 && (s1 - s0) % 2) /* a 64-column unit with one stretch */
        multiply_unit(type, T, ct_unit_of(type, 1), unit, tail, x, acc);
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        _mm512_storeu_ps(c + (size_t)t * ldc, acc[t]);
}

typedef void few_fn(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, size_t ldc);

static void put_tokens(const ct_mul *m, size_t s0, size_t s1, uint8_t *to)
{
    for (size_t s = s0; s < s1; s++, to += grid_record_of(m->n).bytes)
        for (size_t t = 0; t < m->n; t++)
            put_grid_group((const uint8_t *)m->x + t * m->x_stride + 64 * s, m->n, t, to);
}

/* One token or two. */
static void mul_few(few_fn *const kernels[MAX_FEW], const ct_mul *m, size_t panel_begin, size_t panel_end,
                    uint8_t *scratch)
{
    const size_t T = m->n, stretches = m->cols / 32;
    const size_t fit = CT_MUL_SCRATCH / grid_record_of(T).bytes / 8 * 8; /* whole units of every type */
    size_t panel_bytes = 0;
    ct_panel_bytes(m->type, m->cols, &panel_bytes);
    for (size_t s0 = 0; s0 < stretches; s0 += fit) {
        const size_t s1 = min_size(s0 + fit, stretches);
        put_tokens(m, s0, s1, scratch);
        for (size_t p = panel_begin; p < panel_end; p++) {
            const uint8_t *panel = (const uint8_t *)m->w + p * panel_bytes;
            const size_t rows = min_size(m->rows - p * CT_PANEL, CT_PANEL);
            float *y = m->y + p * CT_PANEL;
            _Alignas(64) float c[MAX_FEW][CT_PANEL];
            for (size_t t = 0; t < m->n && s0 > 0; t++)
                memcpy(c[t], y + t * m->y_stride, rows * sizeof *y);
            kernels[T - 1](panel, m->cols, s0, s1, scratch, c[0], CT_PANEL);
            for (size_t t = 0; t < m->n; t++)
                memcpy(y + t * m->y_stride, c[t], rows * sizeof *y);
        }
    }
}

/* ---- a stream of tiles ---- */

typedef struct stream {
    const ct_mul *m;
    uint8_t *ring;
    size_t made, used;      /* stretches since the beginning */
    size_t s, stretches, p; /* the next to multiply: stretch s of panel p */
} stream;

/* Sums in registers 0 and 1, tokens in 4 and 5, weights in 6. */
static void begin_stream(const ct_mul *m)
{
    const uint8_t rows[2] = { (uint8_t)min_size(m->n, TILE_ROWS), (uint8_t)(m->n > TILE_ROWS ? m->n - TILE_ROWS : 1) };
    tile_config c = { .palette = 1 };
    for (int t = 0; t < TILES; t++) {
        c.rows[t] = t == 0 || t == 4 ? rows[0] : t == 1 || t == 5 ? rows[1] : TILE_ROWS;
        c.row_bytes[t] = TILE_BYTES;
    }
    tiles_configure(&c);
}

/* Panel p's sums into y. */
static void end_panel(const stream *k)
{
    const ct_mul *m = k->m;
    const size_t row = k->p * CT_PANEL, rows = min_size(m->rows - row, CT_PANEL);
    float *y = m->y + row;
    if (rows == CT_PANEL) {
        tile_store(0, y, 4 * m->y_stride);
        if (m->n > TILE_ROWS)
            tile_store(1, y + TILE_ROWS * m->y_stride, 4 * m->y_stride);
        return;
    }
    _Alignas(64) float copy[MAX_STREAM][CT_PANEL];
    tile_store(0, copy[0], TILE_BYTES);
    if (m->n > TILE_ROWS)
        tile_store(1, copy[TILE_ROWS], TILE_BYTES);
    for (size_t t = 0; t < m->n; t++)
        memcpy(y + t * m->y_stride, copy[t], rows * sizeof *y);
}

/* The oldest stretch in the ring times the tokens. */
INLINE void multiply_oldest(stream *k)
{
    const ct_mul *m = k->m;
    const uint8_t *x = (const uint8_t *)m->x + TILE_BYTES * k->s;
    if (k->s == 0) {
        tile_zero(0);
        tile_zero(1);
    }
    tile_load(6, k->ring + k->used++ % RING * AMX_STRETCH, TILE_BYTES);
    tile_load(4, x, m->x_stride);
    tile_mul_bf16(0, 4, 6);
    if (m->n > TILE_ROWS) {
        tile_load(5, x + TILE_ROWS * m->x_stride, m->x_stride);
        tile_mul_bf16(1, 5, 6);
    }
    if (++k->s == k->stretches) {
        end_panel(k);
        k->s = 0;
        k->p++;
    }
}

/* Stretch s of a unit into a tile. */
INLINE void make_tile(const ct_type type, const ct_unit *f, const uint8_t *unit, const unit_scales *u, int s,
                      uint8_t *to)
{
    __m512 scale[2], add[2];
    __m512i n[GRID_PAIRS];
    grid_scale g;
    unpack_scales(type, f, unit, u, s, scale, add);
    grid_ready(type, scale, add, &g);
    grid_numbers(type, f, unit, s, &g, n);
    grid_to_tile(ct_form_of(type), &g, n, to);
}

INLINE void stream_unit(const ct_type type, const ct_unit f, const uint8_t *unit, const uint8_t *tail, stream *k)
{
    unit_scales u;
    unpack_unit_scales(type, &f, unit, tail, &u);
    for (int s = 0; s < f.stretches; s++) {
        fetch_stretch(&f, unit, s);
        make_tile(type, &f, unit, &u, s, k->ring + k->made++ % RING * AMX_STRETCH);
        if (k->made > LAG)
            multiply_oldest(k);
    }
}

INLINE void mul_stream(const ct_type type, const ct_mul *m, size_t panel_begin, size_t panel_end, uint8_t *scratch)
{
    const ct_unit whole = ct_unit_of(type, 2);
    stream k = { .m = m, .ring = scratch, .stretches = m->cols / 32, .p = panel_begin };
    const size_t units = k.stretches / (size_t)whole.stretches;
    size_t panel_bytes = 0;
    ct_panel_bytes(type, m->cols, &panel_bytes);
    begin_stream(m);
    for (size_t p = panel_begin; p < panel_end; p++) {
        const uint8_t *unit = (const uint8_t *)m->w + p * panel_bytes;
        const uint8_t *tail = unit + (whole.has_tail ? ct_tail_offset(type, m->cols) : 0);
        for (size_t u = 0; u < units; u++, unit += whole.bytes, tail += 32)
            stream_unit(type, whole, unit, tail, &k);
        if (whole.stretches == 2 && k.stretches % 2) /* a 64-column unit with one stretch */
            stream_unit(type, ct_unit_of(type, 1), unit, tail, &k);
    }
    while (k.used < k.made)
        multiply_oldest(&k);
    tiles_end();
}

/* ---- many ---- */

/* Stretches [s0, s0 + n) of a panel. */
INLINE void unpack_run(const ct_type type, const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, size_t apart,
                       uint8_t *to)
{
    const ct_unit whole = ct_unit_of(type, 2);
    const size_t per = (size_t)whole.stretches, s1 = s0 + n;
    const uint8_t *tail = panel + (whole.has_tail ? ct_tail_offset(type, m->cols) : 0);
    for (size_t s = s0; s < s1;) {
        const size_t u = s / per, end = min_size((u + 1) * per, s1);
        const ct_unit f = ct_unit_at(type, m->cols, u);
        const uint8_t *unit = panel + ct_unit_offset(type, u);
        unit_scales scales;
        unpack_unit_scales(type, &f, unit, tail + 32 * u, &scales);
        for (; s < end; s++, to += apart)
            make_tile(type, &f, unit, &scales, (int)(s % per), to);
    }
}

/* ---- one set of kernels a type ---- */

#define FEW(T, n_tok)                                                                                                  \
    static void few_##T##_##n_tok(const uint8_t *panel, size_t cols, size_t s0, size_t s1, const uint8_t *x, float *c, \
                                  size_t ldc)                                                                          \
    {                                                                                                                  \
        few(CT_##T, n_tok, panel, cols, s0, s1, x, c, ldc);                                                            \
    }

#define DEFINE(T, ...)                                                                                                 \
    FEW(T, 1)                                                                                                          \
    FEW(T, 2)                                                                                                          \
    static void unpack_##T(const ct_mul *m, const uint8_t *panel, size_t s, size_t n, size_t apart, uint8_t *to)       \
    {                                                                                                                  \
        unpack_run(CT_##T, m, panel, s, n, apart, to);                                                                 \
    }                                                                                                                  \
    static void mul_##T(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch)                          \
    {                                                                                                                  \
        static few_fn *const kernels[MAX_FEW] = { few_##T##_1, few_##T##_2 };                                          \
        if (m->n == 0 || panel_begin >= panel_end)                                                                     \
            return;                                                                                                    \
        if (m->x_is_tiled)                                                                                             \
            AMX_NAME(mul_many)(m, panel_begin, panel_end, unpack_##T, false, scratch);                                 \
        else if (m->n <= MAX_FEW)                                                                                      \
            mul_few(kernels, m, panel_begin, panel_end, scratch);                                                      \
        else if (m->n <= MAX_STREAM)                                                                                   \
            mul_stream(CT_##T, m, panel_begin, panel_end, scratch);                                                    \
        else                                                                                                           \
            AMX_NAME(mul_many)(m, panel_begin, panel_end, unpack_##T, false, scratch);                                 \
    }
CT_FORMS(DEFINE)

/* Which types are multiplied so unless asked otherwise: those that lose least by it when tokens are few. Measured on
 * Sapphire Rapids beside int8 activations, one thread, GB/s of one token from memory, Gop/s of 512 tokens: Q4_0 7.6 of 10.0,
 * 877 of 378; Q4_K 8.8 of 10.3, 824 of 357; Q5_K 8.6 of 10.6, 823 of 359; Q6_K 7.6 of 9.8, 874 of 317; Q8_0 8.3 of 13.4,
 * 967 of 382; IQ4_XS 7.7 of 13.7, 871 of 379. */
static bool pays(ct_type type)
{
    return type == CT_Q4_0 || type == CT_Q4_K || type == CT_Q5_K;
}

void AMX_NAME(mul_grid)(ct_kernels *k)
{
    k->acts_tiled[CT_ACTS_GRID] = ct_avx512_acts_grid_tiled;
    k->tiled_tokens = MAX_STREAM + 1;
#define INSTALL(T, ...)                                                                                                \
    k->mul[CT_##T][CT_ACTS_GRID] = mul_##T;                                                                            \
    if (pays(CT_##T))                                                                                                  \
        k->form[CT_##T] = CT_ACTS_GRID;
    CT_FORMS(INSTALL)
}
