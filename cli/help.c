/* --help: of a command, and of the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <stdio.h>
#include <string.h>

static void print_option(const cli_option *o)
{
    char left[80];
    int n = o->letter ? snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "    --%s", o->name);
    if (o->arg && n > 0 && (size_t)n < sizeof left)
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->arg);
    const char *help = o->help;
    if (strlen(left) > 24)
        printf("  %s\n%28s", left, "");
    else
        printf("  %-24s  ", left);
    for (size_t width = 0; *help;) { /* words folded at 80 columns */
        size_t word = strcspn(help, " ");
        if (width && width + 1 + word > 52) {
            printf("\n%28s", "");
            width = 0;
        }
        width += (size_t)printf("%s%.*s", width ? " " : "", (int)word, help);
        help += word;
        help += strspn(help, " ");
    }
    putchar('\n');
}

void cli_print_help(const cli_command *cmd)
{
    printf("usage: carat %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->text);
    for (const cli_table *const *t = cmd->tables; *t; t++) {
        printf("\n%s:\n", (*t)->title);
        for (size_t i = 0; i < (*t)->n; i++)
            print_option(&(*t)->options[i]);
    }
}

void cli_print_overview(const cli_command *const *all, FILE *f)
{
    fputs("carat - run Google's Gemma 3 on this machine's CPU\n\nusage: carat COMMAND [options]\n\ncommands:\n", f);
    for (const cli_command *const *c = all; *c; c++)
        fprintf(f, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fputs("\ncarat COMMAND --help tells more. Start with:\n"
          "  carat run models/gemma-3-270m-q4_k_m.gguf -p \"Once upon a time\"\n",
          f);
}
