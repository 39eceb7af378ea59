/* float_key.h - a float's bits, ordered as unsigned numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_FLOAT_KEY_H
#define CT_SAMPLE_FLOAT_KEY_H

#include <stdint.h>
#include <string.h>

/* Not of a NaN. -0 and 0 have the same. */
static inline uint32_t ct_float_key(float x)
{
    uint32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static inline float ct_key_float(uint32_t key)
{
    float x;
    uint32_t bits = key >> 31 ? key ^ UINT32_C(1) << 31 : ~key;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
