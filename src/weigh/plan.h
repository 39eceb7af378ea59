/* plan.h - what an engine sets up for its options: the one place that knows the defaults, the limits and the sizes that
 * follow. The engine opens its parts with these, weigh adds up what they take.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_WEIGH_PLAN_H
#define CARAT_WEIGH_PLAN_H

#include "engine/scheduler.h"
#include "kv/cache.h"
#include "text/text.h"

typedef struct carat_plan {
    size_t n_ctx;
    carat_scheduler_options steps;
    carat_text_options text;
    carat_cache_options cache;
    carat_sight_options sight; /* for a tower, if one is opened */
} carat_plan;

/* tower: the shape of the one that is opened, NULL without one. Errors: CARAT_EARG (a context past the model's, a
 * chunk, sessions, a queue out of range; with the figure and the limit). */
bool carat_plan_make(const carat_config *c, const carat_vision_config *tower, const carat_options *o, carat_plan *out,
                     carat_err *err);

#endif
