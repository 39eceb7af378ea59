/* Folders of items.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "data/test/anatomy_test.csv" to "anatomy". */
static char *name_of(const char *path, const json_t *suffixes)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    char *name = strndup(file, strcspn(file, "."));
    size_t i;
    json_t *suffix;
    json_array_foreach(suffixes, i, suffix) {
        const char *end = json_string_value(suffix);
        const size_t len = name ? strlen(name) : 0;
        if (end && len > strlen(end) && strcmp(name + len - strlen(end), end) == 0)
            name[len - strlen(end)] = '\0';
    }
    return name;
}

/* Takes both. */
static bool add(ct_eval_files *f, char *path, char *name, carat_err *err)
{
    ct_eval_file *list = path && name ? realloc(f->list, (f->n + 1) * sizeof *list) : NULL;
    if (!list) {
        free(path);
        free(name);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a folder's files");
    }
    f->list = list;
    f->list[f->n++] = (ct_eval_file){ path, name };
    return true;
}

static char *join(const char *folder, const char *name, const char *more)
{
    ct_buf b;
    ct_buf_init(&b, 1 << 16);
    ct_buf_fmt(&b, "%s/%s%s%s", folder, name, more ? "/" : "", more ? more : "");
    return ct_buf_take(&b);
}

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;
    return path && stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

static bool has_ending(const char *name, const json_t *endings)
{
    size_t i;
    json_t *ending;
    json_array_foreach(endings, i, ending) {
        const char *end = json_string_value(ending);
        if (end && strlen(name) > strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0)
            return true;
    }
    return false;
}

static bool add_entry(ct_eval_files *f, const char *folder, const char *name, const json_t *endings,
                      const char *in_folders, const json_t *suffixes, carat_err *err)
{
    char *path = join(folder, name, NULL), *inner = in_folders ? join(folder, name, in_folders) : NULL;
    bool ok = path || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a folder's files");
    if (ok && name[0] != '.' && has_ending(name, endings) && is_kind(path, S_IFREG)) {
        ok = add(f, path, name_of(path, suffixes), err);
        path = NULL;
    } else if (ok && name[0] != '.' && is_kind(inner, S_IFREG)) {
        ok = add(f, inner, strdup(name), err);
        inner = NULL;
    }
    free(path);
    free(inner);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ct_eval_file *)a)->name, ((const ct_eval_file *)b)->name);
}

bool ct_eval_files_open(ct_eval_files *f, const char *path, const json_t *endings, const char *in_folders,
                        const json_t *suffixes, carat_err *err)
{
    *f = (ct_eval_files){ .is_folder = is_kind(path, S_IFDIR) };
    bool ok = true;
    if (access(path, F_OK) != 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
    if (!f->is_folder)
        return add(f, strdup(path), name_of(path, suffixes), err);
    DIR *d = opendir(path);
    if (!d)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
    for (struct dirent *e; ok && (e = readdir(d));)
        ok = add_entry(f, path, e->d_name, endings, in_folders, suffixes, err);
    closedir(d);
    if (ok && f->n)
        qsort(f->list, f->n, sizeof *f->list, by_name);
    ok = ok && (f->n || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: no file in this folder belongs to the task", path));
    if (!ok)
        ct_eval_files_close(f);
    return ok;
}

void ct_eval_files_close(ct_eval_files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].path);
        free(f->list[i].name);
    }
    free(f->list);
    *f = (ct_eval_files){ 0 };
}

const ct_eval_file *ct_eval_files_find(const ct_eval_files *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0)
            return &f->list[i];
    return NULL;
}
