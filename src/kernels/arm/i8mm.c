/* i8mm.c - the level of SMMLA/UMMLA, over dotprod: what it replaces in the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

void carat_kernels_i8mm(carat_kernels *k)
{
    k->isa = "i8mm";
}
