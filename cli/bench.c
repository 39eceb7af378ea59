/* carat bench - prefill and decode speed beside the machine's read bandwidth.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bandwidth.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/median.h"
#include "base/pool.h"
#include "base/rng.h"
#include "bench_kernels.h"
#include "bench_many.h"
#include "commands.h"
#include "engine.h"
#include "json_out.h"
#include "shared_options.h"
#include "term.h"

#define MAX_RUNS 32

static struct {
    const char *threads;
    int64_t prompt, generate, depth, repeat, parallel, arrival;
    bool json;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "thread-list", NULL, CLI_TEXT, &opt.threads, "1,2", "numbers of threads to try",
      .otherwise = "1 and all physical cores" },
    { 'p', "prompt", NULL, CLI_INT, &opt.prompt, "N", "prompt tokens", .deflt = "512", .min = 1, .max = 1 << 24 },
    { 'n', "predict", NULL, CLI_INT, &opt.generate, "N", "decoded tokens", .deflt = "64", .min = 1, .max = 1 << 20 },
    { 'd', "depth", NULL, CLI_INT, &opt.depth, "N", "tokens in the context before the prompt",
      .deflt = "0", .max = 1 << 24 },
    { 'r', "repeat", NULL, CLI_INT, &opt.repeat, "N", "repetitions, of which the median is shown",
      .deflt = "3", .min = 1, .max = MAX_RUNS },
    { 0, "parallel", NULL, CLI_INT, &opt.parallel, "N",
      "instead: N answers at once compared with one, and one while a long prompt arrives", .min = 2, .max = 256 },
    { 0, "arrival", NULL, CLI_INT, &opt.arrival, "N", "with --parallel: tokens of that prompt",
      .deflt = "4000", .min = 1, .max = 1 << 24 },
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("what to measure", options);

typedef struct speeds {
    int threads;
    double prefill[MAX_RUNS], decode[MAX_RUNS]; /* tokens a second */
    double bandwidth[2];                        /* bytes a second before and after */
} speeds;

/* Any ids but control tokens: the values do not matter to the speed. */
static void random_ids(int32_t *ids, size_t n, size_t n_vocab)
{
    uint64_t rng = 1;
    size_t low = n_vocab > 1024 ? 512 : 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(low + ct_rng_next(&rng) % (n_vocab - low));
}

/* A prompt and an answer behind what the session holds. */
static bool prompt_and_answer(carat_session *s, const int32_t *ids, double *prefill, double *decode, carat_err *err)
{
    size_t p = (size_t)opt.prompt, n = (size_t)opt.generate;
    double start = ct_now();
    if (!carat_session_append(s, ids, p, err))
        return false;
    *prefill = (double)p / (ct_now() - start);
    carat_result r = { .struct_size = sizeof r };
    carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    sampling.temperature = 0;
    const carat_generation g = {
        .struct_size = sizeof g, .sampling = &sampling, .max_tokens = n + 1, .ignores_eos = true
    };
    if (!carat_session_generate(s, &g, &r, err))
        return false;
    *decode = (double)n / r.seconds; /* the last of n + 1 tokens is not evaluated */
    return true;
}

/* On a copy, so that what comes before is read once and not again for each run. */
static bool one_run(const carat_session *before, const int32_t *ids, double *prefill, double *decode, carat_err *err)
{
    carat_session *s;
    if (!carat_session_fork(before, &s, err))
        return false;
    const bool ok = prompt_and_answer(s, ids, prefill, decode, err);
    carat_session_close(s);
    return ok;
}

static bool measure(carat_engine *e, speeds *out, carat_err *err)
{
    carat_session *s = NULL;
    size_t depth = (size_t)opt.depth, n = depth + (size_t)opt.prompt;
    int32_t *ids = calloc(n, sizeof *ids);
    bool ok = ids ? carat_session_open(e, 0, &s, err)
                  : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", n);
    if (ok) {
        random_ids(ids, n, carat_engine_info(e)->n_pieces);
        double warm;
        ok = (!depth || carat_session_append(s, ids, depth, err)) && one_run(s, ids + depth, &warm, &warm, err);
    }
    for (int64_t r = 0; ok && r < opt.repeat; r++)
        ok = one_run(s, ids + depth, &out->prefill[r], &out->decode[r], err);
    carat_session_close(s);
    free(ids);
    return ok;
}

static bool bench_threads(const char *path, int threads, speeds *out, const char **isa, int *code)
{
    carat_err err;
    carat_engine *e;
    *out = (speeds){ .threads = threads };
    cli_model_values.threads = threads;
    cli_model_values.ctx = opt.depth + opt.prompt + opt.generate + 1;
    cli_model_values.sessions = 2; /* what comes before, and the run's copy */
    if (!ct_read_bandwidth(threads, &out->bandwidth[0], &err)) {
        *code = term_error(&err);
        return false;
    }
    if (!cli_open_engine(path, CARAT_VISION_OFF, &e, code))
        return false;
    bool ok = measure(e, out, &err);
    *isa = carat_engine_isa(e);
    carat_engine_close(e);
    if (ok)
        ok = ct_read_bandwidth(threads, &out->bandwidth[1], &err);
    if (!ok)
        *code = term_error(&err);
    return ok;
}

/* "1,2" -> counts; the default is one thread and all physical cores. */
static size_t thread_list(int *list, size_t max)
{
    size_t n = 0;
    if (!opt.threads) {
        list[n++] = 1;
        int all = cli_model_values.threads ? (int)cli_model_values.threads : ct_cpu_default();
        if (all > 1)
            list[n++] = all;
        return n;
    }
    for (const char *p = opt.threads; *p && n < max;) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < 1 || v > CT_MAX_THREADS || (*end && *end != ','))
            return 0;
        list[n++] = (int)v;
        p = *end ? end + 1 : end;
    }
    return n;
}

/* A decoded token reads every weight once, and the keys and values its layers still see (f16). */
static double bytes_per_token(const carat_model_info *i)
{
    double seen = (double)opt.depth + (double)opt.prompt + (double)opt.generate / 2;
    double local = seen < (double)i->window ? seen : (double)i->window;
    double kv = 2.0 * (double)i->n_kv_head * (double)i->head_dim * 2;
    return (double)i->weight_bytes + kv * ((double)i->n_global * seen + (double)(i->n_layer - i->n_global) * local);
}

static void report(const char *path, const carat_model_info *i, const char *isa, speeds *all, size_t n)
{
    size_t runs = (size_t)opt.repeat;
    double bytes = bytes_per_token(i);
    if (!opt.json) {
        printf("%s: %s, %.0f MB of weights, %s kernels\n", path, i->weight_types, (double)i->weight_bytes / 1e6, isa);
        printf("prompt %lld, decode %lld at depth %lld, median of %zu\n\n", (long long)opt.prompt,
               (long long)opt.generate, (long long)(opt.depth + opt.prompt), runs);
        printf("threads  prefill tok/s  decode tok/s  decode reads  machine reads  share\n");
    }
    json_t *rows = json_array();
    for (size_t k = 0; k < n; k++) {
        double p = ct_median(all[k].prefill, runs), d = ct_median(all[k].decode, runs);
        double bw = (all[k].bandwidth[0] + all[k].bandwidth[1]) / 2;
        if (!opt.json)
            printf("%7d  %13.1f  %12.2f  %7.1f GB/s  %8.1f GB/s  %4.0f %%\n", all[k].threads, p, d, d * bytes / 1e9,
                   bw / 1e9, 100 * d * bytes / bw);
        json_array_append_new(rows, json_pack("{s:i, s:f, s:f, s:f, s:f}", "threads", all[k].threads,
                                              "prefill_per_second", p, "decode_per_second", d,
                                              "decode_bytes_per_second", d * bytes, "read_bandwidth", bw));
    }
    if (opt.json) {
        json_t *o =
            json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:i, s:O}", "model", ct_json_from_str(path), "tensor_types",
                      i->weight_types, "kernels", isa, "prompt", (json_int_t)opt.prompt, "generate",
                      (json_int_t)opt.generate, "depth", (json_int_t)opt.depth, "runs", (int)runs, "results", rows);
        cli_json_print(o, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(rows);
}

static int run(int argc, char **argv)
{
    static speeds all[16];
    cli_list args = { 0 };
    if (argc > 1 && strcmp(argv[1], "kernels") == 0)
        return cli_bench_kernels.run(argc - 1, argv + 1);
    if (!cli_parse(&cli_bench, argc, argv, &args))
        return CLI_USAGE;
    const char *name = cli_model_path(&args);
    if (!name || args.n)
        return cli_usage(&cli_bench, "expected one model");
    if (bench_all_forms)
        return cli_usage(&cli_bench, "--all-forms is for carat bench kernels, which has no model");
    if (opt.parallel) {
        term_init(cli_model_values.quiet);
        return bench_many(name, (size_t)opt.parallel, (size_t)opt.prompt, (size_t)opt.generate, (size_t)opt.arrival,
                          opt.json);
    }
    int list[16];
    size_t n = thread_list(list, sizeof list / sizeof *list);
    if (n == 0)
        return cli_usage(&cli_bench, "--thread-list is '%s', expected numbers like 1,2,4", opt.threads);
    term_init(cli_model_values.quiet);
    carat_model_info *info;
    const char *isa = "";
    char *path;
    carat_err err;
    int code = CLI_OK;
    if (!cli_find_model(name, &path, &err))
        return term_error(&err);
    if (!carat_model_describe(path, &info, &err)) { /* its strings outlive the engines */
        free(path);
        return term_error(&err);
    }
    for (size_t i = 0; i < n; i++) {
        term_note("measuring %d thread%s ...", list[i], list[i] == 1 ? "" : "s");
        if (!bench_threads(path, list[i], &all[i], &isa, &code)) {
            carat_model_info_free(info);
            free(path);
            return code;
        }
    }
    report(path, info, isa, all, n);
    carat_model_info_free(info);
    free(path);
    return CLI_OK;
}

const cli_command cli_bench = {
    .name = "bench",
    .usage = "MODEL [options], or kernels [WORD ...] [options]",
    .summary = "measure prefill and decode speed, or kernels, beside the machine's limit",
    .text =
        "Measures prefill and decode in tokens per second and how much of the machine's read bandwidth decoding "
        "reaches.\n"
        "Run it on a quiet machine.\n\n"
        "  carat bench gemma.gguf\n"
        "  carat bench gemma.gguf --parallel 8 -p 64\n"
        "  carat bench gemma.gguf -p 2048 -n 128 --thread-list 1,2,4 --json\n\n"
        "kernels: without a model, what every kernel reaches of what this processor could; the table of `carat bench\n"
        "kernels --help` has all that it takes.\n\n"
        "  carat bench kernels\n"
        "  carat bench kernels mul q4_0 --all-forms",
    .tables = { &table, &bench_kernels_table, &cli_model_table, &cli_loading_table },
    .run = run,
};
