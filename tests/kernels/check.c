/* check.c - guarded buffers, random numbers, comparison.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_FAILURES 12

static char current[64]; /* name of the running check */
static int failures;

const char *check_current(void);

bool check_begin(check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(current, sizeof current, fmt, args);
    va_end(args);
    if (c->filter && *c->filter && !strcasestr(current, c->filter))
        return false;
    c->n_run++;
    return true;
}

const char *check_current(void)
{
    return current;
}

void check_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "FAIL %s: ", current);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    if (++failures == MAX_FAILURES) {
        fprintf(stderr, "%d failures: giving up\n", failures);
        exit(1);
    }
}

int check_failures(void)
{
    return failures;
}

bool is_near(float got, double expected, double tolerance)
{
    if (!isfinite(expected))
        return !isfinite(got);
    return fabs((double)got - expected) <= tolerance;
}

bool is_same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* ---- guarded buffers ---- */

/*   page: header (faults once sealed)  |  gap  buffer  |  page that faults        at_end
 *   page: header                       |  buffer  gap  |  page that faults        otherwise */
typedef struct guard_header {
    uint8_t *own, *buffer; /* first byte of its own pages, NULL: nothing is mapped; of the buffer, NULL: not in use */
    size_t own_bytes, bytes;
} guard_header;

static size_t page_size(void)
{
    static size_t size;
    if (!size)
        size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

/* The buffers in use, so that unguard finds the mapping from the buffer's address, and mappings for those to come. */
#define MAX_GUARDS 64
static guard_header guards[MAX_GUARDS];

/* A mapping of that size, else a place for one. Only that many are ever in use at once. */
static guard_header *idle_guard(size_t own)
{
    guard_header *empty = NULL, *other = NULL;
    for (guard_header *g = guards; g < guards + MAX_GUARDS; g++) {
        if (!g->buffer && g->own && g->own_bytes == own)
            return g;
        if (!g->own)
            empty = g;
        else if (!g->buffer)
            other = g;
    }
    if (empty || !other)
        return empty;
    munmap(other->own - page_size(), other->own_bytes + 2 * page_size());
    other->own = NULL;
    return other;
}

void *guarded(size_t bytes, size_t align, bool at_end)
{
    size_t page = page_size(), own = (bytes + page - 1) / page * page;
    guard_header *g = idle_guard(own);
    if (g && !g->own) {
        uint8_t *m = mmap(NULL, own + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m != MAP_FAILED && (!own || mprotect(m + page, own, PROT_READ | PROT_WRITE) == 0))
            *g = (guard_header){ .own = m + page, .own_bytes = own };
    }
    if (!g || !g->own) {
        fprintf(stderr, "no memory for a buffer of %zu bytes\n", bytes);
        exit(2);
    }
    memset(g->own, 0xFF, own);
    g->bytes = bytes;
    return g->buffer = g->own + (at_end ? (own - bytes) / align * align : 0);
}

/* The first byte of [begin, end) that is no longer 0xFF; NULL: none. */
static const uint8_t *written(const uint8_t *begin, const uint8_t *end)
{
    for (const uint8_t *b = begin; b < end; b++)
        if (*b != 0xFF)
            return b;
    return NULL;
}

void unguard(void *p)
{
    size_t i = 0;
    while (i < MAX_GUARDS && guards[i].buffer != p)
        i++;
    if (i == MAX_GUARDS)
        abort(); /* our own mistake */
    guard_header *g = &guards[i];
    const uint8_t *before = written(g->own, g->buffer), *end = g->buffer + g->bytes;
    const uint8_t *after = written(end, g->own + g->own_bytes);
    if (before)
        check_fail("wrote %td bytes before a buffer of %zu", g->buffer - before, g->bytes);
    else if (after)
        check_fail("wrote %td bytes past a buffer of %zu", after - end, g->bytes);
    g->buffer = NULL;
}

void *need(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) {
        fprintf(stderr, "no memory for the check itself\n");
        exit(2);
    }
    return p;
}

/* ---- random numbers ---- */

uint32_t rng_u32(rng *r) /* splitmix64 */
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)(z >> 32);
}

float rng_unit(rng *r)
{
    return (float)(rng_u32(r) >> 8) * 0x1p-23f - 1.0f;
}

float rng_normal(rng *r)
{
    return (rng_unit(r) + rng_unit(r) + rng_unit(r) + rng_unit(r)) * 0.866f;
}

int rng_below(rng *r, int n)
{
    return (int)(rng_u32(r) % (uint32_t)n);
}
