/* tile_check.h - do this processor's tiles multiply as tile_math.h says?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_TILE_CHECK_H
#define CT_KERNELS_X86_TILE_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* Someone's multiplication of whole tiles, c += a b, steps in words. */
typedef struct ct_tile_ops {
    void (*bf16)(float c[16][16], const uint32_t a[16][16], const uint32_t b[16][16]);
    void (*u8s8)(uint32_t c[16][16], const uint32_t a[16][16], const uint32_t b[16][16]);
} ct_tile_ops;

extern const ct_tile_ops ct_tile_ops_amx; /* the processor: it must have the tiles, and the process leave to use them */
extern const ct_tile_ops ct_tile_ops_plain; /* tile_math.h, compiled for AVX-512 */

/* Of n pairs of random tiles, those whose products differ in a bit; two NaN are the same. Pairs are of all kinds:
 * ordinary values, products that underflow, subnormal operands, infinities and NaN, sums that cancel; bytes of all values. */
#define CT_TILES_TRIED 35 /* at every start: a quarter of a millisecond, five of each kind, 256 sums in each */
size_t ct_tiles_differ(const ct_tile_ops *x, const ct_tile_ops *y, size_t n, uint64_t seed);

#endif
