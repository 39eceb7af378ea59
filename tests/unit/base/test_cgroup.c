/* test_cgroup.c - C22: how many processors' time control groups allow, from made-up /proc and /sys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/cgroup.h"
#include "fake_root.h"
#include "unit.h"

enum { MANY = 64 }; /* the machine's */

static int cpus(void)
{
    return ct_cgroup_cpus(fake_root, MANY);
}

static void no_quota_is_all(void **state)
{
    (void)state;
    assert_int_equal(cpus(), MANY);
    fake_root_put("/proc/self/cgroup", "0::\n::\nx\n0::relative\n7:cpu\n");
    fake_root_put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus(), MANY);
    static const char *const nonsense[] = { "", "0 0\n", "100000 0\n", "-100000 100000\n", "100000\n", "lots\n" };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        fake_root_put("/sys/fs/cgroup/cpu.max", nonsense[i]);
        assert_int_equal(cpus(), MANY);
    }
    fake_root_put("/sys/fs/cgroup/cpu.max", "9000000000000000000 1\n");
    assert_int_equal(cpus(), MANY);
}

static void fractions_are_rounded_down(void **state)
{
    (void)state;
    static const struct {
        const char *quota;
        int n;
    } cases[] = { { "50000", 1 },  { "1000", 1 },   { "100000", 1 }, { "150000", 1 },    { "199999", 1 },
                  { "200000", 2 }, { "765000", 7 }, { "800000", 8 }, { "7000000", MANY } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char max[64];
        snprintf(max, sizeof max, "%s 100000\n", cases[i].quota);
        fake_root_put("/sys/fs/cgroup/cpu.max", max);
        assert_int_equal(cpus(), cases[i].n);
        fake_root_put("/sys/fs/cgroup/cpu.max", "max 100000\n");
        fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", cases[i].quota);
        fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        assert_int_equal(cpus(), cases[i].n);
        fake_root_put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    }
    assert_int_equal(ct_cgroup_cpus(fake_root, 1), 1);
}

static void put_quota(const char *dir, const char *quota)
{
    char path[256];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    fake_root_put(path, quota);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    fake_root_put(path, "100000\n");
}

/* The group's own quota and those above it; of several hierarchies the one that has `cpu`. */
static void nested_in_version_1(void **state)
{
    (void)state;
    fake_root_put("/proc/self/cgroup", "9:memory:/m\n4:cpu,cpuacct:/jobs/one\n1:name=systemd:/s\n");
    put_quota("/sys/fs/cgroup/cpu", "-1\n");
    put_quota("/sys/fs/cgroup/cpu/m", "100000\n");
    put_quota("/sys/fs/cgroup/cpu/jobs/two", "100000\n");
    assert_int_equal(cpus(), MANY);
    put_quota("/sys/fs/cgroup/cpu/jobs/one", "765000\n");
    assert_int_equal(cpus(), 7);
    put_quota("/sys/fs/cgroup/cpu/jobs", "150000\n");
    assert_int_equal(cpus(), 1);
    fake_root_put("/proc/self/cgroup", "4:cpuset,cpuacct:/jobs/one\n");
    assert_int_equal(cpus(), MANY);
    fake_root_put("/proc/self/cgroup", "4:cpu:/../jobs/one\n"); /* outside of what this namespace shows */
    assert_int_equal(cpus(), MANY);
}

/* Without a link of the controller's own name. */
static void mounted_under_the_list(void **state)
{
    (void)state;
    fake_root_put("/proc/self/cgroup", "4:cpu,cpuacct:/a\n");
    put_quota("/sys/fs/cgroup/cpu,cpuacct/a", "350000\n");
    assert_int_equal(cpus(), 3);
}

/* A container sees its own group as the root, under the name that it has outside. */
static void the_mount_is_the_group(void **state)
{
    (void)state;
    fake_root_put("/proc/self/cgroup", "4:cpu,cpuacct:/docker/0123\n");
    put_quota("/sys/fs/cgroup/cpu", "250000\n");
    assert_int_equal(cpus(), 2);
}

static void nested_in_version_2(void **state)
{
    (void)state;
    fake_root_put("/proc/self/cgroup", "0::/a/b\n");
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(cpus(), MANY);
    fake_root_put("/sys/fs/cgroup/a/cpu.max", "765000 100000\n");
    assert_int_equal(cpus(), 7);
    fake_root_put("/sys/fs/cgroup/a/b/cpu.max", "25000 50000\n");
    assert_int_equal(cpus(), 1);
}

/* Both versions: whichever has the controller. */
static void hybrid(void **state)
{
    (void)state;
    fake_root_put("/proc/self/cgroup", "4:cpu,cpuacct:/v1\n0::/v2\n");
    put_quota("/sys/fs/cgroup/cpu/v1", "450000\n");
    assert_int_equal(cpus(), 4);
    fake_root_put("/sys/fs/cgroup/unified/v2/cpu.max", "350000 100000\n");
    assert_int_equal(cpus(), 3);
    fake_root_put("/proc/self/cgroup", "0::/v2\n4:memory:/v1\n");
    assert_int_equal(cpus(), 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_root_begin, fake_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_quota_is_all),
        TEST(fractions_are_rounded_down),
        TEST(nested_in_version_1),
        TEST(mounted_under_the_list),
        TEST(the_mount_is_the_group),
        TEST(nested_in_version_2),
        TEST(hybrid),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
