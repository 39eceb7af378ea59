/* carat - Gemma 3 at the terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
#include "common.h"

const cli_command *const cli_commands[] = {
    &cli_run,    &cli_chat,  &cli_info,  &cli_see,   &cli_tokenize, &cli_detokenize,
    &cli_logits, &cli_synth, &cli_bench, &cli_weigh, &cli_help,     NULL,
};

const cli_command *cli_find_command(const char *name)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

/* A closed stdin, stdout or stderr must not become the next file that is opened, the model or an output. What stands in
 * its place cannot be used the way it would be, so that using it stays an error. */
static void keep_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(CLI_FAILED);
}

/* Text is UTF-8 here, also where nobody has said so: in the C locale, which is what a container has, libedit would drop
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
    const cli_command *cmd = cli_find_command(name);
    if (cmd)
        return cmd->run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_print_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("carat %s (kernels: %s)\n", carat_version(), carat_best_isa());
        return CLI_OK;
    }
    if (*name)
        fprintf(stderr, "carat: unknown command '%s'\n\n", name);
    cli_print_overview(stderr);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* glibc would reserve 64 MiB of address space for each thread that allocates */
#endif
    keep_standard_files();
    set_locale();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, met where it is written */
    return cli_finish(dispatch(argc, argv));
}
