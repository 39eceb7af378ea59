/* tower.h - the weights: names, shapes, loading.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_VISION_TOWER_H
#define CT_VISION_TOWER_H

#include "model/source.h"

typedef struct ct_affine { /* y = W x + b */
    ct_matrix w;
    float *b; /* [w.rows] */
} ct_affine;

typedef struct ct_tower_layer {
    float *norm1_w, *norm1_b, *norm2_w, *norm2_b; /* [hidden] */
    ct_affine q, k, v, o;                         /* [hidden, hidden] */
    ct_affine fc1, fc2;                           /* [ffn, hidden], [hidden, ffn] */
} ct_tower_layer;

typedef struct ct_tower {
    ct_vision_config cfg;
    size_t text_width;
    ct_affine patch;        /* [hidden, 3 * patch * patch]: channel, then row, then column */
    float *position;        /* [patches, hidden] */
    float *post_w, *post_b; /* [hidden] */
    float *soft_norm;       /* [hidden], the +1 inside */
    ct_matrix project;      /* [text_width, hidden]: the file's [hidden, text_width], transposed */
    ct_tower_layer *layers; /* [cfg.n_layer]; heap */
    ct_arena arena;
} ct_tower;

/* Opens the source and checks every tensor; the descriptors get their types and sizes, *bytes is what the arena takes.
 * On failure close both all the same. */
bool ct_tower_survey(ct_tower *t, ct_source *s, const char *path, size_t text_width, size_t *bytes, carat_err *err);
/* Takes the arena and fills it, on the pool's threads. */
bool ct_tower_load(ct_tower *t, const ct_source *s, ct_pool *pool, size_t bytes, carat_err *err);
void ct_tower_close(ct_tower *t);

#endif
