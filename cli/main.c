/* carat - Gemma 3 at the terminal: the commands there are, and help about them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat.h"
#include "commands.h"
#include "exit.h"
#include "help.h"
#include "json_out.h"
#include "nearest.h"
#include "signals.h"

static const cli_command help;
static const cli_command *const commands[] = {
    &cli_run,      &cli_chat,       &cli_serve,  &cli_decide,      &cli_embed, &cli_eval,     &cli_info,    &cli_see,
    &cli_tokenize, &cli_detokenize, &cli_logits, &cli_synth,       &cli_merge, &cli_quantize, &cli_imatrix, &cli_pack,
    &cli_bench,    &cli_weigh,      &cli_pull,   &cli_list_models, &cli_rm,    &help,         NULL,
};

static const cli_command *find_command(const char *name)
{
    for (const cli_command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

/* "; did you mean run?", or nothing. */
static const char *did_you_mean(const char *name, char *to, size_t size)
{
    cli_nearest near = cli_nearest_to(name, strlen(name));
    for (const cli_command *const *c = commands; *c; c++)
        cli_nearest_try(&near, (*c)->name, strlen((*c)->name));
    *to = '\0';
    if (near.name)
        snprintf(to, size, "; did you mean %s?", near.name);
    return to;
}

/* ---- carat help ---- */

static struct {
    bool man, completion;
} opt;

/* clang-format off */
static const cli_option help_options[] = {
    { 0, "man", NULL, CLI_FLAG, &opt.man, NULL, "print the man page of carat or of the command, for man and groff" },
    { 0, "completion", NULL, CLI_FLAG, &opt.completion, NULL,
      "print a script that completes commands and options in bash" },
};
/* clang-format on */
static const cli_table help_table = CLI_TABLE("options", help_options);

static int run_help(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&help, argc, argv, &args))
        return CLI_USAGE;
    const cli_command *cmd = args.n ? find_command(args.v[0]) : NULL;
    if (args.n && !cmd) {
        char hint[64];
        return cli_usage(&help, "unknown command '%s'%s", args.v[0], did_you_mean(args.v[0], hint, sizeof hint));
    }
    if (args.n > 1 || (opt.completion && (args.n || opt.man)))
        return cli_usage(&help, "expected at most one command, and none with --completion");
    if (opt.completion)
        cli_print_completion(commands);
    else if (opt.man)
        cli_print_man(commands, cmd);
    else if (cmd)
        cli_print_help(cmd);
    else
        cli_print_overview(commands, stdout);
    return CLI_OK;
}

static const cli_command help = {
    .name = "help",
    .usage = "[COMMAND] [options]",
    .summary = "describe a command; man pages, completion",
    .text = "Lists the commands, or describes one of them.\n\n"
            "  carat help run\n"
            "  carat help --man run | man -l -\n"
            "  source <(carat help --completion)",
    .tables = { &help_table },
    .run = run_help,
};

/* ---- the program ---- */

/* A closed stdin, stdout or stderr must not become the next file that is opened, the model or an output. What stands in
 * its place cannot be used the way it would be, so that using it stays an error. */
static void keep_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(CLI_FAILED);
}

/* Text is UTF-8 here, even where the locale does not say so: in the C locale, which is what a container has, libedit would drop
 * every other letter. */
static void set_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1 && strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const cli_command *cmd = find_command(name);
    if (cmd)
        return cmd->run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_print_overview(commands, stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("carat %s (kernels: %s)\n", carat_version(), carat_best_isa());
        return CLI_OK;
    }
    char hint[64];
    if (*name)
        fprintf(stderr, "carat: unknown command '%s'%s\n\n", name, did_you_mean(name, hint, sizeof hint));
    cli_print_overview(commands, stderr);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* glibc would reserve 64 MiB of address space for each thread that allocates */
#endif
    keep_standard_files();
    cli_json_watch();
    set_locale();
    cli_report_lost_files();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, met where it is written */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that ulimit -f lets grow no further */
    return cli_finish(dispatch(argc, argv));
}
