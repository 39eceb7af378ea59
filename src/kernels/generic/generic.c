/* generic.c - the level that every machine has: fills every slot of the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/kernels.h"

void carat_kernels_generic(carat_kernels *k)
{
    memset(k, 0, sizeof *k);
    k->isa = "generic";
}
