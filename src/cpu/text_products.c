/* The step's products, through products.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_work.h"

ct_acts_form ct_text_form(const ct_text *t, ct_type type)
{
    return ct_linear_form(t->k, t->opt.exact, false, type);
}

void ct_text_linear(ct_text_work *w, const float *x, const ct_product *products, size_t n_products)
{
    ct_text *t = w->t;
    if (t->inputs)
        ct_text_add_inputs(w, x, products, n_products);
    ct_linear_job j = { .k = t->k,
                        .pool = t->pool,
                        .exact = t->opt.exact,
                        .acts = t->acts,
                        .n = w->n,
                        .begin = w->begin,
                        .end = w->end,
                        .n_threads = w->n_threads,
                        .pieces = &t->counters[w->counter],
                        .scratch = w->own->scratch };
    ct_linear_run(&j, x, products, n_products);
    ct_text_next_call(w);
}
