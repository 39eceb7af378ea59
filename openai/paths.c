/* Paths of fields, from a translated request back to the client's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/paths.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "openai/inside.h"

bool ct_openai_path_add(ct_openai_paths *p, const char *path, const char *own, ct_openai_fault *f)
{
    if (!p->own)
        p->own = json_object();
    return json_object_set_new(p->own, path, json_string(own)) == 0 || ct_openai_no_memory(f, "a request");
}

/* Is c no part of a name that goes on? */
static bool is_end(char c)
{
    return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_');
}

/* The longest beginning of the path that has a name of the client's; its length, 0: none has. */
static size_t longest(const ct_openai_paths *p, const char *path, const char **own)
{
    char key[sizeof((ct_openai_fault *)0)->param];
    for (size_t n = strlen(path); n > 0; n--) {
        if (n >= sizeof key || !is_end(path[n]))
            continue;
        memcpy(key, path, n);
        key[n] = '\0';
        *own = json_string_value(json_object_get(p->own, key));
        if (*own)
            return n;
    }
    return 0;
}

/* Every `path` in the text, as a whole name, becomes `own`; what is then too long is cut at a whole character. */
static void replace(char *text, size_t size, const char *path, size_t len, const char *own)
{
    char from[sizeof((carat_err *)0)->msg];
    size_t n = 0;
    snprintf(from, sizeof from, "%s", text);
    for (const char *s = from; *s && n + 1 < size;) {
        const bool is_it =
            strncmp(s, path, len) == 0 && is_end(s[len]) && (s == from || (is_end(s[-1]) && s[-1] != '.'));
        n += (size_t)snprintf(text + n, size - n, "%.*s", is_it ? (int)strlen(own) : 1, is_it ? own : s);
        s += is_it ? len : 1;
    }
    n = n < size ? n : size - 1;
    text[n - ct_utf8_incomplete(text, n)] = '\0';
}

bool ct_openai_path_rename(const ct_openai_paths *p, ct_openai_fault *f)
{
    const char *own;
    const size_t n = longest(p, f->param, &own);
    char path[sizeof f->param];
    if (n == 0)
        return false;
    memcpy(path, f->param, n);
    replace(f->err.msg, sizeof f->err.msg, path, n, own);
    replace(f->param, sizeof f->param, path, n, own);
    return false;
}

void ct_openai_paths_deinit(ct_openai_paths *p)
{
    json_decref(p->own);
    p->own = NULL;
}
