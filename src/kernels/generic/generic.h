/* generic.h - the plain C kernels, slot by slot; contracts in kernels/kernels.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KERNELS_GENERIC_H
#define CT_KERNELS_GENERIC_H

#include "kernels/kernels.h"

void ct_acts_f32_generic(const float *x, size_t cols, void *dst);
void ct_acts_bf16_generic(const float *x, size_t cols, void *dst);
void ct_acts_q8_generic(const float *x, size_t cols, void *dst);
void ct_acts_grid_generic(const float *x, size_t cols, void *dst);

void ct_mul_f32_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch);
void ct_mul_bf16_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch);
void ct_mul_q8_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch);
void ct_mul_grid_generic(const ct_mul *m, size_t panel_begin, size_t panel_end, void *scratch);

void ct_rmsnorm_generic(float *y, const float *x, const float *w, size_t n, float eps);
void ct_rmsnorm_add_generic(float *y, const float *x, const float *w, size_t n, float eps);
void ct_layernorm_generic(float *y, const float *x, const float *w, const float *b, size_t n, float eps);
void ct_rope_generic(float *x, const float *cs, size_t n);
void ct_geglu_generic(float *y, const float *gate, const float *up, size_t n);
float ct_logsumexp_generic(const float *x, size_t n, float *max);

void ct_kv_put_generic(ct_kv_elem elem, void *k_tile, void *v_tile, size_t slot, const float *k, const float *v,
                       size_t head_dim);
void ct_attend_generic(const ct_attend *a, void *scratch);

void ct_set_put_f32_generic(const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride);
void ct_set_put_bf16_generic(const ct_set *s, size_t key, size_t n, const float *k, const float *v, size_t stride);
void ct_set_attend_f32_generic(const ct_set *s, const ct_set_rows *r, void *scratch);
void ct_set_attend_bf16_generic(const ct_set *s, const ct_set_rows *r, void *scratch);

#endif
