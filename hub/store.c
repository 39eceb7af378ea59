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

/* Removes a regular file or a link, never what that leads to. */
static bool remove_file(const char *path, uint64_t *freed, carat_err *err)
{
    uint64_t bytes = 0;
    ct_place_size(path, &bytes);
    if (unlink(path) != 0)
        return errno == ENOENT ||
               ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot remove: %s", path, strerror(errno));
    *freed += bytes;
    return true;
}

/* The file, and what a pull left of it. */
static bool remove_with_parts(const char *folder, const char *repo, const char *file, uint64_t *freed, carat_err *err)
{
    static const char *const ends[] = { "", ".part", ".part.json" };
    char *path, *one;
    if (!ct_place(folder, repo, file, false, &path, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof ends / sizeof *ends; i++) {
        ok = asprintf(&one, "%s%s", path, ends[i]) >= 0 ||
             ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
        if (ok) {
            ok = remove_file(one, freed, err);
            free(one);
        }
    }
    /* folders of the repository's own, as far as they are empty */
    size_t root = strlen(folder) + 1 + strlen(repo);
    for (char *slash; ok && (slash = strrchr(path, '/')) && slash > path + root && rmdir((*slash = '\0', path)) == 0;)
        ;
    free(path);
    return ok;
}

static bool is_file_of(const ct_stored *m, const char *file)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (strcmp(m->files[i].file, file) == 0)
            return true;
    return false;
}

static bool is_needed(const ct_stored *const *others, size_t n, const char *file)
{
    for (size_t i = 0; i < n; i++)
        if (is_file_of(others[i], file))
            return true;
    return false;
}

/* What is left where no model is: pulls that were not finished, the lock. Then the folders themselves, unless someone has
 * put something else there. */
static bool remove_folder(const char *folder, const char *repo, uint64_t *freed, carat_err *err)
{
    char *dir, *path;
    if (!ct_place(folder, repo, "", false, &dir, err))
        return false;
    DIR *d = opendir(dir);
    bool ok = true;
    for (struct dirent *e; ok && d && (e = readdir(d));) {
        if (!ct_hub_has_end(e->d_name, ".part") && !ct_hub_has_end(e->d_name, ".part.json"))
            continue;
        ok = asprintf(&path, "%s/%s", dir, e->d_name) >= 0;
        if (ok) {
            ok = remove_file(path, freed, err);
            free(path);
        }
    }
    if (d)
        closedir(d);
    if (ok && asprintf(&path, "%s/.lock", dir) >= 0) {
        unlink(path);
        free(path);
        if (rmdir(dir) == 0) {
            *strrchr(dir, '/') = '\0';
            rmdir(dir);
        }
    }
    free(dir);
    return ok;
}

/* With the lock held. The manifest goes first: what it does not name is no model, whatever comes after. */
static bool remove_locked(const char *folder, const ct_stored *m, uint64_t *freed, carat_err *err)
{
    ct_stored_list l = { .v = NULL };
    const ct_stored **others = NULL;
    size_t n = 0;
    bool ok = ct_manifest_read(folder, m->repo, &l, err);
    if (ok && !(others = calloc(l.n + 1, sizeof *others)))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its manifest", m->repo);
    for (size_t i = 0; ok && i < l.n; i++)
        if (strcmp(l.v[i].tag, m->tag) != 0)
            others[n++] = &l.v[i];
    ok = ok && ct_manifest_write(folder, m->repo, others, n, err);
    for (size_t i = 0; ok && i < m->n_files; i++)
        if (!is_needed(others, n, m->files[i].file))
            ok = remove_with_parts(folder, m->repo, m->files[i].file, freed, err);
    if (ok && n == 0)
        ok = remove_folder(folder, m->repo, freed, err);
    free(others);
    ct_stored_list_free(&l);
    return ok;
}

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
    ok = ok && remove_locked(folder, m, freed, err);
    if (lock >= 0)
        close(lock);
    free(folder);
    return ok;
}
