/* bench_sampler.c - what a sampled token costs over a vocabulary of 262,144: bench_sampler [LOGITS.f32]
 *
 * Prints, for rows of several kinds and settings, the median and the worst processor time of a token (one thread: what
 * others do on the machine counts little). LOGITS.f32: rows of a real model, as `carat logits` writes them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "sample/sampler.h"

enum { N = 262144, MOST_ROWS = 64, TOKENS = 200 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + 1e-6 * (double)t.tv_nsec;
}

/* Roughly normal: the sum of four uniform numbers, of deviation 1. */
static float bell(uint64_t *rng)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += ct_rng_unit(rng) - 0.5;
    return (float)(sum * sqrt(3));
}

/* A bell of this deviation, and a few tokens that stand out. */
static void make_rows(float *rows, size_t n, double deviation, double lead)
{
    uint64_t rng = 1;
    for (size_t i = 0; i < n * N; i++)
        rows[i] = (float)deviation * bell(&rng);
    for (size_t r = 0; r < n; r++)
        for (int i = 0; i < 50; i++)
            rows[r * N + ct_rng_next(&rng) % N] += (float)(lead * ct_rng_unit(&rng));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool bench(const char *name, const float *rows, size_t n_rows, const carat_sampling *set)
{
    static float row[N];
    double took[TOKENS];
    ct_sampler *s;
    carat_err err;
    if (!ct_sampler_open(set, N, N, NULL, 0, &s, &err))
        return fprintf(stderr, "%s\n", err.msg), false;
    for (size_t i = 0; i < TOKENS; i++) {
        memcpy(row, rows + i % n_rows * N, sizeof row);
        double start = now();
        if (!ct_sampler_prepare(s, row, &err))
            return fprintf(stderr, "%s\n", err.msg), false;
        ct_sampler_accept(s, ct_sampler_draw(s, row, NULL));
        took[i] = now() - start;
    }
    qsort(took, TOKENS, sizeof *took, ascending);
    printf("%-34s %7.2f ms, worst %7.2f\n", name, took[TOKENS / 2], took[TOKENS - 1]);
    ct_sampler_close(s);
    return true;
}

static bool bench_all(const char *what, const float *rows, size_t n)
{
    const struct {
        const char *name;
        carat_sampling set;
    } sets[] = {
        { "greedy", { .temperature = 0, .top_p = 1, .repetition_penalty = 1 } },
        { "top-k 64, top-p 0.95", { .temperature = 1, .top_k = 64, .top_p = 0.95f, .repetition_penalty = 1 } },
        { "top-p 0.95", { .temperature = 1, .top_p = 0.95f, .repetition_penalty = 1 } },
        { "top-p 0.95, temperature 2", { .temperature = 2, .top_p = 0.95f, .repetition_penalty = 1 } },
        { "min-p 0.05", { .temperature = 1, .top_p = 1, .min_p = 0.05f, .repetition_penalty = 1 } },
        { "no filter", { .temperature = 1, .top_p = 1, .repetition_penalty = 1 } },
    };
    printf("%s\n", what);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char name[64];
        snprintf(name, sizeof name, "  %s", sets[i].name);
        if (!bench(name, rows, n, &sets[i].set))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    float *rows = malloc((size_t)MOST_ROWS * N * sizeof *rows);
    if (!rows)
        return 1;
    if (argc > 1) {
        FILE *f = fopen(argv[1], "rb");
        size_t n = f ? fread(rows, N * sizeof *rows, MOST_ROWS, f) : 0;
        if (f)
            fclose(f);
        return n && bench_all("a model's rows", rows, n) ? 0 : 1;
    }
    make_rows(rows, 8, 3, 16);
    bool ok = bench_all("as a model's: a few tokens stand out", rows, 8);
    make_rows(rows, 8, 1, 0);
    ok = ok && bench_all("flat: most tokens are in the nucleus", rows, 8);
    free(rows);
    return ok ? 0 : 1;
}
