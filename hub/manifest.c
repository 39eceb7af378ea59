/* Reads and writes the manifest of a repository's folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/map.h"
#include "base/new_file.h"
#include "hub/name.h"
#include "hub/place.h"

#define FORMAT      1
#define MAX_MODELS  1000
#define MAX_FILES   1000
#define MAX_BYTES   ((int64_t)1 << 50)
#define MAX_TEXT    ((size_t)4 << 20)
#define FOLDER_PATH "." /* the model is the folder */

void ct_stored_deinit(ct_stored *m)
{
    for (size_t i = 0; m->files && i < m->n_files; i++)
        free(m->files[i].file);
    free(m->files);
    free(m->name), free(m->repo), free(m->tag), free(m->path), free(m->asked), free(m->endpoint), free(m->commit);
    *m = (ct_stored){ .files = NULL };
}

/* ---- reading ---- */

static bool no_memory(const char *repo, carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its manifest", repo);
}

/* A member that must be there. */
static bool text(const json_t *o, const char *what, const char *key, const char **out, carat_err *err)
{
    *out = NULL;
    if (!ct_json_text(o, what, key, out, err))
        return false;
    return *out || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no '%s'", what, key);
}

static bool copy(const json_t *o, const char *what, const char *key, char **out, carat_err *err)
{
    const char *s;
    if (!text(o, what, key, &s, err))
        return false;
    *out = strdup(s);
    return *out || no_memory(what, err);
}

static bool read_file(const char *folder, const char *repo, const char *what, const json_t *v, ct_stored *m,
                      carat_err *err)
{
    ct_stored_file *f = &m->files[m->n_files];
    const char *hash;
    char *path;
    int64_t bytes = -1;
    uint64_t there;
    if (!copy(v, what, "file", &f->file, err))
        return false;
    m->n_files++;
    if (!text(v, what, "sha256", &hash, err) || !ct_json_int(v, what, "size", 0, MAX_BYTES, &bytes, err))
        return false;
    if (bytes < 0 || strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %.80s has no size or no SHA-256", what, f->file);
    snprintf(f->sha256, sizeof f->sha256, "%s", hash);
    f->bytes = (uint64_t)bytes;
    m->bytes += f->bytes; /* 1000 of 2^50 at most */
    if (!ct_place(folder, repo, f->file, false, &path, err))
        return ct_fail_in(err, "%s", what);
    m->is_whole = m->is_whole && ct_place_size(path, &there) && there == f->bytes;
    free(path);
    return true;
}

static bool read_files(const char *folder, const char *repo, const char *what, const json_t *o, ct_stored *m,
                       carat_err *err)
{
    const json_t *files = json_object_get(o, "files"), *v;
    size_t i, n = json_array_size(files);
    if (n == 0 || n > MAX_FILES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'files' has %zu entries, expected 1 to %d", what, n,
                       MAX_FILES);
    m->files = calloc(n, sizeof *m->files);
    if (!m->files)
        return no_memory(repo, err);
    m->is_whole = m->is_complete;
    json_array_foreach(files, i, v)
        if (!read_file(folder, repo, what, v, m, err))
            return false;
    return true;
}

static bool read_model(const char *folder, const char *repo, const char *what, const json_t *o, ct_stored *m,
                       carat_err *err)
{
    const char *path, *pulled;
    *m = (ct_stored){ .files = NULL };
    if (!copy(o, what, "tag", &m->tag, err) || !copy(o, what, "asked", &m->asked, err) ||
        !copy(o, what, "endpoint", &m->endpoint, err) || !copy(o, what, "commit", &m->commit, err) ||
        !text(o, what, "path", &path, err) || !text(o, what, "pulled", &pulled, err) ||
        !ct_json_bool(o, what, "complete", &m->is_complete, err) || !read_files(folder, repo, what, o, m, err))
        return false;
    if (!ct_hub_file_is_name(m->tag))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%.80s' is no tag", what, m->tag);
    snprintf(m->pulled, sizeof m->pulled, "%s", pulled);
    m->repo = strdup(repo);
    if (asprintf(&m->name, "%s:%s", repo, m->tag) < 0)
        m->name = NULL;
    if (!m->repo || !m->name)
        return no_memory(repo, err);
    return ct_place(folder, repo, strcmp(path, FOLDER_PATH) == 0 ? "" : path, false, &m->path, err) ||
           ct_fail_in(err, "%s", what);
}

static bool append(ct_stored_list *l, const ct_stored *m)
{
    ct_stored *v = realloc(l->v, (l->n + 1) * sizeof *v);
    if (!v)
        return false;
    l->v = v;
    v[l->n++] = *m;
    return true;
}

static bool read_models(const char *folder, const char *repo, const char *what, const json_t *o, ct_stored_list *l,
                        carat_err *err)
{
    const json_t *models = json_object_get(o, "models"), *v;
    int64_t format = 0;
    const char *of;
    size_t i;
    if (!ct_json_int(o, what, "format", 0, INT32_MAX, &format, err) || !text(o, what, "repo", &of, err))
        return false;
    if (format != FORMAT)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: format %lld, expected %d (another version of Carat wrote it)", what, (long long)format,
                       FORMAT);
    if (strcmp(of, repo) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: is of '%.80s'", what, of);
    if (json_array_size(models) > MAX_MODELS)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: more than %d models", what, MAX_MODELS);
    json_array_foreach(models, i, v) {
        ct_stored m;
        if (!read_model(folder, repo, what, v, &m, err)) {
            ct_stored_deinit(&m);
            return false;
        }
        if (!append(l, &m)) {
            ct_stored_deinit(&m);
            return no_memory(repo, err);
        }
    }
    return true;
}

bool ct_manifest_parse(const char *folder, const char *repo, const char *source, size_t len, ct_stored_list *l,
                       carat_err *err)
{
    char what[HUB_MAX_REPO + sizeof HUB_MANIFEST + 1];
    json_t *o = NULL;
    const size_t before = l->n;
    snprintf(what, sizeof what, "%s/%s", repo, HUB_MANIFEST);
    bool ok = ct_json_parse(what, source, len, &o, err);
    if (ok && !json_is_object(o))
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s, expected an object", what, ct_json_kind(o));
    ok = ok && read_models(folder, repo, what, o, l, err);
    json_decref(o);
    while (!ok && l->n > before)
        ct_stored_deinit(&l->v[--l->n]);
    return ok;
}

bool ct_manifest_read(const char *folder, const char *repo, ct_stored_list *l, carat_err *err)
{
    char *path, *source = NULL;
    size_t len;
    if (!ct_place(folder, repo, "", false, &path, err))
        return false;
    char *file;
    int n = asprintf(&file, "%s/%s", path, HUB_MANIFEST);
    free(path);
    if (n < 0)
        return no_memory(repo, err);
    bool is_there = access(file, F_OK) == 0 || errno != ENOENT;
    bool ok = !is_there || (ct_read_file(file, MAX_TEXT, &source, &len, err) &&
                            ct_manifest_parse(folder, repo, source, len, l, err));
    free(source);
    free(file);
    return ok;
}

/* ---- writing ---- */

static json_t *files_of(const ct_stored *m)
{
    json_t *a = json_array();
    for (size_t i = 0; i < m->n_files; i++)
        if (json_array_append_new(a, json_pack("{s:s, s:I, s:s}", "file", m->files[i].file, "size",
                                               (json_int_t)m->files[i].bytes, "sha256", m->files[i].sha256)) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

/* The path in the repository's folder. */
static const char *path_in(const char *folder, const ct_stored *m)
{
    size_t n = strlen(folder) + 1 + strlen(m->repo);
    return strlen(m->path) > n + 1 ? m->path + n + 1 : FOLDER_PATH;
}

static char *write_text(const char *folder, const char *repo, const ct_stored *const *models, size_t n)
{
    json_t *a = json_array();
    bool ok = a != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "tag", models[i]->tag,
                                                "path", path_in(folder, models[i]), "asked", models[i]->asked,
                                                "endpoint", models[i]->endpoint, "commit", models[i]->commit, "pulled",
                                                models[i]->pulled, "complete", models[i]->is_complete, "files",
                                                files_of(models[i]))) == 0;
    json_t *o = ok ? json_pack("{s:i, s:s, s:O}", "format", FORMAT, "repo", repo, "models", a) : NULL;
    char *text_ = ct_json_dump(o, JSON_INDENT(2));
    json_decref(o);
    json_decref(a);
    return text_;
}

bool ct_manifest_write(const char *folder, const char *repo, const ct_stored *const *models, size_t n, carat_err *err)
{
    char *dir, *path, *source = NULL;
    if (!ct_place(folder, repo, "", n > 0, &dir, err))
        return false;
    int len = asprintf(&path, "%s/%s", dir, HUB_MANIFEST);
    free(dir);
    if (len < 0)
        return no_memory(repo, err);
    bool ok;
    if (n == 0) {
        ok = unlink(path) == 0 || errno == ENOENT ||
             ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot remove: %s", path, strerror(errno));
    } else {
        source = write_text(folder, repo, models, n);
        ok = source ? ct_write_file(path, source, strlen(source), err) : no_memory(repo, err);
    }
    free(source);
    free(path);
    return ok;
}
