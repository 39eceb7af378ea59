/* Finds what may come next, and weighs whether guessing it pays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/guess.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a step takes ---- */

#define FIRST_SLOPE 0.1 /* eight sessions of a 4B take 1.6 times as long as one */
#define NEWS        0.2 /* the share of a step in the mean */
#define MOST_WEIGHT 8.0 /* steps that a mean counts for, against the line ... */
#define FADES       0.98 /* ... and it is forgotten with every step of another size: the text grows, others come and go */
#define RETURNS     0.005 /* where nothing is guessed the first opinion comes back, and is tried again some time */
#define OUTLIER     2.0   /* times what was expected: another process had the core */

void ct_paces_init(ct_paces *p)
{
    *p = (ct_paces){ .slope = FIRST_SLOPE };
}

/* A step of one row by what is known; 0: nothing is. */
static double one_row(const ct_paces *p)
{
    for (size_t rows = 1; rows <= CT_PACES; rows++)
        if (p->seconds[rows] > 0)
            return p->seconds[rows] / (1 + p->slope * (double)(rows - 1));
    return 0;
}

double ct_paces_of(const ct_paces *p, size_t rows)
{
    if (rows > CT_PACES)
        rows = CT_PACES;
    double line = one_row(p) * (1 + p->slope * (double)(rows - 1)), w = p->weight[rows];
    return (w * p->seconds[rows] + line) / (w + 1);
}

void ct_paces_learn(ct_paces *p, size_t rows, double seconds)
{
    if (rows < 1 || rows > CT_PACES || !(seconds > 0))
        return;
    const double expected = ct_paces_of(p, rows), one = one_row(p);
    if (expected > 0 && seconds > OUTLIER * expected)
        seconds = OUTLIER * expected;
    double *mean = &p->seconds[rows];
    *mean = *mean > 0 ? (1 - NEWS) * *mean + NEWS * seconds : seconds;
    for (size_t i = 1; i <= CT_PACES; i++)
        p->weight[i] *= FADES;
    if (p->weight[rows] < MOST_WEIGHT)
        p->weight[rows] += 1;
    double slope = rows > 1 && one > 0 ? (seconds / one - 1) / (double)(rows - 1) : 0;
    if (rows > 1 && p->seconds[1] > 0)
        p->slope += NEWS * ((slope > 0 ? slope : 0) - p->slope);
    else
        p->slope += RETURNS * (FIRST_SLOPE - p->slope);
}

/* ---- how often it is right ---- */

#define BELIEF 3     /* guesses that the first opinion counts for */
#define MEMORY 0.95f /* of a guess more is left so much of those before */

static const float first_opinion[CT_GUESS_KINDS] = { 0.3f, 0.5f, 0.7f, 0.8f, 0.9f };

static size_t kind_of(size_t agree)
{
    return agree <= 2 ? 0 : agree <= 4 ? 1 : agree <= 8 ? 2 : agree <= 16 ? 3 : 4;
}

static double chance(const ct_guesses *g, size_t kind)
{
    return (double)((g->right[kind] + BELIEF * first_opinion[kind]) / (g->seen[kind] + BELIEF));
}

static void count(ct_guesses *g, size_t kind, bool is_right)
{
    g->right[kind] = MEMORY * g->right[kind] + (is_right ? 1 : 0);
    g->seen[kind] = MEMORY * g->seen[kind] + 1;
}

/* What was found, beside the n tokens that have come. After a wrong one nothing is known of those behind it. */
static void compare(ct_guesses *g, const int32_t *came, size_t n)
{
    for (size_t i = 0; i < n && i < g->n_found; i++) {
        bool is_right = g->found[i] == came[i];
        count(g, kind_of(g->agree + i), is_right);
        if (!is_right)
            break;
    }
}

/* ---- how many ---- */

#define LEAST_GAIN 1.02 /* that is worth trying: smaller ones are within what the times are known to */

/* How many of n found bring the most tokens a second. */
static size_t how_many(const ct_guesses *g, const ct_paces *p, size_t n_answers, size_t n)
{
    double tokens = (double)n_answers, likely = 1, best = tokens / ct_paces_of(p, n_answers) * LEAST_GAIN;
    size_t best_n = 0;
    for (size_t i = 0; i < n; i++) {
        likely *= chance(g, kind_of(g->agree + i));
        tokens += likely;
        double rate = tokens / ct_paces_of(p, n_answers + i + 1);
        if (rate > best) {
            best = rate;
            best_n = i + 1;
        }
    }
    return best_n;
}

/* ---- what comes next ---- */

static size_t find(ct_guesses *g, const int32_t *ids, size_t n, size_t from)
{
    g->n_found = 0;
    if (g->n_predicted)
        g->n_found = ct_lookup_in(g->predicted, g->n_predicted, &g->place, ids + from, n - from, g->found,
                                  CT_MOST_GUESSES, &g->agree);
    if (!g->n_found && g->looks_up)
        g->n_found = ct_lookup(ids, n, g->found, CT_MOST_GUESSES, &g->agree);
    return g->n_found;
}

size_t ct_guesses_next(ct_guesses *g, const ct_paces *p, size_t n_answers, const int32_t *ids, size_t n, size_t from,
                       size_t n_new, int32_t *out, size_t most)
{
    compare(g, ids + n - n_new, n_new);
    size_t m = find(g, ids, n, from);
    if (m > most)
        m = most;
    if (m > g->most)
        m = g->most;
    if (!g->always)
        m = one_row(p) > 0 ? how_many(g, p, n_answers, m) : 0;
    memcpy(out, g->found, m * sizeof *out);
    return m;
}

void ct_guesses_deinit(ct_guesses *g)
{
    free(g->predicted);
    *g = (ct_guesses){ 0 };
}
