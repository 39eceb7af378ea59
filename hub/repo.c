/* Reads a hub's description of a repository.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

#define MAX_FILES 20000
#define MAX_BYTES ((int64_t)1 << 48) /* of a file: the sum of so many stays below 2^63 */

static bool is_hex(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdefABCDEF") == n;
}

static void lower_copy(char *to, const char *s)
{
    size_t i = 0;
    for (; s[i]; i++)
        to[i] = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] + 'a' - 'A') : s[i];
    to[i] = '\0';
}

/* A hash of n digits at obj's key, where there is one. */
static bool read_hash(const json_t *obj, const char *what, const char *key, size_t n, char *to, carat_err *err)
{
    const char *s = NULL;
    if (!ct_json_text(obj, what, key, &s, err))
        return false;
    if (!s)
        return true;
    if (!is_hex(s, n))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%s' is '%.70s', expected %zu hexadecimal digits", what,
                       key, s, n);
    lower_copy(to, s);
    return true;
}

static bool read_file(const json_t *v, const char *repo, ct_hub_file *f, bool *is_kept, carat_err *err)
{
    const char *name = NULL;
    char what[HUB_MAX_REPO + 80];
    int64_t bytes = -1, lfs_bytes = -1;
    *is_kept = false;
    *f = (ct_hub_file){ .name = NULL };
    if (!json_is_object(v))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: a sibling is %s, expected an object", repo,
                       ct_json_kind(v));
    const json_t *given = json_object_get(v, "rfilename");
    name = json_string_value(given);
    if (!name)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: a sibling has no 'rfilename'", repo);
    if (strlen(name) != json_string_length(given) ||
        !ct_hub_file_is_name(name)) /* a NUL character is in no file's name */
        return true;
    snprintf(what, sizeof what, "%s: %.70s", repo, name);
    const json_t *lfs = json_object_get(v, "lfs");
    bool has_lfs = json_is_object(lfs);
    if (!ct_json_int(v, what, "size", 0, MAX_BYTES, &bytes, err) ||
        (has_lfs && (!ct_json_int(lfs, what, "size", 0, MAX_BYTES, &lfs_bytes, err) ||
                     !read_hash(lfs, what, "sha256", 64, f->sha256, err))) ||
        (!has_lfs && !read_hash(v, what, "blobId", 40, f->blob, err)))
        return false;
    if (bytes >= 0 && lfs_bytes >= 0 && bytes != lfs_bytes)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: two sizes, %lld and %lld", what, (long long)bytes,
                       (long long)lfs_bytes);
    bytes = lfs_bytes >= 0 ? lfs_bytes : bytes;
    f->bytes = bytes >= 0 ? (uint64_t)bytes : HUB_UNKNOWN;
    f->name = strdup(name);
    *is_kept = true;
    return f->name || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its files", repo);
}

static int by_name(const void *a, const void *b)
{
    const ct_hub_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static bool read_files(const json_t *siblings, ct_hub_repo *r, carat_err *err)
{
    size_t i, n = json_array_size(siblings);
    const json_t *v;
    if (n > MAX_FILES)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: %zu files, at most %d are looked at", r->repo, n,
                       MAX_FILES);
    r->files = calloc(n ? n : 1, sizeof *r->files);
    if (!r->files)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its files", r->repo);
    json_array_foreach(siblings, i, v) {
        bool is_kept;
        if (!read_file(v, r->repo, &r->files[r->n_files], &is_kept, err))
            return false;
        r->n_files += is_kept;
        r->n_left_out += !is_kept;
    }
    qsort(r->files, r->n_files, sizeof *r->files, by_name);
    for (i = 1; i < r->n_files; i++)
        if (strcmp(r->files[i].name, r->files[i - 1].name) == 0)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %.80s is listed twice", r->repo, r->files[i].name);
    return true;
}

/* "architecture" of "gguf", else "model_type" of "config"; the number of parameters. What is of another type is not said. */
static void read_kind(const json_t *o, ct_hub_repo *r)
{
    const char *s = json_string_value(json_object_get(json_object_get(o, "gguf"), "architecture"));
    if (!s)
        s = json_string_value(json_object_get(json_object_get(o, "config"), "model_type"));
    snprintf(r->architecture, sizeof r->architecture, "%s", s ? s : "");
    json_int_t n = json_integer_value(json_object_get(json_object_get(o, "gguf"), "total"));
    if (n <= 0)
        n = json_integer_value(json_object_get(json_object_get(o, "safetensors"), "total"));
    r->n_params = n > 0 ? (uint64_t)n : 0;
}

static bool read_all(const json_t *o, ct_hub_repo *r, carat_err *err)
{
    const char *commit = NULL, *id = NULL;
    if (!json_is_object(o))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: the hub's answer is %s, expected an object", r->repo,
                       ct_json_kind(o));
    if (!ct_json_text(o, r->repo, "sha", &commit, err) || !ct_json_text(o, r->repo, "id", &id, err))
        return false;
    if (id && strcasecmp(id, r->repo) == 0) /* its own spelling: two would be two folders */
        memcpy(r->repo, id, strlen(id) + 1);
    if (commit && (!is_hex(commit, strlen(commit)) || strlen(commit) < 7 || strlen(commit) >= sizeof r->commit))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'sha' is '%.70s', expected a commit", r->repo, commit);
    if (commit)
        lower_copy(r->commit, commit);
    const json_t *gated = json_object_get(o, "gated"), *siblings = json_object_get(o, "siblings");
    r->is_gated = json_is_string(gated) || json_is_true(gated); /* false, "auto", "manual" */
    read_kind(o, r);
    if (!json_is_array(siblings))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'siblings' is %s, expected an array of files", r->repo,
                       siblings ? ct_json_kind(siblings) : "missing");
    return read_files(siblings, r, err);
}

bool ct_hub_repo_read(const char *repo, const char *text, size_t len, ct_hub_repo *out, carat_err *err)
{
    json_t *o = NULL;
    *out = (ct_hub_repo){ .files = NULL };
    snprintf(out->repo, sizeof out->repo, "%s", repo);
    bool ok = ct_json_parse(repo, text, len, &o, err) && read_all(o, out, err);
    json_decref(o);
    return ok;
}

void ct_hub_repo_deinit(ct_hub_repo *r)
{
    for (size_t i = 0; r->files && i < r->n_files; i++)
        free(r->files[i].name);
    free(r->files);
    *r = (ct_hub_repo){ .files = NULL };
}

ct_hub_file *ct_hub_repo_file(const ct_hub_repo *r, const char *name)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].name, name) == 0)
            return &r->files[i];
    return NULL;
}

bool ct_hub_repo_may_run(const ct_hub_repo *r)
{
    static const char *const known[] = { "", "gemma3", "gemma3_text", "gemma-embedding",
                                         "clip" /* an mmproj's, where the hub looked at that */ };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(r->architecture, known[i]) == 0)
            return true;
    return false;
}
