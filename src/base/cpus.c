/* How many cores this process should use.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"

/* First line of a small file; false if there is none. */
static bool read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(line, size, f) != NULL;
    fclose(f);
    return ok;
}

/* The first CPU of a sysfs list ("0,64" or "2-3"): SMT siblings share theirs, so it names the physical core. */
static int core_of(int cpu)
{
    char path[96], line[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    return read_line(path, line, sizeof line) ? (int)strtol(line, NULL, 10) : cpu;
}

static int cores_in(const cpu_set_t *allowed)
{
    cpu_set_t seen;
    CPU_ZERO(&seen);
    int n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed))
            continue;
        int core = core_of(cpu);
        if (core < 0 || core >= CPU_SETSIZE)
            core = cpu;
        if (!CPU_ISSET(core, &seen)) {
            CPU_SET(core, &seen);
            n++;
        }
    }
    return n;
}

/* quota / period of a cgroup folder, rounded up; INT_MAX where there is no quota. */
static int quota_in(const char *dir)
{
    char path[600], line[128];
    double quota = -1, period = -1;
    snprintf(path, sizeof path, "%s/cpu.max", dir); /* version 2: "200000 100000" or "max 100000" */
    if (read_line(path, line, sizeof line)) {
        if (sscanf(line, "%lf %lf", &quota, &period) != 2)
            return CT_MAX_THREADS;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
        if (!read_line(path, line, sizeof line))
            return CT_MAX_THREADS;
        quota = strtod(line, NULL);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
        if (!read_line(path, line, sizeof line))
            return CT_MAX_THREADS;
        period = strtod(line, NULL);
    }
    if (quota <= 0 || period <= 0 || quota / period >= CT_MAX_THREADS)
        return CT_MAX_THREADS;
    int n = (int)(quota / period);
    return n < quota / period ? n + 1 : n;
}

/* The tightest quota from this process's cgroup up to the root. */
static int quota(void)
{
    int best = quota_in("/sys/fs/cgroup");
    int v1 = quota_in("/sys/fs/cgroup/cpu");
    if (v1 < best)
        best = v1;
    char line[512];
    if (!read_line("/proc/self/cgroup", line, sizeof line) || strncmp(line, "0::", 3) != 0)
        return best;
    line[strcspn(line, "\n")] = '\0';
    char dir[560];
    snprintf(dir, sizeof dir, "/sys/fs/cgroup%s", line + 3);
    size_t root = strlen("/sys/fs/cgroup");
    while (strlen(dir) > root) {
        int n = quota_in(dir);
        if (n < best)
            best = n;
        *strrchr(dir, '/') = '\0';
    }
    return best;
}

int ct_cpu_default(void)
{
    cpu_set_t allowed;
    int n;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        n = cores_in(&allowed);
    } else { /* more than CPU_SETSIZE processors */
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 && online < CT_MAX_THREADS ? (int)online : 1;
    }
    int q = quota();
    if (n > q)
        n = q;
    if (n > CT_MAX_THREADS)
        n = CT_MAX_THREADS;
    return n < 1 ? 1 : n;
}
