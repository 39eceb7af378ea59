/* Which library this is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "carat.h"

const char *carat_version(void)
{
    return CARAT_VERSION;
}

unsigned carat_version_number(void)
{
    return CARAT_VERSION_NUMBER;
}
