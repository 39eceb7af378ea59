/* Brings the files of a model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "hub/fetch.h"
#include "hub/manifest.h"
#include "hub/place.h"

#define MAX_INDEX ((size_t)16 << 20)
#define NO_HASH   "0000000000000000000000000000000000000000000000000000000000000000"

/* Where a file goes: under its own name, but an mmproj beside its model, where the loader looks for it. */
static void place_of(const ct_job *j, const ct_hub_file *f, bool is_mmproj, char out[HUB_MAX_FILE])
{
    const char *model = j->model->files[0]->name, *slash = strrchr(model, '/');
    if (is_mmproj)
        snprintf(out, HUB_MAX_FILE, "%.*s%s", slash ? (int)(slash + 1 - model) : 0, model, ct_hub_base(f->name));
    else
        snprintf(out, HUB_MAX_FILE, "%s", f->name);
}

/* What the manifest has of it: a file that it knows with the hash that is wanted, and of the recorded size, is not read again. */
static bool is_known(const ct_job *j, const ct_hub_file *f, const char *file, ct_fetched *out)
{
    ct_stored_list l = { .v = NULL };
    char *path;
    uint64_t bytes;
    bool found = false;
    if (!*f->sha256 || !ct_manifest_read(j->folder, j->repo.repo, &l, NULL) ||
        !ct_place(j->folder, j->repo.repo, file, false, &path, NULL)) {
        ct_stored_list_free(&l);
        return false;
    }
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; l.v[i].is_complete && k < l.v[i].n_files; k++) {
            const ct_stored_file *s = &l.v[i].files[k];
            found = found || (strcmp(s->file, file) == 0 && strcmp(s->sha256, f->sha256) == 0 &&
                              ct_place_size(path, &bytes) && bytes == s->bytes);
        }
    if (found) {
        out->bytes = bytes;
        snprintf(out->sha256, sizeof out->sha256, "%s", f->sha256);
    }
    free(path);
    ct_stored_list_free(&l);
    return found;
}

static bool add_made(ct_job *j, const char *file, const ct_fetched *got, carat_err *err)
{
    ct_stored_file *f = &j->made.files[j->made.n_files];
    f->file = strdup(file);
    if (!f->file)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    f->bytes = got->bytes;
    snprintf(f->sha256, sizeof f->sha256, "%s", got->sha256);
    j->made.n_files++;
    return true;
}

/* "pulling 8ccc5cd1f1b3", and the digest where there is one. */
static void begin_file(ct_job *j, const ct_hub_file *f)
{
    const char *id = *f->sha256 ? f->sha256 : *f->blob ? f->blob : ct_hub_base(f->name);
    snprintf(j->status, sizeof j->status, "pulling %.12s", id);
    snprintf(j->digest, sizeof j->digest, "sha256:%s", f->sha256);
    j->at.status = j->status;
    j->at.digest = *f->sha256 ? j->digest : NULL;
    j->at.file = f->name;
    j->at.completed = 0;
    j->at.total = f->bytes == HUB_UNKNOWN ? 0 : f->bytes;
    j->at.index++;
}

static bool get_file(ct_job *j, const ct_hub_file *f, bool is_mmproj, carat_err *err)
{
    char file[HUB_MAX_FILE], *path;
    ct_fetched got;
    place_of(j, f, is_mmproj, file);
    begin_file(j, f);
    if (!is_known(j, f, file, &got)) {
        if (!ct_job_tell(j))
            return ct_job_cancelled(err);
        if (!ct_place(j->folder, j->repo.repo, file, true, &path, err))
            return false;
        const ct_fetch fetch = {
            .http = j->http,
            .repo = j->repo.repo,
            .revision = *j->repo.commit ? j->repo.commit : ct_job_revision(j),
            .file = f,
            .path = path,
            .is_gated = j->repo.is_gated,
            .at = ct_job_bytes,
            .tell = ct_job_line,
            .arg = j,
        };
        bool ok = ct_fetch_file(&fetch, &got, err);
        free(path);
        if (!ok)
            return false;
    }
    j->before += got.bytes;
    j->at.status = j->status;
    j->at.all_completed = j->before, j->at.completed = j->at.total = got.bytes;
    return (ct_job_tell(j) || ct_job_cancelled(err)) && add_made(j, file, &got, err);
}

/* The room that is still to be found for this file, beside what it and its part have already. */
static uint64_t missing(const ct_job *j, const ct_hub_file *f, bool is_mmproj)
{
    char file[HUB_MAX_FILE], *path, *part;
    uint64_t there = 0;
    place_of(j, f, is_mmproj, file);
    if (f->bytes == HUB_UNKNOWN || !ct_place(j->folder, j->repo.repo, file, false, &path, NULL))
        return 0;
    if (ct_place_size(path, &there) && there == f->bytes) {
        free(path);
        return 0;
    }
    there = 0;
    if (asprintf(&part, "%s.part", path) >= 0) {
        there = ct_place_held(part);
        free(part);
    }
    free(path);
    return there < f->bytes ? f->bytes - there : 0;
}

static bool check_room(ct_job *j, carat_err *err)
{
    uint64_t n = 0;
    char *dir;
    for (size_t i = 0; i < j->model->n_files; i++)
        n += missing(j, j->model->files[i], false);
    for (size_t i = 0; i < j->n_mmproj; i++)
        n += missing(j, j->mmproj[i], true);
    if (!ct_place(j->folder, j->repo.repo, "", true, &dir, err))
        return false;
    bool ok = ct_hub_has_room(dir, n, err);
    free(dir);
    return ok;
}

/* Every shard that the index names must have come. */
static bool check_index(const ct_job *j, carat_err *err)
{
    char *path, *text;
    size_t len;
    json_t *o = NULL;
    static const char index[] = "model.safetensors.index.json";
    bool has_index = false;
    for (size_t i = 0; i < j->model->n_files; i++)
        has_index = has_index || strcmp(j->model->files[i]->name, index) == 0;
    if (!has_index)
        return true;
    if (!ct_place(j->folder, j->repo.repo, index, false, &path, err))
        return false;
    bool ok = ct_read_file(path, MAX_INDEX, &text, &len, err);
    free(path);
    if (!ok)
        return false;
    ok = ct_json_parse(index, text, len, &o, err);
    free(text);
    const char *tensor;
    json_t *v;
    json_object_foreach(json_object_get(o, "weight_map"), tensor, v) {
        bool found = false;
        for (size_t i = 0; i < j->made.n_files; i++)
            found = found || (json_is_string(v) && strcmp(j->made.files[i].file, json_string_value(v)) == 0);
        if (ok && !found)
            ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%.60s: %s has %.60s in %.60s, which the repository lacks",
                         j->repo.repo, index, tensor, json_is_string(v) ? json_string_value(v) : "no file");
    }
    json_decref(o);
    return ok;
}

/* A file of this pull: the i-th. */
static const ct_hub_file *file_at(const ct_job *j, size_t i, bool *is_mmproj)
{
    *is_mmproj = i >= j->model->n_files;
    return *is_mmproj ? j->mmproj[i - j->model->n_files] : j->model->files[i];
}

static void forget(ct_job *j)
{
    while (j->made.n_files)
        free(j->made.files[--j->made.n_files].file);
}

bool ct_job_expect(ct_job *j, carat_err *err)
{
    char name[HUB_MAX_FILE];
    bool is_mmproj;
    j->at.n_files = j->model->n_files + j->n_mmproj;
    j->at.all_total = j->model->bytes + ct_job_mmproj_bytes(j);
    j->made.files = calloc(j->at.n_files, sizeof *j->made.files);
    if (!j->made.files)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    for (size_t i = 0; i < j->at.n_files; i++) {
        const ct_hub_file *f = file_at(j, i, &is_mmproj);
        ct_fetched expected = { .bytes = f->bytes == HUB_UNKNOWN ? 0 : f->bytes };
        snprintf(expected.sha256, sizeof expected.sha256, "%s", *f->sha256 ? f->sha256 : NO_HASH);
        place_of(j, f, is_mmproj, name);
        if (!add_made(j, name, &expected, err))
            return false;
    }
    return true;
}

bool ct_job_has_something(const ct_job *j)
{
    char name[HUB_MAX_FILE], *path, *part;
    bool is_mmproj, found = false;
    for (size_t i = 0; !found && i < j->at.n_files; i++) {
        const ct_hub_file *f = file_at(j, i, &is_mmproj);
        place_of(j, f, is_mmproj, name);
        if (!ct_place(j->folder, j->repo.repo, name, false, &path, NULL))
            continue;
        found = ct_place_held(path) > 0;
        if (asprintf(&part, "%s.part", path) >= 0) {
            found = found || ct_place_held(part) > 0;
            free(part);
        }
        free(path);
    }
    return found;
}

bool ct_job_get(ct_job *j, carat_err *err)
{
    bool is_mmproj;
    forget(j);
    if (!check_room(j, err))
        return false;
    for (size_t i = 0; i < j->at.n_files; i++) {
        const ct_hub_file *f = file_at(j, i, &is_mmproj);
        if (!get_file(j, f, is_mmproj, err))
            return false;
    }
    return !j->model->is_folder || check_index(j, err);
}
