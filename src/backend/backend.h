/* backend.h - the seam between the engine and whatever computes.
 *
 * The engine, the cache's books and weigh handle a model by its description, keys and values by the numbers of their
 * pages, images by the numbers of their slots, and activations not at all. A backend holds the bytes of all of these
 * and does the arithmetic: the CPU's is src/cpu/. The seam is at the step, not at the tensor operation, so a backend is
 * free in how it lays out weights, fuses products and splits work.
 *
 *     open (the backend's own function) -> bytes -> load -> page_*, step, hidden, head, encode_* -> close
 *
 * Calls that work on a loaded model come from one thread at a time; page_read alone may come from another thread at the
 * same time, for pages that no step writes. What must hold for every backend:
 *
 *   - A token's numbers depend on its own sequence alone: not on what else is in the step, and not on where a prompt
 *     was cut into steps. Bit for bit.
 *   - Between load and close nothing is allocated that `bytes` did not count.
 *   - A page that was never written, or was cleared, holds zeros: a slot that is visible to no token is finite.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BACKEND_BACKEND_H
#define CT_BACKEND_BACKEND_H

#include "adapter/lora.h"
#include "base/memlimit.h"
#include "format/imatrix.h"
#include "model/source.h"
#include "model/tower.h"
#include "quant/kv_tile.h"

/* ---- what is loaded ---- */

/* Borrowed; text must outlive the backend. */
typedef struct ct_desc {
    const ct_model *text;
    const ct_tower *tower; /* NULL: text only */
    /* Adapters that are to be loaded besides (adapter_load), for `bytes` alone, which counts them. */
    const ct_lora *const *adapters; /* [n_adapters] */
    size_t n_adapters;
} ct_desc;

/* Where the tensors of a description stand. tower is the source of the tower's, which may be another file's; both NULL
 * without. */
typedef struct ct_files {
    const ct_source *text, *tower;
} ct_files;

/* For how much of everything memory is taken. */
typedef struct ct_sizes {
    size_t max_batch;   /* most tokens of a step, all sequences together, and most rows of a head call; >= 1 */
    size_t max_context; /* longest sequence */
    carat_embed_scale embed_scale;
    ct_kv_elem elem;
    size_t n_global, n_local; /* pages of keys and values */
    size_t n_slots;           /* encoded images that are kept; 0 without a tower */
} ct_sizes;

/* Bytes that load takes, part by part. */
typedef struct ct_footprint {
    uint64_t embedding, attention, ffn, norms; /* weights of the text model; the head is in `embedding` */
    uint64_t weights;                          /* their sum */
    uint64_t tower, tower_work;                /* weights of the vision tower; scratch for one image */
    uint64_t slots;                            /* soft tokens of n_slots images */
    uint64_t pages;                            /* of n_global + n_local */
    uint64_t adapters;                         /* of those of the description, with what a step needs for them */
    uint64_t scratch;                          /* of a step */
    uint64_t mapped;              /* of weights and tower: mapped from a pack, the system's cache of files */
    uint64_t rounding;            /* what the blocks they lie in take beyond their sum */
    uint64_t window;              /* address space that loading takes on top, at most */
    uint64_t bytes_of[CT_N_TYPE]; /* matrices of the text model read for a token, by their types */
} ct_footprint;

typedef struct ct_load_progress {
    bool (*tick)(void *arg, uint64_t done, uint64_t total); /* source bytes; false stops. May be NULL */
    void *arg;
} ct_load_progress;

/* ---- keys and values ---- */

/* Pages hold CT_TILE positions of every layer of one kind:
 *
 *   page     [layers of the kind][n_kv_head][K block | V block]        (quant/kv_tile.h)
 *
 * of an encoder of one layer, which all of the kind use in turn: a text is evaluated in one step. This is also the form
 * that page_read and page_write speak, whatever the backend's own. */
typedef enum ct_page_kind { CT_PAGE_GLOBAL, CT_PAGE_LOCAL, CT_N_PAGE_KINDS } ct_page_kind;

size_t ct_page_layers(const ct_config *c, ct_page_kind kind);
/* Bytes of a page in the form above. Limits of the configuration keep it from overflowing. */
size_t ct_page_bytes(const ct_config *c, ct_kv_elem elem, ct_page_kind kind);

#define CT_NO_PAGE UINT32_MAX

/* A page as a sequence holds it. */
typedef struct ct_page_ref {
    uint32_t page; /* CT_NO_PAGE: not held */
    uint32_t gen;  /* for the books: how often the page had been handed out; a backend ignores it */
} ct_page_ref;

/* ---- adapters ---- */

/* A LoRA adapter in the backend's memory, as loaded by it. */
typedef struct ct_adapter ct_adapter;

/* How much of one counts for a sequence: y = W x + scale * B (A x) for each of its matrices. */
typedef struct ct_adapter_use {
    const ct_adapter *adapter;
    float scale; /* on top of the adapter's own; not 0 */
} ct_adapter_use;

#define CT_MAX_USES 16 /* adapters of one sequence */

/* ---- a step ---- */

typedef struct ct_step_input {
    int32_t id;           /* looked up and scaled; ignored if is_soft */
    bool is_soft;         /* a soft token of an encoded image: used as it is, never scaled */
    uint32_t slot, index; /* which: of [n_slots][tokens_per_image] */
    uint32_t
        sees_ahead; /* later tokens of the same sequence in this step that it attends to as well: of an image, and in an
                           * encoder all; on an encoder's local layers those within ct_config_reach. 0 for other text */
} ct_step_input;

/* A stretch of one sequence: n tokens at positions pos .. pos + n - 1. Its pages for these are present and may be
 * written.
 *
 * An image's tokens attend to each other and so go through a layer together. So that nobody has to wait for all layers of
 * them, the last span of a step may be a part: layers [first_layer, end_layer) of its tokens, at most an image's. A part
 * that ends before the last layer leaves no hidden states; the backend keeps what the next one needs, until a step with
 * a part that begins at layer 0. */
typedef struct ct_step_span {
    struct ct_kv *kv; /* the books (kv/kv.h); a backend ignores it */
    const ct_step_input *tokens;
    size_t n;
    const ct_adapter_use *adapters; /* [n_adapters], each once; added in this order */
    size_t n_adapters;
    size_t first_layer, end_layer; /* both 0: no part, but all layers */
    /* Filled by ct_step_run: */
    size_t pos;
    const ct_page_ref *global, *local; /* by tile: of global layers all, of local ones those in the step's window */
} ct_step_span;

/* ---- the output head ---- */

typedef struct ct_candidate ct_candidate; /* sample/select.h */

/* What it is to compute. */
typedef enum ct_head_want {
    CT_HEAD_FULL, /* rows of logits, and of each row the top and logsumexp if it asks for them */
    CT_HEAD_TOP,  /* these alone: the contents of `logits` are unspecified afterwards. For a device with memory of its
                   * own, which then brings back k pairs of a row and not 262,144 numbers. Masks, penalties and biases
                   * need rows, so the engine asks for those; a backend keeps the promise of either. */
} ct_head_want;

typedef struct ct_head_row {
    const float *hidden; /* a final hidden state that was kept, [hidden]; NULL: that of `row` of the last step */
    size_t row;
    size_t n_top;      /* how many of the largest logits to find, with their ids; afterwards, how many were found */
    ct_candidate *top; /* [n_top], the caller's: largest first, of equal ones the lower id */
    bool wants_lse;
    /* Filled: */
    bool is_finite; /* false: a logit is not; top and lse are then undefined */
    float lse;      /* log of the sum of exp over the vocabulary */
} ct_head_row;

typedef struct ct_head {
    ct_head_want want;
    ct_head_row *rows;
    size_t n;        /* at most max_batch */
    size_t n_pieces; /* rows of the table that are real tokens: top and lse are over these */
    float *logits;   /* [n][n_vocab], in the host's memory; with CT_HEAD_TOP room that a backend may use */
} ct_head;

/* ---- the table ---- */

typedef struct ct_backend {
    const char *name; /* "avx512"; borrowed from the backend */
    void *self;

    /* What load would take, without loading: the description needs no files. Errors: CARAT_EFORMAT (a matrix that
     * cannot be of its type), CARAT_ELIMIT (sizes that overflow), CARAT_EARG. */
    bool (*bytes)(void *self, const ct_desc *d, const ct_sizes *s, ct_footprint *out, carat_err *err);
    /* How much memory there is for a model on the device the backend computes on. */
    void (*limits)(void *self, ct_memlimit *out);
    /* Takes everything and reads the weights. Once. Errors: those of bytes, CARAT_ENOMEM (with the figure), CARAT_EIO,
     * CARAT_ECANCELLED; close it even then. */
    bool (*load)(void *self, const ct_desc *d, const ct_files *f, const ct_sizes *s, const ct_load_progress *how,
                 carat_err *err);

    /* Adapters: of a loaded backend, from any thread and at any time, also during a step; they take memory of their own and
     * touch nothing else. adapter_bytes: what that will be, before it is taken. An adapter that has been checked for the model
     * (ct_lora_check) and whose files are open is read by adapter_load; digest names its contents. It is freed when no step
     * names it any more. Errors: CARAT_EFORMAT (numbers that are not finite, by the tensor's name), CARAT_EIO, CARAT_ENOMEM,
     * CARAT_ELIMIT. Absent (NULL) in a backend that has none. */
    bool (*adapter_bytes)(void *self, const ct_lora *l, uint64_t *out, carat_err *err);
    bool (*adapter_load)(void *self, const ct_lora *l, ct_adapter **out, uint8_t digest[32], carat_err *err);
    void (*adapter_free)(void *self, ct_adapter *a);

    void (*page_copy)(void *self, ct_page_kind kind, uint32_t to, uint32_t from);
    /* Zeroes slots [begin, end) in every layer and head. */
    void (*page_clear)(void *self, ct_page_kind kind, uint32_t page, size_t begin, size_t end);
    void (*page_read)(void *self, ct_page_kind kind, uint32_t page, void *host);
    void (*page_write)(void *self, ct_page_kind kind, uint32_t page, const void *host);

    /* Runs one step, whose spans ct_step_run has checked. Keys and values are written to the spans' pages; the final
     * hidden states of all rows are kept until the next step. failed [n_spans]: its hidden states are not finite.
     * Errors, of the whole step: what a device can meet (CARAT_EIO, CARAT_ENOMEM); failed spans are none. */
    bool (*step)(void *self, const ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err);
    /* The final hidden state, after the final norm, of a row of the last step: f32 [hidden] to the host. */
    void (*hidden)(void *self, size_t row, float *out);
    /* Errors as step. */
    bool (*head)(void *self, ct_head *h, carat_err *err);
    /* The dense layers of an encoder: n rows [hidden], the means of final hidden states, to n rows [hidden]. A row does not depend on
     * the others. NULL where a backend runs no encoders. Errors as step. */
    bool (*dense)(void *self, const float *means, size_t n, float *out, carat_err *err);

    /* An image, a layer a call, into a slot: rgb [image_size][image_size][3], borrowed until the last layer. Beginning
     * another drops one that is under way. *done: layers encoded so far. Errors: CARAT_ENUMERIC, after the last layer:
     * the slot holds nothing. Absent (NULL) in a backend without a tower. */
    void (*encode_begin)(void *self, const uint8_t *rgb, uint32_t slot);
    bool (*encode_layer)(void *self, size_t *done, carat_err *err);
    /* The soft tokens of a slot, f32 [tokens_per_image][hidden] to the host. */
    void (*soft_tokens)(void *self, uint32_t slot, float *out);

    /* From now on adds the squares of what each matrix of a layer is multiplied by to m, by column, and counts the tokens;
     * entries that it lacks are made. m is the caller's and outlives this; NULL ends it. Not during a step. Errors: CARAT_EARG
     * (an entry of another width), CARAT_ENOMEM. Absent in a backend that cannot. */
    bool (*note_inputs)(void *self, ct_imatrix *m, carat_err *err);

    void (*close)(void *self); /* safe on one that is half loaded */
} ct_backend;

#endif
