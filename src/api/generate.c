/* Sampling until the end of the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/internal.h"
#include "base/buf.h"
#include "sample/sampler.h"
#include "sample/select.h"

#define MAX_TOP        20
#define MAX_STOPS      64
#define MAX_STOP_BYTES 4096

typedef struct generator {
    carat_session *s;
    const carat_generation *g;
    carat_sampler *sampler;
    carat_detok detok;
    carat_buf held;  /* text that may turn out to be the start of a stop string */
    carat_buf ready; /* text for the next callback */
    float *raw;      /* the logits as the model gave them, [n_vocab]; NULL unless logprobs are wanted */
    float lse;       /* log of the sum of exp over them, so that log p = raw - lse */
    carat_top top[MAX_TOP];
    size_t n_top;
    float logprob;
    bool met_stop; /* a stop string */
} generator;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

static bool check(const carat_session *s, const carat_generation *g, carat_err *err)
{
    if (!s->has_logits)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "the session has no evaluated token to go on from");
    if (g->n_top < 0 || g->n_top > MAX_TOP)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%d alternatives a token asked for, expected 0 to %d",
                          g->n_top, MAX_TOP);
    if (g->n_stops > MAX_STOPS)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu stop strings, expected at most %d", g->n_stops,
                          MAX_STOPS);
    for (size_t i = 0; i < g->n_stops; i++)
        if (!g->stops[i][0] || strlen(g->stops[i]) > MAX_STOP_BYTES)
            return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "stop string %zu has %zu bytes, expected 1 to %d", i,
                              strlen(g->stops[i]), MAX_STOP_BYTES);
    return true;
}

static bool is_stop_id(const carat_model *m, int32_t id)
{
    for (uint32_t i = 0; i < m->n_stops; i++)
        if (m->stops[i] == id)
            return true;
    return false;
}

/* Keeps the logits before the sampler changes them. Rows that are no token count for nothing. */
static void look(generator *gen)
{
    if (!gen->raw)
        return;
    carat_candidate best[MAX_TOP];
    const carat_model *m = gen->s->engine->model;
    memcpy(gen->raw, gen->s->logits, m->cfg.n_vocab * sizeof *gen->raw);
    float max;
    gen->lse = gen->s->engine->kernels.logsumexp(gen->raw, m->n_pieces, &max);
    gen->lse += max;
    gen->n_top = carat_select_top(gen->raw, m->n_pieces, (size_t)gen->g->n_top, best);
    for (size_t i = 0; i < gen->n_top; i++)
        gen->top[i] = (carat_top){ best[i].id, best[i].logit - gen->lse };
}

/* The longest end of the text that could still grow into one of the stop strings. */
static size_t may_become_stop(const carat_generation *g, const char *text, size_t len)
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
static size_t find_stop(const carat_generation *g, const carat_buf *text)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < g->n_stops && text->len; i++) {
        const char *at = memmem(text->data, text->len, g->stops[i], strlen(g->stops[i]));
        if (at && (size_t)(at - text->data) < first)
            first = (size_t)(at - text->data);
    }
    return first;
}

/* Moves the part of `held` that is certain to `ready`. */
static void release(generator *gen, bool is_end)
{
    carat_buf *held = &gen->held;
    size_t stop = find_stop(gen->g, held);
    gen->met_stop = stop != SIZE_MAX;
    size_t n = gen->met_stop ? stop : is_end ? held->len : held->len - may_become_stop(gen->g, held->data, held->len);
    if (n == 0)
        return;
    carat_buf_add(&gen->ready, held->data, n);
    memmove(held->data, held->data + n, held->len - n + 1);
    held->len -= n;
}

static bool tell(generator *gen, int32_t id)
{
    if (!gen->g->on_token)
        return true;
    const carat_token t = {
        .id = id,
        .text = gen->ready.data ? gen->ready.data : "",
        .len = gen->ready.len,
        .logprob = id < 0 ? 0 : gen->logprob,
        .top = gen->top,
        .n_top = id < 0 ? 0 : gen->n_top,
    };
    bool go_on = gen->g->on_token(gen->g->arg, &t);
    carat_buf_clear(&gen->ready);
    return go_on;
}

/* Samples one token. *ended is set when it was the last, with the reason in r. */
static bool one_token(generator *gen, carat_result *r, bool *ended, carat_err *err)
{
    carat_session *s = gen->s;
    int32_t id;
    look(gen);
    carat_buf_clear(&gen->ready);
    if (!carat_sampler_pick(gen->sampler, s->logits, &id, err))
        return false;
    if (gen->raw)
        gen->logprob = gen->raw[id] - gen->lse;
    s->has_logits = false; /* the sampler changed them */
    *ended = true;
    if (!gen->g->ignore_eos && is_stop_id(s->engine->model, id)) {
        r->finish = CARAT_FINISH_STOP;
        r->stop_id = id;
        return true;
    }
    carat_sampler_accept(gen->sampler, id);
    r->n_generated++;
    if (s->engine->model->tok)
        carat_detok_push(&gen->detok, id, &gen->held);
    release(gen, false);
    if (gen->held.failed || gen->ready.failed)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text");
    bool go_on = tell(gen, id);
    if (gen->met_stop)
        r->finish = CARAT_FINISH_STOP;
    else if (!go_on || atomic_load(&s->cancel))
        r->finish = CARAT_FINISH_CANCELLED;
    else if (r->n_generated == gen->g->max_tokens || s->n_tokens == s->n_ctx)
        r->finish = CARAT_FINISH_LENGTH;
    else
        *ended = false;
    if (*ended)
        return true;
    carat_err why;
    uint64_t key;
    carat_stream_text_keys(&id, 1, &key);
    const carat_stream one = { .ids = &id, .keys = &key, .n = 1 };
    if (!carat_session_extend(s, &one, 0, NULL, NULL, &why)) {
        if (why.code != CARAT_ECANCELLED) {
            if (err)
                *err = why;
            return false;
        }
        *ended = true;
        r->finish = CARAT_FINISH_CANCELLED;
    }
    return true;
}

bool carat_session_generate(carat_session *s, const carat_generation *g, carat_result *result, carat_err *err)
{
    *result = (carat_result){ .stop_id = -1 };
    if (!check(s, g, err))
        return false;
    const carat_model *m = s->engine->model;
    generator gen = { .s = s, .g = g };
    if (g->logprobs || g->n_top > 0) {
        gen.raw = malloc(m->cfg.n_vocab * sizeof *gen.raw);
        if (!gen.raw)
            return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %u logits", m->cfg.n_vocab);
    }
    carat_detok_init(&gen.detok, m->tok, false);
    carat_buf_init(&gen.held, 1 << 24);
    carat_buf_init(&gen.ready, 1 << 24);
    bool ok = carat_sampler_open(&g->sampling, m->cfg.n_vocab, m->n_pieces, s->engine->banned, s->engine->n_banned,
                                 &gen.sampler, err);
    for (size_t i = 0; ok && i < s->n_tokens; i++)
        carat_sampler_accept(gen.sampler, s->ids[i]);
    double start = now();
    bool ended = false;
    s->is_generating = true;
    while (ok && !ended)
        ok = one_token(&gen, result, &ended, err);
    s->is_generating = false;
    if (ok && !gen.met_stop) {
        if (m->tok)
            carat_detok_flush(&gen.detok, &gen.held);
        release(&gen, true);
        if (gen.ready.len)
            tell(&gen, -1);
        if (gen.met_stop)
            result->finish = CARAT_FINISH_STOP;
    }
    result->seconds = now() - start;
    atomic_store(&s->cancel, false);
    carat_buf_deinit(&gen.held);
    carat_buf_deinit(&gen.ready);
    carat_sampler_close(gen.sampler);
    free(gen.raw);
    return ok;
}
