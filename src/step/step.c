/* A step: checks, pages, the backend's call, and the books afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "step/step.h"

/* ---- checks ---- */

static bool check_token(const ct_step_limits *l, const ct_step_span *s, size_t j, carat_err *err)
{
    const ct_step_input *in = &s->tokens[j];
    const bool is_read = s->first_layer == 0; /* later layers have the tokens from the one before */
    if (is_read && !in->is_soft && (in->id < 0 || (size_t)in->id >= l->n_vocab))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "token id %d, expected 0 to %zu", in->id, l->n_vocab - 1);
    if (is_read && in->is_soft && (in->slot >= l->n_slots || in->index >= l->n_soft))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "soft token %u of image slot %u, there are %zu of %zu",
                       in->index, in->slot, l->n_soft, l->n_slots);
    if (in->sees_ahead > s->n - 1 - j)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "token %zu attends to %u later ones, but only %zu are in the step", j, in->sees_ahead,
                       s->n - 1 - j);
    return true;
}

static bool check_span(const ct_step_limits *l, const ct_step_span *spans, size_t i, carat_err *err)
{
    const ct_step_span *s = &spans[i];
    if (s->n < 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequence %zu of the step has no tokens", i);
    for (size_t j = 0; j < i; j++)
        if (spans[j].kv == s->kv)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequences %zu and %zu of the step share a cache", j, i);
    if (ct_kv_backend(s->kv) != ct_kv_backend(spans[0].kv))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "sequences 0 and %zu of the step are of two caches", i);
    size_t len = ct_kv_len(s->kv), context = ct_kv_context(s->kv);
    if (s->n > context - len || len + s->n > l->max_context)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE, "%zu tokens after %zu do not fit a context of %zu", s->n,
                       len, context < l->max_context ? context : l->max_context);
    if (s->n > ct_kv_max_batch(s->kv))
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu tokens of one sequence in a step, its cache allows %zu",
                       s->n, ct_kv_max_batch(s->kv));
    for (size_t j = 0; j < s->n; j++)
        if (!check_token(l, s, j, err))
            return false;
    return true;
}

static bool is_part(const ct_step_span *s)
{
    return s->end_layer > 0;
}

static bool check_parts(const ct_step_limits *l, const ct_step_span *spans, size_t n_spans, carat_err *err)
{
    for (size_t i = 0; i < n_spans; i++)
        if (is_part(&spans[i]) && (i + 1 < n_spans || spans[i].first_layer >= spans[i].end_layer ||
                                   spans[i].end_layer > l->n_layer || spans[i].n > l->n_soft))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "layers %zu to %zu of %zu tokens (sequence %zu of %zu in the step): no such part",
                           spans[i].first_layer, spans[i].end_layer, spans[i].n, i + 1, n_spans);
    return true;
}

static bool check_step(const ct_step_limits *l, const ct_step_span *spans, size_t n_spans, carat_err *err)
{
    size_t n = 0;
    if (n_spans < 1)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a step without tokens");
    for (size_t i = 0; i < n_spans; i++) {
        if (spans[i].n > l->max_batch || (n += spans[i].n) > l->max_batch)
            return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %zu tokens in a step", l->max_batch);
        if (!check_span(l, spans, i, err))
            return false;
    }
    return check_parts(l, spans, n_spans, err);
}

/* ---- running ---- */

size_t ct_step_cut(const ct_step_input *tokens, size_t n, size_t want)
{
    if (want < 1)
        want = 1;
    if (n <= want)
        return n;
    size_t end = 0; /* of the whole pieces that fit */
    while (end < n) {
        size_t piece = (size_t)tokens[end].sees_ahead + 1;
        if (piece > n - end)
            piece = n - end;
        if (end > 0 && piece > want - end)
            break;
        end += piece;
        if (end >= want)
            break;
    }
    return end;
}

static void begin(ct_step_span *spans, size_t n_spans)
{
    for (size_t i = 0; i < n_spans; i++) {
        spans[i].pos = ct_kv_len(spans[i].kv);
        ct_kv_begin(spans[i].kv, spans[i].n);
        ct_kv_pages(spans[i].kv, &spans[i].global, &spans[i].local);
    }
}

/* A NaN must not stay in a page: what failed is zeroed and forgotten. */
static void finish(ct_step_span *s, bool keep)
{
    if (keep)
        ct_kv_commit(s->kv, s->n);
    else
        ct_kv_scrub(s->kv, s->n);
}

bool ct_step_run(const ct_step_limits *l, ct_step_span *spans, size_t n_spans, bool *failed, carat_err *err)
{
    if (!check_step(l, spans, n_spans, err))
        return false;
    const ct_backend *b = ct_kv_backend(spans[0].kv);
    begin(spans, n_spans);
    bool has_run = b->step(b->self, spans, n_spans, failed, err), ok = has_run;
    for (size_t i = 0; i < n_spans; i++) {
        if (!has_run || failed[i] || !is_part(&spans[i]) || spans[i].end_layer == l->n_layer)
            finish(&spans[i], has_run && !failed[i]);
        if (has_run && failed[i] && ok)
            ok = ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE,
                         "activations are not finite after position %zu (sequence %zu of %zu in the step)",
                         ct_kv_len(spans[i].kv), i + 1, n_spans);
    }
    return ok;
}
