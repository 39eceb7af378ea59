/* Writes JSON to stdout, and remembers what there was no memory for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "json_out.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_bool has_failed;

static void *watched_malloc(size_t n)
{
    void *p = malloc(n);
    if (!p)
        atomic_store(&has_failed, true);
    return p;
}

void cli_json_watch(void)
{
    json_set_alloc_funcs(watched_malloc, free);
}

void cli_json_print(json_t *o, size_t flags)
{
    if (!o || atomic_load(&has_failed) || (json_dumpf(o, stdout, flags) != 0 && !ferror(stdout)))
        atomic_store(&has_failed, true);
    json_decref(o);
}

bool cli_json_failed(void)
{
    return atomic_load(&has_failed);
}
