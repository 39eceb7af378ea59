/* avx512_mul_plain.h - the loops around products whose weights and activations are both plain numbers.
 *
 * A row is a run of steps; a step is four bytes of an activation and one vector over sixteen rows of the weights: one
 * column in f32, a pair of columns in bf16. Kernels take R panels times T tokens, the sums of which they hold in
 * registers; between chunks of steps the sums wait in y. Tokens are read where they stand. Missing tokens and panels
 * are copies of the last one, their sums are dropped. So every path runs the same sum, step by step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_X86_AVX512_MUL_PLAIN_H
#define CT_KERNELS_X86_AVX512_MUL_PLAIN_H

#include "kernels/kernels.h"

#define PLAIN_MAX_PANELS 4
#define PLAIN_NEAR       ((size_t)5 << 17) /* bytes of tokens that all panels pass before the next are taken: most of L2 */

/* A tile's tokens, `stride` bytes apart. */
typedef struct plain_tokens {
    const uint8_t *x;
    size_t stride;
} plain_tokens;

/* Token t of them, given the tile's every third one: T pointers would be more than there are registers. */
static inline const uint8_t *plain_token(const uint8_t *const third[4], size_t stride, size_t t)
{
    return third[t / 3] + t % 3 * stride;
}

/* c [T][ldc >= 16 R] += W x over n steps; is_first: c is not read. */
typedef void plain_kernel(const uint8_t *const w[PLAIN_MAX_PANELS], const plain_tokens *x, size_t n, float *c,
                          size_t ldc, bool is_first);

/* Steps [s0, s0 + n) of a panel, in the form the kernel reads, into buf (64 bytes a step). */
typedef void plain_unpack(const ct_mul *m, const uint8_t *panel, size_t s0, size_t n, uint8_t *buf);

typedef struct plain_path {
    size_t panels, tokens; /* R and T of the kernel */
    plain_kernel *kernel;
    plain_unpack *unpack; /* NULL: panels are multiplied where they stand */
    size_t chunk;         /* steps at a time, a whole number of the type's units; its buffers fit WEIGHTS_SCRATCH */
    size_t step_bytes;    /* of a panel, where it stands */
} plain_path;

void ct_avx512_mul_plain(const plain_path *path, size_t steps, const ct_mul *m, size_t panel_begin, size_t panel_end,
                         void *scratch);

#endif
