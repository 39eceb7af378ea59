/* carat bench kernels: what every kernel reaches of what this processor could.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "carat_weigh.h"
#include "json_out.h"
#include "shared_options.h"
#include "term.h"

#define SLOWER 0.9 /* of what a level below reaches: by more than runs differ */

bool bench_all_forms;

static struct {
    int64_t threads;
    const char *cpu;
    bool list, json, quiet;
} opt;

/* clang-format off */
#define ALL_FORMS \
    { 0, "all-forms", NULL, CLI_FLAG, &bench_all_forms, NULL, \
      "products in all forms of activations that there are, not only in those that are used" }
static const cli_option options[] = {
    { 't', "threads", NULL, CLI_INT, &opt.threads, "N", "threads; one alone is measured, too",
      .otherwise = "the physical cores allowed", .min = 1, .max = 512 },
    { 0, "cpu", NULL, CLI_TEXT, &opt.cpu, "LEVEL", "only the kernels of this level: generic, avx2, avx512 ...",
      .otherwise = "$CARAT_CPU, or all that this CPU has" },
    ALL_FORMS,
    { 0, "list", NULL, CLI_FLAG, &opt.list, NULL, "names alone: what there is to measure" },
    CLI_OPTION_JSON(&opt.json),
    CLI_OPTION_QUIET(&opt.quiet),
};
static const cli_option options_of_bench[] = { ALL_FORMS };
/* clang-format on */
static const cli_table table = CLI_TABLE("what to measure", options);
const cli_table bench_kernels_table = CLI_TABLE("kernels", options_of_bench);

/* ---- what was measured ---- */

typedef struct rows {
    carat_kernel_speed *row;
    size_t n, n_shown; /* of which so many stand in the table */
    bool is_lost;      /* there was no memory for one */
} rows;

static bool is_level(const carat_kernel_speed *a, const carat_kernel_speed *b)
{
    return strcmp(a->level, b->level) == 0;
}

/* The same work by another level: in whatever form where the form is the level's choice. */
static bool is_rival(const carat_kernel_speed *a, const carat_kernel_speed *b)
{
    const bool any_form = strcmp(a->kernel, "mul") == 0 || strcmp(a->kernel, "set_attend") == 0;
    return strcmp(a->kernel, b->kernel) == 0 && strcmp(a->type, b->type) == 0 && strcmp(a->work, b->work) == 0 &&
           a->n_threads == b->n_threads && (any_form || strcmp(a->form, b->form) == 0);
}

/* What is compared: where memory is the limit the share of it, because its speed is another from minute to minute. */
static double worth(const carat_kernel_speed *s)
{
    return *s->unit == 'b' && s->limit > 0 ? s->rate / s->limit : s->rate;
}

/* The fastest of the levels before the row's; NULL: none is faster by much. */
static const carat_kernel_speed *faster_below(const rows *r, const carat_kernel_speed *s)
{
    const carat_kernel_speed *best = NULL;
    for (const carat_kernel_speed *b = r->row; b < s && !is_level(b, s); b++)
        if (*b->work && is_rival(b, s) && worth(s) < SLOWER * worth(b) && (!best || worth(b) > worth(best)))
            best = b;
    return *s->same_as ? NULL : best;
}

/* ---- as text ---- */

static void put_rate(const carat_kernel_speed *s)
{
    char share[16] = "";
    const char *unit = *s->unit == 'b' ? "GB/s" : *s->unit == 'o' ? "Gop/s" : "Gval/s";
    if (s->limit > 0)
        snprintf(share, sizeof share, "%.0f %%", 100 * s->rate / s->limit);
    printf(" %9.2f %-6s %6s", s->rate * 1e-9, unit, share);
}

static void put_name(char *out, size_t size, const carat_kernel_speed *s)
{
    snprintf(out, size, "%s%s%s%s%s", s->kernel, *s->type ? " " : "", s->type, *s->form ? " " : "", s->form);
}

/* One line for a kernel: by one thread, by all. */
static void show_row(const rows *r, size_t i)
{
    const carat_kernel_speed *s = &r->row[i];
    char name[64];
    put_name(name, sizeof name, s);
    printf("  %-28s %-10s", name, s->work);
    if (opt.list) {
        printf("%s%s\n", *s->limited_by ? "   beside " : "", s->limited_by);
        return;
    }
    put_rate(s);
    for (size_t j = i + 1; j < r->n; j++) {
        const carat_kernel_speed *t = &r->row[j];
        if (is_level(t, s) && t->n_threads != s->n_threads && strcmp(t->kernel, s->kernel) == 0 &&
            strcmp(t->type, s->type) == 0 && strcmp(t->form, s->form) == 0 && strcmp(t->work, s->work) == 0)
            put_rate(t);
    }
    printf("%s%s\n", *s->limited_by ? "   of " : "", s->limited_by);
}

/* The rows that came since the last time, all of one level. */
static void show_level(rows *r)
{
    size_t same = 0, threads = 1;
    for (size_t i = r->n_shown; i < r->n; i++)
        threads = r->row[i].n_threads > threads ? r->row[i].n_threads : threads;
    if (r->n_shown < r->n) {
        printf("%s%s\n", r->n_shown ? "\n" : "", r->row[r->n_shown].level);
        if (!opt.list)
            printf(threads > 1 ? "  %-39s %-24s %zu threads\n" : "  %-39s %s\n", "", "1 thread", threads);
    }
    for (size_t i = r->n_shown; i < r->n; i++)
        if (r->row[i].n_threads == 1 && *r->row[i].same_as)
            same++;
        else if (r->row[i].n_threads == 1)
            show_row(r, i);
    if (same)
        printf("  %zu more are those of a level above in this table\n", same);
    r->n_shown = r->n;
    fflush(stdout);
}

static void show_slower(const rows *r)
{
    char name[64];
    bool is_first = true;
    for (size_t i = 0; i < r->n; i++) {
        const carat_kernel_speed *s = &r->row[i], *b = faster_below(r, s);
        if (!b)
            continue;
        if (is_first)
            printf("\nslower here than a level below:\n");
        is_first = false;
        put_name(name, sizeof name, s);
        printf("  %s, %s, %s, %zu thread%s: %.2f of %s%s%s\n", s->level, name, s->work, s->n_threads,
               s->n_threads == 1 ? "" : "s", worth(s) / worth(b), b->level, *b->form ? " in " : "", b->form);
    }
}

/* ---- as JSON ---- */

static json_t *json_of(const carat_kernel_speed *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:f, s:f, s:s, s:s}", "level", s->level, "kernel", s->kernel,
                     "type", s->type, "form", s->form, "work", s->work, "threads", (json_int_t)s->n_threads, "unit",
                     s->unit, "per_second", s->rate, "limit_per_second", s->limit, "limit", s->limited_by, "same_as",
                     s->same_as);
}

static void print_json(const rows *r)
{
    json_t *all = json_array(), *slower = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const carat_kernel_speed *b = faster_below(r, &r->row[i]);
        json_array_append_new(all, json_of(&r->row[i]));
        if (b)
            json_array_append_new(slower, json_pack("{s:o, s:o}", "is", json_of(&r->row[i]), "below", json_of(b)));
    }
    cli_json_print(json_pack("{s:o, s:o}", "kernels", all, "slower_than_below", slower), JSON_INDENT(2));
    putchar('\n');
}

/* ---- the command ---- */

static bool take_row(void *arg, const carat_kernel_speed *s)
{
    rows *r = arg;
    const bool is_new_level = r->n == 0 || !is_level(&r->row[r->n - 1], s);
    if (is_new_level && !opt.json)
        show_level(r);
    if (is_new_level && !opt.list)
        term_note("measuring %s ...", s->level);
    if (r->n % 64 == 0) {
        carat_kernel_speed *more = realloc(r->row, (r->n + 64) * sizeof *more);
        r->is_lost = !more;
        r->row = more ? more : r->row;
    }
    if (!r->is_lost)
        r->row[r->n++] = *s;
    return !r->is_lost;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    carat_err err;
    ct_buf words;
    rows r = { 0 };
    if (!cli_parse(&cli_bench_kernels, argc, argv, &args))
        return CLI_USAGE;
    term_init(opt.quiet);
    ct_buf_init(&words, 4096);
    for (size_t i = 0; i < args.n; i++)
        ct_buf_fmt(&words, "%s%s", i ? " " : "", args.v[i]);
    ct_buf_char(&words, '\0');
    const carat_kernel_query q = { .struct_size = sizeof q,
                                   .cpu = opt.cpu,
                                   .filter = words.data,
                                   .n_threads = (size_t)opt.threads,
                                   .all_forms = bench_all_forms,
                                   .list = opt.list,
                                   .report = take_row,
                                   .arg = &r };
    bool ok = words.failed ? ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the kernels' names")
                           : carat_bench_kernels(&q, &err);
    if (ok && r.is_lost)
        ok = ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the table");
    if (ok && r.n == 0)
        ok = ct_fail(&err, CARAT_EARG, CARAT_NOWHERE, "no kernel has '%.80s' in its name", words.data);
    if (ok && opt.json) {
        print_json(&r);
    } else if (ok) {
        show_level(&r);
        if (!opt.list)
            show_slower(&r);
    }
    ct_buf_deinit(&words);
    free(r.row);
    return ok ? CLI_OK : term_error(&err);
}

const cli_command cli_bench_kernels = {
    .name = "bench kernels",
    .usage = "[WORD ...] [options]",
    .summary = "what every kernel reaches of what this processor could",
    .text = "Measures the kernels whose names have all the WORDs in them, without a model, of each level that this CPU "
            "has:\n"
            "the product of every type of weights with one token (beside a plain read of the weights) and with many "
            "(beside the\n"
            "peak of the instruction that they multiply with), attention, and what works on rows. Levels below come "
            "first; at the\n"
            "end stands what is slower here than one of them. Numbers are random. Run it on a quiet machine.\n\n"
            "  carat bench kernels\n"
            "  carat bench kernels mul q4_0 --all-forms\n"
            "  carat bench kernels attend --cpu avx512 --json",
    .tables = { &table },
    .run = run,
};
