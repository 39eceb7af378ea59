/* plan.h - what an engine sets up for its options: the one place that knows the defaults, the limits and the sizes that
 * follow. The engine opens its parts with these, weigh adds up what they take.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_WEIGH_PLAN_H
#define CT_WEIGH_PLAN_H

#include "engine/scheduler.h"
#include "kv/cache.h"
#include "text/text.h"

typedef struct ct_plan {
    size_t n_ctx;
    ct_scheduler_options steps;
    ct_text_options text;
    ct_cache_options cache;
    ct_image_cache_options sight; /* for a tower, if one is opened */
} ct_plan;

/* tower: the shape of the one that is opened, NULL without one. Errors: CARAT_EARG (a context past the model's, a
 * chunk, sessions, a queue out of range; with the figure and the limit). */
bool ct_plan_make(const ct_config *c, const ct_vision_config *tower, const carat_options *o, ct_plan *out,
                  carat_err *err);

#endif
