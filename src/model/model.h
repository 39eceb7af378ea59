/* model.h - a checkpoint in memory: configuration, packed weights, tokenizer.
 *
 * carat_model_open reads a GGUF file or a Hugging Face folder, finds every tensor by either naming scheme, checks its
 * shape, and packs it (quant/pack.h) into one block of memory whose size carat_model_bytes predicts to the byte. Source
 * pages are let go as they are consumed, so the peak stays near one copy. A model is immutable once open and may be
 * used by any number of carat_text at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_MODEL_MODEL_H
#define CARAT_MODEL_MODEL_H

#include "base/mem.h"
#include "base/pool.h"
#include "model/config.h"
#include "quant/pack.h"
#include "tokenizer/tokenizer.h"

/* Every tensor of the text model has a part; those of a layer come once per layer. */
typedef enum carat_part {
    CARAT_PART_EMBED,          /* [n_vocab, hidden] */
    CARAT_PART_FINAL_NORM,     /* [hidden] */
    CARAT_PART_HEAD,           /* [n_vocab, hidden]; absent when tied */
    CARAT_PART_ATTN_NORM,      /* [hidden] */
    CARAT_PART_Q,              /* [n_head * head_dim, hidden] */
    CARAT_PART_K,              /* [n_kv_head * head_dim, hidden] */
    CARAT_PART_V,              /* [n_kv_head * head_dim, hidden] */
    CARAT_PART_Q_NORM,         /* [head_dim] */
    CARAT_PART_K_NORM,         /* [head_dim] */
    CARAT_PART_O,              /* [hidden, n_head * head_dim] */
    CARAT_PART_POST_ATTN_NORM, /* [hidden] */
    CARAT_PART_FFN_NORM,       /* [hidden] */
    CARAT_PART_GATE,           /* [ffn, hidden] */
    CARAT_PART_UP,             /* [ffn, hidden] */
    CARAT_PART_DOWN,           /* [hidden, ffn] */
    CARAT_PART_POST_FFN_NORM,  /* [hidden] */
    CARAT_N_PARTS
} carat_part;

#define CARAT_FIRST_LAYER_PART CARAT_PART_ATTN_NORM

typedef struct carat_part_info {
    const char *gguf; /* "token_embd.weight"; of a layer, what follows "blk.N." */
    const char *hf;   /* "embed_tokens.weight"; of a layer, what follows "layers.N." */
    bool is_norm;     /* a vector kept as f32, not packed */
} carat_part_info;

const carat_part_info *carat_part_get(carat_part part);
/* rows x cols of y = W x; a norm is 1 x n. */
void carat_part_shape(const carat_config *c, carat_part part, size_t *rows, size_t *cols);

typedef struct carat_matrix { /* y = W x, packed by sixteen rows */
    carat_type type;
    size_t rows, cols;
    uint8_t *packed;
    size_t bytes;
} carat_matrix;

typedef struct carat_layer {
    bool is_global;
    carat_matrix q, k, v, o, gate, up, down;
    /* RMSNorm weights with Gemma's +1 inside */
    float *attn_norm, *q_norm, *k_norm, *post_attn_norm, *ffn_norm, *post_ffn_norm;
} carat_layer;

typedef struct carat_model {
    carat_config cfg;
    carat_matrix embed; /* also the head when tied */
    carat_matrix head;  /* a copy of embed's descriptor when tied: the weights are shared */
    float *final_norm;
    carat_layer *layers; /* [cfg.n_layer] */

    carat_tokenizer *tok; /* NULL when opened without */
    uint32_t n_pieces;    /* real pieces: logits of rows from here on mean nothing (cfg.n_vocab without tokenizer) */
    uint32_t n_stops;     /* ids that end an answer: <eos>, <end_of_turn> found by piece, and the header's */
    int32_t stops[CARAT_MAX_STOPS];

    char *path;
    bool is_gguf;
    uint64_t file_bytes, head_bytes;     /* the second: of them, mapped until the model is open */
    uint64_t n_params;                   /* weights of the text model, a tied head once */
    uint64_t type_bytes[CARAT_N_TYPE];   /* source bytes of matrices, by type */
    uint32_t type_tensors[CARAT_N_TYPE]; /* how many matrices */
    char *chat_template;                 /* the file's own, or NULL; for information */
    carat_arena arena;                   /* packed matrices and norms */
} carat_model;

typedef struct carat_model_options {
    bool trust_header; /* see carat_config_from_gguf */
    bool no_tokenizer; /* weights only */
    /* Called once headers are read and checked, before the vocabulary is read and memory is taken for weights; packed
     * pointers are NULL. The pool is not used before. False (with *err) ends the opening. May be NULL; not called by
     * carat_model_peek. */
    bool (*admit)(void *arg, const struct carat_model *m, size_t weight_bytes, carat_err *err);
    void *admit_arg;
    /* Called from the opening thread now and then with source bytes done and all; false stops (CARAT_ECANCELLED). */
    bool (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
} carat_model_options;

/* path: a GGUF file (any part of a split one) or a folder with config.json and safetensors. opt may be NULL.
 * Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_EUNSUPPORTED, CARAT_ENOMEM (with the figure), CARAT_ECANCELLED. */
bool carat_model_open(const char *path, const carat_model_options *opt, carat_pool *pool, carat_model **out,
                      carat_err *err);
void carat_model_close(carat_model *m);

/* The vocabulary of a GGUF file. Errors: CARAT_EFORMAT (tables absent or of different lengths), CARAT_EUNSUPPORTED
 * (another kind of tokenizer), CARAT_ENOMEM. */
bool carat_tokenizer_from_gguf(const carat_gguf *g, carat_tokenizer **out, carat_err *err);

/* Configuration, tokenizer and sizes without the weights: for info and weigh. Every tensor is looked up and checked.
 * packed pointers are NULL; *bytes is what carat_model_open would take. */
bool carat_model_peek(const char *path, const carat_model_options *opt, carat_model **out, size_t *bytes,
                      carat_err *err);

/* The type of each tensor, for predictions without a file. layer is 0 for parts outside layers. */
typedef carat_type carat_type_of(void *arg, carat_part part, size_t layer);

/* Bytes carat_model_open takes for the weights of this configuration: exactly, by the same walk. False on overflow or
 * a type whose block does not divide a row (err names the part). */
bool carat_model_bytes(const carat_config *c, carat_type_of *type_of, void *arg, size_t *out, carat_err *err);

#endif
