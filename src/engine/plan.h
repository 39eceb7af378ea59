/* plan.h - what an engine sets up for its options: the one place that has the defaults, the limits and the sizes that
 * follow. The engine opens its parts with these, and weigh adds up what they take.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_PLAN_H
#define CT_ENGINE_PLAN_H

#include "engine/scheduler.h"

/* carat_options.prefix_cache where it omits one: a byte holds no page. */
#define CT_NO_PREFIX_CACHE ((uint64_t)1)

typedef struct ct_plan {
    size_t n_ctx;
    ct_scheduler_options steps;
    ct_cache_options cache;
    ct_sizes sizes; /* the backend's */
} ct_plan;

/* tower: the shape of the one that is opened, NULL without one. Errors: CARAT_EARG (a context past the model's, a
 * chunk, sessions, a queue out of range, a cache type that the model's heads do not fit; with the figure and the
 * limit), CARAT_ELIMIT (more pages than there can be). */
bool ct_plan_make(const ct_config *c, const ct_vision_config *tower, const carat_options *o, ct_plan *out,
                  carat_err *err);

#endif
