/* arm.h - what the files of the AArch64 baseline show one another.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_KERNELS_ARM_ARM_H
#define CARAT_KERNELS_ARM_ARM_H

#include "kernels/kernels.h"

void carat_neon_install_f32(carat_kernels *k);    /* neon_f32.c: mul[type][CARAT_ACTS_F32] */
void carat_neon_install_rows(carat_kernels *k);   /* neon_rows.c: acts, norms, rope, geglu, logsumexp */
void carat_neon_install_attend(carat_kernels *k); /* neon_attend.c: kv_put, attend */
void carat_neon_install_set(carat_kernels *k);    /* neon_set.c: set_put, set_attend */

#endif
