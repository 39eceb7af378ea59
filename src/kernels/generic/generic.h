/* generic.h - the plain C kernels, slot by slot; contracts in kernels/kernels.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_KERNELS_GENERIC_H
#define CARAT_KERNELS_GENERIC_H

#include "kernels/kernels.h"

void carat_acts_f32_generic(const float *x, size_t cols, void *dst);
void carat_acts_bf16_generic(const float *x, size_t cols, void *dst);
void carat_acts_q8_generic(const float *x, size_t cols, void *dst);

void carat_mul_f32_generic(const carat_mul *m, size_t panel_begin, size_t panel_end, void *scratch);
void carat_mul_bf16_generic(const carat_mul *m, size_t panel_begin, size_t panel_end, void *scratch);
void carat_mul_q8_generic(const carat_mul *m, size_t panel_begin, size_t panel_end, void *scratch);

void carat_rmsnorm_generic(float *y, const float *x, const float *w, size_t n, float eps);
void carat_rmsnorm_add_generic(float *y, const float *x, const float *w, size_t n, float eps);
void carat_layernorm_generic(float *y, const float *x, const float *w, const float *b, size_t n, float eps);
void carat_rope_generic(float *x, const float *cs, size_t n);
void carat_geglu_generic(float *y, const float *gate, const float *up, size_t n);
float carat_logsumexp_generic(const float *x, size_t n, float *max);

void carat_kv_put_generic(carat_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                          size_t head_dim);
void carat_attend_generic(const carat_attend *a, void *scratch);

void carat_set_put_f32_generic(const carat_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride);
void carat_set_put_bf16_generic(const carat_set *s, size_t key, size_t n, const float *k, const float *v,
                                size_t stride);
void carat_set_attend_f32_generic(const carat_set *s, const carat_set_rows *r, void *scratch);
void carat_set_attend_bf16_generic(const carat_set *s, const carat_set_rows *r, void *scratch);

#endif
