/* layout.h - how weights lie in their block, as a hash: what a pack must agree with before its blocks are used.
 *
 * It covers where each matrix and vector stands, of which type and size it is, and, of every type, the panel of fixed
 * blocks: whoever changes the packing changes it, without having to remember.
 *
 * Every level computes with the same panels (docs/ARCHITECTURE.md, "Packed panels"), so a pack serves all of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_LAYOUT_H
#define CT_CPU_LAYOUT_H

#include "cpu/tower.h"
#include "format/pack_file.h"

#define CT_LAYOUT_NAME "panels of 16 rows"

/* A description being hashed. Starts zeroed. */
typedef struct ct_layout {
    ct_buf text;
    const uint8_t *base; /* of the block */
    bool has_type[CT_N_TYPE];
} ct_layout;

void ct_layout_begin(ct_layout *l, const uint8_t *base);
void ct_layout_matrix(ct_layout *l, const ct_matrix *m);
void ct_layout_vector(ct_layout *l, const float *v, size_t n);
/* False: no memory. Ends it in any case. */
bool ct_layout_end(ct_layout *l, uint8_t out[CT_PACK_HASH]);

/* Of weights whose block is taken or mapped. Errors: CARAT_ENOMEM. */
bool ct_weights_layout(const ct_weights *w, uint8_t out[CT_PACK_HASH], carat_err *err);
bool ct_tower_layout(const ct_tower_weights *w, uint8_t out[CT_PACK_HASH], carat_err *err);

/* Maps a part of a pack for weights of so many bytes: *arena is then the block. Errors: CARAT_EFORMAT (another size),
 * CARAT_ENOMEM, CARAT_EIO. */
bool ct_layout_map(const ct_source *src, enum ct_pack_which which, size_t bytes, ct_arena *arena, carat_err *err);
/* Is the pack's layout this one? Errors: CARAT_EUNSUPPORTED, with what to do. */
bool ct_layout_check(const ct_source *src, enum ct_pack_which which, const uint8_t layout[CT_PACK_HASH],
                     carat_err *err);

#endif
