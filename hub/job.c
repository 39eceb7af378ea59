/* What a pull tells on its way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define EVENT_S 0.1 /* at least between two events of one file */

bool ct_job_tell(ct_job *j)
{
    j->told = ct_now();
    return !j->o->progress || j->o->progress(j->o->progress_arg, &j->at);
}

bool ct_job_tick(void *arg)
{
    ct_job *j = arg;
    return ct_now() - j->told < EVENT_S || ct_job_tell(j);
}

bool ct_job_cancelled(carat_err *err)
{
    return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
}

bool ct_job_say(ct_job *j, const char *status, carat_err *err)
{
    snprintf(j->status, sizeof j->status, "%s", status);
    j->at.status = j->status;
    j->at.digest = j->at.file = NULL;
    j->at.total = j->at.completed = 0;
    return ct_job_tell(j) || ct_job_cancelled(err);
}

void ct_job_line(void *arg, const char *line)
{
    ct_job *j = arg;
    if (j->o->tell)
        j->o->tell(j->o->tell_arg, line);
}

bool ct_job_bytes(void *arg, bool checking, uint64_t done, uint64_t total)
{
    ct_job *j = arg;
    const char *kind = checking ? "verifying sha256 digest" : j->status;
    bool is_news = strcmp(j->at.status, kind) != 0 || done == total;
    j->at.status = kind;
    j->at.completed = done, j->at.total = total;
    j->at.all_completed = j->before + done;
    return is_news ? ct_job_tell(j) : ct_job_tick(j);
}
