/* The store of pulled models: which there are, and removing them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/drop.h"
#include "hub/manifest.h"
#include "hub/name.h"
#include "hub/place.h"

#define MAX_REPOS 10000

/* ---- where it is ---- */

static const char *set(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

bool ct_store_folder(char **out, carat_err *err)
{
    const char *models = set("CARAT_MODELS"), *data = set("XDG_DATA_HOME"), *home = set("HOME");
    const char *from = models ? models : data && *data == '/' ? data : home;
    *out = NULL;
    if (!from || *from != '/')
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       from ? "%s is '%.100s', expected an absolute path: where models are kept"
                            : "%s is not set%.0s: where are models kept?",
                       from == models && models ? "$CARAT_MODELS" : "$HOME", from ? from : "");
    const char *below = models ? "" : from == data ? "/carat/models" : "/.local/share/carat/models";
    size_t n = strlen(from);
    while (n > 1 && from[n - 1] == '/')
        n--;
    if (asprintf(out, "%.*s%s", (int)n, from, below) < 0) {
        *out = NULL;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    }
    return true;
}

/* ---- what is in it ---- */

void ct_stored_list_free(ct_stored_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        ct_stored_deinit(&l->v[i]);
    free(l->v);
    *l = (ct_stored_list){ .v = NULL };
}

static int by_name(const void *a, const void *b)
{
    const ct_stored *x = a, *y = b;
    return strcmp(x->name, y->name);
}

typedef struct walk {
    const char *folder;
    ct_stored_list *l;
    ct_store_warn_fn *warn;
    void *arg;
    size_t n_repos;
} walk;

/* A folder's repository. One that cannot be read is told, and is no reason to hide the others. */
static bool add_repo(walk *w, const char *owner, const char *name, carat_err *err)
{
    char repo[HUB_MAX_REPO];
    carat_err why;
    if (snprintf(repo, sizeof repo, "%s/%s", owner, name) >= (int)sizeof repo || !ct_hub_repo_is_name(repo))
        return true;
    if (++w->n_repos > MAX_REPOS)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: more than %d repositories", w->folder, MAX_REPOS);
    if (ct_manifest_read(w->folder, repo, w->l, &why))
        return true;
    if (why.code == CARAT_ENOMEM) {
        if (err)
            *err = why;
        return false;
    }
    if (w->warn)
        w->warn(w->arg, why.msg);
    return true;
}

/* Calls each(w, owner, name) for what is in a folder; a folder that is not there, or is none, has nothing. */
static bool each(walk *w, const char *path, const char *owner,
                 bool (*visit)(walk *w, const char *owner, const char *name, carat_err *err), carat_err *err)
{
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ||
               ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot read the folder: %s", path, strerror(errno));
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));)
        if (*e->d_name != '.')
            ok = visit(w, owner, e->d_name, err);
    closedir(d);
    return ok;
}

static bool add_owner(walk *w, const char *none, const char *owner, carat_err *err)
{
    char *path;
    (void)none;
    if (asprintf(&path, "%s/%s", w->folder, owner) < 0)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    bool ok = each(w, path, owner, add_repo, err);
    free(path);
    return ok;
}

bool ct_store_list(ct_stored_list *out, ct_store_warn_fn *warn, void *arg, carat_err *err)
{
    char *folder;
    *out = (ct_stored_list){ .v = NULL };
    if (!ct_store_folder(&folder, err))
        return false;
    walk w = { .folder = folder, .l = out, .warn = warn, .arg = arg };
    bool ok = each(&w, folder, NULL, add_owner, err);
    free(folder);
    if (!ok)
        ct_stored_list_free(out);
    else if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
    return ok;
}

/* ---- removing ---- */

bool ct_store_remove(const ct_stored *m, uint64_t *freed, carat_err *err)
{
    char *folder;
    int lock;
    *freed = 0;
    if (!ct_store_folder(&folder, err))
        return false;
    bool ok = ct_place_lock(folder, m->repo, false, &lock, err);
    if (ok && lock < 0)
        ok = ct_place_lock(folder, m->repo, true, &lock, err) &&
             (lock >= 0 || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s is being pulled", m->repo));
    ok = ok && ct_drop_model(folder, m, freed, err);
    if (lock >= 0)
        close(lock);
    free(folder);
    return ok;
}
