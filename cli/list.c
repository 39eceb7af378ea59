/* carat list - the models that were pulled.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands.h"
#include "hub/short.h"
#include "hub/store.h"
#include "json_out.h"
#include "pull_bar.h"
#include "shared_options.h"
#include "term.h"

static struct {
    bool json, available;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "available", NULL, CLI_FLAG, &opt.available, NULL, "the short names that carat pull knows, their repositories and licences" },
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

static void on_warning(void *arg, const char *line)
{
    (void)arg;
    term_tell("carat: %s: left out", line);
}

/* ---- what may be pulled ---- */

static void print_available(void)
{
    char name[64];
    printf("%s%-24s  %-38s  %s%s\n", term_dim(1), "name", "repository", "licence", term_reset(1));
    for (size_t i = 0; ct_short_at(i); i++) {
        const ct_short *s = ct_short_at(i);
        printf("%-24s  %-38s  %s%s\n", ct_short_shown(s, name), s->repo, s->licence,
               s->is_gated ? "; gated: needs a token" : "");
    }
}

static void print_available_json(void)
{
    json_t *a = json_array();
    char name[64];
    for (size_t i = 0; ct_short_at(i); i++) {
        const ct_short *s = ct_short_at(i);
        json_array_append_new(a,
                              json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", ct_short_shown(s, name), "names", s->names,
                                        "repository", s->repo, "licence", s->licence, "gated", s->is_gated));
    }
    cli_json_print(json_pack("{s:o}", "available", a), JSON_INDENT(2));
    putchar('\n');
}

/* ---- what was pulled ---- */

static void print_models(const ct_stored_list *l)
{
    size_t width = 4;
    char size[24], name[320], path[4096];
    for (size_t i = 0; i < l->n; i++)
        if (strlen(l->v[i].name) > width)
            width = strlen(l->v[i].name);
    width = width > 72 ? 72 : width;
    printf("%s%-*s  %10s  %-11s  %-10s  %s%s\n", term_dim(1), (int)width, "name", "size", "type", "pulled", "path",
           term_reset(1));
    for (size_t i = 0; i < l->n; i++) {
        const ct_stored *m = &l->v[i];
        printf("%-*s  %10s  %-11.11s  %-10.10s  %s\n", (int)width, term_printable(m->name, name, sizeof name),
               pull_size(m->bytes, size), m->is_whole ? m->tag : "incomplete", m->pulled,
               term_printable(m->path, path, sizeof path));
    }
}

static json_t *model_json(const ct_stored *m)
{
    json_t *files = json_array();
    for (size_t i = 0; i < m->n_files; i++)
        json_array_append_new(files, json_pack("{s:o, s:I, s:s}", "file", ct_json_from_str(m->files[i].file), "bytes",
                                               (json_int_t)m->files[i].bytes, "sha256", m->files[i].sha256));
    return json_pack("{s:o, s:s, s:o, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o}", "name", ct_json_from_str(m->name),
                     "repository", m->repo, "type", ct_json_from_str(m->tag), "path", ct_json_from_str(m->path),
                     "bytes", (json_int_t)m->bytes, "complete", m->is_whole, "asked", ct_json_from_str(m->asked),
                     "pulled", ct_json_from_str(m->pulled), "commit", ct_json_from_str(m->commit), "endpoint",
                     ct_json_from_str(m->endpoint), "files", files);
}

static void print_json(const char *folder, const ct_stored_list *l)
{
    json_t *a = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(a, model_json(&l->v[i]));
    cli_json_print(json_pack("{s:o, s:o}", "folder", ct_json_from_str(folder), "models", a), JSON_INDENT(2));
    putchar('\n');
}

static int list(void)
{
    ct_stored_list l;
    carat_err err;
    char *folder;
    if (!ct_store_folder(&folder, &err))
        return term_error(&err);
    if (!ct_store_list(&l, on_warning, NULL, &err)) {
        free(folder);
        return term_error(&err);
    }
    if (opt.json)
        print_json(folder, &l);
    else if (l.n)
        print_models(&l);
    else
        term_note("nothing was pulled to %s yet; carat pull gemma-3-4b-it would be a beginning", folder);
    ct_stored_list_free(&l);
    free(folder);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_list_models, argc, argv, &args))
        return CLI_USAGE;
    if (args.n)
        return cli_usage(&cli_list_models, "unexpected argument '%s'", args.v[0]);
    term_init(false);
    if (!opt.available)
        return list();
    if (opt.json)
        print_available_json();
    else
        print_available();
    return CLI_OK;
}

const cli_command cli_list_models = {
    .name = "list",
    .usage = "[--json]",
    .summary = "the models that were pulled",
    .text = "Lists the models that carat pull has fetched: names, sizes, types, when, and where they are. One whose\n"
            "pull was not finished, or whose files are not as they were pulled, is incomplete.\n\n"
            "  carat list\n"
            "  carat list --available",
    .tables = { &table },
    .run = run,
};
