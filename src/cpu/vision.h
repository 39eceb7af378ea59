/* vision.h - the SigLIP tower and the projector: pixels of an image -> its soft tokens, rows of the text model's width.
 *
 *   patches  x = conv(pixels) + b + position                     a product over patches of 3 x patch x patch values
 *   layers   x += W_o attend(W_q h + b, W_k h + b, W_v h + b) + b      h = LayerNorm1(x); all patches attend to all
 *            x += W_2 gelu_tanh(W_1 h + b) + b                         h = LayerNorm2(x)
 *   tokens   LayerNorm(x), the mean over squares of patches, RMSNorm (1 + w), times the matrix [width, text width]
 *
 * Sources: SigLIP, arXiv:2303.15343; Gemma 3 report, arXiv:2503.19786, section 2.1; the reference implementation.
 *
 * A ct_vision holds the weights and the scratch for one image at a time, all taken at open. Of the 4B, 12B and 27B
 * (4096 patches of width 1152, FFN 4304) the scratch is 112 MiB with bf16 activations and 2 threads. An image's rows
 * do not depend on the number of threads or on the images beside it. Not for two threads at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CPU_VISION_H
#define CT_CPU_VISION_H

#include "cpu/tower.h"
#include "kernels/kernels.h"

typedef struct ct_vision ct_vision;

/* Is shown an activation: "siglip.patch_conv", "siglip.embeddings", "siglip.layer07", "siglip.last_hidden_state",
 * "projector.avg_pool", "projector.soft_emb_norm", "projector.output"; data [rows, cols], rows are patches or tokens.
 * Called from one thread at a time, once for each image. */
typedef void ct_vision_trace(void *arg, const char *name, const float *data, size_t rows, size_t cols);

typedef struct ct_vision_options {
    bool exact; /* f32 activations for every matrix, as the reference: slow, for comparing */
} ct_vision_options;

/* desc, kernels and pool are borrowed and must outlive it; src is desc's source, needed while opening. Errors:
 * CARAT_EFORMAT, CARAT_ELIMIT, CARAT_EIO, CARAT_ENOMEM (with the figure). */
bool ct_vision_open(const ct_tower *desc, const ct_source *src, const ct_kernels *k, ct_pool *pool,
                    const ct_vision_options *o, ct_vision **out, carat_err *err);
void ct_vision_close(ct_vision *v); /* accepts NULL */

/* Bytes ct_vision_open takes, exactly, without loading. */
typedef struct ct_vision_size {
    size_t weights, work;
} ct_vision_size;
bool ct_vision_bytes(const ct_tower *desc, const ct_kernels *k, int n_threads, const ct_vision_options *o,
                     ct_vision_size *out, carat_err *err);

const ct_vision_config *ct_vision_shape(const ct_vision *v);

/* n images -> out [n, tokens_per_image, text_width]. Errors: CARAT_ENUMERIC (an output is not finite; which image). Of floats: [n][3][size][size], normalised; of bytes: RGB
 * [n][size][size][3]. */
bool ct_vision_encode(ct_vision *v, const float *pixels, size_t n, float *out, carat_err *err);
bool ct_vision_encode_rgb(ct_vision *v, const uint8_t *rgb, size_t n, float *out, carat_err *err);

/* The same a layer at a time, so that other work can be done in between. begin takes one image (rgb and out are
 * borrowed until the last layer is done) and drops one that is under way; advance computes its next layer and sets
 * *done to how many are done, of ct_vision_shape(v)->n_layer. Errors: CARAT_ENUMERIC, after the last layer. */
void ct_vision_begin(ct_vision *v, const uint8_t *rgb, float *out);
bool ct_vision_advance(ct_vision *v, size_t *done, carat_err *err);

/* NULL stops tracing. */
void ct_vision_set_trace(ct_vision *v, ct_vision_trace *fn, void *arg);

#endif
