/* Lists of choices: between commas, or one a line.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "choices.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "input.h"

void cli_choices_deinit(cli_choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->v[i]);
    free(c->v);
    *c = (cli_choices){ 0 };
}

bool cli_choices_add(cli_choices *c, const char *text, size_t len, carat_err *err)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        char **grown = realloc(c->v, cap * sizeof *grown);
        if (!grown)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the choices");
        c->v = grown;
        c->cap = cap;
    }
    c->v[c->n] = strndup(text, len);
    return c->v[c->n++] || (c->n--, ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the choices"));
}

bool cli_choices_check(const cli_command *cmd, const char *option, const char *list)
{
    if (*list && *list != ',' && list[strlen(list) - 1] != ',' && !strstr(list, ",,"))
        return true;
    cli_usage(cmd, "--%s is '%s', expected texts with commas between them", option, list);
    return false;
}

bool cli_choices_split(cli_choices *c, const char *list, carat_err *err)
{
    for (const char *s = list; s;) {
        size_t n = strcspn(s, ",");
        if (!cli_choices_add(c, s, n, err))
            return false;
        s = s[n] ? s + n + 1 : NULL;
    }
    return true;
}

bool cli_choices_read(cli_choices *c, const char *path, carat_err *err)
{
    char *text;
    size_t len;
    if (!cli_read_prompt(path, &text, &len, err))
        return false;
    bool ok = !memchr(text, '\0', len) ||
              ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: a NUL character among the choices", path);
    for (const char *s = text; ok && *s;) {
        size_t n = strcspn(s, "\n"), kept = n && s[n - 1] == '\r' ? n - 1 : n;
        ok = kept == 0 || cli_choices_add(c, s, kept, err);
        s += n + (s[n] == '\n');
    }
    free(text);
    return ok;
}
