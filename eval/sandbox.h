/* sandbox.h - a Python program that a model has written, run where it can do no harm: bubblewrap, without a network, a home and other
 * processes, on a file system of which it can write nothing that stays; with limits of time, memory and files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_SANDBOX_H
#define CT_EVAL_SANDBOX_H

#include "base/err.h"

typedef enum ct_eval_end { CT_EVAL_PASSED, CT_EVAL_FAILED_TEST, CT_EVAL_TOO_LONG } ct_eval_end;

/* Does it work here: does a program that is right pass, one that is wrong fail, and does neither see a network or the user's files?
 * Errors: CARAT_EUNSUPPORTED, with what to install or what is forbidden here. */
bool ct_eval_sandbox_check(carat_err *err);
/* How it ends within `seconds`. Passed: it came to its end, and so the tests in it held. Errors: CARAT_EIO. */
bool ct_eval_sandbox_run(const char *program, double seconds, ct_eval_end *end, carat_err *err);

#endif
