/* unpack.h - inside quant/: one function a type turns one block into float32; unpack.c has the table of them.
 *
 * The expressions are written in the order in which ggml evaluates them: that makes the values equal to the bit.
 * A block may lie at any address and hold any bytes: fields are read byte by byte, little-endian.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_UNPACK_H
#define CT_QUANT_UNPACK_H

#include "base/le.h"
#include "quant/types.h"

static inline float read_f16(const uint8_t *p)
{
    return ct_f16_to_f32(ct_le16(p));
}

static inline int as_i8(uint8_t byte)
{
    return byte < 128 ? byte : byte - 256;
}

/* Scale and minimum of 32-column group g (0..7) from the twelve scale bytes of Q4_K and Q5_K. Six bits each:
 *
 *     byte 0..3     bits 0-5 scale g       bits 6-7 high bits of scale g + 4
 *     byte 4..7     bits 0-5 minimum g     bits 6-7 high bits of minimum g + 4
 *     byte 8..11    bits 0-3 low bits of scale g + 4, bits 4-7 low bits of minimum g + 4 */
static inline void read_scale_min(const uint8_t *s, int g, int *scale, int *min)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *min = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
        *min = s[g + 4] >> 4 | (s[g] >> 6) << 4;
    }
}

/* The 16 values of a 4-bit code of IQ4_NL and IQ4_XS: not evenly spaced, denser around zero. */
extern const int8_t ct_iq4_values[16];

/* One function a type: void ct_unpack_q4_0(const uint8_t *b, float *y).
 *
 *   unpack_legacy.c   blocks of 32 with a scale (and a minimum)
 *   unpack_k.c        blocks of 256, whose groups of 16 or 32 have quantised scales
 *   unpack_iq.c       codes that index a table (one weight) or a codebook (4 or 8 weights)
 *   unpack_misc.c     ternary, binary and the 4-bit floating-point types */
#define CT_UNPACK_BLOCK(T, t, ...) void ct_unpack_##t(const uint8_t *b, float *y);
CT_BLOCK_TYPES(CT_UNPACK_BLOCK)
#undef CT_UNPACK_BLOCK

#endif
