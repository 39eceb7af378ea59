/* carat bench kernels: what every kernel reaches of what this processor could.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_BENCH_KERNELS_H
#define CT_CLI_BENCH_KERNELS_H

#include "options.h"

extern const cli_command cli_bench_kernels; /* a command of its own behind `bench`: it has no model */
extern const cli_table bench_kernels_table; /* the options that bench does not have otherwise, for bench's help */
extern bool bench_all_forms;                /* of that table */

#endif
