/* mem.h - aligned blocks and arenas.
 *
 * ct_block_new returns zeroed memory on a 64-byte boundary (2 MiB and larger: its own mapping, huge pages requested),
 * or NULL. A block is freed with its size by ct_block_free, which accepts NULL.
 *
 * An arena is one block handed out piece by piece and dropped whole; nothing in it is freed singly. ct_arena_take
 * returns NULL when the arena is full: size it beforehand with the same calls on a counting arena (base == NULL), whose
 * `used` then is the bytes needed; that is how every room's ct_*_bytes() is made.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_MEM_H
#define CT_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *ct_block_new(size_t bytes);
/* The most that a block of that size occupies: whole huge pages from 2 MiB on. SIZE_MAX on overflow. */
size_t ct_block_bytes(size_t bytes);
void ct_block_free(void *p, size_t bytes);

typedef struct ct_arena {
    uint8_t *base; /* NULL: only counts */
    size_t size;   /* bytes at base; SIZE_MAX when counting */
    size_t used;   /* always a multiple of 64 */
    bool overflow; /* a take did not fit, or its size overflowed */
} ct_arena;

void ct_arena_count(ct_arena *a);              /* starts counting */
bool ct_arena_init(ct_arena *a, size_t bytes); /* false: no memory */
void ct_arena_deinit(ct_arena *a);
void *ct_arena_take(ct_arena *a, size_t n, size_t size); /* n * size bytes, 64-aligned, zeroed; NULL if counting */

#endif
