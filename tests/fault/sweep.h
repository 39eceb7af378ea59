/* sweep.h - something is tried with each of its allocations refused, alone and with all later ones.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_SWEEP_H
#define CT_TESTS_SWEEP_H

#include "carat.h"

/* One thing that is tried again and again. On false *err says why and nothing is held. */
typedef struct trial {
    const char *name;
    bool (*run)(carat_err *err);
    bool (*verify)(void); /* that all is as before, with memory enough; NULL: nothing outlives a run */
    long most;            /* allocations tried unless all are; 0: all */
} trial;

extern bool sweep_takes_all, sweep_takes_third; /* every one; of those a third, unless `most` is 0 */

/* Every run succeeds, or fails with an error that names memory; what it took is given back; verify holds. */
void sweep(const trial *t);

#endif
