/* carat bench --parallel: one answer alone, several at once, and one while a prompt arrives; the rates of each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench_many.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/median.h"
#include "base/rng.h"
#include "engine.h"
#include "json_out.h"
#include "term.h"

#define REPEAT 3

typedef struct many {
    carat_engine *e;
    uint64_t rng; /* another prompt each time: nothing may come from the prefix cache */
} many;

static bool random_prompt(many *m, size_t n, carat_prompt **out, carat_err *err)
{
    int32_t *ids = malloc(n * sizeof *ids);
    if (!ids)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", n);
    size_t n_vocab = carat_engine_info(m->e)->n_pieces, low = n_vocab > 1024 ? 512 : 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(low + ct_rng_next(&m->rng) % (n_vocab - low));
    bool ok = carat_prompt_ids(m->e, ids, n, NULL, 0, NULL, out, err);
    free(ids);
    return ok;
}

static bool submit(many *m, const carat_prompt *p, size_t n_tokens, carat_request **out, carat_err *err)
{
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 0;
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = n_tokens, .ignores_eos = true
    };
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g };
    return carat_request_submit(m->e, &o, out, err);
}

/* Waits for the next token; false: none will come. */
static bool wait_for_token(carat_request *r, carat_err *err)
{
    const carat_event *ev = carat_request_next(r, -1);
    if (ev->kind == CARAT_EVENT_FAILED)
        *err = *ev->err;
    return ev->kind == CARAT_EVENT_TOKEN;
}

/* Tokens a second of n answers together, from the moment when all of them are being decoded. */
static bool decode_together(many *m, size_t n, size_t n_prompt, size_t n_tokens, double *rate, carat_err *err)
{
    carat_prompt *p[256] = { NULL };
    carat_request *r[256] = { NULL };
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = random_prompt(m, n_prompt, &p[i], err);
        ok = ok && submit(m, p[i], n_tokens + n, &r[i], err); /* the first go on until the last has begun */
    }
    for (size_t i = 0; ok && i < n; i++) /* the first token of each */
        ok = wait_for_token(r[i], err);
    carat_stats before = { .struct_size = sizeof before }, now = { .struct_size = sizeof now };
    ok = ok && carat_engine_stats(m->e, &before, err);
    double start = ct_now();
    for (size_t k = 0; ok && k + 1 < n_tokens; k++)
        for (size_t i = 0; ok && i < n; i++)
            ok = wait_for_token(r[i], err);
    ok = ok && carat_engine_stats(m->e, &now, err);
    *rate = (double)(now.generated_tokens - before.generated_tokens) / (ct_now() - start);
    for (size_t i = 0; i < n; i++) {
        carat_request_free(r[i]);
        carat_prompt_free(p[i]);
    }
    return ok;
}

/* The time between an answer's tokens alone, and the longest while a prompt arrives and is read. */
static bool time_between(many *m, size_t n_prompt, size_t n_arrival, double *alone, double *longest, double *first,
                         carat_err *err)
{
    carat_prompt *p = NULL, *big = NULL;
    carat_request *r = NULL, *late = NULL;
    double gaps[16], last = 0, start = 0;
    size_t n = 0;
    *longest = 0;
    bool ok = random_prompt(m, n_prompt, &p, err) && random_prompt(m, n_arrival, &big, err);
    ok = ok && submit(m, p, 100000, &r, err);
    while (ok) {
        ok = wait_for_token(r, err);
        double now = ct_now();
        if (n > 0 && n <= 16)
            gaps[n - 1] = now - last;
        else if (late && now - last > *longest)
            *longest = now - last;
        last = now;
        if (++n == 17) {
            ok = ok && submit(m, big, 1, &late, err);
            start = ct_now();
        }
        if (late && carat_request_next(late, 0)->kind != CARAT_EVENT_NONE)
            break;
    }
    *first = ct_now() - start;
    *alone = ok ? ct_median(gaps, 16) : 0;
    carat_request_free(r), carat_request_free(late);
    carat_prompt_free(p), carat_prompt_free(big);
    return ok;
}

static bool measure(many *m, size_t parallel, size_t n_prompt, size_t n_tokens, double *one, double *all,
                    carat_err *err)
{
    double a[REPEAT], b[REPEAT];
    for (size_t i = 0; i < REPEAT; i++) /* side by side: the machine's speed swings */
        if (!decode_together(m, 1, n_prompt, n_tokens, &a[i], err) ||
            !decode_together(m, parallel, n_prompt, n_tokens, &b[i], err))
            return false;
    *one = ct_median(a, REPEAT);
    *all = ct_median(b, REPEAT);
    return true;
}

static void print_json(const char *path, const many *m, size_t parallel, const double v[5], size_t n_arrival)
{
    json_t *o = json_pack("{s:o, s:s, s:i, s:i, s:f, s:f, s:f, s:i, s:f, s:f, s:f}", "model", ct_json_from_str(path),
                          "kernels", carat_engine_isa(m->e), "threads", carat_engine_threads(m->e), "parallel",
                          (int)parallel, "one_per_second", v[0], "all_per_second", v[1], "ratio", v[1] / v[0],
                          "arrival_tokens", (int)n_arrival, "gap_alone_seconds", v[2], "gap_longest_seconds", v[3],
                          "arrival_first_token_seconds", v[4]);
    cli_json_print(o, JSON_INDENT(2));
    putchar('\n');
}

int bench_many(const char *path, size_t parallel, size_t n_prompt, size_t n_tokens, size_t n_arrival, bool json)
{
    many m = { .rng = 1 };
    carat_err err;
    double v[5];
    int code;
    cli_model_values.sessions = parallel;
    cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE;
    size_t most = n_prompt + n_tokens + parallel;
    cli_model_values.ctx = (int64_t)(most > n_arrival + 512 ? most : n_arrival + 512);
    if (!cli_open_engine(path, CARAT_VISION_OFF, &m.e, &code))
        return code;
    bool ok = measure(&m, parallel, n_prompt, n_tokens, &v[0], &v[1], &err) &&
              time_between(&m, n_prompt, n_arrival, &v[2], &v[3], &v[4], &err);
    if (!ok) {
        carat_engine_close(m.e);
        return term_error(&err);
    }
    if (json) {
        print_json(path, &m, parallel, v, n_arrival);
    } else {
        printf("%s, %d threads, %s kernels, prompts of %zu, answers of %zu, median of %d\n\n", path,
               carat_engine_threads(m.e), carat_engine_isa(m.e), n_prompt, n_tokens, REPEAT);
        printf("  one answer           %8.2f tokens/s\n", v[0]);
        printf("  %3zu answers at once  %8.2f tokens/s, %.2f times as many\n", parallel, v[1], v[1] / v[0]);
        printf("  between tokens       %8.1f ms alone; at most %.1f ms while a prompt of %zu tokens is read (%.1f s)\n",
               v[2] * 1e3, v[3] * 1e3, n_arrival, v[4]);
    }
    carat_engine_close(m.e);
    return CLI_OK;
}
