/* work.h - what a step's threads share, and the calls a layer is made of.
 *
 * A step is one job of the pool: every thread walks the same layers and does its share of each call. There are two
 * kinds of call: by token    thread i of T does rows [n i / T, n (i + 1) / T) of the batch. The split is the same in
 * every such call, so neighbouring ones need nothing between them. by piece    panels of matrices and blocks of
 * attention go to whoever is free. These begin and end with a barrier.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_TEXT_WORK_H
#define CARAT_TEXT_WORK_H

#include "model/linear.h"
#include "text/text.h"

/* Query rows that go through a tile together: enough to reuse the tile from cache, few enough that causal rows of one
 * item end near each other. */
#define CARAT_ITEM_ROWS 64

/* Where a row of the batch belongs. */
typedef struct carat_row {
    uint32_t span;
    size_t pos; /* absolute */
    size_t hi;  /* one past the last position it sees */
} carat_row;

/* Neighbouring tokens of one span that attend together. */
typedef struct carat_block {
    uint32_t first, n; /* rows */
} carat_block;

typedef struct carat_thread {
    void *scratch;                   /* CARAT_MUL_SCRATCH or CARAT_ATTEND_SCRATCH, whichever is larger */
    const void **k_tiles, **v_tiles; /* [tiles of max_context] */
    const float **q;                 /* [rows of an attention item] */
    float **out;
    size_t *lo, *hi;
} carat_thread;

struct carat_text {
    const carat_model *m;
    const carat_kernels *k;
    carat_pool *pool;
    carat_text_options opt;
    int n_threads;
    size_t q_dim, kv_dim;
    float embed_scale;
    carat_trace *trace;
    void *trace_arg;

    /* One step. Activations are [max_batch, ..]. */
    const carat_span *spans;
    size_t n_spans, n; /* n: rows */
    carat_row *rows;
    carat_block *blocks;
    size_t n_blocks;
    atomic_bool *span_failed; /* [max_batch] */
    carat_counter *counters;  /* one for each call by piece */
    size_t last_n;            /* rows that hidden holds */

    float *x;                    /* residual stream [hidden] */
    float *norm;                 /* what a norm gives [hidden]; after the step: the final hidden rows */
    float *y;                    /* what a block adds [hidden] */
    float *q, *kx, *v, *heads;   /* [q_dim], [kv_dim], [kv_dim], [q_dim] */
    float *gate, *up;            /* [ffn] */
    uint8_t *acts[CARAT_N_ACTS]; /* converted activations; NULL if no matrix wants the form */
    size_t acts_cols[CARAT_N_ACTS];
    float *rope_local, *rope_global;         /* [max_batch][head_dim]: cos, sin */
    float *inv_freq_local, *inv_freq_global; /* [head_dim / 2] */
    carat_thread *threads;
    carat_arena arena;
};

typedef struct carat_work { /* one thread in one step */
    carat_text *t;
    carat_thread *own;
    int thread, n_threads;
    size_t begin, end; /* its rows */
    size_t counter;    /* calls by piece so far */
} carat_work;

/* The form in which a matrix of this type takes its activations here. */
carat_acts_form carat_text_form(const carat_text *t, carat_type type);

void carat_barrier(carat_work *w);
/* The next piece of the current call by piece; the counter moves on with carat_next_call. */
size_t carat_next_piece(carat_work *w);
void carat_next_call(carat_work *w);

/* ---- embed.c, rope.c ---- */
float carat_embed_scale_of(const carat_config *c, carat_embed_scale choice);
void carat_embed(carat_work *w);       /* x */
void carat_rope_tables(carat_work *w); /* rope_local, rope_global of own rows */
void carat_rotate(carat_work *w, size_t layer);

/* ---- linear.c ---- */
/* y = W x for up to three matrices over the same rows x [n, cols]. By piece. */
void carat_linear(carat_work *w, const float *x, const carat_product *products, size_t n_products);

/* ---- attend.c ---- */
void carat_plan_blocks(carat_text *t);
void carat_attention(carat_work *w, size_t layer); /* heads from q and the caches. By piece. */

/* ---- layer.c ---- */
void carat_layer_run(carat_work *w, size_t layer);
void carat_final_norm(carat_work *w);

/* Shows an activation if anyone looks. */
void carat_show(carat_work *w, const char *name, const float *data, size_t cols);
void carat_show_layer(carat_work *w, size_t layer, const char *name, const float *data, size_t cols);

#endif
