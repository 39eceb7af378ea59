/* neon.c - the AArch64 baseline: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_neon(carat_kernels *k)
{
    k->isa = "neon";
}
