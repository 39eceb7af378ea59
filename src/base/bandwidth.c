/* Measures how fast memory is read, by all threads summing up a buffer far larger than the caches.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bandwidth.h"
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/median.h"
#include "base/mem.h"
#include "base/pool.h"

#define BUFFER ((size_t)1 << 30)
#define PASSES 7

typedef uint64_t vec __attribute__((vector_size(64)));

typedef struct reading {
    const uint8_t *data;
    uint64_t sink[CT_MAX_THREADS];
} reading;

/* Four independent streams of sums: enough to keep the loads, not the additions, the limit. */
uint64_t ct_read_bytes(const void *data, size_t bytes)
{
    const vec *p = data, *end = p + bytes / 256 * 4;
    vec a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
    for (; p < end; p += 4)
        a += p[0], b += p[1], c += p[2], d += p[3];
    a += b + c + d;
    return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

static void read_part(void *arg, int thread, int n_threads)
{
    reading *r = arg;
    size_t part = BUFFER / (size_t)n_threads / 256 * 256;
    r->sink[thread] = ct_read_bytes(r->data + part * (size_t)thread, part);
}

bool ct_read_bandwidth(int n_threads, double *bytes_per_second, carat_err *err)
{
    ct_pool *pool;
    if (!ct_pool_open(n_threads, &pool, err))
        return false;
    uint8_t *data = ct_block_new(BUFFER);
    if (!data) {
        ct_pool_close(pool);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a buffer of %zu bytes", BUFFER);
    }
    memset(data, 1, BUFFER); /* real pages, not the shared zero page */
    reading r = { .data = data };
    double rates[PASSES];
    for (int pass = 0; pass < PASSES; pass++) {
        double start = ct_now();
        ct_pool_run(pool, read_part, &r);
        rates[pass] = (double)BUFFER / (ct_now() - start);
    }
    *bytes_per_second = ct_median(rates, PASSES);
    ct_block_free(data, BUFFER);
    ct_pool_close(pool);
    return true;
}
