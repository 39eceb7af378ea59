/* model.h - a checkpoint in memory: configuration, packed weights, tokenizer.
 *
 * ct_model_open reads a GGUF file or a Hugging Face folder, finds every tensor by either naming scheme, checks its
 * shape, and packs it (quant/pack.h) into one block of memory whose size ct_model_bytes predicts to the byte. Source
 * pages are let go as they are consumed, so the peak stays near one copy. A model is immutable once open and may be
 * used by any number of ct_text at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_MODEL_MODEL_H
#define CT_MODEL_MODEL_H

#include "base/mem.h"
#include "base/pool.h"
#include "model/config.h"
#include "quant/pack.h"
#include "tokenizer/tokenizer.h"

/* Every tensor of the text model has a part; those of a layer come once per layer. */
typedef enum ct_part {
    CT_PART_EMBED,          /* [n_vocab, hidden] */
    CT_PART_FINAL_NORM,     /* [hidden] */
    CT_PART_HEAD,           /* [n_vocab, hidden]; absent when tied */
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

typedef struct ct_part_info {
    const char *gguf; /* "token_embd.weight"; of a layer, what follows "blk.N." */
    const char *hf;   /* "embed_tokens.weight"; of a layer, what follows "layers.N." */
    bool is_norm;     /* a vector kept as f32, not packed */
} ct_part_info;

const ct_part_info *ct_part_get(ct_part part);
/* rows x cols of y = W x; a norm is 1 x n. */
void ct_part_shape(const ct_config *c, ct_part part, size_t *rows, size_t *cols);

typedef struct ct_matrix { /* y = W x, packed by sixteen rows */
    ct_type type;
    size_t rows, cols;
    uint8_t *packed;
    size_t bytes;
} ct_matrix;

typedef struct ct_layer {
    bool is_global;
    ct_matrix q, k, v, o, gate, up, down;
    /* RMSNorm weights with Gemma's +1 inside */
    float *attn_norm, *q_norm, *k_norm, *post_attn_norm, *ffn_norm, *post_ffn_norm;
} ct_layer;

typedef struct ct_model {
    ct_config cfg;
    ct_matrix embed; /* also the head when tied */
    ct_matrix head;  /* a copy of embed's descriptor when tied: the weights are shared */
    float *final_norm;
    ct_layer *layers; /* [cfg.n_layer] */

    carat_tokenizer *tok; /* NULL when opened without */
    uint32_t n_pieces;    /* real pieces: logits of rows from here on mean nothing (cfg.n_vocab without tokenizer) */
    uint32_t n_stops;     /* ids that end an answer: <eos>, <end_of_turn> found by piece, and the header's */
    int32_t stops[CT_MAX_STOPS];

    char *path;
    bool is_gguf;
    uint64_t file_bytes, head_bytes;  /* the second: of them, mapped until the model is open */
    uint64_t n_params;                /* weights of the text model, a tied head once */
    uint64_t type_bytes[CT_N_TYPE];   /* source bytes of matrices, by type */
    uint32_t type_tensors[CT_N_TYPE]; /* how many matrices */
    char *chat_template;              /* the file's own, or NULL; for information */
    ct_arena arena;                   /* packed matrices and norms */
} ct_model;

typedef struct ct_model_options {
    bool trust_header; /* see ct_config_from_gguf */
    bool no_tokenizer; /* weights only */
    /* Called once headers are read and checked, before the vocabulary is read and memory is taken for weights; packed
     * pointers are NULL. The pool is not used before. False (with *err) ends the opening. May be NULL; not called by
     * ct_model_peek. */
    bool (*admit)(void *arg, const struct ct_model *m, size_t weight_bytes, carat_err *err);
    void *admit_arg;
    /* Called from the opening thread now and then with source bytes done and all; false stops (CARAT_ECANCELLED). */
    bool (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
} ct_model_options;

/* path: a GGUF file (any part of a split one) or a folder with config.json and safetensors. opt may be NULL.
 * Errors: CARAT_EIO, CARAT_EFORMAT, CARAT_EUNSUPPORTED, CARAT_ENOMEM (with the figure), CARAT_ECANCELLED. */
bool ct_model_open(const char *path, const ct_model_options *opt, ct_pool *pool, ct_model **out, carat_err *err);
void ct_model_close(ct_model *m);

/* The vocabulary of a GGUF file. Errors: CARAT_EFORMAT (tables absent or of different lengths), CARAT_EUNSUPPORTED
 * (another kind of tokenizer), CARAT_ENOMEM. */
bool ct_tokenizer_from_gguf(const ct_gguf *g, carat_tokenizer **out, carat_err *err);

/* Configuration, tokenizer and sizes without the weights: for info and weigh. Every tensor is looked up and checked.
 * packed pointers are NULL; *bytes is what ct_model_open would take. */
bool ct_model_peek(const char *path, const ct_model_options *opt, ct_model **out, size_t *bytes, carat_err *err);

/* The type of each tensor, for predictions without a file. layer is 0 for parts outside layers. */
typedef ct_type ct_type_of(void *arg, ct_part part, size_t layer);

/* Bytes ct_model_open takes for the weights of this configuration: exactly, by the same walk. False on overflow or
 * a type whose block does not divide a row (err names the part). */
bool ct_model_bytes(const ct_config *c, ct_type_of *type_of, void *arg, size_t *out, carat_err *err);

#endif
