/* Finds options by their names, aliases and letters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "option_names.h"

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
