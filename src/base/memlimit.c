/* Sources: proc(5), getrlimit(2); Linux's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/memlimit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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

static void look_at_group(ct_memlimit *m, const char *dir, const group_names *names)
{
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

/* From a group's folder up to the root: every one above limits those below. */
static void look_at_groups(ct_memlimit *m, const char *mount, const char *group, const group_names *names)
{
    char dir[MAX_PATH];
    if (snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir)
        return;
    while (strlen(dir) > strlen(mount)) {
        look_at_group(m, dir, names);
        *strrchr(dir, '/') = '\0';
    }
    look_at_group(m, mount, names);
}

/* Is `memory` one of the controllers in "5:cpu,memory:/path"? */
static bool has_memory(const char *controllers, size_t len)
{
    for (const char *p = controllers, *end = controllers + len; p < end;) {
        size_t n = strcspn(p, ",:");
        if (n == 6 && strncmp(p, "memory", 6) == 0)
            return true;
        p += n + 1;
    }
    return false;
}

static void all_groups(ct_memlimit *m, const char *root)
{
    char path[MAX_PATH], line[MAX_PATH], mount[MAX_PATH];
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        const char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/' || strstr(group, "..")) /* ".." leads out of what this namespace shows */
            continue;
        bool is_v2 = group == controllers + 1;
        if (!is_v2 && !has_memory(controllers + 1, (size_t)(group - controllers)))
            continue;
        if (snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, is_v2 ? "" : "/memory") < (int)sizeof mount)
            look_at_groups(m, mount, group + 1, is_v2 ? &v2 : &v1);
    }
    if (f)
        fclose(f);
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
    all_groups(m, root);
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
