/* Sets of characters, as ranges of code points.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/charset.h"

#include <stdlib.h>

#define FIRST_SURROGATE 0xD800u
#define LAST_SURROGATE  0xDFFFu

static int by_lo(const void *x, const void *y)
{
    const ct_range *a = x, *b = y;
    return (a->lo > b->lo) - (a->lo < b->lo);
}

/* Appends [lo, hi] to sorted ranges, joined to the last where they touch. */
static void join(ct_range *v, size_t *n, uint32_t lo, uint32_t hi)
{
    if (*n && lo <= v[*n - 1].hi + 1) {
        if (hi > v[*n - 1].hi)
            v[*n - 1].hi = hi;
        return;
    }
    v[(*n)++] = (ct_range){ lo, hi };
}

/* The same without surrogates. */
static void join_text(ct_range *v, size_t *n, uint32_t lo, uint32_t hi)
{
    if (hi > CT_MAX_CODE)
        hi = CT_MAX_CODE;
    if (lo < FIRST_SURROGATE && lo <= hi)
        join(v, n, lo, hi < FIRST_SURROGATE ? hi : FIRST_SURROGATE - 1);
    if (hi > LAST_SURROGATE && lo <= hi)
        join(v, n, lo > LAST_SURROGATE ? lo : LAST_SURROGATE + 1, hi);
}

ct_charset ct_charset_of(ct_heap *a, ct_range *v, size_t n)
{
    ct_range *out = ct_heap_new(a, n + 1, sizeof *out); /* surrogates cut one range in two */
    size_t n_out = 0;
    if (!out)
        return (ct_charset){ 0 };
    if (n)
        qsort(v, n, sizeof *v, by_lo);
    for (size_t i = 0; i < n; i++)
        join_text(out, &n_out, v[i].lo, v[i].hi);
    return (ct_charset){ out, n_out };
}

ct_charset ct_charset_one(ct_heap *a, uint32_t lo, uint32_t hi)
{
    ct_range one = { lo, hi };
    return ct_charset_of(a, &one, 1);
}

ct_charset ct_charset_or(ct_heap *a, ct_charset x, ct_charset y)
{
    ct_range *out = ct_heap_new(a, x.n + y.n, sizeof *out);
    size_t n = 0, i = 0, j = 0;
    while (out && (i < x.n || j < y.n)) {
        const ct_range r = j == y.n || (i < x.n && x.v[i].lo < y.v[j].lo) ? x.v[i++] : y.v[j++];
        join(out, &n, r.lo, r.hi);
    }
    return (ct_charset){ out, n };
}

ct_charset ct_charset_and(ct_heap *a, ct_charset x, ct_charset y)
{
    ct_range *out = ct_heap_new(a, x.n + y.n, sizeof *out);
    size_t n = 0;
    for (size_t i = 0, j = 0; out && i < x.n && j < y.n;) {
        const uint32_t lo = x.v[i].lo > y.v[j].lo ? x.v[i].lo : y.v[j].lo;
        const uint32_t hi = x.v[i].hi < y.v[j].hi ? x.v[i].hi : y.v[j].hi;
        if (lo <= hi)
            join(out, &n, lo, hi);
        if (x.v[i].hi < y.v[j].hi)
            i++;
        else
            j++;
    }
    return (ct_charset){ out, n };
}

ct_charset ct_charset_not(ct_heap *a, ct_charset x)
{
    ct_range *out = ct_heap_new(a, x.n + 2, sizeof *out);
    size_t n = 0;
    uint32_t at = 0;
    for (size_t i = 0; out && i < x.n; i++) {
        if (x.v[i].lo > at)
            join_text(out, &n, at, x.v[i].lo - 1);
        at = x.v[i].hi + 1;
    }
    if (out)
        join_text(out, &n, at, CT_MAX_CODE);
    return (ct_charset){ out, n };
}

bool ct_charset_has(ct_charset x, uint32_t cp)
{
    size_t lo = 0, hi = x.n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (x.v[mid].hi < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < x.n && x.v[lo].lo <= cp;
}
