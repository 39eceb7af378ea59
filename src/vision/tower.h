/* tower.h - the weights: names, shapes, loading.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_VISION_TOWER_H
#define CARAT_VISION_TOWER_H

#include "model/source.h"

typedef struct carat_affine { /* y = W x + b */
    carat_matrix w;
    float *b; /* [w.rows] */
} carat_affine;

typedef struct carat_tower_layer {
    float *norm1_w, *norm1_b, *norm2_w, *norm2_b; /* [hidden] */
    carat_affine q, k, v, o;                      /* [hidden, hidden] */
    carat_affine fc1, fc2;                        /* [ffn, hidden], [hidden, ffn] */
} carat_tower_layer;

typedef struct carat_tower {
    carat_vision_config cfg;
    size_t text_width;
    carat_affine patch;        /* [hidden, 3 * patch * patch]: channel, then row, then column */
    float *position;           /* [patches, hidden] */
    float *post_w, *post_b;    /* [hidden] */
    float *soft_norm;          /* [hidden], the +1 inside */
    carat_matrix project;      /* [text_width, hidden]: the file's [hidden, text_width], transposed */
    carat_tower_layer *layers; /* [cfg.n_layer]; heap */
    carat_arena arena;
} carat_tower;

/* Opens the source and checks every tensor; the descriptors get their types and sizes, *bytes is what the arena takes.
 * On failure close both all the same. */
bool carat_tower_survey(carat_tower *t, carat_source *s, const char *path, size_t text_width, size_t *bytes,
                        carat_err *err);
/* Takes the arena and fills it, on the pool's threads. */
bool carat_tower_load(carat_tower *t, const carat_source *s, carat_pool *pool, size_t bytes, carat_err *err);
void carat_tower_close(carat_tower *t);

#endif
