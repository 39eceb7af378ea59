/* checkpoint.h - all that a path names: the model, the vision tower that goes with it, and the files both stand in.
 *
 * The tower is in the model's own file or folder, or in an mmproj file (*mmproj*.gguf) beside it (find_tower.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_CHECKPOINT_H
#define CT_MODEL_CHECKPOINT_H

#include "model/source.h"
#include "model/tower.h"

typedef struct ct_checkpoint_options {
    bool trust_header; /* see ct_config_from_gguf */
    carat_vision_use vision;
    const char *mmproj; /* the tower's file; NULL: found by itself */
} ct_checkpoint_options;

typedef struct ct_checkpoint {
    ct_model *model;
    ct_tower *tower;        /* NULL: none, or none that is requested and usable */
    ct_source text, vision; /* open until ct_checkpoint_close_files; vision only if there is a tower */
    bool could_see;         /* there is a tower, used or not */
    char note[256];         /* why an existing tower is not used; "" */
} ct_checkpoint;

/* Reads headers and checks every tensor; the vocabulary is not read (ct_model_read_vocab). A tower that is ambiguous or
 * does not fit is left out with a note, unless one is required; an mmproj file that is named is checked even with
 * CARAT_VISION_OFF. Errors: those of ct_model_describe; where mmproj is
 * given or CARAT_VISION_REQUIRED those of ct_tower_describe, CARAT_EARG (several mmproj files, with their names),
 * CARAT_EUNSUPPORTED (no tower). Close it even after a failure. */
bool ct_checkpoint_open(const char *path, const ct_checkpoint_options *o, ct_checkpoint *out, carat_err *err);
/* Nothing of the files is held or open after this. */
void ct_checkpoint_close_files(ct_checkpoint *c);
void ct_checkpoint_close(ct_checkpoint *c); /* accepts a zeroed one */

#endif
