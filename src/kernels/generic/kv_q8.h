/* kv_q8.h - what every level does alike when it writes into a Q8_0 tile (kernels.h, "attention").
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_KV_Q8_H
#define CT_KERNELS_KV_Q8_H

#include <string.h>

#include "kernels/generic/generic.h"

/* From the largest of 32 |x|, as its bits (which order like the numbers, with infinity and NaN on top): the scale's
 * bits, and 1 / scale, or 0 where every q is to be 0. */
static inline uint16_t ct_kv_q8_scale(uint32_t top, float *inverse)
{
    float amax;
    memcpy(&amax, &top, sizeof amax);
    *inverse = 0;
    if (top >= 0x7F800000)
        return 0x7E00; /* NaN */
    const float exact = amax / 127;
    uint16_t d = ct_f32_to_f16(exact);
    if (ct_f16_to_f32(d) < exact)
        d++; /* the next larger, maybe infinity */
    if (d >= 0x7C00)
        return 0x7E00;
    if (d)
        *inverse = 1 / ct_f16_to_f32(d);
    return d;
}

/* Dimensions [i, i + 32) of a key (q[0], scale kd) and a value (q[1], vd) into their places. */
static inline void ct_kv_q8_put_group(void *k_tile, void *v_tile, size_t slot, size_t i, int8_t q[2][CT_KV_GROUP],
                                      uint16_t kd, uint16_t vd, size_t head_dim)
{
    const size_t block = slot / 16, group = i / CT_KV_GROUP;
    int8_t *key = (int8_t *)k_tile + (block * head_dim + i) * 16 + slot % 16;
    for (size_t j = 0; j < CT_KV_GROUP; j++)
        key[j * 16] = q[0][j];
    memcpy((int8_t *)v_tile + slot * head_dim + i, q[1], CT_KV_GROUP);
    ct_kv_scales(k_tile, head_dim)[(block * (head_dim / CT_KV_GROUP) + group) * 16 + slot % 16] = kd;
    ct_kv_scales(v_tile, head_dim)[group * CT_TILE + slot] = vd;
}

#endif
