/* The nearest of several names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <string.h>

#include "base/near.h"

cli_nearest cli_nearest_to(const char *asked, size_t len)
{
    const size_t limit = len < 4 ? 2 : len < 8 ? 3 : 4;
    return (cli_nearest){ .asked = asked, .len = len, .limit = limit, .distance = limit };
}

void cli_nearest_try(cli_nearest *n, const char *name, size_t len)
{
    const size_t shorter = n->len < len ? n->len : len;
    size_t d = ct_edit_distance(n->asked, n->len, name, len);
    if (shorter >= 3 && strncmp(n->asked, name, shorter) == 0 && d >= n->limit) /* "benchmark", "temp" */
        d = n->limit - 1;
    if (d < n->distance)
        n->distance = d, n->name = name, n->name_len = len;
}
