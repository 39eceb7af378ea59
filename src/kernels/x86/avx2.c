/* avx2.c - the level of AVX2 with FMA and F16C: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_avx2(carat_kernels *k)
{
    k->isa = "avx2";
}
