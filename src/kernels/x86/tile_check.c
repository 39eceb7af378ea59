/* tile_check.c - see tile_check.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/tile_check.h"

#include "base/rng.h"
#include "kernels/x86/tiles.h"

#ifdef CT_TILES_PLAIN
#error "this file compares the processor's tiles with the plain ones"
#endif

typedef const uint32_t steps_of[16][16];

/* ---- both sides ---- */

static void amx_bf16(float c[16][16], steps_of a, steps_of b)
{
    tiles_begin();
    tile_load(0, c, 64), tile_load(1, a, 64), tile_load(2, b, 64);
    tile_mul_bf16(0, 1, 2);
    tile_store(0, c, 64);
    tiles_end();
}

static void amx_u8s8(uint32_t c[16][16], steps_of a, steps_of b)
{
    tiles_begin();
    tile_load(0, c, 64), tile_load(1, a, 64), tile_load(2, b, 64);
    tile_mul_u8s8(0, 1, 2);
    tile_store(0, c, 64);
    tiles_end();
}

static void plain_bf16(float c[16][16], steps_of a, steps_of b)
{
    for (int r = 0; r < 16; r++)
        tile_row_bf16(c[r], a[r], b, 16);
}

static void plain_u8s8(uint32_t c[16][16], steps_of a, steps_of b)
{
    for (int r = 0; r < 16; r++)
        tile_row_u8s8(c[r], a[r], b, 16);
}

const ct_tile_ops ct_tile_ops_amx = { amx_bf16, amx_u8s8 };
const ct_tile_ops ct_tile_ops_plain = { plain_bf16, plain_u8s8 };

/* ---- random tiles ---- */

/* LEAST: the smallest normal number, less about a half of the next step below it. */
enum kind { ORDINARY, NEAR_ONE, UNDERFLOW, SUBNORMAL, CANCEL, LEAST, ANY_BITS, N_KIND };

/* Exponents (biased) of the operands: the first, and how many. */
static const uint8_t exponents[N_KIND][2] = {
    [ORDINARY] = { 110, 30 }, [NEAR_ONE] = { 127, 1 }, [UNDERFLOW] = { 40, 60 },
    [SUBNORMAL] = { 0, 3 },   [CANCEL] = { 62, 3 },    [LEAST] = { 0, 1 }
};

static uint32_t random_bf16(enum kind kind, uint64_t *rng)
{
    const uint32_t r = (uint32_t)(ct_rng_next(rng) >> 32);
    if (kind == ANY_BITS)
        return r & 0xFFFF;
    return (r & 0x8000) | (exponents[kind][0] + (r >> 16) % exponents[kind][1]) << 7 | (r & 127);
}

/* A step's pair of the kind LEAST: 2^-63, then from `second` (2^-75 or 2^-76) on, then nothing. */
static uint32_t least_pair(int step, uint32_t second, uint64_t *rng)
{
    const uint32_t r = (uint32_t)(ct_rng_next(rng) >> 32);
    return step == 0 ? 0x20002000u : step == 1 ? second | (r & 0x807F807Fu) : 0;
}

static void random_tiles(enum kind kind, float c[16][16], uint32_t a[16][16], uint32_t b[16][16], uint64_t *rng)
{
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            uint32_t wide = random_bf16(kind, rng) << 16 | (uint32_t)(ct_rng_next(rng) >> 48);
            a[i][j] = random_bf16(kind, rng) | random_bf16(kind, rng) << 16;
            b[i][j] = random_bf16(kind, rng) | random_bf16(kind, rng) << 16;
            if (kind == LEAST)
                wide = 0, a[i][j] = least_pair(j, 0x1A001A00u, rng), b[i][j] = least_pair(i, 0x19801980u, rng);
            memcpy(&c[i][j], &wide, 4);
        }
}

/* ---- comparing ---- */

static bool is_same(float x, float y)
{
    return memcmp(&x, &y, 4) == 0 || (isnan(x) && isnan(y));
}

static bool same_bf16(const ct_tile_ops *x, const ct_tile_ops *y, float c[16][16], steps_of a, steps_of b)
{
    float d[16][16];
    memcpy(d, c, sizeof d);
    x->bf16(c, a, b), y->bf16(d, a, b);
    for (int i = 0; i < 256; i++)
        if (!is_same(c[i / 16][i % 16], d[i / 16][i % 16]))
            return false;
    return true;
}

static bool same_u8s8(const ct_tile_ops *x, const ct_tile_ops *y, float from[16][16], steps_of a, steps_of b)
{
    uint32_t c[16][16], d[16][16];
    memcpy(c, from, sizeof c), memcpy(d, from, sizeof d);
    x->u8s8(c, a, b), y->u8s8(d, a, b);
    return memcmp(c, d, sizeof c) == 0;
}

size_t ct_tiles_differ(const ct_tile_ops *x, const ct_tile_ops *y, size_t n, uint64_t seed)
{
    _Alignas(64) float c[16][16];
    _Alignas(64) uint32_t a[16][16], b[16][16];
    size_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        random_tiles((enum kind)(i % N_KIND), c, a, b, &seed);
        const bool is_same_i8 = same_u8s8(x, y, c, a, b);
        differ += !same_bf16(x, y, c, a, b) || !is_same_i8;
    }
    return differ;
}
