/* The step's products, through model/linear.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/work.h"

carat_acts_form carat_text_form(const carat_text *t, carat_type type)
{
    return carat_linear_form(t->k, t->opt.exact, type);
}

void carat_linear(carat_work *w, const float *x, const carat_product *products, size_t n_products)
{
    carat_text *t = w->t;
    carat_linear_job j = { .k = t->k,
                           .pool = t->pool,
                           .exact = t->opt.exact,
                           .acts = t->acts,
                           .n = t->n,
                           .begin = w->begin,
                           .end = w->end,
                           .n_threads = w->n_threads,
                           .pieces = &t->counters[w->counter],
                           .scratch = w->own->scratch };
    carat_linear_run(&j, x, products, n_products);
    carat_next_call(w);
}
