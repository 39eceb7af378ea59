/* test_kernels - every kernel meets its reference. Their speeds: carat bench kernels.
 *
 *     test_kernels [--level NAME] [--quick] [--own] [K]     K, such as "mul_Q4_K": only kernels named so
 *     test_kernels --levels                                 the levels in this program
 *
 * --quick: a quarter of the shapes of products and a third of the others, of which every kernel has others. --own: of the
 * products only those that no level below has. Neither counts where K, or CARAT_TEST_KERNEL, names a kernel.
 *
 * Exit: 0 all passed, 1 something failed, 2 usage, 77 this machine lacks the level (the build calls that skipped).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

const char *check_current(void);

static void on_fault(int sig)
{
    (void)sig;
    const char *name = check_current();
    static const char text[] = "FAIL: touched memory outside its buffers (or an illegal instruction) in ";
    if (write(2, text, sizeof text - 1) < 0 || write(2, name, strlen(name)) < 0 || write(2, "\n", 1) < 0)
        _exit(3);
    _exit(1);
}

static int usage(void)
{
    fprintf(stderr, "usage: test_kernels [--level NAME] [--quick] [--own] [K], or --levels\n");
    return 2;
}

/* Those that are built for this architecture. */
static int list_levels(void)
{
#define PUT_NAME(name, feature, needs) puts(#name);
    PUT_NAME(generic, 0, 0)
#if defined(__x86_64__)
    CT_X86_LEVELS(PUT_NAME)
#elif defined(__aarch64__)
    CT_ARM_LEVELS(PUT_NAME)
#endif
#undef PUT_NAME
    return 0;
}

/* The levels that the one of this mask builds upon; how many. */
static int levels_below(unsigned mask, ct_kernels *below)
{
    unsigned other;
    char msg[160];
    int n = 0;
#define TAKE_BELOW(name, feature, needs)                                                                               \
    if (ct_cpu_by_name(#name, &other, msg) && other != mask && (other & ~mask) == 0)                                   \
        ct_kernels_for(&below[n++], other);
    TAKE_BELOW(generic, 0, 0)
#if defined(__x86_64__)
    CT_X86_LEVELS(TAKE_BELOW)
#elif defined(__aarch64__)
    CT_ARM_LEVELS(TAKE_BELOW)
#endif
#undef TAKE_BELOW
    return n;
}

#define ADD_ONE(name, feature, needs) +1
enum { MAX_LEVELS = 1 CT_X86_LEVELS(ADD_ONE) CT_ARM_LEVELS(ADD_ONE) };

int main(int argc, char **argv)
{
    check c = { .filter = getenv("CARAT_TEST_KERNEL") };
    const char *level = "";
    bool is_own = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            level = argv[++i];
        else if (strcmp(argv[i], "--quick") == 0)
            c.is_quick = true;
        else if (strcmp(argv[i], "--own") == 0)
            is_own = true;
        else if (strcmp(argv[i], "--levels") == 0)
            return list_levels();
        else if (argv[i][0] == '-')
            return usage();
        else
            c.filter = argv[i];
    }
    unsigned mask;
    char msg[160];
    if (!ct_cpu_by_name(level, &mask, msg)) {
        fprintf(stderr, "%s\n", msg);
        return strstr(msg, "unknown") ? 2 : 77;
    }
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    signal(SIGILL, on_fault);
    ct_kernels isa, generic, below[MAX_LEVELS];
    ct_kernels_for(&isa, mask);
    ct_kernels_for(&generic, 0);
    c.isa = &isa;
    c.generic = &generic;
    c.below = below;
    const bool is_named = c.filter && *c.filter;
    c.is_quick = c.is_quick && !is_named;
    c.n_below = is_own && !is_named ? levels_below(mask, below) : 0;
    check_acts(&c);
    check_mul(&c);
    check_vector(&c);
    check_attend(&c);
    check_set(&c);
    if (c.n_run == 0) {
        fprintf(stderr, "no kernel has '%s' in its name\n", c.filter);
        return 1;
    }
    printf("%s: %d kernels checked, %d failures\n", isa.isa, c.n_run, check_failures());
    return check_failures() != 0;
}
