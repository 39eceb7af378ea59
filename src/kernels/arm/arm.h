/* arm.h - what the files of the AArch64 baseline share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_ARM_ARM_H
#define CT_KERNELS_ARM_ARM_H

#include "kernels/kernels.h"

extern const ct_peak ct_neon_fmla_peak, ct_neon_smlal_peak;

void ct_neon_install_f32(ct_kernels *k);    /* neon_f32.c: mul[type][CT_ACTS_F32] */
void ct_neon_install_rows(ct_kernels *k);   /* neon_rows.c: acts, norms, rope, geglu, logsumexp */
void ct_neon_install_attend(ct_kernels *k); /* neon_attend.c: kv_put, attend */
void ct_neon_install_set(ct_kernels *k);    /* neon_set.c: set_put, set_attend */

#endif
