/* cgroup.h - the control groups that limit this process, version 1 and 2, also both at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_CGROUP_H
#define CT_BASE_CGROUP_H

#include <stdbool.h>

/* Shows the folder of every group that may limit a controller ("cpu", "memory"): this process's own, as far as
 * /proc/self/cgroup names it, and all above it up to where the hierarchy is mounted. A folder may be shown twice and need
 * not exist. root: "" is the real one, another is for tests. */
typedef void ct_cgroup_fn(void *arg, const char *dir, bool is_v2);
void ct_cgroup_visit(const char *root, const char *controller, ct_cgroup_fn *look, void *arg);

/* How many processors' time the tightest quota allows, rounded down but at least 1; `most` where there is none below it.
 * Rounded up, the threads would run into the quota together and all stand still for the rest of each period. */
int ct_cgroup_cpus(const char *root, int most);

#endif
