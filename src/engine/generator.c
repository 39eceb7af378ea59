/* From a row of logits to the next piece of an answer: samples, decodes text, watches for stop strings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/generator.h"

#include <stdlib.h>
#include <string.h>

#include "engine/stops.h"
#include "sample/sampler.h"
#include "sample/select.h"

#define MOST_ASKED 256

struct ct_generator {
    ct_vocabulary v;
    ct_sampler *sampler;
    ct_mask mask;
    bool has_mask;
    uint32_t *allowed; /* bits of the vocabulary; NULL where no token is ever refused */
    ct_detok detok;
    ct_stops stops;
    size_t n_stops; /* of them the caller's */
    size_t max_tokens, min_tokens;
    size_t n_text; /* bytes of the answer that were handed out */
    int n_wanted;  /* alternatives a token */
    bool ignore_eos;
    bool wants_logprobs;
    bool is_ended_by_token;
    float lse; /* log of the sum of exp over the model's own logits: log p = logit - lse */
    carat_result result;
    ct_chunk stop; /* the token that ended the turn, without text; id -1: none has, or nobody asks how likely it was */
};

void ct_chunk_init(ct_chunk *s)
{
    *s = (ct_chunk){ .id = -1 };
    ct_buf_init(&s->text, 1 << 24);
}

void ct_chunk_deinit(ct_chunk *s)
{
    ct_buf_deinit(&s->text);
}

/* ---- opening ---- */

static bool check(const carat_generation *g, carat_err *err)
{
    if (g->n_top < 0 || g->n_top > CT_MAX_TOP)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d alternatives a token requested, expected 0 to %d", g->n_top,
                       CT_MAX_TOP);
    if (g->max_tokens && g->min_tokens > g->max_tokens)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "min_tokens is %zu, max_tokens only %zu", g->min_tokens,
                       g->max_tokens);
    return true;
}

static size_t allowed_words(const ct_generator *g)
{
    return (g->v.model->cfg.n_vocab + (size_t)31) / 32;
}

static bool make_allowed(ct_generator *g, carat_err *err)
{
    if (!g->allowed)
        g->allowed = calloc(allowed_words(g), sizeof *g->allowed);
    return g->allowed ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a set of %u tokens", g->v.model->cfg.n_vocab);
}

bool ct_generator_open(const ct_vocabulary *v, const carat_generation *from, ct_generator **out, carat_err *err)
{
    *out = NULL;
    if (!check(from, err))
        return false;
    const ct_model *m = v->model;
    ct_generator *g = calloc(1, sizeof *g);
    if (!g)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a generator");
    g->v = *v;
    g->max_tokens = from->max_tokens;
    g->min_tokens = from->min_tokens;
    g->n_stops = from->n_stops;
    g->n_wanted = from->n_top;
    g->ignore_eos = from->ignores_eos;
    g->result = (carat_result){ .finish = CARAT_FINISH_LENGTH, .stop_id = -1 };
    g->stop.id = -1;
    ct_detok_init(&g->detok, m->tok, false);
    g->wants_logprobs = from->wants_logprobs || from->n_top > 0;
    bool ok = ct_stops_init(&g->stops, from->stops, from->stop_lens, from->n_stops, err) &&
              (!v->end_text || g->ignore_eos || ct_stops_add(&g->stops, v->end_text, err)) &&
              ct_sampler_open(from->sampling, m->cfg.n_vocab, m->n_pieces, v->banned, v->n_banned, &g->sampler, err) &&
              (g->min_tokens == 0 || make_allowed(g, err));
    if (!ok) {
        ct_generator_close(g);
        return false;
    }
    *out = g;
    return true;
}

bool ct_generator_take_mask(ct_generator *g, const ct_mask *mask, carat_err *err)
{
    g->mask = *mask;
    g->has_mask = true;
    return make_allowed(g, err);
}

void ct_generator_close(ct_generator *g)
{
    if (!g)
        return;
    if (g->has_mask)
        g->mask.close(g->mask.self);
    ct_stops_deinit(&g->stops);
    ct_sampler_close(g->sampler);
    free(g->allowed);
    free(g);
}

bool ct_generator_wants_lse(const ct_generator *g)
{
    return g->wants_logprobs;
}

void ct_generator_accept(ct_generator *g, int32_t id)
{
    ct_sampler_accept(g->sampler, id);
}

/* ---- which token may come ---- */

static bool is_stop_id(const ct_generator *g, int32_t id)
{
    return ct_model_is_stop(g->v.model, id);
}

/* May a stop id come next, and end the answer? */
static bool can_end(const ct_generator *g)
{
    return !g->ignore_eos && g->result.n_generated >= g->min_tokens && (!g->has_mask || g->mask.may_end(g->mask.self));
}

/* Where the end of the turn is ignored, stop ids are tokens like others, but never a mask's. */
static bool is_plain(const ct_generator *g, int32_t id)
{
    return !is_stop_id(g, id) || (g->ignore_eos && !g->has_mask);
}

static bool is_allowed(const ct_generator *g, int32_t id)
{
    if (!is_plain(g, id))
        return can_end(g);
    return !g->has_mask || g->mask.allows(g->mask.self, id);
}

static bool fill_allowed(ct_generator *g, carat_err *err)
{
    const ct_model *m = g->v.model;
    if (!g->has_mask)
        memset(g->allowed, 0xff, allowed_words(g) * sizeof *g->allowed);
    else if (!g->mask.fill(g->mask.self, g->allowed, err))
        return false;
    bool ends = can_end(g);
    for (uint32_t i = 0; i < m->n_stops; i++) {
        uint32_t *word = &g->allowed[(uint32_t)m->stops[i] / 32], bit = UINT32_C(1) << m->stops[i] % 32;
        *word = ends ? *word | bit : *word & ~bit;
    }
    return true;
}

/* Where a draw chooses among few and a mask lets most tokens come, the few are found by asking about the likeliest, sooner
 * than the mask has looked at the whole vocabulary. False: they are not enough. */
static bool ask_likeliest(ct_generator *g, const float *logits)
{
    ct_candidate best[MOST_ASKED];
    const size_t n_vocab = g->v.model->cfg.n_vocab;
    size_t wanted = ct_sampler_reach(g->sampler);
    if (!g->has_mask || wanted == 0 || wanted > MOST_ASKED)
        return false;
    const size_t n = ct_select_top(&(ct_logit_row){ logits, n_vocab, NULL }, MOST_ASKED, best);
    memset(g->allowed, 0, allowed_words(g) * sizeof *g->allowed);
    for (size_t i = 0; i < n && wanted > 0; i++)
        if (is_allowed(g, best[i].id)) {
            g->allowed[best[i].id / 32] |= UINT32_C(1) << best[i].id % 32;
            wanted--;
        }
    return wanted == 0;
}

static bool refuse(const ct_generator *g, carat_err *err)
{
    if (g->has_mask)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "after %zu tokens %s allows none that the sampling settings leave, nor the end of the answer",
                       g->result.n_generated, g->mask.name);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                   "after %zu tokens only one that ends the turn is left, and min_tokens is %zu", g->result.n_generated,
                   g->min_tokens);
}

/* Samples. *id is -1 where no token can follow and the mask lets the answer end. */
static bool pick(ct_generator *g, float *logits, int32_t *id, carat_err *err)
{
    if (!ct_sampler_prepare(g->sampler, logits, err))
        return false;
    *id = ct_sampler_draw(g->sampler, logits, NULL);
    if (is_allowed(g, *id))
        return true;
    if (!ask_likeliest(g, logits) && !fill_allowed(g, err))
        return false;
    *id = ct_sampler_draw(g->sampler, logits, g->allowed);
    return *id >= 0 || (g->has_mask && g->mask.may_end(g->mask.self)) || refuse(g, err);
}

/* Forced or sampled. */
static bool choose(ct_generator *g, float *logits, int32_t *id, carat_err *err)
{
    if (ct_generator_forced(g, id, 1) == 0)
        return pick(g, logits, id, err);
    ct_sampler_skip(g->sampler);
    return true;
}

/* ---- a token ---- */

/* Before the sampler changes the logits. */
static void find_alternatives(ct_generator *g, const float *logits, ct_chunk *chunk)
{
    chunk->n_top = 0;
    if (!g->wants_logprobs)
        return;
    ct_candidate best[CT_MAX_TOP];
    chunk->n_top = ct_select_top(&(ct_logit_row){ logits, g->v.model->n_pieces, NULL }, (size_t)g->n_wanted, best);
    for (size_t i = 0; i < chunk->n_top; i++)
        chunk->top[i] = (carat_top){ best[i].id, best[i].logit - g->lse };
}

static void end_text(ct_generator *g)
{
    g->result.finish = CARAT_FINISH_STOP;
    g->result.stop = g->stops.met < g->n_stops ? g->stops.met + 1 : 0;
}

static void end_turn(ct_generator *g, int32_t stop_id, ct_verdict *verdict)
{
    g->result.finish = CARAT_FINISH_STOP;
    g->result.stop_id = stop_id;
    *verdict = CT_END_TURN;
}

static void note_stop(ct_generator *g, int32_t id, const ct_chunk *chunk)
{
    g->stop =
        (ct_chunk){ .id = id, .logprob = chunk->logprob, .n_top = chunk->n_top, .at = g->n_text + g->stops.held.len };
    memcpy(g->stop.top, chunk->top, sizeof g->stop.top);
}

/* May the answer end here, and can nothing follow? */
static bool is_complete(ct_generator *g)
{
    if (!g->has_mask || !g->mask.may_end(g->mask.self) || !g->mask.fill(g->mask.self, g->allowed, NULL))
        return false;
    const ct_model *m = g->v.model;
    for (uint32_t i = 0; i < m->n_stops; i++)
        g->allowed[(uint32_t)m->stops[i] / 32] &= ~(UINT32_C(1) << m->stops[i] % 32);
    for (size_t i = 0; i < m->n_pieces; i++)
        if (g->allowed[i / 32] >> i % 32 & 1)
            return false;
    return true;
}

/* The answer's next token is this one. */
static bool add_token(ct_generator *g, int32_t id, size_t room, ct_chunk *chunk, ct_verdict *verdict, carat_err *err)
{
    ct_sampler_accept(g->sampler, id);
    if (g->has_mask)
        g->mask.accept(g->mask.self, id);
    chunk->id = id;
    chunk->at = g->n_text + g->stops.held.len;
    g->result.n_generated++;
    if (g->v.model->tok)
        ct_detok_push(&g->detok, id, &g->stops.held);
    ct_stops_release(&g->stops, false, &chunk->text);
    g->n_text += chunk->text.len;
    if (g->stops.held.failed || chunk->text.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text");
    if (g->stops.is_met)
        end_text(g);
    const bool is_last = g->result.n_generated == g->max_tokens || room == 0;
    if (is_last && is_complete(g)) /* what was allowed was just enough */
        g->result.finish = CARAT_FINISH_STOP;
    g->is_ended_by_token = g->result.finish == CARAT_FINISH_STOP;
    *verdict = g->stops.is_met || is_last ? CT_LAST : CT_GO_ON;
    return true;
}

bool ct_generator_next(ct_generator *g, float *logits, float lse, size_t room, ct_chunk *chunk, ct_verdict *verdict,
                       carat_err *err)
{
    int32_t id;
    g->lse = lse;
    find_alternatives(g, logits, chunk);
    ct_buf_clear(&chunk->text);
    chunk->id = -1;
    if (!choose(g, logits, &id, err))
        return false;
    chunk->logprob = g->wants_logprobs && id >= 0 ? ct_sampler_raw(g->sampler, logits, id) - g->lse : 0;
    if (id < 0 || !is_plain(g, id)) {
        if (g->wants_logprobs)
            note_stop(g, id, chunk);
        end_turn(g, id, verdict);
        return true;
    }
    return add_token(g, id, room, chunk, verdict, err);
}

size_t ct_generator_forced(const ct_generator *g, int32_t *ids, size_t most)
{
    return g->has_mask && most ? g->mask.forced(g->mask.self, ids, most) : 0;
}

bool ct_generator_give(ct_generator *g, int32_t id, size_t room, ct_chunk *chunk, ct_verdict *verdict, carat_err *err)
{
    chunk->n_top = 0;
    chunk->logprob = 0;
    ct_buf_clear(&chunk->text);
    ct_sampler_skip(g->sampler);
    return add_token(g, id, room, chunk, verdict, err);
}

bool ct_generator_flush(ct_generator *g, ct_chunk *chunk)
{
    chunk->id = -1;
    chunk->n_top = 0;
    chunk->logprob = 0;
    chunk->at = g->n_text;
    ct_buf_clear(&chunk->text);
    if (g->stops.is_met)
        return false;
    if (g->v.model->tok)
        ct_detok_flush(&g->detok, &g->stops.held);
    ct_stops_release(&g->stops, true, &chunk->text);
    if (g->stops.is_met)
        end_text(g);
    return chunk->text.len > 0;
}

const ct_chunk *ct_generator_stop(const ct_generator *g)
{
    return g->stop.id >= 0 ? &g->stop : NULL;
}

carat_result ct_generator_result(const ct_generator *g)
{
    return g->result;
}

bool ct_generator_is_ended_by_token(const ct_generator *g)
{
    return g->is_ended_by_token;
}
