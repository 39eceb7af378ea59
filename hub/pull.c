/* Brings a model into the store: what the repository has, which of it, its files, the manifest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/pull.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "base/memlimit.h"
#include "base/near.h"
#include "hub/fetch.h"
#include "hub/manifest.h"
#include "hub/offer.h"
#include "hub/place.h"
#include "hub/short.h"

#define MAX_REPO_JSON ((size_t)32 << 20)
#define MAX_INDEX     ((size_t)16 << 20)
#define MAX_MMPROJ    8
#define EVENT_S       0.1 /* at least between two events of one file */

typedef struct job {
    const ct_pull_options *o;
    ct_hub_name name;
    ct_hub_http *http;
    ct_hub_repo repo;
    ct_hub_models models;
    const ct_hub_model *model;
    const ct_hub_file *mmproj[MAX_MMPROJ];
    size_t n_mmproj;
    char *folder; /* the store's */
    int lock;
    ct_pull_event at;
    char status[64], digest[80];
    uint64_t before; /* bytes of the files that are done */
    double told;     /* when the last event went out */
    ct_stored made;
} job;

bool ct_pull_is_built(void)
{
    return true;
}

/* ---- telling ---- */

static bool tell_event(job *j)
{
    j->told = ct_now();
    return !j->o->progress || j->o->progress(j->o->progress_arg, &j->at);
}

static bool tick(void *arg)
{
    job *j = arg;
    return ct_now() - j->told < EVENT_S || tell_event(j);
}

static bool cancelled(carat_err *err)
{
    return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

/* What begins now, of no file. */
static bool say(job *j, const char *status, carat_err *err)
{
    snprintf(j->status, sizeof j->status, "%s", status);
    j->at.status = j->status;
    j->at.digest = j->at.file = NULL;
    j->at.total = j->at.completed = 0;
    return tell_event(j) || cancelled(err);
}

static void tell_line(void *arg, const char *line)
{
    job *j = arg;
    if (j->o->tell)
        j->o->tell(j->o->tell_arg, line);
}

static bool on_bytes(void *arg, bool checking, uint64_t done, uint64_t total)
{
    job *j = arg;
    const char *kind = checking ? "verifying sha256 digest" : j->status;
    bool is_news = strcmp(j->at.status, kind) != 0 || done == total;
    j->at.status = kind;
    j->at.completed = done, j->at.total = total;
    j->at.all_completed = j->before + done;
    return is_news ? tell_event(j) : tick(j);
}

/* ---- the repository ---- */

static const char *revision(const job *j)
{
    return j->o->revision ? j->o->revision : j->name.revision[0] ? j->name.revision : "main";
}

static bool read_name(job *j, carat_err *err)
{
    if (!ct_hub_name_read(j->o->name, &j->name, err))
        return false;
    if (!ct_hub_revision_is_name(revision(j)))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.100s' is no revision: expected a branch, a tag or a commit",
                       revision(j));
    if (j->name.host[0] && !ct_hub_http_is_host(j->http, j->name.host))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%.100s is not the hub that is asked, %.60s: --endpoint names another", j->name.host,
                       ct_hub_http_endpoint(j->http));
    return true;
}

/* The nearest repository that Carat has a short name for. */
static bool add_nearest(const char *repo, carat_err *err)
{
    size_t least = 1 + strlen(repo) / 4;
    const ct_short *best = NULL;
    for (size_t i = 0; ct_short_at(i); i++) {
        size_t d = ct_edit_distance(repo, strlen(repo), ct_short_at(i)->repo, strlen(ct_short_at(i)->repo));
        if (d && d < least)
            least = d, best = ct_short_at(i);
    }
    if (!best || !err)
        return false;
    carat_err old = *err;
    return ct_fail(err, old.code, CARAT_NOWHERE, "%.150s; did you mean %s?", old.msg, best->repo);
}

static bool read_repo(job *j, carat_err *err)
{
    ct_buf path, text;
    ct_hub_http_reply r;
    ct_buf_init(&path, 4096);
    ct_buf_fmt(&path, "/api/models/%s/revision/", j->name.repo);
    ct_hub_http_escape(&path, revision(j), "");
    ct_buf_str(&path, "?blobs=true");
    if (path.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    ct_hub_end end = ct_hub_http_read(j->http, path.data, MAX_REPO_JSON, &text, &r, err);
    bool ok = end == HUB_WHOLE && text.data && ct_hub_repo_read(j->name.repo, text.data, text.len, &j->repo, err);
    if (end == HUB_WHOLE && !text.data)
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: the hub's answer is empty", j->name.repo);
    if (end == HUB_STATUS) {
        ct_hub_refusal(j->http, j->name.repo, revision(j), NULL, false, &r, err);
        if (r.status == 404 || r.status == 401)
            add_nearest(j->name.repo, err);
    }
    ct_buf_deinit(&path);
    ct_buf_deinit(&text);
    return ok;
}

static bool check_repo(job *j, carat_err *err)
{
    char line[200];
    if (j->repo.n_left_out) {
        snprintf(line, sizeof line, "%zu files of %.80s have names that no file here can have; they are left out",
                 j->repo.n_left_out, j->repo.repo);
        tell_line(j, line);
    }
    if (!j->o->any_model && !ct_hub_repo_may_run(&j->repo))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%.80s is of the architecture '%.60s'; Carat runs Gemma 3 (--any pulls it all the same)",
                       j->repo.repo, j->repo.architecture);
    return true;
}

/* ---- which of it ---- */

static uint64_t available(void)
{
    ct_memlimit m;
    ct_memlimit_now(&m);
    return m.left;
}

static uint64_t mmproj_bytes(const job *j)
{
    uint64_t n = 0;
    for (size_t i = 0; i < j->n_mmproj; i++)
        if (j->mmproj[i]->bytes != HUB_UNKNOWN)
            n += j->mmproj[i]->bytes;
    return n;
}

static bool none_fits(const job *j, const ct_pull_offer *offers, size_t n, carat_err *err)
{
    size_t least = 0;
    for (size_t i = 1; i < n; i++)
        if (offers[i].memory < offers[least].memory)
            least = i;
    return ct_fail(
        err, CARAT_EARG, CARAT_NOWHERE,
        "%.60s: none fits the %.2f GiB that are available; %.40s needs %.2f GiB (%.60s:%.40s pulls it all the same)",
        j->repo.repo, (double)available() / 0x1p30, offers[least].tag, (double)offers[least].memory / 0x1p30,
        j->o->name, offers[least].tag);
}

static void mark_pulled(const job *j, ct_pull_offer *offers, size_t n)
{
    ct_stored_list l = { .v = NULL };
    if (!ct_manifest_read(j->folder, j->repo.repo, &l, NULL))
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < l.n; k++)
            offers[i].is_pulled =
                offers[i].is_pulled || (strcasecmp(l.v[k].tag, offers[i].tag) == 0 && l.v[k].is_whole);
    ct_stored_list_free(&l);
}

static bool choose(job *j, carat_err *err)
{
    ct_pull_offer *offers;
    size_t best, at;
    if (!ct_hub_offers(&j->repo, &j->models, mmproj_bytes(j), available(), &offers, &best, err))
        return false;
    mark_pulled(j, offers, j->models.n);
    bool ok = true;
    if (j->o->choose)
        ok = j->o->choose(j->o->choose_arg, offers, j->models.n, best, &at) || cancelled(err);
    else if (best == j->models.n && j->models.n > 1)
        ok = none_fits(j, offers, j->models.n, err);
    else
        at = best < j->models.n ? best : 0;
    ok = ok && (at < j->models.n || none_fits(j, offers, j->models.n, err));
    if (ok)
        ok = ct_hub_models_find(&j->repo, &j->models, offers[at].tag, &j->model, err);
    free(offers);
    return ok;
}

/* A file of the repository that is none of a model: it is named as it is. */
static bool one_file(job *j, const char *file, carat_err *err)
{
    if (ct_hub_models_find(&j->repo, &j->models, file, &j->model, NULL))
        return true;
    size_t least = 1 + strlen(file) / 3;
    const char *near = NULL;
    for (size_t i = 0; i < j->repo.n_files; i++) {
        size_t d = ct_edit_distance(file, strlen(file), j->repo.files[i].name, strlen(j->repo.files[i].name));
        if (d < least)
            least = d, near = j->repo.files[i].name;
    }
    if (ct_hub_repo_file(&j->repo, file))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.80s: %.80s is no model of its own", j->repo.repo, file);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.70s has no file '%.60s'%s%.70s%s", j->repo.repo, file,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool find_mmproj(job *j, carat_err *err)
{
    const char *m = j->o->mmproj ? j->o->mmproj : "auto";
    if (strcasecmp(m, "none") == 0)
        return true;
    if (strcasecmp(m, "auto") == 0) {
        ct_hub_mmproj_of(&j->repo, j->mmproj, MAX_MMPROJ, &j->n_mmproj);
        return true;
    }
    j->mmproj[0] = ct_hub_repo_file(&j->repo, m);
    for (size_t i = 0; !j->mmproj[0] && i < j->repo.n_files; i++)
        if (strcasecmp(ct_hub_base(j->repo.files[i].name), m) == 0)
            j->mmproj[0] = &j->repo.files[i];
    j->n_mmproj = j->mmproj[0] != NULL;
    if (!j->mmproj[0] || !ct_hub_has_end(j->mmproj[0]->name, ".gguf"))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.80s has no GGUF file '%.80s' for --mmproj", j->repo.repo, m);
    return true;
}

static bool select_files(job *j, carat_err *err)
{
    const char *file = j->o->file ? j->o->file : j->name.file;
    if (j->models.n == 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%.100s has no model: no GGUF file, no folder of safetensors",
                       j->repo.repo);
    if (!find_mmproj(j, err))
        return false;
    bool ok = *file          ? one_file(j, file, err)
              : *j->name.tag ? ct_hub_models_find(&j->repo, &j->models, j->name.tag, &j->model, err)
                             : choose(j, err);
    if (ok && j->model->is_folder)
        j->n_mmproj = 0;
    return ok;
}

/* ---- the files ---- */

/* Where a file goes: under its own name, but an mmproj beside its model, where the loader looks for it. */
static void place_of(const job *j, const ct_hub_file *f, bool is_mmproj, char out[HUB_MAX_FILE])
{
    const char *model = j->model->files[0]->name, *slash = strrchr(model, '/');
    if (is_mmproj)
        snprintf(out, HUB_MAX_FILE, "%.*s%s", slash ? (int)(slash + 1 - model) : 0, model, ct_hub_base(f->name));
    else
        snprintf(out, HUB_MAX_FILE, "%s", f->name);
}

/* What the manifest has of it: a file that it knows with the hash that is wanted, and of the recorded size, is not read again. */
static bool is_known(const job *j, const ct_hub_file *f, const char *file, ct_fetched *out)
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
        for (size_t k = 0; k < l.v[i].n_files; k++) {
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

static bool add_made(job *j, const char *file, const ct_fetched *got, carat_err *err)
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
static void begin_file(job *j, const ct_hub_file *f)
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

static bool get_file(job *j, const ct_hub_file *f, bool is_mmproj, carat_err *err)
{
    char file[HUB_MAX_FILE], *path;
    ct_fetched got;
    place_of(j, f, is_mmproj, file);
    begin_file(j, f);
    if (!is_known(j, f, file, &got)) {
        if (!tell_event(j))
            return cancelled(err);
        if (!ct_place(j->folder, j->repo.repo, file, true, &path, err))
            return false;
        const ct_fetch fetch = {
            .http = j->http,
            .repo = j->repo.repo,
            .revision = *j->repo.commit ? j->repo.commit : revision(j),
            .file = f,
            .path = path,
            .is_gated = j->repo.is_gated,
            .at = on_bytes,
            .tell = tell_line,
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
    return (tell_event(j) || cancelled(err)) && add_made(j, file, &got, err);
}

/* What is still to come, of this file and its part. */
static uint64_t missing(const job *j, const ct_hub_file *f, bool is_mmproj)
{
    char file[HUB_MAX_FILE], *path, *part;
    uint64_t there = 0;
    place_of(j, f, is_mmproj, file);
    if (f->bytes == HUB_UNKNOWN || !ct_place(j->folder, j->repo.repo, file, false, &path, NULL))
        return 0;
    if (!ct_place_size(path, &there) && asprintf(&part, "%s.part", path) >= 0) {
        ct_place_size(part, &there);
        free(part);
    }
    free(path);
    return there < f->bytes ? f->bytes - there : 0;
}

static bool check_room(job *j, carat_err *err)
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
static bool check_index(const job *j, carat_err *err)
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

static bool get_files(job *j, carat_err *err)
{
    j->at.n_files = j->model->n_files + j->n_mmproj;
    j->at.all_total = j->model->bytes + mmproj_bytes(j);
    j->made.files = calloc(j->at.n_files, sizeof *j->made.files);
    if (!j->made.files)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    if (!check_room(j, err))
        return false;
    for (size_t i = 0; i < j->model->n_files; i++)
        if (!get_file(j, j->model->files[i], false, err))
            return false;
    for (size_t i = 0; i < j->n_mmproj; i++)
        if (!get_file(j, j->mmproj[i], true, err))
            return false;
    return !j->model->is_folder || check_index(j, err);
}

/* ---- the manifest ---- */

static bool describe(job *j, carat_err *err)
{
    ct_stored *m = &j->made;
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    strftime(m->pulled, sizeof m->pulled, "%Y-%m-%dT%H:%M:%SZ", &t);
    bool is_own_name = strcasecmp(j->o->name, j->repo.repo) == 0;
    m->repo = strdup(j->repo.repo);
    m->tag = strdup(j->model->tag);
    m->asked = strdup(is_own_name || j->name.host[0] ? j->repo.repo : j->o->name);
    m->endpoint = strdup(ct_hub_http_endpoint(j->http));
    m->commit = strdup(j->repo.commit);
    if (asprintf(&m->name, "%s:%s", j->repo.repo, j->model->tag) < 0)
        m->name = NULL;
    if (!m->repo || !m->tag || !m->asked || !m->endpoint || !m->commit || !m->name)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    if (j->name.tag[0] || j->name.file[0] || j->o->file) /* this name says which, and is no name for all */
        *m->asked = '\0';
    return ct_place(j->folder, m->repo, j->model->is_folder ? "" : m->files[0].file, false, &m->path, err);
}

/* The new model takes the place of one of its tag, and the name under which it was asked for. */
static bool record(job *j, carat_err *err)
{
    ct_stored_list l = { .v = NULL };
    const ct_stored **all = NULL;
    size_t n = 0;
    bool ok = describe(j, err) && ct_manifest_read(j->folder, j->repo.repo, &l, err);
    if (ok && !(all = calloc(l.n + 1, sizeof *all)))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    for (size_t i = 0; ok && i < l.n; i++) {
        if (strcasecmp(l.v[i].asked, j->made.asked) == 0)
            *l.v[i].asked = '\0';
        if (strcasecmp(l.v[i].tag, j->made.tag) == 0) {
            if (!*j->made.asked) {
                free(j->made.asked);
                j->made.asked = l.v[i].asked;
                l.v[i].asked = NULL;
            }
        } else {
            all[n++] = &l.v[i];
        }
    }
    if (ok)
        all[n++] = &j->made;
    ok = ok && ct_manifest_write(j->folder, j->repo.repo, all, n, err);
    free(all);
    ct_stored_list_free(&l);
    return ok;
}

/* ---- the whole of it ---- */

static bool take_lock(job *j, carat_err *err)
{
    bool has_waited = false;
    for (;;) {
        if (!ct_place_lock(j->folder, j->repo.repo, true, &j->lock, err))
            return false;
        if (j->lock >= 0)
            return true;
        if (!has_waited && !say(j, "waiting for another pull", err))
            return false;
        has_waited = true;
        const struct timespec t = { .tv_nsec = 100 * 1000 * 1000 };
        nanosleep(&t, NULL);
        if (!tick(j))
            return cancelled(err);
    }
}

static bool run(job *j, carat_err *err)
{
    const ct_hub_http_options http = { .endpoint = j->o->endpoint,
                                       .token_file = j->o->token_file,
                                       .insecure_http = j->o->insecure_http,
                                       .tick = tick,
                                       .arg = j };
    return ct_store_folder(&j->folder, err) && ct_hub_http_open(&http, &j->http, err) && read_name(j, err) &&
           say(j, "pulling manifest", err) && read_repo(j, err) && check_repo(j, err) &&
           ct_hub_models_of(&j->repo, &j->models, err) && select_files(j, err) && take_lock(j, err) &&
           get_files(j, err) && say(j, "writing manifest", err) && record(j, err) && say(j, "success", err);
}

static char *take(char **from, char **to)
{
    if (to)
        *to = *from, *from = NULL;
    return to ? *to : NULL;
}

bool ct_pull(const ct_pull_options *o, char **name, char **path, carat_err *err)
{
    job j = { .o = o, .lock = -1 };
    j.at.status = "pulling manifest";
    bool ok = run(&j, err);
    if (ok) {
        take(&j.made.name, name);
        take(&j.made.path, path);
    }
    if (j.lock >= 0)
        close(j.lock);
    ct_stored_deinit(&j.made);
    ct_hub_models_deinit(&j.models);
    ct_hub_repo_deinit(&j.repo);
    ct_hub_http_close(j.http);
    free(j.folder);
    return ok;
}
