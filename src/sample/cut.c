/* Cuts: the smallest logit that stays when only so many, or so much probability, may. A radix search over the bits, with
 * exp for each logit in each pass: for masses weights.h is tried first.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "sample/float_key.h"
#include "sample/select.h"

/* The passes use 11, 11 and 10 bits of a key. */
#define MAX_BINS 2048
static const int widths[] = { 11, 11, 10 };

/* What each logit adds to the sum that is to be reached: one, or its weight. */
typedef struct worth {
    int by_mass;
    double max, scale, wanted;
} worth;

static double worth_of(const worth *w, float x)
{
    return w->by_mass ? exp(((double)x - w->max) * w->scale) : 1;
}

/* Adds up the logits whose key begins with `start`, by the bits that follow it. */
static void fill(const ct_logit_row *r, const worth *w, uint64_t start, int shift, int width, double *bins)
{
    memset(bins, 0, MAX_BINS * sizeof *bins);
    for (size_t i = 0; i < r->n; i++) {
        float x = r->logits[i];
        uint64_t key = ct_float_key(x);
        if (x > -INFINITY && key >> (shift + width) == start && ct_logit_allowed(r, i))
            bins[(key >> shift) & ((UINT64_C(1) << width) - 1)] += worth_of(w, x);
    }
}

/* The bin, from the top, in which the sum *seen reaches the goal; if none does, the last that adds anything. *seen: the
 * sum above that bin. */
static uint32_t find_bin(const double *bins, int width, double wanted, double *seen)
{
    uint32_t at = 0;
    double above = *seen, sum = *seen;
    for (uint32_t b = UINT32_C(1) << width; b-- > 0;) {
        if (!(bins[b] > 0))
            continue;
        at = b, above = sum;
        sum += bins[b];
        if (sum >= wanted)
            break;
    }
    *seen = above;
    return at;
}

static size_t count_equal(const ct_logit_row *r, float x)
{
    size_t found = 0;
    for (size_t i = 0; i < r->n; i++)
        found += r->logits[i] == x && ct_logit_allowed(r, i);
    return found;
}

static ct_cut find_cut(const ct_logit_row *r, const worth *w)
{
    double bins[MAX_BINS], seen = 0;
    uint64_t start = 0;
    for (int pass = 0, shift = 32; pass < 3; pass++) {
        shift -= widths[pass];
        fill(r, w, start, shift, widths[pass], bins);
        start = start << widths[pass] | find_bin(bins, widths[pass], w->wanted, &seen);
    }
    ct_cut cut = { ct_key_float((uint32_t)start), 1 };
    size_t n_equal = count_equal(r, cut.floor);
    double each = worth_of(w, cut.floor);
    while (cut.n_equal < n_equal && seen + (double)cut.n_equal * each < w->wanted)
        cut.n_equal++;
    return cut;
}

ct_cut ct_cut_count(const ct_logit_row *r, size_t k)
{
    return find_cut(r, &(worth){ .wanted = (double)k });
}

ct_cut ct_cut_mass(const ct_logit_row *r, double max, double scale, double mass)
{
    return find_cut(r, &(worth){ .by_mass = 1, .max = max, .scale = scale, .wanted = mass });
}
