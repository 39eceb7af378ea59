/* Continuations of a prompt: from the caller's texts to what a job scores, and from its figures to the caller's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/sized.h"

#define MOST 4096 /* continuations */

/* ---- what callers give ---- */

static bool takes_end(const carat_request_options *o)
{
    return o->ending == CARAT_ENDING_WHOLE || (o->ending == CARAT_ENDING_DEFAULT && o->prompt->opens_answer);
}

static bool check(const carat_engine *e, const carat_request_options *o, carat_err *err)
{
    if (o->generation || o->n_answers > 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a request with continuations has no answers to generate: "
                       "generation must be NULL and n_answers 0 or 1");
    if (o->n_continuations > MOST)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu continuations, the limit is %d", o->n_continuations,
                       MOST);
    if ((unsigned)o->ending > CARAT_ENDING_OPEN)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "ending is %d, expected a carat_ending", (int)o->ending);
    if (takes_end(o) && (e->turns.end_text || e->model->n_stops == 0))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "the end of an answer is no token of this vocabulary: continuations can only be scored with an "
                       "open end");
    return true;
}

static bool take_ids(const carat_engine *e, const carat_continuation *c, size_t at, ct_ids *to, carat_err *err)
{
    for (size_t i = 0; i < c->n_ids; i++) {
        if (!ct_api_check_row(e->model, c->ids[i], i, err))
            return false;
        if ((size_t)c->ids[i] >= e->model->n_pieces)
            return ct_fail(err, CARAT_EARG, i, "token id %d of continuation %zu is none of the vocabulary", c->ids[i],
                           at);
        if (!ct_ids_push(to, c->ids[i]))
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for continuation %zu", at);
    }
    return true;
}

static bool take_text(const carat_engine *e, const carat_continuation *c, ct_ids *to, carat_err *err)
{
    if (!e->model->tok)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no tokenizer", e->info->path);
    return ct_tok_encode(e->model->tok, c->text, c->text_len ? c->text_len : strlen(c->text), 0, to, err);
}

static bool take(const carat_engine *e, const carat_continuation *c, size_t at, ct_continuation *to, carat_err *err)
{
    ct_ids ids = { 0 };
    if (c->text && c->ids)
        return ct_fail(err, CARAT_EARG, at, "continuation %zu has both a text and ids", at);
    if (!c->text && !c->ids && c->n_ids)
        return ct_fail(err, CARAT_EARG, at, "continuation %zu has neither a text nor ids", at);
    const bool ok = c->text ? take_text(e, c, &ids, err) : take_ids(e, c, at, &ids, err);
    to->ids = ids.v; /* the continuation's even after a failure */
    to->n = ids.n;
    return ok;
}

/* A second one of the same tokens would take half of the first one's share. */
static bool is_new(const ct_scores *s, size_t at, carat_err *err)
{
    const ct_continuation *c = &s->v[at];
    for (size_t i = 0; i < at; i++)
        if (s->v[i].n == c->n && (c->n == 0 || memcmp(s->v[i].ids, c->ids, c->n * sizeof *c->ids) == 0))
            return ct_fail(err, CARAT_EARG, at, "continuations %zu and %zu are the same tokens", i, at);
    return true;
}

bool ct_api_scores_open(const carat_engine *e, const carat_request_options *o, ct_scores **out, carat_err *err)
{
    ct_scores *s = NULL;
    *out = NULL;
    if (!check(e, o, err) || !ct_scores_open(e->model, o->n_continuations, takes_end(o), &s, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < s->n; i++) {
        carat_continuation c;
        ok = CT_TAKE_AT(carat_continuation, o->continuations, i, &c, err) && take(e, &c, i, &s->v[i], err) &&
             (ct_scores_n(s, &s->v[i]) > 0 ||
              ct_fail(err, CARAT_EARG, i, "continuation %zu is empty, and its end is open", i)) &&
             is_new(s, i, err);
    }
    if (!ok || !ct_scores_ready(s, err)) {
        ct_scores_close(s);
        return false;
    }
    *out = s;
    return true;
}

/* ---- what they get ---- */

carat_score *ct_api_score_list(const ct_scores *s, carat_err *err)
{
    carat_score *list = calloc(s->n, sizeof *list);
    if (!list)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu scores", s->n);
    return list;
}

void ct_api_score_fill(const ct_scores *s, carat_score *list)
{
    double most = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        const ct_continuation *c = &s->v[i];
        list[i] =
            (carat_score){ .ids = c->ids, .n_ids = c->n, .logprobs = c->logprobs, .n_logprobs = ct_scores_n(s, c) };
        for (size_t k = 0; k < list[i].n_logprobs; k++)
            list[i].logprob += (double)c->logprobs[k];
        most = fmax(most, list[i].logprob);
    }
    for (size_t i = 0; i < s->n; i++)
        sum += exp(list[i].logprob - most);
    for (size_t i = 0; i < s->n; i++)
        list[i].probability = exp(list[i].logprob - most) / sum;
}
