/* text_work.h - what a step's threads share, and the calls a layer is made of.
 *
 * A step is one job of the pool: every thread walks the same layers and does its share of each call. There are two
 * kinds of call:
 *
 *   by token   Thread i of T does rows [n i / T, n (i + 1) / T) of the batch. The split is the same in every such call,
 *              so neighbouring ones need no barrier between them.
 *   by piece   Panels of matrices and blocks of attention go to whichever thread is free. These begin and end with a
 *              barrier.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_TEXT_WORK_H
#define CT_CPU_TEXT_WORK_H

#include "cpu/adapters.h"
#include "cpu/products.h"
#include "cpu/text.h"

/* Query rows that go through a tile together: enough to reuse the tile from cache, few enough that causal rows of one
 * item end near each other. */
#define CT_ITEM_ROWS 64

/* Where a row of the batch belongs. */
typedef struct ct_text_row {
    uint32_t span;
    size_t pos; /* absolute */
    size_t hi;  /* one past the last position it attends to */
} ct_text_row;

/* Neighbouring tokens of one span that attend together. */
typedef struct ct_text_block {
    uint32_t first, n; /* rows */
} ct_text_block;

/* Scratch of the dense layers: rows are few, and wide (text_dense.c). */
typedef struct ct_text_dense {
    float *wide;              /* [rows][dense] */
    uint8_t *acts[CT_N_ACTS]; /* [rows]; of F32 alone */
} ct_text_dense;

/* Neighbouring rows of sequences that use the same adapters. */
typedef struct ct_text_run {
    const ct_adapter_use *uses; /* [n_uses] */
    size_t n_uses;
    size_t first, n; /* rows */
} ct_text_run;

/* What of B's product a thread computes at a time, before it is added: 64 KiB, which a second-level cache holds. */
#define CT_TILE_ROWS   64
#define CT_TILE_FLOATS (16 << 10)

typedef struct ct_text_thread {
    void *scratch;                   /* of products and attention: ct_linear_scratch */
    const void **k_tiles, **v_tiles; /* [tiles of max_context] */
    const float **q;                 /* [rows of an attention item] */
    float **out;
    size_t *lo, *hi;
    float *tile; /* [CT_TILE_FLOATS] */
} ct_text_thread;

struct ct_text {
    const ct_weights *w;
    const ct_config *c; /* of w's model */
    const ct_host_pages *pages;
    const ct_soft_tokens *soft;
    const ct_kernels *k;
    ct_pool *pool;
    ct_text_options opt;
    int n_threads;
    size_t q_dim, kv_dim;
    float embed_scale;
    ct_text_inputs *inputs; /* what they are noted in (inputs.c); NULL: they are not */
    ct_text_trace_fn *trace;
    void *trace_arg;

    /* One step. Activations are [max_batch, ..]. */
    const ct_step_span *spans;
    size_t n_spans, n;             /* n: rows */
    size_t n_whole;                /* of these, all but those of a part ... */
    size_t first_layer, end_layer; /* ... which go through these layers */
    ct_text_row *rows;
    ct_text_block *blocks;
    size_t n_blocks, n_whole_blocks;
    ct_text_run *runs; /* of rows that use adapters */
    size_t n_runs, n_whole_runs;
    float *kept;              /* the residual stream of a part's rows between two steps [n_soft][hidden] */
    atomic_bool *span_failed; /* [max_batch] */
    ct_counter *counters;     /* one for each call by piece */
    size_t last_n;            /* rows that hidden holds */

    float *x;                   /* residual stream [hidden] */
    float *norm;                /* the output of a norm [hidden]; after the step: the final hidden rows */
    float *y;                   /* the output of a block, to be added [hidden] */
    float *q, *key, *v, *heads; /* [q_dim], [kv_dim], [kv_dim], [q_dim] */
    float *gate, *up;           /* [ffn] */
    uint8_t *acts[CT_N_ACTS];   /* converted activations; NULL if no matrix needs the form */
    size_t acts_cols[CT_N_ACTS];
    ct_text_dense dense;                     /* an encoder's dense layers */
    float *rope_local, *rope_global;         /* [max_batch][head_dim]: cos, sin */
    float *inv_freq_local, *inv_freq_global; /* [head_dim / 2] */
    ct_text_thread *threads;
    ct_arena arena;
};

typedef struct ct_text_work { /* one thread in one step */
    ct_text *t;
    ct_text_thread *own;
    int thread, n_threads;
    size_t n, n_blocks, n_runs; /* of the step, those that take part in what is computed now */
    size_t begin, end;          /* its rows */
    size_t counter;             /* calls by piece so far */
} ct_text_work;

/* ---- text_calls.c ---- */
void ct_text_barrier(ct_text_work *w);
/* The next piece of the current call by piece; the counter moves on with ct_text_next_call. */
size_t ct_text_next_piece(ct_text_work *w);
void ct_text_next_call(ct_text_work *w);
/* Gives an activation to the trace, if there is one. */
void ct_text_show(ct_text_work *w, const char *name, const float *data, size_t cols);
void ct_text_show_layer(ct_text_work *w, size_t layer, const char *name, const float *data, size_t cols);

/* Where a span's keys and values of a tile are, for one layer and KV head. */
static inline void ct_text_tile(const ct_text *t, const ct_step_span *s, size_t layer, size_t head, size_t tile,
                                void **k, void **v)
{
    const ct_page_ref *refs = t->c->is_global[layer] ? s->global : s->local;
    ct_host_pages_tile(t->pages, layer, head, refs[tile].page, k, v);
}

/* ---- embed.c, rope.c ---- */
float ct_embed_scale_of(const ct_config *c, carat_embed_scale choice);
void ct_text_embed(ct_text_work *w);       /* x */
void ct_text_rope_tables(ct_text_work *w); /* rope_local, rope_global of own rows */
void ct_text_rotate(ct_text_work *w, size_t layer);

/* ---- text_products.c ---- */
/* The form in which a matrix of this type takes its activations here. */
ct_acts_form ct_text_form(const ct_text *t, ct_type type);
/* y = W x for up to three matrices over the same rows x [n, cols]. By piece. */
void ct_text_linear(ct_text_work *w, const float *x, const ct_product *products, size_t n_products);

/* ---- text_dense.c ---- */
/* Takes the scratch: one walk for counting and for allocating. */
void ct_text_dense_take(ct_text *t, ct_arena *a);

/* ---- inputs.c ---- */
void ct_text_inputs_close(ct_text_inputs *in); /* accepts NULL */
/* Adds the squares of x [n, cols], the input of products, to the sums of their matrices. Begins with a barrier. */
void ct_text_add_inputs(ct_text_work *w, const float *x, const ct_product *products, size_t n_products);

/* ---- adapt.c ---- */
/* A product that was computed, y [n, rows of the part]. */
typedef struct ct_adapt {
    ct_part part;
    float *y;
} ct_adapt;
void ct_text_plan_runs(ct_text *t);
/* Adds what the adapters of each row make of x [n, cols], for up to three products of the same x; after their
 * ct_text_linear, from which x must be unchanged. By token where there are many, else by piece. */
void ct_text_adapt(ct_text_work *w, size_t layer, const float *x, const ct_adapt *all, size_t n);

/* ---- attend.c ---- */
void ct_text_plan_blocks(ct_text *t);
void ct_text_attention(ct_text_work *w, size_t layer); /* heads from q and the caches. By piece. */

/* ---- layer.c ---- */
void ct_text_layer(ct_text_work *w, size_t layer);
void ct_text_final_norm(ct_text_work *w);

#endif
