/* amx.c - the level of AMX, TILE, BF16 and INT8, over avx512bf16: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/amx.h"

#ifdef CT_TILES_PLAIN
#define INSTALL ct_kernels_amx_plain
#define ISA     "amx_plain"
#else
#define INSTALL ct_kernels_amx
#define ISA     "amx"
#endif

void INSTALL(ct_kernels *k)
{
    k->isa = ISA;
    AMX_NAME(mul_bf16)(k);
    AMX_NAME(mul_grid)(k);
    AMX_NAME(set)(k);
}
