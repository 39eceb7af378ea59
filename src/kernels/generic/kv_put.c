/* kv_put.c - the writing of keys and values into tiles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/generic/kv_q8.h"

#define LANES 16

/* Thirty-two values: int8 and the scale's bits. */
static uint16_t quantise(const float x[CT_KV_GROUP], int8_t q[CT_KV_GROUP])
{
    uint32_t top = 0;
    for (size_t i = 0; i < CT_KV_GROUP; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7FFFFFFF;
        top = bits > top ? bits : top;
    }
    float inverse;
    uint16_t d = ct_kv_q8_scale(top, &inverse);
    for (size_t i = 0; i < CT_KV_GROUP; i++)
        q[i] = inverse == 0 ? 0 : (int8_t)rintf(x[i] * inverse);
    return d;
}

static void put_q8(void *k_tile, void *v_tile, size_t slot, const float *k, const float *v, size_t head_dim)
{
    for (size_t i = 0; i < head_dim; i += CT_KV_GROUP) {
        int8_t q[2][CT_KV_GROUP];
        uint16_t kd = quantise(k + i, q[0]), vd = quantise(v + i, q[1]);
        ct_kv_q8_put_group(k_tile, v_tile, slot, i, q, kd, vd, head_dim);
    }
}

void ct_kv_put_generic(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                       size_t head_dim)
{
    size_t k0 = slot / LANES * head_dim * LANES + slot % LANES, v0 = slot * head_dim;
    if (elem == CT_KV_Q8_0) {
        put_q8(k_tile, v_tile, slot, k, v, head_dim);
        return;
    }
    for (size_t i = 0; i < head_dim; i++) {
        if (elem == CT_KV_F32) {
            ((float *)k_tile)[k0 + i * LANES] = k[i];
            ((float *)v_tile)[v0 + i] = v[i];
        } else {
            ((uint16_t *)k_tile)[k0 + i * LANES] = ct_f32_to_f16(k[i]);
            ((uint16_t *)v_tile)[v0 + i] = ct_f32_to_f16(v[i]);
        }
    }
}
