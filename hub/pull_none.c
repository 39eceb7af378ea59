/* Pulling in a build without libcurl.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/pull.h"

bool ct_pull_is_built(void)
{
    return false;
}

bool ct_pull(const ct_pull_options *o, char **name, char **path, carat_err *err)
{
    (void)o, (void)name, (void)path;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "this carat was built without libcurl: it cannot pull");
}
