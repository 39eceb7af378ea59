/* Brings a model into the store: what the repository has, which of it, its files, the manifest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/near.h"
#include "hub/drop.h"
#include "hub/fetch.h"
#include "hub/job.h"
#include "hub/manifest.h"
#include "hub/place.h"
#include "hub/short.h"
#include "hub/url.h"

#define MAX_REPO_JSON ((size_t)32 << 20)

bool ct_pull_is_built(void)
{
    return true;
}

/* ---- the repository ---- */

const char *ct_job_revision(const ct_job *j)
{
    return j->o->revision ? j->o->revision : j->name.revision[0] ? j->name.revision : "main";
}

static bool read_name(ct_job *j, carat_err *err)
{
    if (!ct_hub_name_read(j->o->name, &j->name, err))
        return false;
    if (!ct_hub_revision_is_name(ct_job_revision(j)))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.100s' is no revision: expected a branch, a tag or a commit",
                       ct_job_revision(j));
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

static bool read_repo(ct_job *j, carat_err *err)
{
    ct_buf path, text;
    ct_hub_http_reply r;
    ct_buf_init(&path, 4096);
    ct_buf_fmt(&path, "/api/models/%s/revision/", j->name.repo);
    ct_hub_escape(&path, ct_job_revision(j), "");
    ct_buf_str(&path, "?blobs=true");
    if (path.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    ct_hub_end end = ct_hub_http_read(j->http, path.data, MAX_REPO_JSON, &text, &r, err);
    bool ok = end == HUB_WHOLE && text.data && ct_hub_repo_read(j->name.repo, text.data, text.len, &j->repo, err);
    if (end == HUB_WHOLE && !text.data)
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: the hub's answer is empty", j->name.repo);
    if (end == HUB_STATUS) {
        ct_hub_refusal(j->http, j->name.repo, ct_job_revision(j), NULL, false, &r, err);
        if (r.status == 404 || r.status == 401)
            add_nearest(j->name.repo, err);
    }
    ct_buf_deinit(&path);
    ct_buf_deinit(&text);
    return ok;
}

static bool check_repo(ct_job *j, carat_err *err)
{
    char line[200];
    if (j->repo.n_left_out) {
        snprintf(line, sizeof line, "%zu files of %.80s have names that no file here can have; they are left out",
                 j->repo.n_left_out, j->repo.repo);
        ct_job_line(j, line);
    }
    if (!j->o->any_model && !ct_hub_repo_may_run(&j->repo))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%.80s is of the architecture '%.60s'; Carat runs Gemma 3 (--any pulls it all the same)",
                       j->repo.repo, j->repo.architecture);
    return true;
}

/* ---- the manifest ---- */

static bool describe(ct_job *j, carat_err *err)
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

/* Takes over what an older model of the tag has that the new one lacks: the name under which it was asked for. */
static void inherit(ct_job *j, ct_stored *old)
{
    if (*j->made.asked || !j->made.is_complete)
        return;
    free(j->made.asked);
    j->made.asked = old->asked;
    old->asked = NULL;
}

/* The new model takes the place of one of its tag, whose files go if nobody needs them; and, once it is complete, the name under
 * which it was asked for. One that is not never takes the place of one that is. */
static bool record(ct_job *j, carat_err *err)
{
    ct_stored_list l = { .v = NULL };
    const ct_stored **all = NULL;
    ct_stored *old = NULL;
    size_t n = 0;
    uint64_t freed = 0;
    bool ok = ct_manifest_read(j->folder, j->repo.repo, &l, err);
    if (ok && !(all = calloc(l.n + 1, sizeof *all)))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the manifest");
    for (size_t i = 0; ok && i < l.n; i++) {
        if (j->made.is_complete && strcasecmp(l.v[i].asked, j->made.asked) == 0)
            *l.v[i].asked = '\0';
        if (strcasecmp(l.v[i].tag, j->made.tag) == 0)
            old = &l.v[i];
        else
            all[n++] = &l.v[i];
    }
    const bool stays = old && old->is_complete && !j->made.is_complete;
    if (ok && !stays) {
        if (old)
            inherit(j, old);
        all[n++] = &j->made;
        j->is_begun = !j->made.is_complete;
        ok = ct_manifest_write(j->folder, j->repo.repo, all, n, err) &&
             (!old || ct_drop_files(j->folder, old, all, n, &freed, err));
    }
    free(all);
    ct_stored_list_free(&l);
    return ok;
}

static bool begin_model(ct_job *j, carat_err *err)
{
    return ct_job_expect(j, err) && describe(j, err) && record(j, err);
}

static bool end_model(ct_job *j, carat_err *err)
{
    j->made.is_complete = true;
    return ct_job_say(j, "writing manifest", err) && record(j, err);
}

/* Of a pull that failed before anything came, nothing stays. */
static void undo(ct_job *j)
{
    uint64_t freed = 0;
    if (j->is_begun && !ct_job_has_something(j))
        ct_drop_model(j->folder, &j->made, &freed, NULL);
}

/* ---- the whole of it ---- */

static bool take_lock(ct_job *j, carat_err *err)
{
    bool has_waited = false;
    for (;;) {
        if (!ct_place_lock(j->folder, j->repo.repo, true, &j->lock, err))
            return false;
        if (j->lock >= 0)
            return true;
        if (!has_waited && !ct_job_say(j, "waiting for another pull", err))
            return false;
        has_waited = true;
        const struct timespec t = { .tv_nsec = 100 * 1000 * 1000 };
        nanosleep(&t, NULL);
        if (!ct_job_tick(j))
            return ct_job_cancelled(err);
    }
}

static bool run(ct_job *j, carat_err *err)
{
    const ct_hub_http_options http = { .endpoint = j->o->endpoint,
                                       .token_file = j->o->token_file,
                                       .insecure_http = j->o->insecure_http,
                                       .tick = ct_job_tick,
                                       .arg = j };
    return ct_store_folder(&j->folder, err) && ct_hub_http_open(&http, &j->http, err) && read_name(j, err) &&
           ct_job_say(j, "pulling manifest", err) && read_repo(j, err) && check_repo(j, err) &&
           ct_hub_models_of(&j->repo, &j->models, err) && ct_job_select(j, err) && take_lock(j, err) &&
           begin_model(j, err) && ct_job_get(j, err) && end_model(j, err) && ct_job_say(j, "success", err);
}

static char *take(char **from, char **to)
{
    if (to)
        *to = *from, *from = NULL;
    return to ? *to : NULL;
}

bool ct_pull(const ct_pull_options *o, char **name, char **path, carat_err *err)
{
    ct_job j = { .o = o, .lock = -1 };
    j.at.status = "pulling manifest";
    bool ok = run(&j, err);
    if (ok) {
        take(&j.made.name, name);
        take(&j.made.path, path);
    } else {
        undo(&j);
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
