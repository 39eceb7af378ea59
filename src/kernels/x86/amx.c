/* amx.c - the level of AMX, TILE, BF16 and INT8, over avx512bf16: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx.h"

#ifdef CT_TILES_PLAIN
#define INSTALL ct_kernels_amx_plain
#define ISA     "amx_plain"
#define PEAK    NULL
#else
#define INSTALL ct_kernels_amx
#define ISA     "amx"
#define PEAK    (&ct_amx_peak)
#endif

void INSTALL(ct_kernels *k)
{
    k->isa = ISA;
    AMX_NAME(mul_bf16)(k);
    AMX_NAME(mul_grid)(k);
    AMX_NAME(attend)(k);
    AMX_NAME(set)(k);
    k->mul_peak[CT_ACTS_BF16] = k->mul_peak[CT_ACTS_GRID] = k->set_peak[CT_ACTS_BF16] = PEAK;
    k->attend_peak[CT_KV_Q8_0] = PEAK; /* of scores; values are multiplied in bytes */
}
