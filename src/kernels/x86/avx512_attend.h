/* avx512_attend.h - the attention of the AVX-512 level, for a level above it that multiplies many rows with a Q8_0 tile by other
 * instructions, with the same bits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_ATTEND_H
#define CT_KERNELS_X86_AVX512_ATTEND_H

#include "kernels/x86/avx512_attend_q8.h"

#define Q8_MANY_LEAST 13  /* rows; fewer are multiplied here */
#define Q8_MANY_MOST  128 /* at once */

/* What a level above may keep of that many queries. */
#define Q8_MANY_ROOM (Q8_MANY_MOST * sizeof(q8_query))

/* Queries and the tile of keys that they meet. */
typedef struct q8_keys {
    size_t n, head_dim;
    const void *queries; /* as `split` has left them */
    const uint8_t *k;    /* the tile's bytes, and their scales (quant/kv_tile.h) */
    const uint16_t *d;
    uint8_t *turned; /* room for two bytes of each of them, 64-aligned */
    ahead *next;     /* bytes to be fetched meanwhile */
    float (
        *p)[CT_TILE]; /* [n], and as many more as 32 divides: scores without the factor of all; anything for no query */
} q8_keys;

/* Weights and the tile of values that they meet. */
typedef struct q8_values_of {
    size_t n, head_dim;
    const uint8_t *v;
    const uint16_t *d;
    uint8_t *turned;
    ahead *next;
    float (*p)[CT_TILE]; /* [n]: may be overwritten */
    float *const *o;     /* [n]: o = o * rescale + p v */
    const float *rescale;
} q8_values_of;

typedef struct q8_products {
    size_t (*rows_at_once)(size_t head_dim);                                         /* at most Q8_MANY_MOST */
    void (*split)(size_t n, size_t head_dim, const float *const q[], void *queries); /* q: NULL where there is none */
    void (*scores)(const q8_keys *k);
    void (*values)(const q8_values_of *v);
} q8_products;

/* ct_kernels.attend with such products. */
void ct_avx512_attend_by(const ct_attend *a, void *scratch, const q8_products *by);

#endif
