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
    for (size_t i = 0; i < r->n; i++) {
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
    qsort(out, held, sizeof *out, best_first);
    return held;
}

static bool is_above(const ct_logit_row *r, size_t i, float floor)
{
    return r->logits[i] >= floor && r->logits[i] > -INFINITY && ct_logit_allowed(r, i);
}

size_t ct_count_above(const ct_logit_row *r, float floor)
{
    size_t found = 0;
    for (size_t i = 0; i < r->n; i++)
        found += is_above(r, i, floor);
    return found;
}

size_t ct_select_above(const ct_logit_row *r, float floor, ct_candidate *out)
{
    size_t held = 0;
    for (size_t i = 0; i < r->n; i++)
        if (is_above(r, i, floor))
            out[held++] = (ct_candidate){ (int32_t)i, r->logits[i], 0 };
    qsort(out, held, sizeof *out, best_first);
    return held;
}

/* exp(-40) times a vocabulary of 2^18 is under 1e-12: what lies further below the maximum cannot matter to a draw. */
#define STEPS_PER_NAT 16
#define N_STEPS       (40 * STEPS_PER_NAT)

float ct_select_nucleus_floor(const ct_logit_row *r, float max, double scale, double p, double *total)
{
    double weight[N_STEPS + 1] = { 0 };
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        double gap = ((double)max - (double)r->logits[i]) * scale;
        if (!(gap < 40) || !ct_logit_allowed(r, i)) /* one that is not allowed may lie above max */
            continue;
        double e = exp(-gap);
        sum += e;
        weight[(size_t)(gap * STEPS_PER_NAT)] += e;
    }
    *total = sum;
    double seen = 0;
    for (size_t step = 0; step < N_STEPS; step++) {
        seen += weight[step];
        if (seen >= p * sum) /* the whole step is kept: a little more than needed, cut exactly by the caller */
            return (float)((double)max - (double)(step + 1) / STEPS_PER_NAT / scale);
    }
    return (float)((double)max - 40 / scale);
}
