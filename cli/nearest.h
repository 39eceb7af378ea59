/* nearest.h - "did you mean": the nearest of the names there are, if one is near enough to be a typing error.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_NEAREST_H
#define CT_CLI_NEAREST_H

#include <stddef.h>

typedef struct cli_nearest {
    const char *asked;
    size_t len;
    const char *name; /* borrowed; NULL: none is near */
    size_t name_len, distance;
    size_t limit; /* as far away is no typing error */
} cli_nearest;

cli_nearest cli_nearest_to(const char *asked, size_t len);
void cli_nearest_try(cli_nearest *n, const char *name, size_t len);

#endif
