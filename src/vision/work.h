/* work.h - the scratch of a tower, and what a thread knows while an image goes through it.
 *
 * An image is one job of the pool. Rows (patches, at the end tokens) go in blocks of CARAT_VISION_BLOCK, so that what
 * is wide (the FFN, converted activations) is held for one block only; attention sees all of them. As in text/work.h
 * there are calls by row, in which each thread has a T-th of each block's rows, in groups of twelve, and no one waits,
 * and calls by piece (products, attention), which wait for each other.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_VISION_WORK_H
#define CARAT_VISION_WORK_H

#include "model/linear.h"
#include "vision/tower.h"
#include "vision/vision.h"

/* Rows whose FFN is in memory together: enough that the weights, read once a block, cost little beside the sums. A
 * whole number of the groups in which keys are written. */
#define CARAT_VISION_BLOCK (86 * CARAT_SET_GROUP)
/* Query rows that walk a head's keys together. */
#define CARAT_VISION_ITEM_ROWS 128

typedef struct carat_vision_own {
    void *scratch; /* of products and attention */
} carat_vision_own;

struct carat_vision {
    carat_tower tower;
    const carat_kernels *k;
    carat_pool *pool;
    carat_vision_options opt;
    carat_acts_form form; /* in which attention is computed */
    int n_threads;
    size_t hidden, head_dim, n_patch, n_token, patch_cols, block; /* block: rows of the largest */

    carat_vision_trace *trace;
    void *trace_arg;
    bool (*progress)(void *arg, size_t done, size_t total);
    void *progress_arg;

    /* The image at work: one of the two, and where its tokens go. */
    const float *pixels;                 /* [3][size][size] */
    const uint8_t *rgb;                  /* [size][size][3] */
    float *out;                          /* [n_token, text_width] */
    bool is_busy;                        /* an image is at work, its first `layer` layers are done */
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
    float *shade;                  /* [256]: what the tower sees of a byte */
    uint8_t *acts[CARAT_N_ACTS];   /* [block] converted activations; NULL if no matrix wants the form */
    size_t acts_cols[CARAT_N_ACTS];
    carat_counter *counters; /* one for each call by piece */
    carat_vision_own *own;   /* [n_threads] */
    carat_arena arena;
};

/* Calls by piece for one image. */
size_t carat_vision_calls(const carat_vision *v);
/* A job of the pool: the next layer of a carat_vision's image; with the first the patches, with the last its tokens in
 * v->out. */
void carat_vision_see(void *vision, int thread, int n_threads);

#endif
