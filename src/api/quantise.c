/* Quantising and comparing: quantise/ does it all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quantise/quantise.h"

#include "api/sized.h"
#include "base/pool.h"

static bool check_threads(size_t n, carat_err *err)
{
    return n <= CT_MAX_THREADS ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu threads, expected 0 to %d", n, CT_MAX_THREADS);
}

bool carat_quantize(const carat_quantize_options *from, const char *path, carat_quantize_result *result, carat_err *err)
{
    carat_quantize_options o;
    carat_quantize_result own = { .struct_size = sizeof own };
    if (!CT_TAKE(carat_quantize_options, from, &o, err) ||
        (result && !CT_CAN_GIVE(carat_quantize_result, result, err)) || !check_threads(o.n_threads, err))
        return false;
    if (!o.input || !path || (!o.type && !o.target_bytes && !o.n_rules && !o.vision_type))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "quantising needs a model, a file for it, and a type or a size");
    if (!ct_quantise(&o, path, &own, err))
        return false;
    if (result)
        CT_GIVE(carat_quantize_result, &own, result);
    return true;
}

bool carat_compare(const char *a, const char *b, size_t n_threads, carat_difference_fn *fn, void *arg, carat_err *err)
{
    return check_threads(n_threads, err) && ct_compare(a, b, n_threads, fn, arg, err);
}
