/* kv_tile.h - how keys and values are laid out: the element types of the cache and the size of its tiles.
 *
 * A tile holds CT_TILE absolute positions of one layer and one KV head, tile i the positions [64 i, 64 i + 64). It is a
 * K block and a V block of ct_kv_tile_bytes each:
 *
 *   F16, F32: a block is its elements
 *     K   elem [64/16][head_dim][16]       sixteen keys interleaved, so that lanes are keys
 *     V   elem [64][head_dim]              lanes are dimensions
 *   Q8_0: int8 in the same two orders, then the scales; head_dim a multiple of 32; 8.5 bits a value
 *     K   i8 [64/16][head_dim][16]         f16 d[64/16][head_dim/32][16]
 *     V   i8 [64][head_dim]                f16 d[head_dim/32][64]
 *
 * This is also the form in which saved sessions hold them (kv/file.h). What the numbers mean: kernels/kernels.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_KV_TILE_H
#define CT_QUANT_KV_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CT_TILE         64
#define CT_MAX_HEAD_DIM 512

typedef enum ct_kv_elem { CT_KV_F16, CT_KV_F32, CT_KV_Q8_0 } ct_kv_elem;

#define CT_N_KV_ELEM (CT_KV_Q8_0 + 1)

#define CT_KV_GROUP 32 /* dimensions that share a scale in Q8_0 */

/* Can vectors of head_dim be kept as elem? The kernels assume so; opening a cache checks it. */
static inline bool ct_kv_elem_fits(ct_kv_elem elem, size_t head_dim)
{
    return elem != CT_KV_Q8_0 || head_dim % CT_KV_GROUP == 0;
}

/* Bytes of a K block, and of a V block: a multiple of 64. head_dim at most CT_MAX_HEAD_DIM: no overflow. */
static inline size_t ct_kv_tile_bytes(ct_kv_elem elem, size_t head_dim)
{
    switch (elem) {
    case CT_KV_F32:
        return CT_TILE * 4 * head_dim;
    case CT_KV_Q8_0:
        return CT_TILE * (head_dim + head_dim / CT_KV_GROUP * 2);
    case CT_KV_F16:
        break;
    }
    return CT_TILE * 2 * head_dim;
}

/* The scales of a Q8_0 block: f16, behind its int8. */
static inline uint16_t *ct_kv_scales(void *tile, size_t head_dim)
{
    return (uint16_t *)(void *)((uint8_t *)tile + CT_TILE * head_dim);
}
static inline const uint16_t *ct_kv_scales_of(const void *tile, size_t head_dim)
{
    return (const uint16_t *)(const void *)((const uint8_t *)tile + CT_TILE * head_dim);
}

/* Zeroes slot 0..63 of a tile: its key and its value. */
void ct_kv_clear_slot(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, size_t head_dim);

#endif
