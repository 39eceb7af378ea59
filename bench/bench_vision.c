/* bench_vision - how long the vision tower takes for an image, beside the instruction that a BF16 tower is multiplied with;
 * its memory; and how near its tokens are to those of f32 arithmetic.
 *
 *     bench_vision MMPROJ [THREADS [REPEAT]]        a file that carat synth 4b --mmproj wrote, or any other
 *
 * CARAT_CPU chooses the kernels, as for the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/pool.h"
#include "base/rng.h"
#include "cpu/products.h"
#include "loaded.h"

/* ---- the limit ---- */

#define ROUNDS 200000

static void run_peak(void *arg, int thread, int n_threads)
{
    const ct_peak *const *peak = arg;
    (void)thread, (void)n_threads;
    (*peak)->run(ROUNDS);
}

/* Multiplications and additions a second of all threads: the best round of half a second, since a thread that wakes late
 * spoils a round. */
static double rate_of(const ct_peak *peak, ct_pool *pool)
{
    double best = 0;
    const double until = ct_now() + 0.5;
    for (int r = 0; r < 5 || ct_now() < until; r++) {
        const double start = ct_now();
        ct_pool_run(pool, run_peak, &peak);
        best = fmax(best, peak->ops * ROUNDS * ct_pool_threads(pool) / (ct_now() - start));
    }
    return best;
}

/* ---- the tower ---- */

/* Multiplications and additions of the matrices and of attention. */
static double work_of(const ct_vision_config *c, size_t text_width)
{
    double p = ct_vision_patches(c), h = c->hidden;
    double layer = p * (4 * h * h + 2 * h * c->ffn) + 2 * p * p * h;
    return 2 * (c->n_layer * layer + p * 3 * c->patch_size * c->patch_size * h) +
           2.0 * c->tokens_per_image * h * (double)text_width;
}

/* The width that the file's projector gives. */
static bool text_width_of(const char *path, size_t *width, carat_err *err)
{
    ct_vision_config cfg;
    ct_source s = { 0 };
    bool ok = ct_source_open_vision(&s, path, &cfg, err);
    static const char *const names[] = { "mm.input_projection.weight", "mm.mm_input_projection.weight" };
    const ct_tensor *t = NULL;
    for (size_t i = 0; ok && !t && i < 2; i++)
        t = ct_tensors_find(s.tensors, names[i]);
    if (t)
        *width = t->dims[0];
    ct_source_close(&s);
    return ok && (t || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: no GGUF file with a projector", path));
}

typedef struct result {
    double load, best, median;
    float *tokens;
    ct_vision_config cfg;
} result;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool see(const char *path, size_t width, bool exact, int repeat, const ct_kernels *k, ct_pool *pool, result *out,
                carat_err *err)
{
    ct_vision *v;
    double start = ct_now(), times[32];
    if (!tower_open(path, width, k, pool, &(ct_vision_options){ .exact = exact }, &v, err))
        return false;
    *out = (result){ .load = ct_now() - start, .cfg = *ct_vision_shape(v) };
    size_t bytes = 3 * (size_t)out->cfg.image_size * out->cfg.image_size;
    uint8_t *rgb = malloc(bytes);
    uint64_t rng = 1;
    out->tokens = malloc(out->cfg.tokens_per_image * width * sizeof *out->tokens);
    bool ok = rgb && out->tokens;
    for (size_t i = 0; ok && i < bytes; i++)
        rgb[i] = (uint8_t)(ct_rng_next(&rng) >> 56);
    for (int r = 0; ok && r < repeat; r++) {
        start = ct_now();
        ok = ct_vision_encode_rgb(v, rgb, 1, out->tokens, err);
        times[r] = ct_now() - start;
    }
    free(rgb);
    tower_close(v);
    qsort(times, (size_t)repeat, sizeof *times, by_size);
    out->best = times[0], out->median = times[repeat / 2];
    if (!ok)
        free(out->tokens);
    return ok;
}

static double smallest_cosine(const float *a, const float *b, size_t n, size_t width)
{
    double least = 1;
    for (size_t t = 0; t < n; t++, a += width, b += width) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t i = 0; i < width; i++)
            ab += (double)a[i] * (double)b[i], aa += (double)a[i] * (double)a[i], bb += (double)b[i] * (double)b[i];
        least = fmin(least, ab / sqrt(aa * bb));
    }
    return least;
}

static bool bench(const char *path, const ct_kernels *k, ct_pool *pool, int repeat, carat_err *err)
{
    size_t width = 0;
    ct_vision_size size;
    result ours, exact;
    struct rusage use;
    if (!text_width_of(path, &width, err) ||
        !tower_bytes(path, width, k, ct_pool_threads(pool), &(ct_vision_options){ 0 }, &size, err))
        return false;
    const ct_peak *peak = k->mul_peak[ct_linear_form(k, false, true, CT_BF16)];
    const double limit = peak ? rate_of(peak, pool) : 0;
    if (!see(path, width, false, repeat, k, pool, &ours, err))
        return false;
    getrusage(RUSAGE_SELF, &use);
    double work = work_of(&ours.cfg, width);
    printf("%s: %u layers of %u, %u patches, %s kernels, %d threads\n", path, ours.cfg.n_layer, ours.cfg.hidden,
           ct_vision_patches(&ours.cfg), k->isa, ct_pool_threads(pool));
    printf("an image         %.2f s (best of %d; median %.2f), %.2f Tflop, %.0f Gflop/s", ours.best, repeat,
           ours.median, work / 1e12, work / ours.best / 1e9);
    if (peak)
        printf(", %.0f %% of %.0f Gflop/s of %s", 100 * work / ours.best / limit, limit / 1e9, peak->name);
    printf("\nmemory           %.0f MiB of weights, %.0f MiB to encode an image; %.0f MiB resident at most\n",
           (double)size.weights / 0x1p20, (double)size.work / 0x1p20, (double)use.ru_maxrss / 0x1p10);
    fflush(stdout);
    bool ok = see(path, width, true, 1, k, pool, &exact, err);
    if (ok)
        printf("beside f32       smallest cosine of a token %.6f; f32 takes %.2f s\n",
               smallest_cosine(ours.tokens, exact.tokens, ours.cfg.tokens_per_image, width), exact.best);
    free(ours.tokens), free(ok ? exact.tokens : NULL);
    return ok;
}

int main(int argc, char **argv)
{
    long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 0, repeat = argc > 3 ? strtol(argv[3], NULL, 10) : 3;
    ct_kernels k;
    ct_pool *pool;
    carat_err err;
    if (argc < 2 || argc > 4 || threads < 0 || threads > CT_MAX_THREADS || repeat < 1 || repeat > 32) {
        fprintf(stderr, "usage: bench_vision MMPROJ [THREADS [REPEAT]]\n");
        return 2;
    }
    char msg[160];
    unsigned mask;
    if (!ct_cpu_by_name(getenv("CARAT_CPU"), &mask, msg)) {
        fprintf(stderr, "bench_vision: %s\n", msg);
        return 2;
    }
    ct_kernels_for(&k, mask);
    bool ok = ct_pool_open((int)threads, &pool, &err);
    if (ok) {
        ok = bench(argv[1], &k, pool, (int)repeat, &err);
        ct_pool_close(pool);
    }
    if (!ok)
        fprintf(stderr, "bench_vision: %s\n", err.msg);
    return !ok;
}
