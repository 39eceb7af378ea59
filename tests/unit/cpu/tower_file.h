/* tower_file.h - writes a GGUF with a random vision tower of any shape, type and layout.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TOWER_FILE_H
#define CT_TESTS_TOWER_FILE_H

#include "format/gguf_write.h"
#include "model/config.h"

typedef enum tower_layout {
    TOWER_MMPROJ, /* llama.cpp's names */
    TOWER_EARLY,  /* ... with ffn_up and ffn_down the wrong way round */
    TOWER_OLLAMA, /* Ollama's names and keys, as inside a file with text */
} tower_layout;

typedef struct tower_shape {
    ct_vision_config cfg;
    uint32_t text_width;
    ct_type type; /* of matrices but the patches' and the projector's, which are F32 where it is quantised */
    tower_layout layout;
    uint64_t seed;
    /* One fault, if any: the tensor (llama.cpp's name, layer 0) that is left out, has a row more, or holds a NaN. */
    const char *missing, *longer, *nan;
    uint32_t stated_layers; /* in the header; 0: as many as there are */
    uint32_t stated_pool;   /* patches along a side of a token's square; 0: as the number of tokens has it */
    const char *projector;  /* clip.projector_type; NULL: gemma3 */
} tower_shape;

/* Values of equal shape and seed are equal in all layouts. False with a message where writing fails. */
bool tower_write(const char *path, const tower_shape *s, carat_err *err);

#endif
