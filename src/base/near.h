/* near.h - how far apart two names are, for "did you mean".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_NEAR_H
#define CT_BASE_NEAR_H

#include <stddef.h>

/* How many letters must change, or neighbours be swapped, to make a[n] into b[m] (Levenshtein, Sov. Phys. Dokl. 10 (1966)
 * 707; swaps: Damerau, Comm. ACM 7 (1964) 171, no letter changed twice); of b the first 127 are compared. */
size_t ct_edit_distance(const char *a, size_t n, const char *b, size_t m);

#endif
