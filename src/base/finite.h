/* finite.h - are all numbers of a row finite?
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_FINITE_H
#define CT_BASE_FINITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* False if any of x[n] is NaN or infinite. Tests the bits, without a branch in the loop. */
static inline bool ct_all_finite(const float *x, size_t n)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

#endif
