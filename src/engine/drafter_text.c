/* The texts that the smaller model reads: a place for each, brought up to what has been said.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/drafter_inside.h"

#include "base/clock.h"
/* ---- texts ---- */

/* Is it a token of the smaller model's? Pictures are none, nor is what was added to the larger one alone. */
static bool is_read(const ct_drafter *d, int32_t id)
{
    const ct_model *m = d->p.model;
    return id >= 0 && (size_t)id < m->n_pieces && (!m->tok || id != ct_tok_facts(m->tok)->image_soft_token);
}

static void cut_to(ct_draft_place *p, size_t n)
{
    p->n = ct_kv_rewind(p->kv, n);
    if (p->n_sure > p->n)
        p->n_sure = p->n_text = 0; /* known again by comparing */
}

/* How many of what the place holds are the text's first; what it holds beyond is dropped. */
void ct_drafter_compare(const ct_drafter *d, ct_draft_place *p, const ct_draft_ask *a)
{
    for (; p->n_text < a->n && p->n_sure < p->n; p->n_text++) {
        if (!is_read(d, a->ids[p->n_text]))
            continue;
        if (a->ids[p->n_text] != p->ids[p->n_sure])
            break;
        p->n_sure++;
    }
    if (p->n_sure < p->n) {
        cut_to(p, p->n_sure);
        if (p->n_text == 0 && p->n > 0) /* local layers have moved on: less is left */
            ct_drafter_compare(d, p, a);
    }
}

static size_t common(const ct_drafter *d, const ct_draft_place *p, const ct_draft_ask *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n && n < p->n; i++)
        if (is_read(d, a->ids[i]) && a->ids[i] != p->ids[n++])
            return n - 1;
    return n;
}

static bool is_taken(const ct_draft_place *p, const ct_draft_ask *asks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (asks[i].who == p->who)
            return true;
    return false;
}

/* Its own; else, of those that nobody else in this call has, the one that holds most of the text, or the longest unused. */
ct_draft_place *ct_drafter_find(ct_drafter *d, const ct_draft_ask *asks, size_t n, const ct_draft_ask *a)
{
    ct_draft_place *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < d->plan.n_places; i++)
        if (d->places[i].who == a->who)
            return &d->places[i];
    for (size_t i = 0; i < d->plan.n_places; i++) {
        ct_draft_place *p = &d->places[i];
        if (p->who && is_taken(p, asks, n))
            continue;
        size_t k = common(d, p, a);
        if (!best || k > most || (k == most && p->used < best->used)) {
            best = p;
            most = k;
        }
    }
    if (best) {
        best->who = a->who;
        best->n_sure = best->n_text = best->n_said = 0;
    }
    return best;
}

/* ---- steps ---- */

void ct_drafter_add(ct_drafter *d, ct_draft_work *w, size_t *used, int32_t id)
{
    d->inputs[(*used)++] = (ct_step_input){ .id = id };
    w->p->ids[w->p->n + w->n_in++] = id;
}

/* The next tokens of the text, at most `most`. */
static void add_text(ct_drafter *d, ct_draft_work *w, size_t *used, size_t most)
{
    ct_draft_place *p = w->p;
    for (; p->n_text < w->ask->n && w->n_in < most; p->n_text++)
        if (is_read(d, w->ask->ids[p->n_text]))
            ct_drafter_add(d, w, used, w->ask->ids[p->n_text]);
}

/* Runs what the places have in this step. Rows that fail end their work. */
bool ct_drafter_run(ct_drafter *d, ct_draft_work *works, size_t n)
{
    ct_step_span spans[CT_DRAFT_PLACES];
    ct_draft_work *of[CT_DRAFT_PLACES];
    bool failed[CT_DRAFT_PLACES] = { false };
    const ct_step_limits limits = { .max_batch = d->plan.sizes.max_batch,
                                    .max_context = d->plan.n_ctx,
                                    .n_vocab = d->p.model->cfg.n_vocab,
                                    .n_layer = d->p.model->cfg.n_layer };
    size_t n_spans = 0, used = 0;
    carat_err err;
    for (size_t i = 0; i < n; i++) {
        if (!works[i].n_in)
            continue;
        spans[n_spans] = (ct_step_span){ .kv = works[i].p->kv, .tokens = d->inputs + used, .n = works[i].n_in };
        used += works[i].n_in;
        works[i].row = used - 1;
        of[n_spans++] = &works[i];
    }
    if (!n_spans)
        return false;
    bool ok = ct_step_run(&limits, spans, n_spans, failed, &err);
    for (size_t i = 0; i < n_spans; i++) {
        ct_draft_place *p = of[i]->p;
        if (ok || (err.code == CARAT_ENUMERIC && !failed[i]))
            p->n += of[i]->n_in;
        else {
            of[i]->is_done = true;
            p->who = 0; /* it begins again */
            cut_to(p, 0);
        }
    }
    return true;
}

/* ---- reading ---- */

#define LEAST_READ 16 /* tokens of a text in a step, however slow it is */

/* Tokens of each of n texts. */
static size_t may_read(const ct_drafter *d, double seconds, size_t n)
{
    double fit = d->token_seconds > 0 ? seconds / d->token_seconds / (double)n : 64;
    size_t most = d->plan.chunk / n ? d->plan.chunk / n : 1;
    return fit > (double)most ? most : fit > LEAST_READ ? (size_t)fit : most < LEAST_READ ? most : LEAST_READ;
}

/* Brings the places up to their texts; who does not get there guesses nothing. */
void ct_drafter_read(ct_drafter *d, ct_draft_work *works, size_t n, double seconds)
{
    size_t used = 0, most = may_read(d, seconds, n);
    for (size_t i = 0; i < n; i++) {
        works[i].n_in = 0;
        if (!works[i].is_done)
            add_text(d, &works[i], &used, most);
        works[i].is_done = works[i].is_done || !works[i].n_in; /* the text is as it was: that is not asked */
    }
    double start = ct_now();
    if (!ct_drafter_run(d, works, n))
        return;
    double took = (ct_now() - start) / (double)used;
    if (used >= LEAST_READ)
        d->token_seconds = d->token_seconds > 0 ? 0.8 * d->token_seconds + 0.2 * took : took;
    for (size_t i = 0; i < n; i++) {
        ct_draft_place *p = works[i].p;
        if (p && works[i].n_in)
            p->n_sure = p->n;
        works[i].is_done = works[i].is_done || p->n_text < works[i].ask->n;
    }
}
