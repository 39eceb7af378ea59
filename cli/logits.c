/* carat logits - the raw numbers of every position, for comparing with other implementations.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "commands.h"
#include "common.h"
#include "term.h"

static struct {
    const char *ids, *ids_file, *out;
} opt;

static const cli_option options[] = {
    { 0, "ids", NULL, CLI_TEXT, &opt.ids, "2,10,...", "the token ids, <bos> included where it is wanted", 0, 0 },
    { 0, "ids-file", NULL, CLI_TEXT, &opt.ids_file, "FILE", "read the ids from a file; - is stdin", 0, 0 },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE",
      "where the float32 [n, vocab] array goes (little-endian, no header)", 0, 0 },
};

static bool write_row(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    (void)pos;
    return fwrite(logits, sizeof *logits, n_vocab, arg) == n_vocab;
}

/* Writes beside the target and renames at the end: nothing half-written stays. */
static int write_logits(carat_session *s, const int32_t *ids, size_t n, size_t n_vocab)
{
    carat_err err;
    carat_buf tmp;
    carat_buf_init(&tmp, 1 << 16);
    carat_buf_fmt(&tmp, "%s.tmp-%ld", opt.out, (long)getpid());
    FILE *f = tmp.failed ? NULL : fopen(tmp.data, "wbe");
    bool ok = f != NULL;
    if (!ok) {
        carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", opt.out, strerror(errno));
    } else {
        cli_cancel_on_interrupt(s);
        ok = carat_session_append_logits(s, ids, n, write_row, f, &err);
        if (!ok && ferror(f))
            carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", opt.out, strerror(errno));
        if (fclose(f) != 0 && ok)
            ok = carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", opt.out, strerror(errno));
        if (ok && rename(tmp.data, opt.out) != 0)
            ok = carat_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", opt.out, strerror(errno));
        if (!ok)
            remove(tmp.data);
        cli_cancel_on_interrupt(NULL);
    }
    carat_buf_deinit(&tmp);
    if (!ok)
        return err.code == CARAT_ECANCELLED ? CLI_INTERRUPTED : term_error(&err);
    term_note("%s: float32 [%zu, %zu]", opt.out, n, n_vocab);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    const cli_table tables[] = { CLI_TABLE("input and output", options), cli_model_table };
    cli_list args = { 0 };
    if (!cli_parse(&cli_logits, tables, 2, argc, argv, &args))
        return CLI_USAGE;
    const char *path = cli_model_path(&args);
    if (!path)
        return cli_usage(&cli_logits, "which model?");
    if (!opt.out || !opt.ids == !opt.ids_file || args.n)
        return cli_usage(&cli_logits, "needs -o FILE and one of --ids and --ids-file");
    term_init(cli_model_values.quiet);
    carat_err err;
    char *text = NULL;
    size_t len, n;
    int32_t *ids = NULL;
    carat_engine *e = NULL;
    carat_session *s = NULL;
    int code = CLI_OK;
    if ((opt.ids_file && !cli_read_text(opt.ids_file, &text, &len, &err)) ||
        !cli_parse_ids(text ? text : opt.ids, &ids, &n, &err)) {
        code = term_error(&err);
        goto done;
    }
    if (n == 0) {
        code = cli_usage(&cli_logits, "no token ids");
        goto done;
    }
    if (!cli_open_engine(&cli_logits, path, &e, &code))
        goto done;
    size_t ctx = cli_model_values.ctx ? (size_t)cli_model_values.ctx : n;
    if (!carat_session_open(e, ctx, &s, &err)) {
        code = term_error(&err);
        goto done;
    }
    code = write_logits(s, ids, n, carat_engine_info(e)->n_vocab);
done:
    free(ids);
    free(text);
    carat_session_close(s);
    carat_engine_close(e);
    return code;
}

const cli_command cli_logits = {
    .name = "logits",
    .usage = "MODEL --ids 2,10,... -o FILE [options]",
    .summary = "write the logits of every position to a file",
    .text =
        "Evaluates token ids and writes the logits of every position as float32 [n, vocab], little-endian, without a\n"
        "header, for comparing with other implementations.\n\n"
        "  carat logits gemma.gguf --ids 2,818,5279 -o logits.f32\n"
        "  carat logits gemma.gguf --ids-file ids.txt -t 2 --chunk 16 --exact -o logits.f32",
    .run = run,
};
