/* vision_work.h - the scratch of a tower, and a thread's state while an image goes through it.
 *
 * An image is one job of the pool. Rows (patches, at the end tokens) go in blocks, so that what is
 * wide (the FFN, converted activations) is held for one block only; attention uses all of them. As in text_work.h there
 * are calls by row, in which each thread has a T-th of each block's rows, in groups of twelve, and no one waits, and
 * calls by piece (products, attention), which wait for each other.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_VISION_WORK_H
#define CT_CPU_VISION_WORK_H

#include "cpu/products.h"
#include "cpu/tower.h"
#include "cpu/vision.h"

/* Rows whose FFN is in memory together: enough that the weights, read once a block, cost little beside the sums. A
 * whole number of the groups in which keys are written. */
#define CT_VISION_BLOCK (86 * CT_SET_GROUP)
/* ... where kernels take pieces of 256 rows: six of them. */
#define CT_VISION_PIECES (128 * CT_SET_GROUP)
/* Query rows that walk a head's keys together. */
#define CT_VISION_ITEM_ROWS 128

typedef struct ct_vision_own {
    void *scratch; /* of products and attention */
} ct_vision_own;

struct ct_vision {
    ct_tower_weights tower;
    const ct_vision_config *c; /* of its description */
    const ct_kernels *k;
    ct_pool *pool;
    ct_vision_options opt;
    ct_acts_form form; /* in which attention is computed */
    int n_threads;
    size_t hidden, head_dim, n_patch, n_token, patch_cols, block; /* block: rows of the largest */

    ct_vision_trace *trace;
    void *trace_arg;

    /* The image being encoded: one of the two, and where its tokens go. */
    const float *pixels;                 /* [3][size][size] */
    const uint8_t *rgb;                  /* [size][size][3] */
    float *out;                          /* [n_token, text_width] */
    bool is_busy;                        /* an image is being encoded, its first `layer` layers are done */
    size_t layer, counter, next_counter; /* counters used by them; by the layer at work too */
    atomic_bool is_bad;

    float *x;                      /* residual stream [n_patch, hidden] */
    float *q;                      /* [n_patch, hidden]; at the end the pooled tokens */
    float *heads;                  /* [n_patch, hidden]: attention's output; at the end the last hidden state */
    uint8_t *keys, *values;        /* [n_head] blocks of a set, as in kernels.h */
    size_t key_bytes, value_bytes; /* of a block */
    float *norm, *kx, *vx;         /* [block, hidden] */
    float *wide;                   /* [block, FFN or a patch's values] */
    float *ones;                   /* [ffn] */
    float *shade;                  /* [256]: the tower's input for each byte value */
    uint8_t *acts[CT_N_ACTS];      /* [block] converted activations; NULL if no matrix needs the form */
    size_t acts_cols[CT_N_ACTS];
    ct_counter *counters; /* one for each call by piece */
    ct_vision_own *own;   /* [n_threads] */
    ct_arena arena;
};

/* Calls by piece for one image. */
size_t ct_vision_calls(const ct_vision *v);
/* A job of the pool: the next layer of a ct_vision's image; with the first the patches, with the last its tokens in
 * v->out. */
void ct_vision_layer(void *vision, int thread, int n_threads);

#endif
