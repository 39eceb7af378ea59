/* --help: of a command, and of the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "option_names.h"

#define HELP_WIDTH 52 /* of the text beside the options */
#define DEFAULT    "(default: "

/* The words of a text, folded; width: how far the line is already. */
static size_t fold(const char *text, size_t width)
{
    while (*text) {
        size_t word = strncmp(text, DEFAULT, strlen(DEFAULT)) == 0 ? strlen(DEFAULT) : 0; /* stays with what follows */
        word += strcspn(text + word, " ");
        if (width && width + 1 + word > HELP_WIDTH) {
            printf("\n%28s", "");
            width = 0;
        }
        width += (size_t)printf("%s%.*s", width ? " " : "", (int)word, text);
        text += word;
        text += strspn(text, " ");
    }
    return width;
}

static void print_option(const cli_option *o)
{
    char left[80], arg[64], deflt[160];
    cli_option_arg(o, arg, sizeof arg);
    snprintf(left, sizeof left, o->letter ? "-%c, --%s%s%s" : "%c   --%s%s%s", o->letter ? o->letter : ' ', o->name,
             *arg ? " " : "", arg);
    if (strlen(left) > 24)
        printf("  %s\n%28s", left, "");
    else
        printf("  %-24s  ", left);
    size_t width = fold(o->help, 0);
    if (*cli_option_default(o, deflt, sizeof deflt))
        fold(deflt, width);
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
    fputs("\nRun carat COMMAND --help for details. To begin with:\n"
          "  carat run models/gemma-3-270m-q4_k_m.gguf -p \"Once upon a time\"\n",
          f);
}
