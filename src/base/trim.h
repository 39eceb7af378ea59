/* trim.h - a text without the white space at its ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_TRIM_H
#define CT_BASE_TRIM_H

#include <stddef.h>

/* s without the white space at its ends, as Python's str.strip() defines it (Unicode's too). */
void ct_trim(const char **s, size_t *len);

#endif
