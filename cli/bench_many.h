/* bench_many.h - carat bench --parallel: what several conversations at once cost each other.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_BENCH_MANY_H
#define CT_CLI_BENCH_MANY_H

#include "carat.h"

/* Decodes one answer alone and then `parallel` at once, n_tokens each, from prompts of n_prompt tokens; then one answer
 * while a prompt of n_arrival tokens comes in. Prints the table or (json) an object. Returns an exit code. */
int bench_many(const char *path, size_t parallel, size_t n_prompt, size_t n_tokens, size_t n_arrival, bool json);

#endif
