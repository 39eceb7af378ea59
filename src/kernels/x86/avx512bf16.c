/* avx512bf16.c - the level of AVX512_BF16, over avx512: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_avx512bf16(carat_kernels *k)
{
    k->isa = "avx512bf16";
}
