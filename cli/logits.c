/* carat logits - the raw numbers of every position, for comparing with other implementations.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/new_file.h"
#include "commands.h"
#include "engine.h"
#include "input.h"
#include "pictures.h"
#include "signals.h"
#include "term.h"

static struct {
    const char *ids, *ids_file, *out, *soft;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "ids", NULL, CLI_TEXT, &opt.ids, "2,10,...", "the token ids, with <bos> where it is wanted" },
    { 0, "ids-file", NULL, CLI_TEXT, &opt.ids_file, "FILE", "read the ids from a file; - is stdin" },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE",
      "where the float32 [n, vocab] array goes (little-endian, no header)" },
    { 0, "soft-tokens", NULL, CLI_TEXT, &opt.soft, "FILE",
      "write what the vision tower makes of the images: float32 [views, tokens per image, hidden]" },
};
/* clang-format on */
static const cli_table table = CLI_TABLE("input and output", options);

static bool interrupted(carat_err *err)
{
    return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
}

typedef struct job {
    carat_engine *e;
    carat_session *s;
    const carat_prompt *p;
    FILE *f;
    int why; /* errno of a write that failed */
} job;

/* On a thread of the engine's, whose errno is its own. */
static bool write_row(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    (void)pos;
    job *j = arg;
    if (fwrite(logits, sizeof *logits, n_vocab, j->f) == n_vocab)
        return true;
    j->why = errno;
    return false;
}

static bool logits_to(void *arg, FILE *f, carat_err *err)
{
    job *j = arg;
    j->f = f;
    cli_cancel_on_interrupt(j->s);
    bool ok = carat_session_append_prompt(j->s, j->p, write_row, j, err);
    ok = ok && (!cli_was_interrupted() || interrupted(err));
    cli_cancel_on_interrupt(NULL);
    errno = j->why;
    return ok;
}

/* False cancels. */
static bool on_layers(void *arg, uint64_t done, uint64_t total)
{
    (void)arg, (void)done, (void)total;
    return !cli_was_interrupted();
}

static bool soft_tokens_to(void *arg, FILE *f, carat_err *err)
{
    const job *j = arg;
    const carat_model_info *i = carat_engine_info(j->e);
    size_t n = i->tokens_per_image * i->hidden;
    float *rows = malloc((n + 1) * sizeof *rows);
    bool ok = rows || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu soft tokens", n);
    for (size_t v = 0; ok && v < carat_prompt_n_views(j->p); v++)
        ok = (!cli_was_interrupted() || interrupted(err)) &&
             carat_prompt_soft_tokens(j->e, j->p, v, rows, on_layers, NULL, err) &&
             fwrite(rows, sizeof *rows, n, f) == n;
    const int why = errno;
    free(rows);
    errno = why;
    return ok;
}

static int failed(const carat_err *err)
{
    return err->code == CARAT_ECANCELLED ? CLI_INTERRUPTED : term_error(err);
}

static int write_files(carat_engine *e, const carat_prompt *p)
{
    carat_err err;
    size_t n;
    job j = { .e = e, .p = p };
    const carat_model_info *i = carat_engine_info(e);
    carat_prompt_tokens(p, &n);
    cli_signals(CLI_SIGNALS_NOTED); /* no half a file stays */
    if (opt.soft) {
        if (!ct_write_beside(opt.soft, soft_tokens_to, &j, &err))
            return failed(&err);
        term_note("%s: float32 [%zu, %zu, %zu]", opt.soft, carat_prompt_n_views(p), i->tokens_per_image, i->hidden);
    }
    if (!opt.out)
        return CLI_OK;
    bool ok = carat_session_open(e, 0, &j.s, &err) && ct_write_beside(opt.out, logits_to, &j, &err);
    carat_session_close(j.s);
    if (!ok)
        return failed(&err);
    term_note("%s: float32 [%zu, %zu]", opt.out, n, i->n_vocab);
    return CLI_OK;
}

/* The ids with the pictures in their image tokens; without ids the pictures alone. */
static bool make_prompt(const carat_engine *e, const int32_t *ids, size_t n, const cli_pictures *pictures,
                        const carat_pan_scan *pan, carat_prompt **out, carat_err *err)
{
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = pan };
    const carat_picture *const *all = (const carat_picture *const *)pictures->v;
    if (n)
        return carat_prompt_ids(e, ids, n, all, pictures->n, &o, out, err);
    carat_content *content;
    bool is_inline;
    bool ok = cli_place_pictures("", 0, all, pictures->n, &content, &n, &is_inline, err) &&
              carat_prompt_text(e, content, n, &o, out, err);
    free(content);
    return ok;
}

static int check_usage(const cli_list *args, const char *path)
{
    if (!path)
        return cli_usage(&cli_logits, "which model?");
    if (args->n || (opt.ids && opt.ids_file) || (!opt.out && !opt.soft))
        return cli_usage(&cli_logits, "needs -o FILE or --soft-tokens FILE, and one of --ids and --ids-file");
    if (cli_is_stream(&cli_logits, "output", opt.out) || cli_is_stream(&cli_logits, "soft-tokens", opt.soft))
        return CLI_USAGE;
    if (opt.out && !opt.ids && !opt.ids_file)
        return cli_usage(&cli_logits, "needs -o FILE and one of --ids and --ids-file");
    if (opt.soft && !cli_image_paths.n)
        return cli_usage(&cli_logits, "--soft-tokens needs an image: --image FILE");
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_logits, argc, argv, &args))
        return CLI_USAGE;
    const carat_pan_scan pan = cli_pan_scan();
    const char *path = cli_model_path(&args);
    int code = check_usage(&args, path);
    if (code != CLI_OK)
        return code;
    term_init(cli_model_values.quiet);
    carat_err err;
    char *text = NULL;
    size_t len, n = 0;
    int32_t *ids = NULL;
    cli_pictures pictures = { 0 };
    carat_engine *e = NULL;
    carat_prompt *p = NULL;
    bool has_ids = opt.ids || opt.ids_file;
    if (!cli_spares_inputs(opt.out, path, opt.ids_file, &err) ||
        !cli_spares_inputs(opt.soft, path, opt.ids_file, &err) ||
        (opt.ids_file && !cli_read_text(opt.ids_file, &text, &len, &err)) ||
        (has_ids && !cli_parse_ids(text ? text : opt.ids, text ? len : strlen(opt.ids), &ids, &n, &err)) ||
        !cli_pictures_load(&cli_image_paths, &pictures, &err)) {
        code = term_error(&err);
        goto done;
    }
    if (has_ids && n == 0) {
        code = cli_usage(&cli_logits, "no token ids");
        goto done;
    }
    if (has_ids && !cli_model_values.ctx)
        cli_model_values.ctx = (int64_t)n;
    if (!cli_open_engine(path, pictures.n ? CARAT_VISION_REQUIRED : CARAT_VISION_OFF, &e, &code))
        goto done;
    if (make_prompt(e, ids, n, &pictures, &pan, &p, &err))
        code = write_files(e, p);
    else
        code = term_error(&err);
done:
    free(ids);
    free(text);
    carat_prompt_free(p);
    cli_pictures_free(&pictures);
    carat_engine_close(e);
    return code;
}

const cli_command cli_logits = {
    .name = "logits",
    .usage = "MODEL --ids 2,10,... -o FILE [options]",
    .summary = "write the logits of every position to a file",
    .text =
        "Evaluates token ids and writes the logits of every position as float32 [n, vocab], little-endian, without a\n"
        "header, for comparing with other implementations. Images take the runs of image tokens among the ids.\n\n"
        "  carat logits gemma.gguf --ids 2,818,5279 -o logits.f32\n"
        "  carat logits gemma-3-4b/ --image cat.jpg --soft-tokens soft.f32\n"
        "  carat logits gemma.gguf --ids-file ids.txt -t 2 --chunk 16 --exact -o logits.f32",
    .tables = { &table, &cli_pictures_table, &cli_model_table, &cli_loading_table },
    .run = run,
};
