/* Finds options by their names, aliases and letters; writes down the names of their values.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "option_names.h"

#include <stdio.h>
#include <string.h>

static bool named(const char *name, const char *arg, size_t len)
{
    return strlen(name) == len && strncmp(name, arg, len) == 0;
}

const char *cli_next_name(const char *names, size_t *len)
{
    if (!names)
        return NULL;
    names += strspn(names, " ");
    *len = strcspn(names, " ");
    return *len ? names : NULL;
}

static bool has_alias(const cli_option *o, const char *arg, size_t len)
{
    size_t n;
    for (const char *a = o->alias; (a = cli_next_name(a, &n)); a += n)
        if (n == len && strncmp(a, arg, len) == 0)
            return true;
    return false;
}

const cli_option *cli_find_option(const cli_command *cmd, const char *name, size_t len)
{
    for (int alias = 0; alias < 2; alias++)
        for (const cli_table *const *t = cmd->tables; *t; t++)
            for (size_t i = 0; i < (*t)->n; i++) {
                const cli_option *o = &(*t)->options[i];
                if (alias ? has_alias(o, name, len) : named(o->name, name, len))
                    return o;
            }
    return NULL;
}

const cli_option *cli_find_letter(const cli_command *cmd, char letter)
{
    for (const cli_table *const *t = cmd->tables; *t; t++)
        for (size_t i = 0; i < (*t)->n; i++)
            if ((*t)->options[i].letter == letter)
                return &(*t)->options[i];
    return NULL;
}

const char *cli_option_arg(const cli_option *o, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "%s", o->arg ? o->arg : "");
    for (const cli_word *w = o->words; w && w->word && n < size; w++)
        n += (size_t)snprintf(to + n, size - n, "%s%s", n ? "|" : "", w->word);
    return to;
}

const char *cli_option_default(const cli_option *o, char *to, size_t size)
{
    const char *text = o->otherwise ? o->otherwise : o->deflt;
    *to = '\0';
    if (text)
        snprintf(to, size, "(default: %s)", text);
    return to;
}
