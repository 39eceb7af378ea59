/* job.h - a pull under way: what its parts have in common.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_JOB_H
#define CT_HUB_JOB_H

#include "hub/http.h"
#include "hub/pick.h"
#include "hub/pull.h"

#define JOB_MAX_MMPROJ 8

typedef struct ct_job {
    const ct_pull_options *o;
    ct_hub_name name;
    ct_hub_http *http;
    ct_hub_repo repo;
    ct_hub_models models;
    const ct_hub_model *model;
    const ct_hub_file *mmproj[JOB_MAX_MMPROJ];
    size_t n_mmproj;
    char *folder; /* the store's */
    int lock;
    ct_pull_event at;
    char status[64], digest[80];
    uint64_t before; /* bytes of the files that are done */
    double told;     /* when the last event went out */
    ct_stored made;
    bool is_begun; /* and the manifest says so: not complete */
} ct_job;

/* ---- telling (job.c) ---- */

/* Tells where it stands. False: that is the end of it. */
bool ct_job_tell(ct_job *j);
/* The same, but not often; for ct_hub_http_options. */
bool ct_job_tick(void *j);
/* What begins now, of no file. Errors: CARAT_ECANCELLED. */
bool ct_job_say(ct_job *j, const char *status, carat_err *err);
/* Of the file under way; for ct_fetch. */
bool ct_job_bytes(void *j, bool checking, uint64_t done, uint64_t total);
void ct_job_line(void *j, const char *line);
/* Always false. */
bool ct_job_cancelled(carat_err *err);

/* ---- its steps ---- */

/* The revision that is asked for. */
const char *ct_job_revision(const ct_job *j);
/* job_select.c: sets model and mmproj. */
bool ct_job_select(ct_job *j, carat_err *err);
uint64_t ct_job_mmproj_bytes(const ct_job *j);
/* job_files.c, with the lock held. made.files as they are expected; then the files are brought, and made.files is what came. */
bool ct_job_expect(ct_job *j, carat_err *err);
bool ct_job_get(ct_job *j, carat_err *err);
/* Is anything of its files on the disk? */
bool ct_job_has_something(const ct_job *j);

#endif
