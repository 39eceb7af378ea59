/* check.h - what the kernel checks share: guarded buffers, random numbers, comparison.
 *
 * A check compares one slot of a level's table with a reference worked out here in double precision, within a bound
 * derived from the number of float32 roundings, and compares the bits of calls that must not differ (batch
 * invariance). It needs nothing but libc, so that it also runs under an emulator.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_CHECK_H
#define CT_TESTS_CHECK_H

#include "kernels/kernels.h"

#define UNIT_ROUND 0x1p-24     /* the most a float32 operation is off, relative to its result */
#define SUBNORMAL  0x1p-149    /* ... and absolutely, when the result is subnormal: half of this */
#define SENTINEL   0x7FADDEADu /* bits of memory that a kernel must leave alone: a NaN */

typedef struct check {
    const ct_kernels *isa;     /* the level under test */
    const ct_kernels *generic; /* what a level is measured against; also makes the activations */
    const char *filter;        /* run only checks whose name contains this; NULL: all */
    bool is_quick;             /* some of the shapes, of which every kernel has others */
    const ct_kernels *below;   /* levels that this one builds upon and whose products are left to their own tests */
    int n_below;
    int n_run; /* checks that ran */
} check;

/* Does a check of this name run? It becomes the current one, named in failures. Printf-like; cut at 63 characters. */
bool check_begin(check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reports a failure of the current check; ends the program after a few. */
void check_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int check_failures(void);

/* |got - expected| <= tolerance; a reference that is not finite must be met by a value that is not. */
bool is_near(float got, double expected, double tolerance);
/* Equal bits, or both NaN. */
bool is_same(float a, float b);

/* A buffer between two pages that fault: it ends right before the second (at_end; as nearly as `align` allows), or
 * begins right after the first. Filled with bytes 0xFF: NaN to whoever reads them. unguard() also fails the check if
 * the spare bytes of the buffer's own pages were written to. */
void *guarded(size_t bytes, size_t align, bool at_end);
void unguard(void *p);
/* n x size zeros, never NULL: without memory the program ends. free() it. */
void *need(size_t n, size_t size);

/* Deterministic everywhere: the same numbers on every machine. */
typedef struct rng {
    uint64_t state;
} rng;
uint32_t rng_u32(rng *r);
float rng_unit(rng *r);   /* uniform in [-1, 1) */
float rng_normal(rng *r); /* mean 0, deviation 1, roughly: four uniforms */
int rng_below(rng *r, int n);

void check_acts(check *c);
void check_mul(check *c);
void check_vector(check *c);
void check_attend(check *c);
void check_set(check *c);

#endif
