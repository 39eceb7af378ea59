/* Keys of rank_pattern and alpha_pattern, through the system's regular expressions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/pattern.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#define MAX_KEY   200 /* bytes */
#define MAX_DEPTH 16

/* A name means itself: most keys are names, and there are as many modules as a model has matrices. */
static bool is_name(const char *key)
{
    return key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] == '\0';
}

static bool ends_in(const char *module, const char *name)
{
    const size_t n = strlen(module), len = strlen(name);
    return n >= len && strcmp(module + n - len, name) == 0 && (n == len || module[n - len - 1] == '.');
}

static bool refuse(const char *key, carat_err *err)
{
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "the key '%.60s' is a regular expression beyond . * + ? | ( ) [ ] ^ $ \\. \\d", key);
}

/* In POSIX's spelling, with "[0-9]" for \d. Within [ ] the two read a backslash and another [ otherwise. */
static bool translate(const char *key, char to[4 * MAX_KEY], carat_err *err)
{
    size_t n = 0, depth = 0;
    bool is_inside = false; /* [ ] */
    if (strlen(key) > MAX_KEY)
        return refuse(key, err);
    for (const char *s = key; *s; s++) {
        if (*s == '{' || (*s == '(' && s[1] == '?') || (*s == '(' && ++depth > MAX_DEPTH))
            return refuse(key, err);
        if (is_inside && (*s == '\\' || *s == '['))
            return refuse(key, err);
        is_inside = *s == '[' || (is_inside && *s != ']');
        if (*s != '\\') {
            to[n++] = *s;
            continue;
        }
        s++;
        if (*s != '.' && *s != 'd')
            return refuse(key, err);
        n += (size_t)snprintf(to + n, 6, "%s", *s == 'd' ? "[0-9]" : "[.]");
    }
    to[n] = '\0';
    return true;
}

bool ct_pattern_fits(const char *key, const char *module, bool *fits, carat_err *err)
{
    char own[4 * MAX_KEY + 6], whole[4 * MAX_KEY + 32];
    regex_t expression;
    *fits = is_name(key) && ends_in(module, key);
    if (is_name(key))
        return true;
    if (!translate(key, own, err))
        return false;
    snprintf(whole, sizeof whole, "^(.*[.])?(%s)$", own);
    int code = regcomp(&expression, whole, REG_EXTENDED | REG_NOSUB);
    if (code == REG_ESPACE)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the key '%.60s'", key);
    if (code != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the key '%.60s' is no regular expression", key);
    code = regexec(&expression, module, 0, NULL, 0);
    regfree(&expression);
    if (code == REG_ESPACE)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the key '%.60s'", key);
    *fits = code == 0;
    return true;
}
