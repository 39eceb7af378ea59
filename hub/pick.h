/* pick.h - which models a repository has, and which of its files make one.
 *
 *   x-Q4_K_M.gguf                              a model, its tag Q4_K_M
 *   x-BF16-00001-of-00002.gguf, ...            one model of all parts
 *   mmproj-*.gguf                              beside every model of the repository
 *   config.json, tokenizer*, *.safetensors     a model, its tag "safetensors"
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_PICK_H
#define CT_HUB_PICK_H

#include "hub/repo.h"

typedef struct ct_hub_model {
    char tag[HUB_MAX_TAG];     /* no two alike: of two files of one quantisation the name without ".gguf" */
    const ct_hub_file **files; /* [n_files]; the file that is opened comes first; of a folder config.json */
    size_t n_files;
    uint64_t bytes;     /* of them; what is not stated counts as nothing */
    bool is_folder;     /* of safetensors */
    unsigned n_missing; /* parts that the repository lacks */
} ct_hub_model;

typedef struct ct_hub_models {
    ct_hub_model *v; /* GGUF files by size, then the folder */
    size_t n;
} ct_hub_models;

/* All models of a repository, which must outlive them. Errors: CARAT_ENOMEM. */
bool ct_hub_models_of(const ct_hub_repo *r, ct_hub_models *out, carat_err *err);
void ct_hub_models_deinit(ct_hub_models *m);

/* The model of a tag or of a file, of several parts any. Errors: CARAT_EARG (there is none, with those there are; several), CARAT_EFORMAT (the
 * repository lacks parts of it). */
bool ct_hub_models_find(const ct_hub_repo *r, const ct_hub_models *m, const char *tag, const ct_hub_model **out,
                        carat_err *err);

/* The mmproj files of the precision that the loader prefers (BF16, else F16, F32, Q8_0, another); out [most]. *n may be 0. */
void ct_hub_mmproj_of(const ct_hub_repo *r, const ct_hub_file **out, size_t most, size_t *n);
bool ct_hub_is_mmproj(const char *file);

#endif
