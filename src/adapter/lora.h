/* lora.h - a LoRA adapter, as it stands on disk: which matrices it changes, and by what.
 *
 *   y = W x + scale * B (A x)        A: [rank, in], B: [out, rank]; W: [out, in]
 *
 * Two containers say the same:
 *
 *   GGUF          blk.0.attn_q.weight.lora_a, ne = {in, rank}, and .lora_b, ne = {rank, out}; scale is
 *                 adapter.lora.alpha / rank
 *   PEFT folder   adapter_config.json and adapter_model.safetensors: PREFIX.layers.0.self_attn.q_proj.lora_A.weight and
 *                 .lora_B.weight. The prefix is any of those that transformers and PEFT have written; between lora_A and
 *                 weight the adapter's name may stand. scale is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora;
 *                 rank_pattern and alpha_pattern give single matrices others
 *
 * What would change the model and is not understood is refused by its name: tensors that are no factor of a matrix,
 * DoRA, biases, modules_to_save, settings of PEFT that are not known here.
 *
 * Sources: arXiv:2106.09685 (LoRA), arXiv:2312.03732 (rank-stabilised); PEFT's LoraConfig and get_pattern_key; the layout that
 * llama.cpp's convert_lora_to_gguf.py writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ADAPTER_LORA_H
#define CT_ADAPTER_LORA_H

#include "base/json.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "model/model.h"

#define CT_LORA_NAME     128  /* of a matrix or an adapter, with its NUL */
#define CT_LORA_MAX_RANK 4096 /* of one matrix; published ones have 4 to 256 */

/* The factors of one matrix. */
typedef struct ct_lora_pair {
    char matrix
        [CT_LORA_NAME]; /* as GGUF calls it, "blk.0.attn_q.weight"; the place in a PEFT folder is that of its tensors */
    ct_part part;
    size_t layer; /* 0 for a part outside layers */
    const ct_tensor *a, *b;
    size_t rank;
    double scale; /* alpha by rank */
} ct_lora_pair;

typedef struct ct_lora {
    char *path;
    char name[CT_LORA_NAME]; /* the file's, without .gguf, or the folder's */
    ct_gguf *gguf;           /* one of these two; NULL both once the files are closed */
    ct_safetensors *st;
    ct_lora_pair *pairs; /* [n], by layer and part; n > 0 */
    size_t n;
    size_t max_rank;
    char *chat_template; /* that came with it; NULL: none */
} ct_lora;

/* A GGUF file or a PEFT folder; reads no weights. Errors: CARAT_EIO, CARAT_EFORMAT (half of a pair, no alpha, a rank that is
 * not the stated one), CARAT_EUNSUPPORTED (what is refused, by name), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_lora_open(const char *path, ct_lora **out, carat_err *err);
/* From bytes that the caller keeps until close, without a template: a GGUF file, or the two of a folder, of which config is the
 * JSON (NULL: a GGUF file). path only names them in messages. */
bool ct_lora_open_memory(const char *path, const char *config, size_t config_len, const void *data, size_t size,
                         ct_lora **out, carat_err *err);
/* Pairs stay, without their tensors' data. */
void ct_lora_close_files(ct_lora *l);
void ct_lora_close(ct_lora *l); /* accepts NULL */

/* Do the factors fit a matrix of rows x cols? Errors: CARAT_EUNSUPPORTED with the three shapes. */
bool ct_lora_fits(const ct_lora *l, const ct_lora_pair *p, uint64_t rows, uint64_t cols, carat_err *err);
/* Do all of them fit the layers of this model? Errors: as above; factors of a matrix that is not in a layer of it. */
bool ct_lora_check(const ct_lora *l, const ct_config *c, carat_err *err);

/* ---- inside adapter/ ---- */

/* One more tensor: the first or second factor of its matrix, which becomes a pair. Errors: CARAT_EFORMAT (the same factor
 * twice). */
bool ct_lora_add(ct_lora *l, ct_part part, size_t layer, bool is_a, const ct_tensor *t, carat_err *err);
/* lora_peft.c: fills pairs from l->st and the configuration, scales too. */
bool ct_lora_read_peft(ct_lora *l, const json_t *config, carat_err *err);

#endif
