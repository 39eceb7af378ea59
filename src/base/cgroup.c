/* Sources: Linux's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst, scheduler/sched-bwc.rst; cgroups(7).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024

typedef struct visit {
    ct_cgroup_fn *look;
    void *arg;
} visit;

/* From a group's folder up to the mount: every one above limits those below. */
static void climb(const visit *v, const char *mount, const char *group, bool is_v2)
{
    char dir[MAX_PATH];
    if (snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir)
        return;
    while (strlen(dir) > strlen(mount)) {
        v->look(v->arg, dir, is_v2);
        *strrchr(dir, '/') = '\0';
    }
    v->look(v->arg, mount, is_v2);
}

/* Is it one of the controllers in "cpu,cpuacct"? */
static bool names_controller(const char *list, size_t len, const char *controller)
{
    for (const char *p = list, *end = list + len; p < end;) {
        size_t n = strcspn(p, ",:");
        if (n == strlen(controller) && strncmp(p, controller, n) == 0)
            return true;
        p += n + 1;
    }
    return false;
}

static void climb_at(const visit *v, const char *root, const char *mount, int len, const char *group, bool is_v2)
{
    char full[MAX_PATH];
    if (snprintf(full, sizeof full, "%s/sys/fs/cgroup%.*s", root, len, mount) < (int)sizeof full)
        climb(v, full, group, is_v2);
}

/* A line "4:cpu,cpuacct:/path" of version 1, or "0::/path" of version 2. Version 1 is mounted under the controller's name
 * or under the list of those that share the hierarchy; version 2 alone, or beside version 1 in `unified`. */
static void look_at_line(const visit *v, const char *root, const char *controller, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
    if (!group || group[1] != '/' || strstr(group, "..")) /* ".." leads out of what this namespace shows */
        return;
    int len = (int)(group - list);
    *list = '/';
    group++;
    if (len == 1) {
        climb_at(v, root, "", 0, group, true);
        climb_at(v, root, "/unified", 8, group, true);
    } else if (names_controller(list + 1, (size_t)len - 1, controller)) {
        char own[64];
        int n = snprintf(own, sizeof own, "/%s", controller);
        climb_at(v, root, own, n, group, false);
        climb_at(v, root, list, len, group, false);
    }
}

void ct_cgroup_visit(const char *root, const char *controller, ct_cgroup_fn *look, void *arg)
{
    char path[MAX_PATH], line[MAX_PATH], own[64];
    const visit v = { look, arg };
    /* A container's own group may be mounted as the root, whatever its name is outside. */
    climb_at(&v, root, "", 0, "", true);
    climb_at(&v, root, own, snprintf(own, sizeof own, "/%s", controller), "", false);
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        look_at_line(&v, root, controller, line);
    if (f)
        fclose(f);
}

/* ---- processors ---- */

/* How many of the two numbers stand at the beginning of a file. */
static int read_numbers(const char *dir, const char *name, int64_t *a, int64_t *b)
{
    char path[MAX_PATH];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return 0;
    FILE *f = fopen(path, "re");
    int n = f ? fscanf(f, "%" SCNd64 " %" SCNd64, a, b) : 0;
    if (f)
        fclose(f);
    return n;
}

/* Version 2 has "200000 100000" or "max 100000" in cpu.max; version 1 a file for each, and -1 for no quota. */
static void look_at_quota(void *arg, const char *dir, bool is_v2)
{
    int *most = arg;
    int64_t quota = 0, period = 0, none;
    bool ok = is_v2 ? read_numbers(dir, "cpu.max", &quota, &period) == 2
                    : read_numbers(dir, "cpu.cfs_quota_us", &quota, &none) == 1 &&
                          read_numbers(dir, "cpu.cfs_period_us", &period, &none) == 1;
    if (!ok || quota <= 0 || period <= 0 || quota / period >= *most)
        return;
    *most = quota >= period ? (int)(quota / period) : 1;
}

int ct_cgroup_cpus(const char *root, int most)
{
    ct_cgroup_visit(root, "cpu", look_at_quota, &most);
    return most;
}
