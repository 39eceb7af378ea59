/* tower.h - what the vision tower of a checkpoint is: its shape, and name, kind and type of every tensor. Its weights
 * belong to a backend (backend/backend.h).
 *
 * The one list of the tower's tensors: describing, loading, weighing and making up a tower all walk it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_TOWER_H
#define CT_MODEL_TOWER_H

#include "format/tensors.h"
#include "model/config.h"

/* Every tensor has a part; those of a layer come once per layer. */
typedef enum ct_tower_part {
    CT_TOWER_PATCH,     /* [hidden, 3 patch patch]: channel, then row, then column */
    CT_TOWER_PATCH_B,   /* [hidden] */
    CT_TOWER_POSITION,  /* [patches, hidden] */
    CT_TOWER_POST_W,    /* [hidden] */
    CT_TOWER_POST_B,    /* [hidden] */
    CT_TOWER_SOFT_NORM, /* [hidden], of the projector */
    CT_TOWER_PROJECT,   /* [hidden, text width], of the projector */
    CT_TOWER_NORM1_W,   /* [hidden], as all norms and biases but fc1's */
    CT_TOWER_NORM1_B,
    CT_TOWER_Q, /* [hidden, hidden], as k, v and o */
    CT_TOWER_Q_B,
    CT_TOWER_K,
    CT_TOWER_K_B,
    CT_TOWER_V,
    CT_TOWER_V_B,
    CT_TOWER_O,
    CT_TOWER_O_B,
    CT_TOWER_NORM2_W,
    CT_TOWER_NORM2_B,
    CT_TOWER_FC1,   /* [ffn, hidden] */
    CT_TOWER_FC1_B, /* [ffn] */
    CT_TOWER_FC2,   /* [hidden, ffn] */
    CT_TOWER_FC2_B,
    CT_N_TOWER_PARTS
} ct_tower_part;

#define CT_FIRST_TOWER_LAYER_PART CT_TOWER_NORM1_W

/* Published folders and what transformers writes today; llama.cpp's mmproj; Ollama's single file. */
typedef enum ct_tower_naming { CT_TOWER_HF, CT_TOWER_MMPROJ, CT_TOWER_OLLAMA, CT_N_TOWER_NAMINGS } ct_tower_naming;

typedef enum ct_tower_kind {
    CT_TOWER_MATRIX,
    CT_TOWER_VECTOR,     /* as it stands */
    CT_TOWER_NORM,       /* of the projector: safetensors hold w of y = x (1 + w), GGUF writers have added the 1 */
    CT_TOWER_TRANSPOSED, /* the projector's matrix: y = x W */
} ct_tower_kind;

typedef struct ct_tower_part_info {
    const char *name[CT_N_TOWER_NAMINGS]; /* of a layer, what follows its number */
    ct_tower_kind kind;
} ct_tower_part_info;

const ct_tower_part_info *ct_tower_part_get(ct_tower_part part);
/* rows x cols as in the comments above; a vector is 1 x n. */
void ct_tower_part_shape(const ct_vision_config *c, size_t text_width, ct_tower_part part, size_t *rows, size_t *cols);
/* Calls fn for every (part, layer), always in the same order; stops at the first false. layer is 0 outside layers. */
bool ct_tower_each(const ct_vision_config *c, bool (*fn)(void *arg, ct_tower_part part, size_t layer), void *arg);

typedef struct ct_tower {
    ct_vision_config cfg;
    size_t text_width; /* of the text model it projects to */
    ct_type *types;    /* by ct_tower_type */
    char *path;        /* its file or folder; NULL if it has none */
    bool is_packed;    /* as the model's */
    uint64_t tensor_bytes, n_params;
    /* How its tensors are called: */
    ct_tower_naming naming;
    const char *prefix, *mm_prefix; /* of HF names: the tower's, the projector's */
    bool is_channels_last; /* a folder made for MLX: a patch is row, column, channel; to be turned while loading */
    bool is_swapped;       /* an early mmproj file: ffn_up is fc2 and ffn_down fc1 */
} ct_tower;

typedef struct ct_source ct_source;

/* path: a Hugging Face folder, an mmproj GGUF, or a GGUF that holds text and tower; every tensor is looked up and
 * checked. src stays open for the backend to load from; on failure, too, it is to be closed. Errors: CARAT_EIO,
 * CARAT_EFORMAT (a shape, with what was found and expected), CARAT_EUNSUPPORTED (no tower, another projector),
 * CARAT_EARG (a projector for another width, with both), CARAT_ENOMEM. */
bool ct_tower_describe(const char *path, size_t text_width, ct_source *src, ct_tower **out, carat_err *err);
/* A tower that is not there, as converters write it: matrices of `type` (F32, F16, BF16, Q8_0; the projector is F16 at
 * least), everything else F32. Errors: CARAT_EARG (a type that does not fit), CARAT_ENOMEM. */
bool ct_tower_imagine(const ct_vision_config *c, size_t text_width, ct_type type, ct_tower **out, carat_err *err);
void ct_tower_close(ct_tower *t); /* accepts NULL */

ct_type ct_tower_type(const ct_tower *t, ct_tower_part part, size_t layer);
/* The tensor of a part in the tower's source, which ct_tower_describe has checked. */
const ct_tensor *ct_tower_tensor(const ct_tower *t, const ct_source *src, ct_tower_part part, size_t layer);
/* The type of most of its bytes. */
ct_type ct_tower_main_type(const ct_tower *t);

#endif
