/* Which model of a repository is pulled, and what comes with it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memlimit.h"
#include "base/near.h"
#include "hub/manifest.h"
#include "hub/offer.h"

static uint64_t available(void)
{
    ct_memlimit m;
    ct_memlimit_now(&m);
    return m.left;
}

uint64_t ct_job_mmproj_bytes(const ct_job *j)
{
    uint64_t n = 0;
    for (size_t i = 0; i < j->n_mmproj; i++)
        if (j->mmproj[i]->bytes != HUB_UNKNOWN)
            n += j->mmproj[i]->bytes;
    return n;
}

static bool none_fits(const ct_job *j, const ct_pull_offer *offers, size_t n, carat_err *err)
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

static void mark_pulled(const ct_job *j, ct_pull_offer *offers, size_t n)
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

static bool choose(ct_job *j, carat_err *err)
{
    ct_pull_offer *offers;
    size_t best, at;
    if (!ct_hub_offers(&j->repo, &j->models, ct_job_mmproj_bytes(j), available(), &offers, &best, err))
        return false;
    mark_pulled(j, offers, j->models.n);
    bool ok = true;
    if (j->o->choose)
        ok = j->o->choose(j->o->choose_arg, offers, j->models.n, best, &at) || ct_job_cancelled(err);
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
static bool one_file(ct_job *j, const char *file, carat_err *err)
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

static bool find_mmproj(ct_job *j, carat_err *err)
{
    const char *m = j->o->mmproj ? j->o->mmproj : "auto";
    if (strcasecmp(m, "none") == 0)
        return true;
    if (strcasecmp(m, "auto") == 0) {
        ct_hub_mmproj_of(&j->repo, j->mmproj, JOB_MAX_MMPROJ, &j->n_mmproj);
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

bool ct_job_select(ct_job *j, carat_err *err)
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
