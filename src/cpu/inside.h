/* inside.h - the CPU backend from within: for its own files and for tests that compare it with the reference.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_INSIDE_H
#define CT_CPU_INSIDE_H

#include "cpu/cpu.h"
#include "cpu/text.h"
#include "cpu/vision.h"

typedef struct ct_cpu {
    ct_kernels kernels;
    ct_pool *pool;
    int n_threads;
    bool exact;
    const ct_weights *weights; /* own, or another backend's */
    ct_weights own;
    ct_host_pages pages;
    ct_text *text;
    ct_vision *vision; /* NULL: text only */
    ct_soft_tokens soft;
    size_t soft_bytes;
    size_t max_batch; /* once loaded: rows that an adapter has sums for */
} ct_cpu;

static inline ct_cpu *ct_cpu_inside(const ct_backend *b)
{
    return b->self;
}

#endif
