/* Aligned blocks, with huge pages where they are large enough, and arenas cut from one block.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/size.h"

#define HUGE_BLOCK ((size_t)2 << 20)
#define HUGE_FROM                                                                                                      \
    ((size_t)8 << 20) /* a smaller block gains nothing, and a huge page is cleared whole at its first byte */

size_t ct_block_bytes(size_t bytes)
{
    size_t len;
    return ct_align_size(bytes, bytes >= HUGE_BLOCK ? HUGE_BLOCK : 64, &len) ? len : SIZE_MAX;
}

static void *map(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool is_aligned(const void *p)
{
    return ((uintptr_t)p & (HUGE_BLOCK - 1)) == 0;
}

/* Aligned to 2 MiB, so that huge pages can back it: a decode step walks gigabytes and would otherwise spend its time in
 * page-table walks. Newer kernels align by themselves, else the block is cut from a larger mapping. Where address space
 * is too short for that, the block is not aligned: it never needs more than ct_block_bytes. */
static void *map_huge(size_t len)
{
    size_t want;
    uint8_t *p = map(len);
    if (!p || is_aligned(p) || !ct_add_size(len, HUGE_BLOCK, &want))
        return p;
    munmap(p, len);
    p = map(want);
    if (!p)
        return map(len);
    size_t head = (HUGE_BLOCK - ((uintptr_t)p & (HUGE_BLOCK - 1))) & (HUGE_BLOCK - 1);
    if (head)
        munmap(p, head);
    if (want - head - len)
        munmap(p + head + len, want - head - len);
    return p + head;
}

void *ct_block_new(size_t bytes)
{
    if (bytes == 0)
        bytes = 1;
    if (bytes >= HUGE_BLOCK) {
        size_t len;
        if (!ct_align_size(bytes, HUGE_BLOCK, &len))
            return NULL;
        void *p = map_huge(len);
        if (p && len >= HUGE_FROM)
            madvise(p, len, MADV_HUGEPAGE);
        return p;
    }
    size_t len;
    if (!ct_align_size(bytes, 64, &len))
        return NULL;
    void *p = aligned_alloc(64, len);
    if (p)
        memset(p, 0, len);
    return p;
}

void ct_block_free(void *p, size_t bytes)
{
    if (!p)
        return;
    size_t len;
    if (bytes >= HUGE_BLOCK && ct_align_size(bytes, HUGE_BLOCK, &len))
        munmap(p, len);
    else
        free(p);
}

void ct_arena_count(ct_arena *a)
{
    *a = (ct_arena){ .size = SIZE_MAX };
}

bool ct_arena_init(ct_arena *a, size_t bytes)
{
    *a = (ct_arena){ .base = ct_block_new(bytes), .size = bytes };
    return a->base != NULL;
}

void ct_arena_deinit(ct_arena *a)
{
    ct_block_free(a->base, a->size);
    *a = (ct_arena){ 0 };
}

void *ct_arena_take(ct_arena *a, size_t n, size_t size)
{
    size_t bytes, end;
    if (a->overflow || !ct_mul_size(n, size, &bytes) || !ct_align_size(bytes, 64, &bytes) ||
        !ct_add_size(a->used, bytes, &end) || end > a->size) {
        a->overflow = true;
        return NULL;
    }
    void *p = a->base ? a->base + a->used : NULL;
    a->used = end;
    return p;
}
