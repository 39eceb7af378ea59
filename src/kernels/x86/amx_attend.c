/* amx_attend.c - many rows times a Q8_0 tile of keys or values, in tiles: the sums of avx512_attend_q8.h, which are exact, and so
 * the same bits.
 *
 *     scores   C [16 rows][16 keys] = queries [16][32 dimensions] x keys [16 x 2][16][2], both in bf16, for each group of 32
 *              dimensions: first with the high digits times 256, whose sums are exact in f32 (multiples of 256), then with the
 *              low ones, whose sums are exact too; adding these rounds once, as converting the whole sum does
 *     values   C [16 rows][16 dimensions] = digits of the weights [16][64 keys] x values [16 x 4][16][4], both in bytes, for each
 *              group, whose scales are part of the weights, each half of it and each digit
 *
 * Rows past the last are zero and their sums are left.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx.h"
#include "kernels/x86/avx512_attend.h"
#include "kernels/x86/tiles.h"

#define ROWS 16 /* of a tile */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- queries ---- */

typedef uint16_t pairs_tile[ROWS][CT_KV_GROUP]; /* bf16 */

/* Of up to Q8_MANY_MOST rows: sixteen at a time [group][high digits times 256, low digits]. */
typedef struct split_queries {
    _Alignas(64) float d[Q8_MANY_MOST];
    pairs_tile digits[];
} split_queries;

static size_t rows_at_once(size_t head_dim)
{
    return head_dim <= 256 ? Q8_MANY_MOST : Q8_MANY_MOST / 2;
}
_Static_assert(sizeof(split_queries) + 2 * Q8_MANY_MOST * 256 * sizeof(uint16_t) <= Q8_MANY_ROOM,
               "the widest, and half as wide");
_Static_assert(CT_MAX_HEAD_DIM <= 512, "rows_at_once");

/* Thirty-two bytes as bf16, times 256 if they are high digits: exact. */
static void widen_digits(const int8_t *digits, bool is_high, uint16_t *out)
{
    for (int i = 0; i < 2; i++) {
        const __m512i x = _mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)(digits + 16 * i)));
        const __m512 f = _mm512_cvtepi32_ps(_mm512_slli_epi32(x, is_high ? 8 : 0));
        const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(f), 16);
        _mm256_store_si256((__m256i *)(void *)(out + 16 * i), _mm512_cvtepi32_epi16(bits));
    }
}

static void split(size_t n, size_t head_dim, const float *const q[], void *queries)
{
    const size_t n_groups = head_dim / CT_KV_GROUP, n_tiles = (n + 2 * ROWS - 1) / (2 * ROWS) * n_groups * 4;
    split_queries *s = queries;
    memset(s->digits, 0, n_tiles * sizeof *s->digits);
    for (size_t r = 0; r < n; r++) {
        if (!q[r])
            continue;
        q8_query one;
        q8_split(q[r], head_dim, &one);
        s->d[r] = one.d;
        pairs_tile *t = s->digits + r / ROWS * n_groups * 2;
        for (size_t g = 0; g < n_groups; g++, t += 2) {
            widen_digits(one.hi + CT_KV_GROUP * g, true, t[0][r % ROWS]);
            widen_digits(one.lo + CT_KV_GROUP * g, false, t[1][r % ROWS]);
        }
    }
}

/* ---- scores ---- */

typedef float scores_tile[ROWS][16];

#define KEYS_TILE ((size_t)CT_KV_GROUP * 16 * 2) /* bytes: a group's dimensions of sixteen keys */

/* [2 dimensions][16 keys] of int8 -> [16 keys][2 dimensions] of bf16. */
INLINE __m512i widen_keys(const uint8_t *k)
{
    const __m512 even = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)k)));
    const __m512 odd =
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)(k + 16))));
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd));
}

static void turn_keys_to_tiles(const q8_keys *m)
{
    for (size_t i = 0; i < CT_TILE * m->head_dim; i += 64) {
        fetch_ahead(m->next, 2);
        _mm512_store_si512(m->turned + 2 * i, widen_keys(m->k + i));
        _mm512_store_si512(m->turned + 2 * i + 64, widen_keys(m->k + i + 32));
    }
}

#define BLOCK 2 /* tiles of rows, and of keys, that are multiplied together */

typedef scores_tile score_sums[BLOCK][BLOCK]; /* [rows][keys] */

/* A group's sums. far: from the digits, or keys, of the one tile to those of the next. */
static void multiply_group(const pairs_tile *digits, size_t far_digits, const uint8_t *k, size_t far_k, score_sums sums)
{
    tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    tile_load(6, k, 64);
    tile_load(4, digits[0], 64);
    tile_mul_bf16(0, 4, 6);
    tile_load(7, k + far_k, 64);
    tile_mul_bf16(1, 4, 7);
    tile_load(5, digits[far_digits], 64);
    tile_mul_bf16(2, 5, 6);
    tile_mul_bf16(3, 5, 7);
    tile_load(4, digits[1], 64);
    tile_mul_bf16(0, 4, 6);
    tile_mul_bf16(1, 4, 7);
    tile_load(5, digits[far_digits + 1], 64);
    tile_mul_bf16(2, 5, 6);
    tile_mul_bf16(3, 5, 7);
    tile_store(0, sums[0][0], 64);
    tile_store(1, sums[0][1], 64);
    tile_store(2, sums[1][0], 64);
    tile_store(3, sums[1][1], 64);
}

/* p += the group's scores, in the block's 32 columns of it. d: its scales; far: to those of the next tile of keys. */
INLINE void add_group(const bool is_first, const uint16_t *d, size_t far, score_sums sums, float *p)
{
    __m512 scale[BLOCK];
    for (size_t b = 0; b < BLOCK; b++)
        scale[b] = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(d + far * b)));
#pragma GCC unroll 4
    for (size_t i = 0; i < BLOCK * ROWS; i++)
#pragma GCC unroll 2
        for (size_t b = 0; b < BLOCK; b++) {
            float *to = p + CT_TILE * i + 16 * b;
            const __m512 so_far = is_first ? _mm512_setzero_ps() : _mm512_load_ps(to);
            _mm512_store_ps(to, _mm512_fmadd_ps(scale[b], _mm512_load_ps(sums[i / ROWS][b][i % ROWS]), so_far));
        }
}

/* Two tiles of rows times two of keys, k and their scales d. */
static void score_block(size_t n_groups, const pairs_tile *digits, const uint8_t *k, const uint16_t *d, float *p)
{
    _Alignas(64) score_sums sums[2]; /* while the tiles fill the one, the other is added */
    multiply_group(digits, 2 * n_groups, k, KEYS_TILE * n_groups, sums[0]);
    for (size_t g = 1; g <= n_groups; g++) {
        if (g < n_groups)
            multiply_group(digits + 2 * g, 2 * n_groups, k + KEYS_TILE * g, KEYS_TILE * n_groups, sums[g % 2]);
        if (g == 1)
            add_group(true, d, 16 * n_groups, sums[0], p);
        else
            add_group(false, d + 16 * (g - 1), 16 * n_groups, sums[(g - 1) % 2], p);
    }
}

static void scores(const q8_keys *m)
{
    const size_t n_groups = m->head_dim / CT_KV_GROUP;
    const split_queries *q = m->queries;
    turn_keys_to_tiles(m);
    tiles_begin();
    for (size_t row = 0; row < m->n; row += BLOCK * ROWS) {
        const pairs_tile *digits = q->digits + row / ROWS * n_groups * 2;
        for (size_t key = 0; key < CT_TILE; key += BLOCK * 16)
            score_block(n_groups, digits, m->turned + KEYS_TILE / 16 * n_groups * key, m->d + n_groups * key,
                        m->p[row] + key);
        for (size_t i = row; i < row + BLOCK * ROWS && i < m->n; i++)
            for (size_t key = 0; key < CT_TILE; key += 16)
                _mm512_store_ps(m->p[i] + key, _mm512_mul_ps(_mm512_load_ps(m->p[i] + key), _mm512_set1_ps(q->d[i])));
    }
    tiles_end();
}

/* ---- values ---- */

typedef int32_t sums_tile[ROWS][16];

#define HALVES 2 /* of a group: sixteen dimensions each */

typedef struct value_rows {
    size_t n;
    float (*p)[CT_TILE];
    float *const *o;
    const float *rescale;
    float s[ROWS];
    _Alignas(64) uint8_t w[2][2][ROWS][CT_TILE]; /* of this group and of the one before; hi, lo */
    _Alignas(64) sums_tile sums[2][HALVES][2];
} value_rows;

/* Values as tiles of four keys times sixteen dimensions [group][half][16][16][4], the keys of a row those of a word of weights. */
static void turn_values_to_tiles(const q8_values_of *m)
{
    for (size_t key = 0; key < CT_TILE / 4; key++) {
        uint8_t *to = m->turned + 64 * key;
        for (size_t i = 0; i < m->head_dim; i += 64) {
            const size_t left = m->head_dim - i;
            __m512i x[4], in_order[4];
            fetch_ahead(m->next, LINES_VALUES);
            turn_values(m->v + key * m->head_dim + i, m->head_dim, left < 64 ? 0xFFFFFFFF : ~(__mmask64)0, x);
            order_values(x, in_order);
            for (size_t j = 0; j < 4 && 16 * j < left; j++)
                _mm512_store_si512(to + 16 * 64 * (i / 16 + j), in_order[j]);
        }
    }
}

/* The rows' weights become multiples of 1 / s, where they are. */
static void scale_rows(const float top[CT_TILE], value_rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        __m512 x[4];
        r->s[i] = q8_scale_weights(r->p[i], top, x);
        for (size_t j = 0; j < 4; j++)
            _mm512_store_ps(r->p[i] + 16 * j, x[j]);
    }
}

static void weigh_rows(const uint16_t *d, uint8_t w[2][ROWS][CT_TILE], const value_rows *r)
{
    __m512 x[4], scale[4];
    q8_scales(d, scale);
    for (size_t i = 0; i < r->n; i++) {
        for (size_t j = 0; j < 4; j++)
            x[j] = _mm512_load_ps(r->p[i] + 16 * j);
        q8_round_weights(x, scale, w[0][i], w[1][i]);
    }
}

static void multiply_values(const uint8_t *turned, uint8_t w[2][ROWS][CT_TILE], sums_tile sums[HALVES][2])
{
    tile_zero(0), tile_zero(1), tile_zero(2), tile_zero(3);
    tile_load(4, w[0], CT_TILE);
    tile_load(6, turned, 64);
    tile_mul_u8s8(0, 4, 6);
    tile_load(7, turned + 16 * 64, 64);
    tile_mul_u8s8(2, 4, 7);
    tile_load(5, w[1], CT_TILE);
    tile_mul_u8s8(1, 5, 6);
    tile_mul_u8s8(3, 5, 7);
    tile_store(0, sums[0][0], 64);
    tile_store(2, sums[1][0], 64);
    tile_store(1, sums[0][1], 64);
    tile_store(3, sums[1][1], 64);
}

static void add_values(size_t dim, sums_tile sums[HALVES][2], const value_rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        float *o = r->o[i] + dim;
        const __m512 s = _mm512_set1_ps(r->s[i]), by = _mm512_set1_ps(r->rescale[i]);
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++) {
            const __m512i hi = _mm512_load_si512(sums[h][0][i]), lo = _mm512_load_si512(sums[h][1][i]);
            const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(hi, 8), lo);
            const __m512 kept = _mm512_mul_ps(_mm512_loadu_ps(o + 16 * h), by);
            _mm512_storeu_ps(o + 16 * h, _mm512_fmadd_ps(s, _mm512_cvtepi32_ps(sum), kept));
        }
    }
}

static void values(const q8_values_of *m)
{
    const size_t n_groups = m->head_dim / CT_KV_GROUP;
    _Alignas(64) float top[CT_TILE];
    value_rows r;
    memset(r.w, 0, sizeof r.w);
    q8_largest_scales(m->d, n_groups, top);
    turn_values_to_tiles(m);
    tiles_begin();
    for (size_t row = 0; row < m->n; row += ROWS) {
        r.n = min_size(ROWS, m->n - row);
        r.p = m->p + row, r.o = m->o + row, r.rescale = m->rescale + row;
        scale_rows(top, &r);
        for (size_t g = 0; g < n_groups; g++) {
            weigh_rows(m->d + CT_TILE * g, r.w[g % 2], &r);
            multiply_values(m->turned + CT_TILE * CT_KV_GROUP * g, r.w[g % 2], r.sums[g % 2]);
            if (g > 0)
                add_values(CT_KV_GROUP * (g - 1), r.sums[(g - 1) % 2], &r);
        }
        add_values(CT_KV_GROUP * (n_groups - 1), r.sums[(n_groups - 1) % 2], &r);
    }
    tiles_end();
}

/* ---- the slot ---- */

static void attend(const ct_attend *a, void *scratch)
{
    static const q8_products by = { rows_at_once, split, scores, values };
    ct_avx512_attend_by(a, scratch, &by);
}

void AMX_NAME(attend)(ct_kernels *k)
{
    k->attend = attend;
}
