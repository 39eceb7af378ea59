/* The sampling settings of a model: what its files recommend, in the sampler's ranges, over the built-in ones.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "api/internal.h"
#include "sample/sampler.h"

static int to_int(double v)
{
    return v == floor(v) && fabs(v) <= INT32_MAX ? (int)v : -1; /* in no range */
}

static void set(carat_sampling *s, carat_sampling_field field, const ct_advice *a, const ct_config *c)
{
    const bool is_whole_context = a->penalty_window == -1;
    switch (field) {
    case CARAT_SAMPLING_TEMPERATURE:
        s->temperature = (float)a->temperature;
        break;
    case CARAT_SAMPLING_TOP_K:
        s->top_k = to_int(a->top_k);
        break;
    case CARAT_SAMPLING_TOP_P:
        s->top_p = (float)a->top_p;
        break;
    case CARAT_SAMPLING_MIN_P:
        s->min_p = (float)a->min_p;
        break;
    case CARAT_SAMPLING_REPETITION:
        s->repetition_penalty = (float)a->repetition_penalty;
        break;
    case CARAT_SAMPLING_WINDOW:
        s->penalty_window =
            is_whole_context ? (int)(c->context < 1u << 20 ? c->context : 1u << 20) : to_int(a->penalty_window);
        break;
    }
}

void ct_api_advice(ct_model *m, carat_sampling *s, unsigned *fields)
{
    const ct_advice *a = &m->advice;
    *s = (carat_sampling)CARAT_SAMPLING_DEFAULT;
    *fields = 0;
    for (unsigned f = 1; f <= CARAT_SAMPLING_WINDOW; f <<= 1) {
        carat_sampling with = *s;
        carat_err err;
        if (!(a->fields & f))
            continue;
        set(&with, (carat_sampling_field)f, a, &m->cfg);
        if (ct_sampling_check(&with, &err)) {
            *s = with;
            *fields |= f;
        } else {
            ct_config_note(&m->cfg, m->path, "sampling: %s recommends what is out of range: %s; ignored", a->from,
                           err.msg);
        }
    }
}
