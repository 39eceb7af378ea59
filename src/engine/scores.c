/* Figures of continuations, from rows of logits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/scores.h"

#include <math.h>
#include <stdlib.h>

bool ct_scores_open(const ct_model *m, size_t n, bool has_end, ct_scores **out, carat_err *err)
{
    ct_scores *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s)
        s->v = calloc(n, sizeof *s->v);
    if (!s || !s->v) {
        ct_scores_close(s);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu continuations", n);
    }
    s->model = m;
    s->n = n;
    s->has_end = has_end;
    *out = s;
    return true;
}

void ct_scores_close(ct_scores *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->v && i < s->n; i++) {
        free(s->v[i].ids);
        free(s->v[i].logprobs);
    }
    free(s->v);
    free(s->stream.keys);
    free(s);
}

size_t ct_scores_n(const ct_scores *s, const ct_continuation *c)
{
    return c->n + s->has_end;
}

size_t ct_scores_longest(const ct_scores *s)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n; i++)
        if (ct_scores_n(s, &s->v[i]) - 1 > longest)
            longest = ct_scores_n(s, &s->v[i]) - 1;
    return longest;
}

bool ct_scores_ready(ct_scores *s, carat_err *err)
{
    bool ok = (s->stream.keys = calloc(ct_scores_longest(s) + 1, sizeof *s->stream.keys)) != NULL;
    for (size_t i = 0; ok && i < s->n; i++)
        ok = (s->v[i].logprobs = calloc(ct_scores_n(s, &s->v[i]), sizeof(float))) != NULL;
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the figures of %zu continuations", s->n);
}

/* That one of the stop ids comes next. */
static float end_logprob(const ct_model *m, const float *logits, float lse)
{
    float most = logits[m->stops[0]];
    double sum = 0;
    for (uint32_t i = 1; i < m->n_stops; i++)
        most = fmaxf(most, logits[m->stops[i]]);
    for (uint32_t i = 0; i < m->n_stops; i++)
        sum += exp((double)logits[m->stops[i]] - most);
    return m->n_stops == 1 ? most - lse : (float)((double)most + log(sum) - lse);
}

static void take(const ct_scores *s, ct_continuation *c, size_t i, const float *logits, float lse)
{
    c->logprobs[i] = i < c->n ? logits[c->ids[i]] - lse : end_logprob(s->model, logits, lse);
}

void ct_scores_take_first(ct_scores *s, const float *logits, float lse)
{
    for (size_t i = 0; i < s->n; i++)
        take(s, &s->v[i], 0, logits, lse);
}

void ct_scores_take(ct_scores *s, size_t i, const float *logits, float lse)
{
    take(s, &s->v[s->at], i + 1, logits, lse);
}
