/* text.h - one step of the decoder over a batch of tokens.
 *
 * A ct_text holds the scratch of one stream of steps over one model: all of it taken at open, nothing allocated
 * afterwards. A step takes tokens of one or more sequences, writes their keys and values, and leaves the final hidden
 * rows; logits are computed afterwards for the rows that want them.
 *
 * The numbers of a token depend on its own sequence only: not on the number of threads, on what else is in the batch,
 * or on where the prompt was cut into steps. Bit for bit, for one table of kernels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TEXT_TEXT_H
#define CT_TEXT_TEXT_H

#include "kernels/kernels.h"
#include "kv/kv.h"
#include "model/model.h"

typedef struct ct_text ct_text;

/* Looks at an activation while a step runs: name as in the reference ("embed", "layer03", "layer03.self_attn.q_norm",
 * "final_norm"), data [rows, cols] in batch order. Called from one thread at a time. */
typedef void ct_text_trace_fn(void *arg, const char *name, const float *data, size_t rows, size_t cols);

typedef struct ct_text_options {
    size_t max_batch;              /* most tokens in a step, all sequences together; >= 1 */
    size_t max_context;            /* longest sequence that will be stepped */
    bool exact;                    /* f32 activations for every matrix, as the reference: slow, for comparing */
    carat_embed_scale embed_scale; /* DEFAULT: rounded for published shapes; see embed.c */
} ct_text_options;

/* Model, kernels and pool are borrowed and must outlive it. Errors: CARAT_EARG, CARAT_ENOMEM (with the figure). */
bool ct_text_open(const ct_model *m, const ct_kernels *k, ct_pool *pool, const ct_text_options *o, ct_text **out,
                  carat_err *err);
void ct_text_close(ct_text *t);
/* Bytes ct_text_open takes, exactly. The model's weights need not be loaded (ct_model_peek). */
bool ct_text_bytes(const ct_model *m, const ct_kernels *k, int n_threads, const ct_text_options *o, size_t *out);

/* NULL stops tracing. */
void ct_text_trace(ct_text *t, ct_text_trace_fn *fn, void *arg);

typedef struct ct_step_input {
    int32_t id;          /* looked up and scaled; ignored when row is set */
    const float *row;    /* a ready embedding [hidden] (an image's): used as it is, never scaled; NULL: look up id */
    uint32_t sees_ahead; /* how many later tokens of the same sequence in this batch it sees too; 0 for text */
} ct_step_input;

/* How many of the next n tokens a step of at most `want` should take: the images among them stay whole. More than want
 * only where an image of more begins at once: max_batch must be that of the longest image. 0 if n is 0. */
size_t ct_text_cut(const ct_step_input *tokens, size_t n, size_t want);

/* A stretch of one sequence: n tokens at positions kv->len .. kv->len + n - 1. */
typedef struct ct_step_span {
    ct_kv *kv;
    const ct_step_input *tokens;
    size_t n;
} ct_step_span;

/* Runs one step. Rows are numbered through the spans in order: span 0's tokens first. Each span needs another kv.
 * On success every kv has grown by its span. A span whose hidden rows are not finite is not kept: its kv is as before
 * and its place in *failed (if not NULL, [n_spans]) is true; the others stand, and the call returns false with
 * CARAT_ENUMERIC. Other errors change nothing: CARAT_EARG (an id outside the table, an empty span, ..), CARAT_ELIMIT
 * (more tokens than max_batch), CARAT_ECONTEXT (past a kv's context; both counts). */
bool ct_text_step(ct_text *t, const ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err);

/* After the final norm, of one row of the last step: f32 [hidden]. Valid until the next step. */
const float *ct_text_hidden(const ct_text *t, size_t row);

/* The output head over n <= max_batch final hidden rows, of the last step or kept from earlier ones: hidden [n]
 * pointers to f32 [hidden], out [n, n_vocab], n_vocab = the model's table rows. Errors: CARAT_EARG (more rows than
 * max_batch), CARAT_ENUMERIC (a logit is not finite; out is filled). */
bool ct_text_head(ct_text *t, const float *const *hidden, size_t n, float *out, carat_err *err);
/* The same for rows of the last step by their numbers. Errors also: CARAT_EARG (no such row). */
bool ct_text_logits(ct_text *t, const size_t *rows, size_t n, float *out, carat_err *err);

#endif
