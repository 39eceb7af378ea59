/* cpu.c - what the machine can do, and the levels of kernels made of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "kernels/x86/features.h"
#include "kernels/x86/tile_check.h"

static uint64_t saved_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Linux lets a process use tiles once it has asked (Documentation/arch/x86/xstate.rst): threads that it has and will have.
 * Refused where a thread has a stack for signals that tiles would not fit. */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILE_DATA  18

static bool may_use_tiles(void)
{
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) != 0)
        return false;
    const size_t n = ct_tiles_differ(&ct_tile_ops_amx, &ct_tile_ops_plain, CT_TILES_TRIED, 1);
    if (n > 0)
        ct_logf(CARAT_LOG_WARN,
                "this processor's tiles (AMX) multiply otherwise than they should, in %zu of %d trials: "
                "they are not used",
                n, CT_TILES_TRIED);
    return n == 0;
}

static ct_cpuid ask_processor(void)
{
    ct_cpuid w = { 0 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &w.c1, &d) || !(w.c1 & bit_OSXSAVE) ||
        !__get_cpuid_count(7, 0, &a, &w.b7, &w.c7, &w.d7))
        return (ct_cpuid){ 0 };
    __get_cpuid_count(7, 1, &w.a71, &b, &c, &d); /* left at 0 by processors that do not have it */
    w.saved = saved_state();
    return w;
}

static unsigned detect(void)
{
    const ct_cpuid w = ask_processor();
    char lacks[CT_CPUID_LACKS];
    const unsigned mask = ct_cpuid_features(&w, lacks);
    if (lacks[0])
        ct_logf(
            CARAT_LOG_WARN,
            "this processor has tiles (AMX) but lacks %s, which level amx needs too (a virtual machine may hide it): "
            "the tiles are not used",
            lacks);
    return (mask & CT_CPU_AMX) && !may_use_tiles() ? mask & ~(unsigned)CT_CPU_AMX : mask;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

/* Linux, Documentation/arch/arm64/elf_hwcaps.rst */
#define HWCAP_BIT_ASIMDDP (1ul << 20)
#define HWCAP2_BIT_I8MM   (1ul << 13)

static unsigned detect(void)
{
    unsigned mask = CT_CPU_NEON;
    if (getauxval(AT_HWCAP) & HWCAP_BIT_ASIMDDP)
        mask |= CT_CPU_DOTPROD;
    if ((mask & CT_CPU_DOTPROD) && (getauxval(AT_HWCAP2) & HWCAP2_BIT_I8MM))
        mask |= CT_CPU_I8MM;
    return mask;
}

#else

static unsigned detect(void)
{
    return 0;
}
#endif

static unsigned features;

static void detect_once(void)
{
    features = detect();
}

unsigned ct_cpu_detect(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, detect_once);
    return features;
}

/* ---- which of the features pay ---- */

/* Some processors have instructions that are slower than what they replace. The choice is part of what a model's figures
 * depend on, so it is a table and not a measurement, which would come out otherwise now and then; and by the maker, since
 * virtual machines give models as they like (a guest with AMX that says it is a Rocket Lake was met). `avoid` is left out
 * unless a level that is worth it builds upon it.
 *
 *   Intel  vdpbf16ps 113 Gflop/s a core, FMA in f32 227 (Sapphire Rapids): an image of the 4B's tower 29.9 s, in f32 23.2 s
 *   AMD    vdpbf16ps 235 Gflop/s a core, FMA in f32 117 (Zen 4): 14.1 s, in f32 33.8 s: as all that are not named */
static const struct maker {
    const char *vendor;
    unsigned avoid, unless;
} makers[] = { { "GenuineIntel", CT_CPU_BF16, CT_CPU_AMX } };

unsigned ct_cpu_choose(unsigned found, const char *vendor)
{
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (strcmp(vendor, makers[i].vendor) == 0 && !(found & makers[i].unless))
            found &= ~makers[i].avoid;
    return found;
}

unsigned ct_cpu_preferred(void)
{
    char vendor[13] = "";
#if defined(__x86_64__)
    unsigned max, b, c, d;
    if (__get_cpuid(0, &max, &b, &c, &d)) {
        memcpy(vendor, &b, 4);
        memcpy(vendor + 4, &d, 4);
        memcpy(vendor + 8, &c, 4);
    }
#endif
    return ct_cpu_choose(ct_cpu_detect(), vendor);
}

/* ---- levels ---- */

static const struct level {
    const char *name;
    unsigned feature, mask;         /* its own, and with all it builds upon */
    void (*install)(ct_kernels *k); /* NULL: of another architecture */
} levels[] = {
#define BUILT(name, feature, needs)   { #name, feature, (feature) | (needs), ct_kernels_##name },
#define FOREIGN(name, feature, needs) { #name, feature, (feature) | (needs), NULL },
    BUILT(generic, 0, 0)
#if defined(__x86_64__)
        CT_X86_LEVELS(BUILT) CT_ARM_LEVELS(FOREIGN)
#elif defined(__aarch64__)
        CT_X86_LEVELS(FOREIGN) CT_ARM_LEVELS(BUILT)
#else
        CT_X86_LEVELS(FOREIGN) CT_ARM_LEVELS(FOREIGN)
#endif
};
#define N_LEVEL (sizeof levels / sizeof *levels)

void ct_kernels_for(ct_kernels *k, unsigned cpu)
{
    for (size_t i = 0; i < N_LEVEL; i++)
        if (levels[i].install && (levels[i].feature & ~cpu) == 0)
            levels[i].install(k);
}

bool ct_cpu_by_name(const char *name, unsigned *mask, char msg[160])
{
    const unsigned found = ct_cpu_detect();
    const char *why = "unknown";
    char list[96] = "";
    if (!name || !*name) {
        *mask = ct_cpu_preferred();
        return true;
    }
    for (size_t i = 0; i < N_LEVEL; i++) {
        const bool is_here = levels[i].install && (levels[i].mask & ~(found | CT_CPU_AMX_PLAIN)) == 0;
        const bool is_it = strcasecmp(name, levels[i].name) == 0;
        if (is_it && is_here) {
            *mask = levels[i].mask;
            return true;
        }
        if (is_it)
            why = "not on this machine";
        const size_t len = strlen(list);
        if (is_here)
            snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "", levels[i].name);
    }
    snprintf(msg, 160, "instruction set '%.24s' is %s; this machine has: %s", name, why, list);
    return false;
}
