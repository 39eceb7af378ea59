/* Merging adapters: adapter/ does it all.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "adapter/merge.h"

#include "api/sized.h"

bool carat_merge(const carat_merge_options *from, const char *path, carat_merge_result *result, carat_err *err)
{
    carat_merge_options o;
    carat_merge_result own = { .struct_size = sizeof own };
    if (!CT_TAKE(carat_merge_options, from, &o, err) || (result && !CT_CAN_GIVE(carat_merge_result, result, err)))
        return false;
    if (!o.model || !o.adapter)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a merge needs a model and an adapter");
    if (!ct_merge(&o, path, &own, err))
        return false;
    if (result)
        CT_GIVE(carat_merge_result, &own, result);
    return true;
}
