/* How many cores this process should use.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroup.h"
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
    if (n > CT_MAX_THREADS)
        n = CT_MAX_THREADS;
    return ct_cgroup_cpus("", n < 1 ? 1 : n);
}
