/* Which backend computes: today always the CPU's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "cpu/cpu.h"

bool ct_api_open_backend(const carat_options *o, ct_pool *pool, ct_backend *out, carat_err *err)
{
    const ct_cpu_options c = { .level = o->cpu ? o->cpu : getenv("CARAT_CPU"),
                               .exact = o->is_exact,
                               .n_threads = o->n_threads };
    return ct_cpu_open(&c, pool, out, err);
}

const char *carat_best_isa(void)
{
    return ct_cpu_best();
}
