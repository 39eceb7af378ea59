/* The smallest card that holds a model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "planner/planner.h"

const carat_device *planner_smallest_card(const carat_estimate_result *w)
{
    const carat_device *best = NULL, *d;
    uint64_t need = w->total > w->elsewhere ? w->total : w->elsewhere;
    for (size_t i = 0; (d = carat_device_at(i)); i++) {
        if (strcmp(d->kind, "gpu") != 0 || d->usable_bytes < need)
            continue;
        if (!best || d->usable_bytes < best->usable_bytes ||
            (d->usable_bytes == best->usable_bytes && d->year > best->year))
            best = d;
    }
    return best;
}
