/* Completion for bash, from the tables that the parser reads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "help.h"
#include "option_names.h"

static void put_names(const cli_command *cmd, const cli_option *o)
{
    size_t n;
    printf("--%s", o->name);
    for (const char *a = o->alias; (a = cli_next_name(a, &n)); a += n)
        if (cli_find_option(cmd, a, n) == o)
            printf(" | --%.*s", (int)n, a);
    if (o->letter)
        printf(" | -%c", o->letter);
}

/* The values of options that take one of several words; nothing is offered for numbers and texts. */
static void put_value_cases(const cli_command *cmd)
{
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++) {
            const cli_option *o = &(*t)->options[i];
            if (!o->words)
                continue;
            fputs("        ", stdout);
            put_names(cmd, o);
            fputs(") words='", stdout);
            for (const cli_word *w = o->words; w->word; w++)
                printf("%s%s", w == o->words ? "" : " ", w->word);
            fputs("' ;;\n", stdout);
        }
}

static void put_command(const cli_command *cmd)
{
    printf("    %s)\n        options='", cmd->name);
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++)
            printf("--%s ", (*t)->options[i].name);
    fputs("--help'\n        case $prev in\n", stdout);
    put_value_cases(cmd);
    fputs("        esac ;;\n", stdout);
}

void cli_print_completion(const cli_command *const *all)
{
    fputs("# Completion of carat for bash, made by carat help --completion\n"
          "_carat()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options= words=\n"
          "    local commands='",
          stdout);
    for (const cli_command *const *c = all; *c; c++)
        printf("%s%s", c == all ? "" : " ", (*c)->name);
    fputs("'\n"
          "    COMPREPLY=()\n"
          "    case ${COMP_WORDS[1]} in\n",
          stdout);
    for (const cli_command *const *c = all; *c; c++)
        put_command(*c);
    fputs("    esac\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        words=\"$commands --help --version\"\n"
          "    elif [[ ! $words && $cur == -* ]]; then\n"
          "        words=$options\n"
          "    elif [[ ! $words && ${COMP_WORDS[1]} == help ]]; then\n"
          "        words=$commands\n"
          "    fi\n"
          "    [[ $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _carat carat # where nothing is offered: files\n",
          stdout);
}
