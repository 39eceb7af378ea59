/* Which models `carat serve` serves.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "served_models.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "hub/store.h"

#define OWN_FOLDER "models"

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_config(const char *folder)
{
    char *path = NULL;
    bool there = asprintf(&path, "%s/config.json", folder) > 0 && access(path, R_OK) == 0;
    free(path);
    return there;
}

static bool add(cli_served *all, const char *name, const char *path, carat_err *err)
{
    if (all->n == CLI_MAX_SERVED)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d models", CLI_MAX_SERVED);
    all->v[all->n++] = (ct_server_model){ name, path };
    return true;
}

/* ---- a folder of models ---- */

/* A GGUF file that is a model: no vision tower alone, and of a split one the first part. */
static bool is_model_file(const char *name)
{
    size_t n = strlen(name);
    const char *of = strstr(name, "-of-");
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0 && !strcasestr(name, "mmproj") &&
           (!of || of - name < 6 || strncmp(of - 5, "00001", 5) == 0);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static bool add_folder(cli_served *all, const char *folder, carat_err *err)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort);
    bool ok = n >= 0 || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        ok = ok && (asprintf(&path, "%s/%s", folder, entries[i]->d_name) > 0 ||
                    ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a list of models"));
        bool is_model = ok && (is_folder(path) ? has_config(path) : is_model_file(entries[i]->d_name));
        if (is_model)
            ok = add(all, NULL, path, err);
        else
            free(path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return ok;
}

/* ---- one argument ---- */

/* NAME=PATH, but not a path that has a '=' and is there. text is the command line's, which is ours to change. */
static const char *take_name(char **text)
{
    char *name = *text, *is = strchr(name, '=');
    if (!is || is == name || access(name, F_OK) == 0)
        return NULL;
    *is = '\0';
    *text = is + 1;
    return name;
}

static bool add_one(cli_served *all, const char *argument, carat_err *err)
{
    char *text = (char *)(uintptr_t)argument, *path;
    const char *name = take_name(&text);
    if (!name && is_folder(text) && !has_config(text)) {
        size_t before = all->n;
        return add_folder(all, text, err) &&
               (all->n > before || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: no model in this folder", text));
    }
    if (!ct_store_resolve(text, &path, err))
        return false;
    if (access(path, R_OK) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", path, strerror(errno));
    if (!name && access(text, F_OK) != 0)
        name = text; /* a pulled one is called as it was here */
    return add(all, name, path, err);
}

static bool add_pulled(cli_served *all, carat_err *err)
{
    static ct_stored_list pulled; /* names and paths are borrowed from it */
    if (!ct_store_list(&pulled, NULL, NULL, err))
        return false;
    for (size_t i = 0; i < pulled.n; i++)
        if (pulled.v[i].is_whole && !add(all, pulled.v[i].name, pulled.v[i].path, err))
            return false;
    return true;
}

bool cli_find_served(const char *first, const cli_list *args, const cli_list *names, cli_served *out, carat_err *err)
{
    bool ok = !first || add_one(out, first, err);
    for (size_t i = 0; ok && i < args->n; i++)
        ok = add_one(out, args->v[i], err);
    for (size_t i = 0; ok && i < names->n; i++)
        ok = add_one(out, names->v[i], err);
    out->is_named = out->n > 0;
    if (!ok || out->n)
        return ok;
    ok = (!is_folder(OWN_FOLDER) || add_folder(out, OWN_FOLDER, err)) && add_pulled(out, err);
    return ok && (out->n ||
                  ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                          "no model is named, there is none in %s/, and none was pulled: carat serve MODEL, or first "
                          "carat pull NAME (make model fetches a small one)",
                          OWN_FOLDER));
}
