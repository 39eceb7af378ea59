/* test_memlimit.c - what is left of memory, from made-up /proc and /sys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memlimit.h"
#include "fake_root.h"
#include "unit.h"

#define GIB ((uint64_t)1 << 30)

static ct_memlimit look(void)
{
    ct_memlimit m;
    ct_memlimit_under(fake_root, &m);
    return m;
}

static void machine(void)
{
    fake_root_put("/proc/meminfo",
                  "MemTotal:       33554432 kB\nMemFree:         1048576 kB\nMemAvailable:   16777216 kB\n");
    fake_root_put("/proc/self/status",
                  "Name:\tx\nVmSize:\t  2097152 kB\nRssAnon:\t    2048 kB\nVmData:\t  1048576 kB\n");
}

static void nothing_is_known(void **state)
{
    (void)state;
    ct_memlimit m = look();
    assert_true(m.left == UINT64_MAX && m.held == 0 && m.all == 0 && !*m.who);
    fake_root_put("/proc/meminfo", "MemAvailable: lots\nMemTotal");
    fake_root_put("/proc/self/cgroup", "0::\n::\nx\n0::relative\n7:memory\n");
    m = look();
    assert_true(m.left == UINT64_MAX && m.all == 0);
}

static void the_machine(void **state)
{
    (void)state;
    machine();
    ct_memlimit m = look();
    assert_true(m.left == 16 * GIB && m.all == 32 * GIB && m.held == 2 << 20);
    assert_string_equal(m.who, "the machine");
}

/* Limits of all groups up to the root count; caches of files do not. */
static void groups_of_version_2(void **state)
{
    (void)state;
    machine();
    fake_root_put("/proc/self/cgroup", "0::/a/b\n");
    fake_root_put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    fake_root_put("/sys/fs/cgroup/a/b/memory.current", "5368709120\n");
    assert_true(look().left == 16 * GIB);
    fake_root_put("/sys/fs/cgroup/a/memory.max", "8589934592\n");     /* 8 GiB */
    fake_root_put("/sys/fs/cgroup/a/memory.current", "6442450944\n"); /* 6, of which 4 are files */
    assert_true(look().left == 2 * GIB);
    fake_root_put("/sys/fs/cgroup/a/memory.stat", "anon 1\nactive_file 1073741824\ninactive_file 2147483648\n"
                                                  "inactive_file_x 9\nslab_reclaimable 1073741824\n");
    ct_memlimit m = look();
    assert_true(m.left == 6 * GIB && m.all == 8 * GIB);
    assert_string_equal(m.who, "the control group");
    fake_root_put("/sys/fs/cgroup/a/memory.current", "9999999999999\n"); /* over its limit: nothing is left */
    assert_true(look().left == 0);
    fake_root_put("/proc/self/cgroup", "0::/../a/b\n"); /* outside of what this namespace shows */
    assert_true(look().left == 16 * GIB);
}

static void groups_of_version_1(void **state)
{
    (void)state;
    machine();
    fake_root_put("/proc/self/cgroup", "9:cpu,cpuacct:/x\n4:hugetlb,memory:/jobs/one\n0::/\n");
    fake_root_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    fake_root_put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
    assert_true(look().left == 16 * GIB && look().all == 32 * GIB);
    fake_root_put("/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "4294967296\n");
    fake_root_put("/sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "3221225472\n");
    fake_root_put("/sys/fs/cgroup/memory/jobs/one/memory.stat", "active_file 7\ntotal_active_file 1073741824\n");
    assert_true(look().left == 2 * GIB && look().all == 4 * GIB);
    fake_root_put("/proc/self/cgroup", "4:hugetlb,memoryless:/jobs/one\n");
    assert_true(look().left == 16 * GIB);
}

static void ulimits(void **state)
{
    (void)state;
    machine();
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_DATA, &was), 0);
    struct rlimit r = { .rlim_cur = 3 * GIB, .rlim_max = was.rlim_max };
    if (UNIT_SANITIZED || was.rlim_max != RLIM_INFINITY || setrlimit(RLIMIT_DATA, &r) != 0)
        skip(); /* or a limit is set already */
    ct_memlimit m = look();
    setrlimit(RLIMIT_DATA, &was);
    assert_true(m.left == 2 * GIB && m.data == 2 * GIB); /* 1 GiB is mapped */
    assert_true(m.memory == 16 * GIB && m.address == UINT64_MAX);
    assert_string_equal(m.who, "ulimit -d");
}

/* On a real machine there is some. */
static void here(void **state)
{
    (void)state;
    ct_memlimit m;
    ct_memlimit_now(&m);
    assert_true(m.left > 1 << 20 && m.held > 0 && m.held < m.all);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_root_begin, fake_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_known),    TEST(the_machine), TEST(groups_of_version_2),
        TEST(groups_of_version_1), TEST(ulimits),     TEST(here),
    };
    return cmocka_run_group_tests_name("memlimit", tests, NULL, NULL);
}
