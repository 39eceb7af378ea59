/* --lora: adapters by their files, names and scales.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "lora.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Cuts "=0.5" off the end of the text; what is no number stays part of it. */
static double take_scale(char *text)
{
    char *is = strrchr(text, '='), *end;
    if (!is || !is[1] || is_there(text))
        return 1;
    double scale = strtod(is + 1, &end);
    if (*end)
        return 1;
    *is = '\0';
    return scale;
}

/* Cuts "NAME=" off; NULL: there is none. */
static const char *take_name(char **text)
{
    char *name = *text, *is = strchr(name, '=');
    if (!is || is == name || is_there(name))
        return NULL;
    *is = '\0';
    *text = is + 1;
    return name;
}

const carat_adapter_file *cli_lora_files(const cli_list *given, size_t *n)
{
    static carat_adapter_file *files; /* of the one command line */
    *n = given->n;
    if (files || given->n == 0)
        return files;
    files = calloc(given->n, sizeof *files);
    for (size_t i = 0; files && i < given->n; i++) {
        char *text = strdup(given->v[i]);
        carat_adapter_file *f = &files[i];
        f->struct_size = sizeof *f;
        f->scale = text ? take_scale(text) : 1;
        f->name = text ? take_name(&text) : NULL;
        f->path = text;
    }
    return files;
}
