/* What callers ask for, as structs of this library: sizes, defaults, what does not go together, and names of its ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "api/internal.h"
#include "api/sized.h"
#include "sample/sampler.h"

bool ct_api_options(const carat_options *from, carat_options *to, carat_err *err)
{
    if (!CT_TAKE(carat_options, from, to, err))
        return false;
    if (to->omits_prefix_cache && to->prefix_cache)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "omits_prefix_cache beside a prefix_cache of %" PRIu64 " bytes, expected one of them",
                       to->prefix_cache);
    if (to->omits_prefix_cache)
        to->prefix_cache = CT_NO_PREFIX_CACHE;
    if ((unsigned)to->lookup > CARAT_LOOKUP_ALWAYS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "lookup is %d, expected a carat_lookup", (int)to->lookup);
    return ct_api_check_guesses(to->n_guesses, err) && ct_turn_format_check(to->chat_template, err);
}

bool ct_api_generation(const carat_engine *e, const carat_generation *from, carat_generation *to,
                       carat_sampling *sampling, carat_err *err)
{
    if (!CT_TAKE(carat_generation, from, to, err) ||
        !CT_TAKE(carat_sampling, to->sampling ? to->sampling : e->info->sampling, sampling, err))
        return false;
    to->sampling = sampling;
    return ct_api_check_guesses(to->n_guesses, err);
}

const char *carat_finish_name(carat_finish f)
{
    switch (f) {
    case CARAT_FINISH_STOP:
        return "stop";
    case CARAT_FINISH_LENGTH:
        return "length";
    case CARAT_FINISH_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

bool carat_sampling_check(const carat_sampling *s, carat_err *err)
{
    carat_sampling own;
    return CT_TAKE(carat_sampling, s, &own, err) && ct_sampling_check(&own, err);
}
