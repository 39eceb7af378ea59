/* avx512.c - the level of AVX-512 F, BW, DQ, VL and VNNI: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_avx512(carat_kernels *k)
{
    k->isa = "avx512";
}
