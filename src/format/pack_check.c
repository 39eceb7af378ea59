/* Compares a pack's blocks with the hashes in its head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "format/pack_part.h"

#define CHUNKS_AT_ONCE 4 /* a thread: progress is told in between */

typedef struct checking {
    const ct_pack_file *p;
    const ct_pack_part *part;
    size_t first;        /* chunk */
    atomic_size_t wrong; /* the first chunk that differs; SIZE_MAX: none */
    atomic_bool has_failed;
    carat_err err;
} checking;

static void fail(checking *c, const carat_err *err)
{
    if (!atomic_exchange(&c->has_failed, true))
        c->err = *err;
}

static void check_chunk(checking *c, size_t i)
{
    uint8_t hash[CT_PACK_HASH];
    carat_err err;
    ct_window w;
    const size_t from = i * CT_PACK_CHUNK, left = c->part->bytes - from;
    const size_t n = left < CT_PACK_CHUNK ? left : CT_PACK_CHUNK;
    if (!ct_window_open(&w, &c->p->map, c->part->at + from, n, &err)) {
        fail(c, &err);
        return;
    }
    ct_pack_sha256(w.data, n, hash);
    ct_window_close(&w);
    if (memcmp(hash, c->part->hashes + i * CT_PACK_HASH, sizeof hash) == 0)
        return;
    size_t was = atomic_load(&c->wrong);
    while (i < was && !atomic_compare_exchange_weak(&c->wrong, &was, i))
        ;
}

static void check_chunks(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    checking *c = arg;
    for (size_t i = begin; i < end; i++)
        check_chunk(c, c->first + i);
}

/* Zeros: no bytes of a pack are outside its hashes. */
static bool check_gap(const ct_pack_file *p, size_t from, size_t to, carat_err *err)
{
    ct_window w;
    if (from == to)
        return true;
    if (!ct_window_open(&w, &p->map, from, to - from, err))
        return false;
    size_t i = 0;
    while (i < to - from && !w.data[i])
        i++;
    ct_window_close(&w);
    return i == to - from ||
           ct_fail(err, CARAT_EFORMAT, from + i, "%s: a damaged pack: byte %zu, between its blocks, is not zero",
                   p->map.path, from + i);
}

static bool check_block(checking *c, ct_pool *pool, uint64_t *done, uint64_t total, carat_progress_fn *progress,
                        void *arg, carat_err *err)
{
    const size_t n = ct_pack_chunks(c->part->bytes), step = CHUNKS_AT_ONCE * (size_t)ct_pool_threads(pool);
    for (c->first = 0; c->first < n; c->first += step) {
        const size_t k = n - c->first < step ? n - c->first : step;
        ct_pool_each(pool, k, 1, check_chunks, c);
        if (c->has_failed) {
            if (err)
                *err = c->err;
            return false;
        }
        if (c->wrong != SIZE_MAX)
            return ct_fail(err, CARAT_EFORMAT, c->part->at + c->wrong * CT_PACK_CHUNK,
                           "%s: a damaged pack: the %zu bytes at %zu have another hash than when it was packed",
                           c->p->map.path, CT_PACK_CHUNK, c->part->at + c->wrong * CT_PACK_CHUNK);
        *done += k * CT_PACK_CHUNK;
        if (progress && !progress(arg, *done < total ? *done : total, total))
            return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: checking was cancelled", c->p->map.path);
    }
    return true;
}

bool ct_pack_check(const ct_pack_file *p, ct_pool *pool, carat_progress_fn *progress, void *arg, carat_err *err)
{
    size_t from = p->head_bytes;
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < CT_PACK_PARTS; i++)
        total += p->parts[i].bytes;
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        checking c = { .p = p, .part = &p->parts[i], .wrong = SIZE_MAX };
        if (!c.part->bytes)
            continue;
        if (!check_gap(p, from, c.part->at, err) || !check_block(&c, pool, &done, total, progress, arg, err))
            return false;
        from = c.part->at + c.part->bytes;
    }
    return check_gap(p, from, p->map.size, err);
}
