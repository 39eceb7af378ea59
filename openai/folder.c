/* Names that requests give, in a folder that the operator gives: nothing beside it, and no link out of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/folder.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_in(const char *path, const char *root)
{
    size_t n = strlen(root);
    if (n && root[n - 1] == '/') /* the root folder */
        n--;
    return strncmp(path, root, n) == 0 && path[n] == '/';
}

char *ct_openai_path_in(const char *folder, const char *name)
{
    char *joined = NULL, *root = realpath(folder, NULL);
    if (asprintf(&joined, "%s%s%s", *name == '/' ? "" : folder, *name == '/' ? "" : "/", name) < 0)
        joined = NULL;
    char *path = joined ? realpath(joined, NULL) : NULL;
    if (path && (!root || !is_in(path, root))) {
        free(path);
        path = NULL;
    }
    free(joined);
    free(root);
    return path;
}
