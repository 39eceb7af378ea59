/* Removes models and files from the store.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/drop.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/manifest.h"
#include "hub/name.h"
#include "hub/place.h"

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

bool ct_drop_files(const char *folder, const ct_stored *m, const ct_stored *const *others, size_t n, uint64_t *freed,
                   carat_err *err)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (!is_needed(others, n, m->files[i].file) &&
            !remove_with_parts(folder, m->repo, m->files[i].file, freed, err))
            return false;
    return true;
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

/* The manifest goes first: what it does not name is no model, whatever comes after. */
bool ct_drop_model(const char *folder, const ct_stored *m, uint64_t *freed, carat_err *err)
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
    ok = ok && ct_drop_files(folder, m, others, n, freed, err);
    if (ok && n == 0)
        ok = remove_folder(folder, m->repo, freed, err);
    free(others);
    ct_stored_list_free(&l);
    return ok;
}
