/* avx2_vec.c - operations on one vector: norms, rotation, gate, log-sum-exp.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_vector.h"

#include "kernels/vec_lanes.h"

void ct_avx2_vec(ct_kernels *k)
{
    install_vec(k);
}
