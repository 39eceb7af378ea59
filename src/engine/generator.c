/* From a row of logits to one more piece of an answer: samples, decodes text, watches for stop strings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/generator.h"

#include <stdlib.h>
#include <string.h>

#include "sample/sampler.h"
#include "sample/select.h"

#define MAX_STOPS      64
#define MAX_STOP_BYTES 4096

struct ct_generator {
    ct_vocabulary v;
    ct_sampler *sampler;
    ct_detok detok;
    char **stops;
    size_t n_stops, max_tokens;
    int n_wanted; /* alternatives a token */
    bool ignore_eos;
    ct_buf held; /* text that may turn out to be the start of a stop string */
    bool wants_logprobs;
    float lse;     /* log of the sum of exp over the logits as the model gave them: log p = logit - lse */
    bool met_stop; /* a stop string */
    carat_result result;
};

const char *carat_finish_name(carat_finish f)
{
    switch (f) {
    case CARAT_FINISH_STOP:
        return "stop";
    case CARAT_FINISH_LENGTH:
        return "length";
    case CARAT_FINISH_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

void ct_chunk_init(ct_chunk *s)
{
    *s = (ct_chunk){ .id = -1 };
    ct_buf_init(&s->text, 1 << 24);
}

void ct_chunk_deinit(ct_chunk *s)
{
    ct_buf_deinit(&s->text);
}

static bool check(const carat_generation *g, carat_err *err)
{
    if (g->n_top < 0 || g->n_top > CT_MAX_TOP)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d alternatives a token asked for, expected 0 to %d", g->n_top,
                       CT_MAX_TOP);
    if (g->n_stops > MAX_STOPS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu stop strings, expected at most %d", g->n_stops, MAX_STOPS);
    for (size_t i = 0; i < g->n_stops; i++)
        if (!g->stops[i][0] || strlen(g->stops[i]) > MAX_STOP_BYTES)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "stop string %zu has %zu bytes, expected 1 to %d", i,
                           strlen(g->stops[i]), MAX_STOP_BYTES);
    return true;
}

/* ---- opening ---- */

static bool copy_stops(ct_generator *g, const carat_generation *from)
{
    g->stops = calloc(from->n_stops + 1, sizeof *g->stops);
    for (size_t i = 0; g->stops && i < from->n_stops; i++) {
        g->stops[i] = strdup(from->stops[i]);
        if (!g->stops[i])
            return false;
        g->n_stops++;
    }
    return g->stops != NULL;
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
    g->n_wanted = from->n_top;
    g->ignore_eos = from->ignore_eos;
    g->result = (carat_result){ .finish = CARAT_FINISH_LENGTH, .stop_id = -1 };
    ct_detok_init(&g->detok, m->tok, false);
    ct_buf_init(&g->held, 1 << 24);
    g->wants_logprobs = from->logprobs || from->n_top > 0;
    bool ok = copy_stops(g, from) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for stop strings");
    ok = ok && ct_sampler_open(from->sampling, m->cfg.n_vocab, m->n_pieces, v->banned, v->n_banned, &g->sampler, err);
    if (!ok) {
        ct_generator_close(g);
        return false;
    }
    *out = g;
    return true;
}

void ct_generator_close(ct_generator *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_stops; i++)
        free(g->stops[i]);
    free(g->stops);
    ct_buf_deinit(&g->held);
    ct_sampler_close(g->sampler);
    free(g);
}

void ct_generator_accept(ct_generator *g, int32_t id)
{
    ct_sampler_accept(g->sampler, id);
}

/* ---- a token ---- */

static bool is_stop_id(const ct_model *m, int32_t id)
{
    for (uint32_t i = 0; i < m->n_stops; i++)
        if (m->stops[i] == id)
            return true;
    return false;
}

/* Before the sampler changes the logits. Rows that are no token count for nothing. */
static void look(ct_generator *g, const float *logits, ct_chunk *said)
{
    said->n_top = 0;
    if (!g->wants_logprobs)
        return;
    ct_candidate best[CT_MAX_TOP];
    const ct_model *m = g->v.model;
    float max;
    g->lse = g->v.kernels->logsumexp(logits, m->n_pieces, &max);
    g->lse += max;
    said->n_top = ct_select_top(logits, m->n_pieces, (size_t)g->n_wanted, best);
    for (size_t i = 0; i < said->n_top; i++)
        said->top[i] = (carat_top){ best[i].id, best[i].logit - g->lse };
}

/* The longest end of the text that could still grow into one of the stop strings. */
static size_t may_become_stop(const ct_generator *g, const char *text, size_t len)
{
    size_t longest = 0;
    for (size_t i = 0; i < g->n_stops; i++) {
        size_t max = strlen(g->stops[i]) - 1;
        for (size_t n = max < len ? max : len; n > longest; n--)
            if (memcmp(text + len - n, g->stops[i], n) == 0) {
                longest = n;
                break;
            }
    }
    return longest;
}

/* Where the first stop string begins in the text; SIZE_MAX if there is none. */
static size_t find_stop(const ct_generator *g, const ct_buf *text)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < g->n_stops && text->len; i++) {
        const char *at = memmem(text->data, text->len, g->stops[i], strlen(g->stops[i]));
        if (at && (size_t)(at - text->data) < first)
            first = (size_t)(at - text->data);
    }
    return first;
}

/* Moves the part of `held` that is certain to `out`. */
static void release(ct_generator *g, bool is_end, ct_buf *out)
{
    ct_buf *held = &g->held;
    size_t stop = find_stop(g, held);
    g->met_stop = stop != SIZE_MAX;
    size_t n = g->met_stop ? stop : is_end ? held->len : held->len - may_become_stop(g, held->data, held->len);
    if (n == 0)
        return;
    ct_buf_add(out, held->data, n);
    memmove(held->data, held->data + n, held->len - n + 1);
    held->len -= n;
}

bool ct_generator_next(ct_generator *g, float *logits, size_t room, ct_chunk *said, ct_verdict *verdict, carat_err *err)
{
    const ct_model *m = g->v.model;
    int32_t id;
    look(g, logits, said);
    ct_buf_clear(&said->text);
    said->id = -1;
    if (!ct_sampler_pick(g->sampler, logits, &id, err))
        return false;
    said->logprob = g->wants_logprobs ? ct_sampler_raw(g->sampler, logits, id) - g->lse : 0;
    if (!g->ignore_eos && is_stop_id(m, id)) {
        g->result.finish = CARAT_FINISH_STOP;
        g->result.stop_id = id;
        *verdict = CT_END_TURN;
        return true;
    }
    ct_sampler_accept(g->sampler, id);
    said->id = id;
    g->result.n_generated++;
    if (m->tok)
        ct_detok_push(&g->detok, id, &g->held);
    release(g, false, &said->text);
    if (g->held.failed || said->text.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text");
    if (g->met_stop)
        g->result.finish = CARAT_FINISH_STOP;
    *verdict = g->met_stop || g->result.n_generated == g->max_tokens || room == 0 ? CT_LAST : CT_GO_ON;
    return true;
}

bool ct_generator_flush(ct_generator *g, ct_chunk *said)
{
    said->id = -1;
    said->n_top = 0;
    said->logprob = 0;
    ct_buf_clear(&said->text);
    if (g->met_stop)
        return false;
    if (g->v.model->tok)
        ct_detok_flush(&g->detok, &g->held);
    release(g, true, &said->text);
    if (g->met_stop)
        g->result.finish = CARAT_FINISH_STOP;
    return said->text.len > 0;
}

carat_result ct_generator_result(const ct_generator *g)
{
    return g->result;
}
