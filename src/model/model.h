/* model.h - what a checkpoint is: configuration, the type of every matrix, tokenizer. Its weights belong to a backend
 * (backend/backend.h).
 *
 * ct_model_describe reads an open source (source.h), finds every tensor by either naming scheme and checks its shape;
 * ct_model_read_vocab then reads the vocabulary. A model is immutable after that.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_MODEL_H
#define CT_MODEL_MODEL_H

#include "model/advice.h"
#include "quant/types.h"
#include "tokenizer/tokenizer.h"

/* Every tensor of the text model has a part; those of a layer come once per layer. */
typedef enum ct_part {
    CT_PART_EMBED,          /* [n_vocab, hidden] */
    CT_PART_FINAL_NORM,     /* [hidden] */
    CT_PART_HEAD,           /* [n_vocab, hidden]; absent when tied */
    CT_PART_DENSE_1,        /* [dense, hidden], of an encoder that has it; so too the next */
    CT_PART_DENSE_2,        /* [hidden, dense] */
    CT_PART_ATTN_NORM,      /* [hidden] */
    CT_PART_Q,              /* [n_head * head_dim, hidden] */
    CT_PART_K,              /* [n_kv_head * head_dim, hidden] */
    CT_PART_V,              /* [n_kv_head * head_dim, hidden] */
    CT_PART_Q_NORM,         /* [head_dim] */
    CT_PART_K_NORM,         /* [head_dim] */
    CT_PART_O,              /* [hidden, n_head * head_dim] */
    CT_PART_POST_ATTN_NORM, /* [hidden] */
    CT_PART_FFN_NORM,       /* [hidden] */
    CT_PART_GATE,           /* [ffn, hidden] */
    CT_PART_UP,             /* [ffn, hidden] */
    CT_PART_DOWN,           /* [hidden, ffn] */
    CT_PART_POST_FFN_NORM,  /* [hidden] */
    CT_N_PARTS
} ct_part;

#define CT_FIRST_LAYER_PART CT_PART_ATTN_NORM

/* What a part belongs to, for adding up. */
typedef enum ct_part_group { CT_GROUP_TABLE, CT_GROUP_ATTENTION, CT_GROUP_FFN, CT_GROUP_NORM } ct_part_group;

typedef struct ct_part_info {
    const char *gguf; /* "token_embd.weight"; of a layer, what follows "blk.N." */
    const char *hf;   /* "embed_tokens.weight"; of a layer, what follows "layers.N." */
    bool is_norm;     /* a vector kept as f32, not packed */
    ct_part_group group;
} ct_part_info;

const ct_part_info *ct_part_get(ct_part part);
/* rows x cols of y = W x; a norm is 1 x n. */
void ct_part_shape(const ct_config *c, ct_part part, size_t *rows, size_t *cols);

/* Calls fn for every (part, layer) of the configuration, always in the same order; stops at the first false. */
bool ct_part_each(const ct_config *c, bool (*fn)(void *arg, ct_part part, size_t layer), void *arg);

typedef struct ct_model {
    ct_config cfg;
    ct_type *types; /* by ct_model_type */

    carat_tokenizer *tok; /* NULL when described without */
    uint32_t n_pieces;    /* real pieces: logits of rows from here on mean nothing (cfg.n_vocab without tokenizer) */
    uint32_t n_stops;     /* ids that end an answer: <eos>, <end_of_turn> found by piece, and those that files name */
    int32_t stops[CT_MAX_STOPS];

    char *path;
    bool is_gguf;
    bool is_packed;                   /* its weights are mapped from a pack, not loaded */
    uint64_t file_bytes, head_bytes;  /* the second: of them, mapped as long as the source is open */
    uint64_t tensor_bytes;            /* of the text model's tensors, in the file */
    uint64_t n_params;                /* weights of the text model, a tied head once */
    uint32_t type_tensors[CT_N_TYPE]; /* how many matrices */
    ct_advice advice;                 /* on sampling */
    char *chat_template;              /* the file's own, or NULL; for information */
    struct ct_tasks *tasks; /* prompts of an embedding model (sentence.h); NULL until the vocabulary is read */
} ct_model;

typedef struct ct_source ct_source;

/* src must have been opened with &(*out)->cfg's reader: ct_model_describe opens it itself from path, a GGUF file (any
 * part of a split one) or a folder with config.json and safetensors. src stays open for the backend to load from; on
 * failure, too, it is to be closed. Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_EUNSUPPORTED, CARAT_ENOMEM. */
bool ct_model_describe(const char *path, bool trust_header, ct_source *src, ct_model **out, carat_err *err);
/* Tokenizer, end ids and chat template. Errors: those of the tokenizers, CARAT_EFORMAT (more tokens than rows). */
bool ct_model_read_vocab(ct_model *m, const ct_source *src, carat_err *err);
void ct_model_close(ct_model *m); /* accepts NULL */

/* The type of each tensor, for a description without a file. layer is 0 for parts outside layers; it is not called for
 * norms. */
typedef ct_type ct_type_of(void *arg, ct_part part, size_t layer);
/* The description of a checkpoint that does not exist as a file. Errors: CARAT_ENOMEM. */
bool ct_model_imagine(const ct_config *c, ct_type_of *type_of, void *arg, ct_model **out, carat_err *err);

/* Does this id end an answer? */
bool ct_model_is_stop(const ct_model *m, int32_t id);
/* One more that does; ids outside the vocabulary are not taken. */
void ct_model_add_stop(ct_model *m, int32_t id);

/* The type of a part that is not a norm. */
ct_type ct_model_type(const ct_model *m, ct_part part, size_t layer);

/* The vocabulary of a GGUF file. Errors: CARAT_EFORMAT (tables absent or of different lengths), CARAT_EUNSUPPORTED
 * (another kind of tokenizer), CARAT_ENOMEM. */
bool ct_tokenizer_from_gguf(const ct_gguf *g, carat_tokenizer **out, carat_err *err);

#endif
