/* The top logits of a vocabulary by a bounded heap, or all above a floor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/select.h"

#include <math.h>
#include <stdlib.h>

/* Is a worse than b? Equal logits: the higher id is worse. */
static int worse(const ct_candidate *a, const ct_candidate *b)
{
    return a->logit < b->logit || (a->logit == b->logit && a->id > b->id);
}

static int best_first(const void *pa, const void *pb)
{
    const ct_candidate *a = pa, *b = pb;
    return worse(a, b) - worse(b, a);
}

/* Restores the heap (the worst on top) after the top was replaced. */
static void sink(ct_candidate *heap, size_t n)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child]))
            child++;
        if (!worse(&heap[child], &heap[i]))
            return;
        ct_candidate t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static void rise(ct_candidate *heap, size_t i)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!worse(&heap[i], &heap[parent]))
            return;
        ct_candidate t = heap[i];
        heap[i] = heap[parent];
        heap[parent] = t;
        i = parent;
    }
}

size_t ct_select_top(const ct_logit_row *r, size_t k, ct_candidate *out)
{
    size_t held = 0;
    if (k == 0)
        return 0;
    for (size_t at = 0; at < r->n; at += CT_SCAN_BLOCK) {
        if (!ct_any_within(r, at, held < k ? -INFINITY : out[0].logit, INFINITY))
            continue;
        for (size_t i = at; i < r->n && i < at + CT_SCAN_BLOCK; i++) {
            float x = r->logits[i];
            if (held < k) {
                if (x > -INFINITY && ct_logit_allowed(r, i)) {
                    out[held] = (ct_candidate){ (int32_t)i, x, 0 };
                    rise(out, held++);
                }
            } else if (x > out[0].logit &&
                       ct_logit_allowed(r, i)) { /* ids ascend, so an equal logit is worse than all held */
                out[0] = (ct_candidate){ (int32_t)i, x, 0 };
                sink(out, held);
            }
        }
    }
    qsort(out, held, sizeof *out, best_first);
    return held;
}

bool ct_select_above(const ct_logit_row *r, float floor, size_t most, ct_candidate *out, size_t *n)
{
    size_t held = 0;
    for (size_t at = 0; at < r->n; at += CT_SCAN_BLOCK) {
        if (!ct_any_within(r, at, floor, INFINITY))
            continue;
        for (size_t i = at; i < r->n && i < at + CT_SCAN_BLOCK; i++) {
            if (!(r->logits[i] >= floor && r->logits[i] > -INFINITY) || !ct_logit_allowed(r, i))
                continue;
            if (held == most)
                return false;
            out[held++] = (ct_candidate){ (int32_t)i, r->logits[i], 0 };
        }
    }
    qsort(out, held, sizeof *out, best_first);
    *n = held;
    return true;
}

#define LANES 16

/* The largest of [0, n), n a multiple of LANES: as many maxima side by side, for vectors. */
static float largest(const float *x, size_t n)
{
    float best[LANES], most = -INFINITY;
    for (size_t j = 0; j < LANES; j++)
        best[j] = -INFINITY;
    for (size_t i = 0; i < n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
    for (size_t j = 0; j < LANES; j++)
        most = best[j] > most ? best[j] : most;
    return most;
}

/* The same of those that are allowed. */
static int32_t first_allowed(const ct_logit_row *r)
{
    float best = -INFINITY;
    int32_t id = -1;
    for (size_t at = 0; at < r->n; at += CT_SCAN_BLOCK) {
        if (!ct_any_within(r, at, best, INFINITY))
            continue;
        for (size_t i = at; i < r->n && i < at + CT_SCAN_BLOCK; i++)
            if (r->logits[i] > best && ct_logit_allowed(r, i)) {
                best = r->logits[i];
                id = (int32_t)i;
            }
    }
    return id;
}

int32_t ct_select_first(const ct_logit_row *r)
{
    if (r->allowed)
        return first_allowed(r);
    size_t whole = r->n / LANES * LANES;
    float best = largest(r->logits, whole);
    for (size_t i = whole; i < r->n; i++)
        if (r->logits[i] > best)
            best = r->logits[i];
    for (size_t i = 0; i < r->n && best > -INFINITY; i++)
        if (r->logits[i] == best)
            return (int32_t)i;
    return -1;
}
