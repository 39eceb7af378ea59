/* Applies biases, penalties and bans to the logits, and has a token drawn.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "sample/draw.h"
#include "sample/recent.h"

/* A draw among all and one among the allowed have a number each. With one for both, a token that was drawn and refused
 * would leave its probability to the one that lies at the same place of the smaller distribution; with two, whatever is
 * allowed gets its share of it. */
enum { AMONG_ALL, AMONG_ALLOWED, N_NUMBERS };

/* A logit that a bias or a penalty has changed. */
typedef struct change {
    int32_t id;
    float raw; /* as it was */
} change;

struct ct_sampler {
    carat_sampling set;
    carat_bias *bias; /* owned copy */
    int32_t *banned;  /* owned copy */
    size_t n_banned;
    size_t n_vocab, n_pieces;
    uint64_t rng;
    bool has_penalty;
    ct_recent recent;
    /* Of the row that was prepared last. */
    change *changes; /* [n_bias + penalty_window], in the order they were made; resident as they come */
    size_t n_changes;
    int32_t best;             /* the largest logit */
    double number[N_NUMBERS]; /* of its draws */
};

#define MAX_BIAS 1e6f /* far beyond any logit; sums of them stay finite */

static bool in_range(const char *name, double v, double lo, double hi, carat_err *err)
{
    if (v >= lo && v <= hi)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s is %.*g, expected %.*g to %.16g", name,
                   v == floor(v) ? 16 : 6 /* a float's own */, v, lo == floor(lo) ? 16 : 6, lo, hi);
}

bool ct_sampling_check(const carat_sampling *s, carat_err *err)
{
    if (!in_range("temperature", (double)s->temperature, 0, 100, err) ||
        !in_range("top-k", s->top_k, 0, 1 << 30, err) || !in_range("top-p", (double)s->top_p, 0, 1, err) ||
        !in_range("min-p", (double)s->min_p, 0, 1, err) ||
        !in_range("repetition penalty", (double)s->repetition_penalty, (double)0.01f, 100, err) ||
        !in_range("presence penalty", (double)s->presence_penalty, -100, 100, err) ||
        !in_range("frequency penalty", (double)s->frequency_penalty, -100, 100, err) ||
        !in_range("penalty window", s->penalty_window, 0, 1 << 20, err))
        return false;
    for (size_t i = 0; i < s->n_bias; i++)
        if (s->bias[i].bias != -INFINITY && !(fabsf(s->bias[i].bias) <= MAX_BIAS))
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "logit bias of token %d is %g, expected -inf or %g to %g",
                           s->bias[i].id, (double)s->bias[i].bias, (double)-MAX_BIAS, (double)MAX_BIAS);
    return true;
}

static bool has_penalty(const carat_sampling *s)
{
    return s->penalty_window > 0 &&
           (s->repetition_penalty != 1.0f || s->presence_penalty != 0.0f || s->frequency_penalty != 0.0f);
}

/* A malloc'd copy of n items, never NULL for n == 0. */
static void *copy_of(const void *src, size_t n, size_t size)
{
    size_t bytes;
    void *p = ct_mul_size(n, size, &bytes) ? malloc(bytes ? bytes : 1) : NULL;
    if (p && bytes)
        memcpy(p, src, bytes);
    return p;
}

bool ct_sampler_open(const carat_sampling *settings, size_t n_vocab, size_t n_pieces, const int32_t *banned,
                     size_t n_banned, ct_sampler **out, carat_err *err)
{
    *out = NULL;
    if (!ct_sampling_check(settings, err))
        return false;
    for (size_t i = 0; i < settings->n_bias; i++)
        if (settings->bias[i].id < 0 || (size_t)settings->bias[i].id >= n_vocab)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "logit bias: token %d, the vocabulary has 0 to %zu",
                           settings->bias[i].id, n_vocab - 1);
    ct_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the sampler");
    s->set = *settings;
    s->n_vocab = n_vocab;
    s->n_pieces = n_pieces < n_vocab ? n_pieces : n_vocab;
    s->n_banned = n_banned;
    s->rng = settings->seed;
    s->bias = copy_of(settings->bias, settings->n_bias, sizeof *s->bias);
    s->banned = copy_of(banned, n_banned, sizeof *s->banned);
    s->has_penalty = has_penalty(settings);
    s->changes =
        calloc(settings->n_bias + (s->has_penalty ? (size_t)settings->penalty_window : 0) + 1, sizeof *s->changes);
    bool ok = s->bias && s->changes && s->banned;
    if (s->has_penalty)
        ok = ct_recent_init(&s->recent, (size_t)settings->penalty_window) && ok;
    if (!ok) {
        ct_sampler_close(s);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the sampler of %zu tokens", n_vocab);
    }
    *out = s;
    return true;
}

void ct_sampler_close(ct_sampler *s)
{
    if (!s)
        return;
    free(s->bias);
    free(s->changes);
    free(s->banned);
    ct_recent_deinit(&s->recent);
    free(s);
}

void ct_sampler_accept(ct_sampler *s, int32_t id)
{
    if (s->has_penalty && id >= 0 && (size_t)id < s->n_vocab)
        ct_recent_add(&s->recent, id);
}

static void change_logit(ct_sampler *s, float *logits, int32_t id, float to)
{
    s->changes[s->n_changes++] = (change){ id, logits[id] };
    logits[id] = to;
}

static void add_biases(ct_sampler *s, float *logits)
{
    for (size_t i = 0; i < s->set.n_bias; i++)
        change_logit(s, logits, s->bias[i].id, logits[s->bias[i].id] + s->bias[i].bias);
}

static void penalise(ct_sampler *s, float *logits)
{
    const ct_recent_token *t;
    for (size_t at = 0; (t = ct_recent_next(&s->recent, &at));) {
        float x = logits[t->id];
        x = x > 0 ? x / s->set.repetition_penalty : x * s->set.repetition_penalty;
        change_logit(s, logits, t->id, x - s->set.presence_penalty - (float)t->n * s->set.frequency_penalty);
    }
}

float ct_sampler_raw(const ct_sampler *s, const float *logits, int32_t id)
{
    for (size_t i = 0; i < s->n_changes; i++)
        if (s->changes[i].id == id) /* the first of several changes holds the original logit */
            return s->changes[i].raw;
    return logits[id];
}

static void forbid(const ct_sampler *s, float *logits)
{
    for (size_t i = 0; i < s->n_banned; i++)
        if (s->banned[i] >= 0 && (size_t)s->banned[i] < s->n_vocab)
            logits[s->banned[i]] = -INFINITY;
    for (size_t i = s->n_pieces; i < s->n_vocab; i++)
        logits[i] = -INFINITY;
}

static bool all_are_numbers(const float *logits, size_t n)
{
    bool bad = false;
    for (size_t i = 0; i < n; i++)
        bad |= !(logits[i] < INFINITY); /* NaN or +infinity */
    return !bad;
}

static void take_numbers(ct_sampler *s)
{
    if (s->set.temperature == 0)
        return;
    s->number[AMONG_ALL] = ct_rng_unit(&s->rng);
    uint64_t other = ~s->rng; /* far along the same stream */
    s->number[AMONG_ALLOWED] = ct_rng_unit(&other);
}

void ct_sampler_skip(ct_sampler *s)
{
    s->n_changes = 0;
    take_numbers(s);
}

bool ct_sampler_prepare(ct_sampler *s, float *logits, carat_err *err)
{
    if (s->recent.failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tokens that penalties count");
    s->n_changes = 0;
    add_biases(s, logits);
    if (s->has_penalty)
        penalise(s, logits);
    forbid(s, logits);
    s->best = ct_select_first(&(ct_logit_row){ logits, s->n_vocab, NULL });
    bool are_numbers = all_are_numbers(logits, s->n_vocab);
    if (s->best < 0 && are_numbers && s->set.n_bias)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no token is left: the biases (logit_bias) forbid all of them");
    if (s->best < 0 || !are_numbers)
        return ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE,
                       "the logits are not finite: the model file or its weights are damaged");
    take_numbers(s);
    return true;
}

int32_t ct_sampler_draw(const ct_sampler *s, const float *logits, const uint32_t *allowed)
{
    const ct_logit_row row = { logits, s->n_vocab, allowed };
    int32_t best = allowed ? ct_select_first(&row) : s->best;
    if (s->set.temperature == 0 || best < 0)
        return best;
    return ct_draw(&s->set, &row, logits[best], s->number[allowed ? AMONG_ALLOWED : AMONG_ALL]);
}

size_t ct_sampler_reach(const ct_sampler *s)
{
    return s->set.temperature == 0 ? 1 : (size_t)s->set.top_k;
}
