/* dotprod.c - the level of SDOT/UDOT, over neon: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_dotprod(carat_kernels *k)
{
    k->isa = "dotprod";
}
