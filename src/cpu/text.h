/* text.h - one step of the decoder over a batch of tokens, on this CPU.
 *
 * A ct_text holds the scratch of one stream of steps over one model: all of it taken at open, nothing allocated
 * afterwards. A step takes tokens of one or more sequences, writes their keys and values, and leaves the final hidden
 * rows; logits are computed afterwards for the rows that need them.
 *
 * The numbers of a token depend on its own sequence only: not on the number of threads, on what else is in the batch,
 * or on where the prompt was cut into steps. Bit for bit, for one table of kernels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_TEXT_H
#define CT_CPU_TEXT_H

#include "cpu/pages.h"
#include "cpu/weights.h"
#include "kernels/kernels.h"

typedef struct ct_text ct_text;
typedef struct ct_text_inputs ct_text_inputs;

/* Is shown an activation while a step runs: name as in the reference ("embed", "layer03", "layer03.self_attn.q_norm",
 * "final_norm"), data [rows, cols] in batch order. Called from one thread at a time. */
typedef void ct_text_trace_fn(void *arg, const char *name, const float *data, size_t rows, size_t cols);

/* Soft tokens of encoded images, which a step's inputs point to. */
typedef struct ct_soft_tokens {
    float *rows; /* [n_slots][n_soft][hidden] */
    size_t n_slots, n_soft;
} ct_soft_tokens;

typedef struct ct_text_options {
    size_t max_batch;              /* most tokens in a step, all sequences together; >= 1 */
    size_t n_soft;                 /* of an image: the most that a part has; 0: there are no parts */
    size_t max_context;            /* longest sequence that will be stepped */
    bool exact;                    /* f32 activations for every matrix, as the reference: slow, for comparing */
    carat_embed_scale embed_scale; /* DEFAULT: rounded for published shapes; see embed.c */
} ct_text_options;

/* What steps work on; borrowed, must outlive it. soft may be NULL: text only. */
typedef struct ct_text_parts {
    const ct_weights *weights;
    const ct_host_pages *pages;
    const ct_soft_tokens *soft;
    const ct_kernels *kernels;
    ct_pool *pool;
} ct_text_parts;

/* Errors: CARAT_EARG, CARAT_ELIMIT, CARAT_ENOMEM (with the figure). */
bool ct_text_open(const ct_text_parts *p, const ct_text_options *o, ct_text **out, carat_err *err);
void ct_text_close(ct_text *t);
/* Bytes ct_text_open takes, exactly. The weights need only be described. */
bool ct_text_bytes(const ct_weights *w, const ct_kernels *k, int n_threads, const ct_text_options *o, size_t *out);

/* NULL stops tracing. */
void ct_text_trace(ct_text *t, ct_text_trace_fn *fn, void *arg);

/* As the backend's note_inputs. */
bool ct_text_note_inputs(ct_text *t, ct_imatrix *m, carat_err *err);

/* Runs one step over spans that ct_step_run has checked and whose pages are present. Rows are numbered through the
 * spans in order: span 0's tokens first. failed [n_spans]: a hidden row of it is not finite. */
void ct_text_step(ct_text *t, const ct_step_span *spans, size_t n_spans, bool *failed);

/* After the final norm, of one row of the last step: f32 [hidden]. Valid until the next step; NULL: no such row. */
const float *ct_text_hidden(const ct_text *t, size_t row);

/* An encoder's dense layers (backend.h, dense); without such layers the means themselves. */
void ct_text_dense_layers(ct_text *t, const float *means, size_t n, float *out);

/* The output head (backend.h, head). */
void ct_text_head(ct_text *t, const ct_head *h);

#endif
