/* tower.h - the vision tower's weights, packed for this CPU's products; what model/tower.h describes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_TOWER_H
#define CT_CPU_TOWER_H

#include "cpu/weights.h"

typedef struct ct_affine { /* y = W x + b */
    ct_matrix w;
    float *b; /* [w.rows] */
} ct_affine;

typedef struct ct_tower_layer {
    float *norm1_w, *norm1_b, *norm2_w, *norm2_b; /* [hidden] */
    ct_affine q, k, v, o;                         /* [hidden, hidden] */
    ct_affine fc1, fc2;                           /* [ffn, hidden], [hidden, ffn] */
} ct_tower_layer;

typedef struct ct_tower_weights {
    const ct_tower *desc;
    ct_affine patch;        /* [hidden, 3 * patch * patch]: channel, then row, then column */
    float *position;        /* [patches, hidden] */
    float *post_w, *post_b; /* [hidden] */
    float *soft_norm;       /* [hidden], the +1 inside */
    ct_matrix project;      /* [text_width, hidden]: the file's [hidden, text_width], transposed */
    ct_tower_layer *layers; /* [n_layer]; heap */
    size_t bytes;           /* of the block they all lie in */
    ct_arena arena;
    bool is_mapped; /* as the text model's */
} ct_tower_weights;

/* As ct_weights_describe, ct_weights_load and ct_weights_close. */
bool ct_tower_weights_describe(ct_tower_weights *w, const ct_tower *desc, carat_err *err);
bool ct_tower_weights_load(ct_tower_weights *w, const ct_source *src, ct_pool *pool, carat_err *err);
void ct_tower_weights_close(ct_tower_weights *w);

#endif
