/* Compares files by their numbers, not by their names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/inputs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Where the last part of a path begins. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder that the path leads to; false: it does not fit. */
static bool folder_of(const char *path, char folder[PATH_MAX])
{
    const size_t n = (size_t)(last_part(path) - path);
    return snprintf(folder, PATH_MAX, "%.*s", n ? (int)n : 1, n ? path : ".") < PATH_MAX;
}

static bool is_in(const char *path, const char *folder)
{
    char own[PATH_MAX];
    return folder_of(path, own) && is_same(own, folder);
}

/* Of what a model's or an adapter's folder consists. */
static bool is_of_a_model(const char *path)
{
    static const char *const ends[] = { ".safetensors", ".json", ".model", ".jinja" };
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n >= strlen(ends[i]) && strcmp(path + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* The length of a part's name without its number: of "x-00001-of-00003.gguf" that of "x-". 0: it is no part. */
static size_t stem_of_part(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of - name > 6 && of[-6] == '-' && strspn(of - 5, "0123456789") == 5 ? (size_t)(of - 5 - name) : 0;
}

/* Parts of one split model, in one folder. */
static bool are_parts(const char *a, const char *b)
{
    char folder[PATH_MAX];
    const char *x = last_part(a), *y = last_part(b);
    const size_t n = stem_of_part(x);
    return n && n == stem_of_part(y) && memcmp(x, y, n) == 0 && strcmp(x + n + 5, y + n + 5) == 0 &&
           folder_of(b, folder) && is_in(a, folder);
}

bool ct_inputs_stay(const char *path, const char *const *inputs, size_t n, carat_err *err)
{
    struct stat st;
    if (!path || stat(path, &st) != 0) /* a new name */
        return true;
    for (size_t i = 0; i < n; i++)
        if (inputs[i] &&
            (is_same(path, inputs[i]) || are_parts(path, inputs[i]) || (is_of_a_model(path) && is_in(path, inputs[i]))))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "%s is, or belongs to, %s, which is read: choose another file", path, inputs[i]);
    return true;
}
