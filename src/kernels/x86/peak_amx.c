/* peak_amx.c - the rate of what the AMX level multiplies with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/peak.h"
#include "kernels/x86/amx.h"
#include "kernels/x86/tiles.h"

#define SUMS 6 /* all registers but those of the two operands */

static void run_tdpbf16(size_t rounds)
{
    uint16_t numbers[16][32];
    for (int i = 0; i < 16 * 32; i++) /* around 1, of either sign, any mantissa */
        numbers[i / 32][i % 32] = (uint16_t)(0x3f00u + (unsigned)i * 0x2f % 0x100 + (i % 3 == 0 ? 0x8000u : 0));
    tiles_begin();
    tile_load(6, numbers, sizeof numbers[0]);
    tile_load(7, numbers, sizeof numbers[0]);
    for (size_t r = 0; r < rounds; r++) {
        tile_mul_bf16(0, 6, 7);
        tile_mul_bf16(1, 6, 7);
        tile_mul_bf16(2, 6, 7);
        tile_mul_bf16(3, 6, 7);
        tile_mul_bf16(4, 6, 7);
        tile_mul_bf16(5, 6, 7);
    }
    tiles_end();
}

const ct_peak ct_amx_peak = { "TDPBF16PS", 2.0 * 16 * 16 * 32 * SUMS, run_tdpbf16 };
