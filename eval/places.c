/* A place of a reference: the likeliest tokens of a row of logits, and what another row differs from them by.
 *
 * D(p || q) is summed over the tokens that were kept, and over all others as one event. By the chain rule of the divergence this is the
 * whole one less p(rest) D(p || q, given the rest): never more.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/le.h"
#include "eval/reference.h"

#define BINS    1024 /* by how far a logit is below the highest, */
#define PER_NAT 16   /* so many a nat */
#define FIXED   16   /* bytes of a place before its ids */

/* ---- writing ---- */

static size_t bin_of(float max, float x)
{
    const float down = (max - x) * PER_NAT;
    return down < BINS - 1 ? (size_t)down : BINS - 1;
}

typedef struct row {
    float max;
    double sum;         /* of exp(x - max) */
    double bins[BINS];  /* parts of it */
    size_t keeps_below; /* tokens of bins below are kept */
} row;

static bool weigh_row(row *w, const float *x, size_t n)
{
    *w = (row){ .max = x[0] };
    for (size_t i = 1; i < n; i++)
        w->max = x[i] > w->max ? x[i] : w->max;
    for (size_t i = 0; i < n; i++)
        if (x[i] > -INFINITY)
            w->bins[bin_of(w->max, x[i])] += expf(x[i] - w->max);
    for (size_t i = 0; i < BINS; i++)
        w->sum += w->bins[i];
    double kept = 0;
    while (w->keeps_below < BINS && w->sum - kept > CT_EVAL_REST * w->sum)
        kept += w->bins[w->keeps_below++];
    return isfinite(w->max) && isfinite(w->sum);
}

static void put_difference(ct_buf *b, uint32_t d)
{
    for (; d >= 128; d >>= 7)
        ct_buf_char(b, (char)((d & 127) | 128));
    ct_buf_char(b, (char)d);
}

static void put_float(ct_buf *b, double x)
{
    const float f = (float)x;
    uint32_t bits;
    uint8_t bytes[4];
    memcpy(&bits, &f, sizeof bits);
    ct_put_le32(bytes, bits);
    ct_buf_add(b, bytes, sizeof bytes);
}

bool ct_eval_reference_add(ct_eval_reference *r, const float *logits, int32_t token, carat_err *err)
{
    row w;
    ct_buf *b = &r->block;
    if (!weigh_row(&w, logits, r->n_vocab))
        return ct_fail(err, CARAT_ENUMERIC, r->n_place, "logits that are not finite");
    const size_t begin = b->len;
    const double log_sum = log(w.sum) + w.max;
    const uint8_t nothing[8] = { 0 };
    double rest = 0;
    uint32_t k = 0, last = 0;
    for (size_t i = w.keeps_below; i < BINS; i++)
        rest += w.bins[i];
    ct_buf_add(b, nothing, sizeof nothing);
    put_float(b, log(rest / w.sum));
    put_float(b, logits[token] - log_sum);
    for (uint32_t i = 0; i < r->n_vocab; i++)
        if (bin_of(w.max, logits[i]) < w.keeps_below && logits[i] > -INFINITY) {
            put_difference(b, i - last);
            last = i;
            k++;
        }
    const size_t ids = b->len - begin - FIXED;
    for (size_t i = 0; i < r->n_vocab; i++)
        if (bin_of(w.max, logits[i]) < w.keeps_below && logits[i] > -INFINITY)
            put_float(b, logits[i] - log_sum);
    if (b->failed)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a window", r->path);
    ct_put_le32((uint8_t *)b->data + begin, k);
    ct_put_le32((uint8_t *)b->data + begin + 4, (uint32_t)ids);
    r->n_place++;
    return true;
}

/* ---- comparing ---- */

typedef struct place {
    const uint8_t *ids, *end, *logprobs;
    size_t k, bytes; /* of all of it */
    double rest, token;
} place;

static double get_float(const uint8_t *p)
{
    const uint32_t bits = ct_le32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static bool read_place(const ct_eval_reference *r, place *p)
{
    const size_t left = r->block.len - r->cursor;
    const uint8_t *at = (const uint8_t *)r->block.data + r->cursor;
    if (left < FIXED)
        return false;
    const size_t k = ct_le32(at), ids = ct_le32(at + 4);
    if (k < 1 || k > r->n_vocab || ids < k || ids > left - FIXED || k > (left - FIXED - ids) / 4)
        return false;
    *p = (place){ .ids = at + FIXED,
                  .end = at + FIXED + ids,
                  .logprobs = at + FIXED + ids,
                  .k = k,
                  .bytes = FIXED + ids + 4 * k,
                  .rest = exp(get_float(at + 8)),
                  .token = get_float(at + 12) };
    return p->rest >= 0 && p->rest <= 1 && p->token <= 0;
}

static bool next_id(place *p, uint32_t *id)
{
    uint32_t d = 0;
    for (int shift = 0; shift < 28 && p->ids < p->end; shift += 7) {
        const uint8_t byte = *p->ids++;
        d |= (uint32_t)(byte & 127) << shift;
        if (byte < 128) {
            *id += d;
            return true;
        }
    }
    return false;
}

/* The tokens that were kept: of the divergence their part, of the model's probabilities (by the sum of exp(x - max)) their sum. */
static bool compare_kept(place *p, const float *logits, size_t n, float max, double log_sum, double *kl, double *sum,
                         uint32_t *top)
{
    uint32_t id = 0;
    double best = -INFINITY, mass = p->rest;
    const uint8_t *f = p->logprobs;
    for (size_t i = 0; i < p->k; i++, f += 4) {
        const uint32_t before = id;
        const double lp = get_float(f);
        if (!next_id(p, &id) || id >= n || (i && id <= before) || !(lp <= 1e-6))
            return false;
        if (lp > best) {
            best = lp;
            *top = id;
        }
        const double prob = exp(lp);
        mass += prob;
        *sum += expf(logits[id] - max);
        *kl += prob * (lp - (logits[id] - log_sum));
    }
    return p->ids == p->end && fabs(mass - 1) < 1e-3;
}

bool ct_eval_reference_next(ct_eval_reference *r, const float *logits, int32_t token, ct_eval_place *out,
                            carat_err *err)
{
    place p;
    size_t top = 0;
    uint32_t reference_top = 0;
    double all = 0, kept = 0, kl = 0;
    for (size_t i = 1; i < r->n_vocab; i++)
        top = logits[i] > logits[top] ? i : top;
    const float max = logits[top];
    for (size_t i = 0; i < r->n_vocab; i++)
        all += expf(logits[i] - max);
    const double log_sum = log(all) + max;
    if (!isfinite(log_sum))
        return ct_fail(err, CARAT_ENUMERIC, CARAT_NOWHERE, "logits that are not finite");
    if (!read_place(r, &p) || !compare_kept(&p, logits, r->n_vocab, max, log_sum, &kl, &kept, &reference_top))
        return ct_fail(err, CARAT_EFORMAT, r->cursor, "%s: damaged: a place that says what cannot be", r->path);
    r->cursor += p.bytes;
    if (p.rest > 0)
        kl += p.rest * (log(p.rest) - log(fmax(all - kept, 1e-300) / all));
    *out = (ct_eval_place){ .kl = fmax(kl, 0),
                            .rest = p.rest,
                            .nll = log_sum - logits[token],
                            .reference = -p.token,
                            .has_same_top = top == reference_top };
    return true;
}
