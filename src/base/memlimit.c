/* Sources: proc(5), getrlimit(2); Linux's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/memlimit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cgroup.h"

#define MAX_PATH 1024

static void lower(ct_memlimit *m, uint64_t limit, uint64_t used, const char *who)
{
    uint64_t left = used < limit ? limit - used : 0;
    if (left < m->memory) {
        m->memory = left;
        m->memory_who = who;
    }
}

/* The number behind `name` in a file of "Name: 123 kB" or "name 123" lines; false if there is none. */
static bool read_field(const char *root, const char *path, const char *name, uint64_t *out)
{
    char full[MAX_PATH], line[256];
    size_t n = strlen(name);
    bool found = false;
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    FILE *f = fopen(full, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        if (strncmp(line, name, n) != 0 || !line[n] || !strchr(": \t", line[n]))
            continue;
        const char *rest = line + n + (line[n] == ':');
        found = sscanf(rest, "%" SCNu64, out) == 1;
        if (found && strstr(rest, " kB"))
            *out = *out > UINT64_MAX >> 10 ? UINT64_MAX : *out << 10;
    }
    if (f)
        fclose(f);
    return found;
}

/* The number that a file begins with; false for "max" and for no file. */
static bool read_number(const char *dir, const char *name, uint64_t *out)
{
    char full[MAX_PATH];
    if (snprintf(full, sizeof full, "%s/%s", dir, name) >= (int)sizeof full)
        return false;
    FILE *f = fopen(full, "re");
    bool ok = f && fscanf(f, "%" SCNu64, out) == 1;
    if (f)
        fclose(f);
    return ok;
}

/* ---- control groups ---- */

typedef struct group_names {
    const char *limit, *usage, *cache[3]; /* cache: what the kernel drops when the group is short of memory */
} group_names;

static const group_names v2 = { "memory.max",
                                "memory.current",
                                { "active_file", "inactive_file", "slab_reclaimable" } };
static const group_names v1 = { "memory.limit_in_bytes",
                                "memory.usage_in_bytes",
                                { "total_active_file", "total_inactive_file", NULL } };

static void look_at_group(void *arg, const char *dir, bool is_v2)
{
    ct_memlimit *m = arg;
    const group_names *names = is_v2 ? &v2 : &v1;
    uint64_t limit, used, bytes;
    if (!read_number(dir, names->limit, &limit) || !read_number(dir, names->usage, &used))
        return;
    for (size_t i = 0; i < 3 && names->cache[i]; i++)
        if (read_field(dir, "/memory.stat", names->cache[i], &bytes))
            used = bytes < used ? used - bytes : 0;
    if (limit < m->all)
        m->all = limit;
    lower(m, limit, used, "the control group");
}

/* ---- all of it ---- */

static uint64_t look_at_ulimit(const char *root, int which, const char *field)
{
    struct rlimit r;
    uint64_t mapped;
    if (getrlimit(which, &r) != 0 || r.rlim_cur == RLIM_INFINITY ||
        !read_field(root, "/proc/self/status", field, &mapped))
        return UINT64_MAX;
    return mapped < r.rlim_cur ? r.rlim_cur - mapped : 0;
}

static void choose_least(ct_memlimit *m, uint64_t left, const char *who)
{
    if (left >= m->left)
        return;
    m->left = left;
    m->who = who;
}

void ct_memlimit_under(const char *root, ct_memlimit *m)
{
    uint64_t available;
    *m = (ct_memlimit){ .memory = UINT64_MAX, .left = UINT64_MAX, .who = "", .memory_who = "" };
    read_field(root, "/proc/self/status", "RssAnon", &m->held);
    read_field(root, "/proc/meminfo", "MemTotal", &m->all);
    if (read_field(root, "/proc/meminfo", "MemAvailable", &available))
        lower(m, available, 0, "the machine");
    ct_cgroup_visit(root, "memory", look_at_group, m);
    m->address = look_at_ulimit(root, RLIMIT_AS, "VmSize");
    m->data = look_at_ulimit(root, RLIMIT_DATA, "VmData");
    choose_least(m, m->memory, m->memory_who);
    choose_least(m, m->address, "ulimit -v");
    choose_least(m, m->data, "ulimit -d");
}

void ct_memlimit_now(ct_memlimit *out)
{
    ct_memlimit_under("", out);
}
