/* tiles.h - the eight tile registers of AMX and what is done with them: on the processor, or with CT_TILES_PLAIN in
 * plain C with the same results to the bit, on any processor.
 *
 * A kernel calls tiles_begin, works, and calls tiles_end before it returns: no thread carries tiles about, which every
 * switch to another would have to save. Registers are named by constants, 0 to 7. What each operation computes is in
 * tile_math.h; how long they take, in docs/PERFORMANCE.md: about sixteen cycles a multiplication however little of its
 * tiles is used, so kernels fill them up.
 *
 * A process may use tiles once it has asked the system for them: ct_cpu_detect does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_TILES_H
#define CT_KERNELS_X86_TILES_H

#include "kernels/x86/tile_math.h"

#define TILES 8

/* The operand of LDTILECFG (Intel SDM volume 1, section 18.2). */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "as the processor reads it");

#define TILES_INLINE static inline __attribute__((always_inline))

#ifndef CT_TILES_PLAIN

/* Operands are whole objects and memory is clobbered, or compilers may drop stores that only these instructions read:
 * gcc 12's own _tile_loadconfig names eight of the configuration's bytes, and loses the others. */

/* Sets the shapes; all registers are zero. */
TILES_INLINE void tiles_configure(const tile_config *c)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*c) : "memory");
}

TILES_INLINE void tiles_end(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

TILES_INLINE void tile_zero(const int t)
{
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(t));
}

/* Rows `stride` bytes apart, at any address. */
TILES_INLINE void tile_load(const int t, const void *from, size_t stride)
{
    __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(t), "r"(from), "r"(stride) : "memory");
}

TILES_INLINE void tile_store(const int t, void *to, size_t stride)
{
    __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(t), "r"(to), "r"(stride) : "memory");
}

/* c += a b */
TILES_INLINE void tile_mul_bf16(const int c, const int a, const int b)
{
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

TILES_INLINE void tile_mul_u8s8(const int c, const int a, const int b)
{
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

#else

#include <assert.h>

/* The registers of this thread. Wrong use is an illegal instruction there and an assertion here. */
static _Thread_local struct {
    bool is_configured;
    tile_config shape;
    _Alignas(64) uint32_t t[TILES][TILE_ROWS][TILE_STEPS];
} tiles_now;

TILES_INLINE void tiles_configure(const tile_config *c)
{
    assert(c->palette == 1 && c->start_row == 0);
    for (int t = 0; t < TILES; t++)
        assert(c->rows[t] >= 1 && c->rows[t] <= TILE_ROWS && c->row_bytes[t] >= 4 && c->row_bytes[t] <= TILE_BYTES);
    tiles_now.shape = *c;
    tiles_now.is_configured = true;
    memset(tiles_now.t, 0, sizeof tiles_now.t);
}

TILES_INLINE void tiles_end(void)
{
    tiles_now.is_configured = false;
}

TILES_INLINE void tile_zero(const int t)
{
    assert(tiles_now.is_configured);
    memset(tiles_now.t[t], 0, sizeof tiles_now.t[t]);
}

TILES_INLINE void tile_load(const int t, const void *from, size_t stride)
{
    tile_zero(t); /* what is past the shape becomes 0 */
    for (size_t r = 0; r < tiles_now.shape.rows[t]; r++)
        memcpy(tiles_now.t[t][r], (const uint8_t *)from + r * stride, tiles_now.shape.row_bytes[t]);
}

TILES_INLINE void tile_store(const int t, void *to, size_t stride)
{
    assert(tiles_now.is_configured);
    for (size_t r = 0; r < tiles_now.shape.rows[t]; r++)
        memcpy((uint8_t *)to + r * stride, tiles_now.t[t][r], tiles_now.shape.row_bytes[t]);
}

/* Steps of the product; the shapes must fit each other. */
TILES_INLINE size_t tiles_steps(const int c, const int a, const int b)
{
    const tile_config *s = &tiles_now.shape;
    assert(tiles_now.is_configured && a != b && a != c && b != c);
    assert(s->row_bytes[a] == 4 * s->rows[b] && s->rows[c] == s->rows[a] && s->row_bytes[c] == s->row_bytes[b]);
    return s->rows[b];
}

/* Sums past the shape are of zeros, and so stay zero. */
TILES_INLINE void tile_mul_bf16(const int c, const int a, const int b)
{
    const size_t n = tiles_steps(c, a, b);
    for (size_t r = 0; r < tiles_now.shape.rows[c]; r++) {
        float sums[TILE_ROWS];
        memcpy(sums, tiles_now.t[c][r], sizeof sums);
        tile_row_bf16(sums, tiles_now.t[a][r], (const uint32_t(*)[TILE_ROWS])tiles_now.t[b], n);
        memcpy(tiles_now.t[c][r], sums, sizeof sums);
    }
}

TILES_INLINE void tile_mul_u8s8(const int c, const int a, const int b)
{
    const size_t n = tiles_steps(c, a, b);
    for (size_t r = 0; r < tiles_now.shape.rows[c]; r++)
        tile_row_u8s8(tiles_now.t[c][r], tiles_now.t[a][r], (const uint32_t(*)[TILE_ROWS])tiles_now.t[b], n);
}

#endif

/* All registers of sixteen whole rows: C [16][16], A and B of sixteen steps. */
TILES_INLINE void tiles_begin(void)
{
    static const tile_config whole = { .palette = 1,
                                       .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                       .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };
    tiles_configure(&whole);
}

#endif
