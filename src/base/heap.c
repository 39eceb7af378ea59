/* Memory that is given back all at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

#define FIRST_BLOCK ((size_t)16 << 10)
#define MOST_BLOCK  ((size_t)1 << 20) /* larger ones only for what is larger itself */

struct ct_heap_block {
    ct_heap_block *older;
    size_t used, size;
    alignas(max_align_t) char data[];
};

void ct_heap_init(ct_heap *a, size_t max)
{
    *a = (ct_heap){ .max = max };
}

void ct_heap_deinit(ct_heap *a)
{
    for (ct_heap_block *b = a->blocks; b;) {
        ct_heap_block *older = b->older;
        free(b);
        b = older;
    }
    *a = (ct_heap){ .max = a->max };
}

static bool add_block(ct_heap *a, size_t need)
{
    size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK, bytes;
    if (size > MOST_BLOCK)
        size = MOST_BLOCK;
    if (size < need)
        size = need;
    ct_heap_block *b = ct_add_size(size, sizeof *b, &bytes) ? calloc(1, bytes) : NULL;
    if (!b)
        return false;
    b->size = size;
    b->older = a->blocks;
    a->blocks = b;
    return true;
}

void *ct_heap_new(ct_heap *a, size_t n, size_t size)
{
    size_t bytes;
    if (a->failed)
        return NULL;
    if (!ct_mul_size(n, size, &bytes) || !ct_align_size(bytes + !bytes, alignof(max_align_t), &bytes) ||
        bytes > a->max || a->used > a->max - bytes)
        return ct_heap_overflow(a);
    if ((!a->blocks || a->blocks->size - a->blocks->used < bytes) && !add_block(a, bytes)) {
        a->failed = true;
        return NULL;
    }
    void *p = a->blocks->data + a->blocks->used;
    a->blocks->used += bytes;
    a->used += bytes;
    return p;
}

char *ct_heap_text(ct_heap *a, const char *s, size_t len)
{
    char *copy = len < SIZE_MAX ? ct_heap_new(a, len + 1, 1) : NULL;
    if (copy && len)
        memcpy(copy, s, len);
    return copy;
}

bool ct_heap_work(ct_heap *a, size_t steps)
{
    if (steps > CT_HEAP_MOST_WORK - a->work)
        ct_heap_overflow(a);
    else
        a->work += steps;
    return !a->failed;
}

void *ct_heap_overflow(ct_heap *a)
{
    if (!a->failed)
        a->failed = a->is_full = true;
    return NULL;
}

bool ct_heap_fail(const ct_heap *a, const char *what, carat_err *err)
{
    return a->is_full ? ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: too large or too complex", what)
                      : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for it", what);
}
