/* Finds the hub's token.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"

#define MAX_TOKEN 4096

static const char *set(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* The text without blanks around it. What would break a header's line is no token. */
static bool take(const char *text, const char *from, char **out, carat_err *err)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n && strchr(blanks, text[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no token: expected one line of letters and digits",
                           from);
    if (n == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: an empty token", from);
    *out = strndup(text, n);
    return *out || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the token");
}

static bool take_file(const char *path, char **out, carat_err *err)
{
    char *text;
    size_t len;
    if (!ct_read_file(path, MAX_TOKEN, &text, &len, err))
        return false;
    bool ok = strlen(text) == len ? take(text, path, out, err)
                                  : ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no token: it has a NUL", path);
    explicit_bzero(text, len);
    free(text);
    return ok;
}

/* "folder/rest", where there is such a file. */
static bool take_below(const char *folder, const char *rest, char **out, carat_err *err)
{
    char path[4096];
    if (!folder || snprintf(path, sizeof path, "%s%s", folder, rest) >= (int)sizeof path || access(path, F_OK) != 0)
        return true;
    return take_file(path, out, err);
}

bool ct_hub_token(const char *file, char **out, carat_err *err)
{
    const char *cache = set("XDG_CACHE_HOME"), *home = set("HF_HOME");
    *out = NULL;
    if (file)
        return take_file(file, out, err);
    if (set("HF_TOKEN"))
        return take(set("HF_TOKEN"), "$HF_TOKEN", out, err);
    if (set("HF_TOKEN_PATH"))
        return take_below(set("HF_TOKEN_PATH"), "", out, err);
    if (home)
        return take_below(home, "/token", out, err);
    return take_below(cache ? cache : set("HOME"), cache ? "/huggingface/token" : "/.cache/huggingface/token", out,
                      err);
}
