/* Rows of a prompt in a step, of logits and hidden states, and what is kept of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/readout.h"

#include <math.h>
#include <stdlib.h>

#include "base/finite.h"
#include "base/size.h"
#include "engine/run.h"

static bool take_figures(ct_readout *o, size_t n_top)
{
    size_t n_tops;
    if (!ct_mul_size(o->n, n_top, &n_tops))
        return false;
    o->n_top = n_top;
    o->logprobs = calloc(o->n, sizeof *o->logprobs);
    o->ranks = calloc(o->n, sizeof *o->ranks);
    o->tops = calloc(n_tops + 1, sizeof *o->tops);
    if (!o->logprobs || !o->ranks || !o->tops)
        return false;
    for (size_t i = 0; i < o->n; i++)
        o->logprobs[i] = NAN;
    for (size_t i = 0; i < n_tops; i++)
        o->tops[i] = (carat_top){ -1, NAN };
    return true;
}

static bool take_embedding(ct_readout *o, const ct_readout_want *want)
{
    o->n_hidden = want->n_hidden;
    o->n_dims = want->n_dims ? want->n_dims : want->n_hidden;
    o->is_normed = want->is_normed;
    o->embedding = calloc(o->n_hidden, sizeof *o->embedding);
    o->sum = calloc(o->n_hidden, sizeof *o->sum);
    return o->embedding && o->sum;
}

bool ct_readout_open(size_t n, const ct_readout_want *want, ct_readout **out, carat_err *err)
{
    ct_readout *o = calloc(1, sizeof *o);
    *out = o;
    if (o)
        o->n = n;
    if (o && (!want->logprobs || take_figures(o, want->n_top)) && (!want->embedding || take_embedding(o, want)))
        return true;
    ct_readout_close(o);
    *out = NULL;
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for what is wanted of a prompt of %zu tokens", n);
}

void ct_readout_close(ct_readout *o)
{
    if (!o)
        return;
    free(o->logprobs);
    free(o->ranks);
    free(o->tops);
    free(o->embedding);
    free(o->sum);
    free(o);
}

/* ---- the embedding ---- */

/* The step's positions. Until it is complete the embedding is where a row is put. */
static void add_hidden(const ct_run *r, ct_readout *o)
{
    const ct_backend *b = r->p.backend;
    for (size_t i = 0; i < o->to - o->from; i++) {
        b->hidden(b->self, o->first_row + i, o->embedding);
        for (size_t k = 0; k < o->n_hidden; k++)
            o->sum[k] += (double)o->embedding[k];
    }
}

/* From what is in `sum`, of which the first n_dims count, times `scale` unless its length is to be 1. */
static void finish_embedding(ct_readout *o, double scale)
{
    double square = 0;
    for (size_t k = 0; k < o->n_dims; k++)
        square += o->sum[k] * o->sum[k];
    if (o->is_normed && square > 0)
        scale = 1 / sqrt(square);
    for (size_t k = 0; k < o->n_dims; k++)
        o->embedding[k] = (float)(o->sum[k] * scale);
    o->is_complete = true;
}

static bool is_whole(const ct_job *j)
{
    const ct_readout *o = j->readout;
    return o && o->embedding && !j->is_failed && o->from < o->to && o->to == o->n;
}

/* Those of an encoder's texts that the step has brought to their end go through the dense layers together. */
static void finish_texts(ct_run *r)
{
    const ct_backend *b = r->p.backend;
    const size_t width = r->p.model->cfg.hidden;
    carat_err err;
    size_t n = 0;
    for (size_t i = 0; i < r->n_spans; i++)
        if (is_whole(r->jobs[i])) {
            const ct_readout *o = r->jobs[i]->readout;
            for (size_t k = 0; k < width; k++)
                r->means[n * width + k] = (float)(o->sum[k] / (double)o->n);
            n++;
        }
    bool ok = n == 0 || b->dense(b->self, r->means, n, r->vectors, &err);
    n = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        if (!is_whole(r->jobs[i]))
            continue;
        ct_readout *o = r->jobs[i]->readout;
        const float *v = r->vectors + n++ * width;
        if (!ok ||
            !(ct_all_finite(v, width) || ct_fail(&err, CARAT_ENUMERIC, CARAT_NOWHERE, "the embedding is not finite"))) {
            ct_run_fail(r->jobs[i], &err);
            continue;
        }
        for (size_t k = 0; k < width; k++)
            o->sum[k] = (double)v[k];
        finish_embedding(o, 1);
    }
}

/* ---- figures ---- */

/* Does this position have a figure? */
static bool has_figure(const ct_run *r, const ct_stream *s, size_t pos)
{
    return pos < s->n && !(s->keys[pos] & CT_KEY_IMAGE) && (size_t)s->ids[pos] < r->p.model->n_pieces;
}

/* The next rows that are wanted: from those of job *i on, of which *done positions have been looked at. Returns how many. */
static size_t gather(ct_run *r, size_t *i, size_t *done)
{
    size_t n = 0;
    for (; *i < r->n_spans; (*i)++, *done = 0) {
        ct_job *j = r->jobs[*i];
        const ct_readout *o = j->readout;
        for (; o && o->logprobs && !j->is_failed && o->from + *done < o->to; (*done)++) {
            size_t next = o->from + *done + 1;
            if (!has_figure(r, j->stream, next))
                continue;
            if (n == r->max_rows)
                return n;
            r->rows[n] = (ct_head_row){
                .row = o->first_row + *done, .wants_lse = true, .n_top = o->n_top, .top = r->tops + n * CT_MAX_TOP
            };
            r->told[n++] = (ct_run_told){ j, next };
        }
    }
    return n;
}

/* How many tokens are likelier, and itself: of equal ones the lower id comes first. */
static uint32_t rank_of(const float *logits, size_t n, int32_t id)
{
    const float own = logits[id];
    uint32_t before = 0;
    for (size_t i = 0; i < n; i++)
        before += logits[i] > own;
    for (size_t i = 0; i < (size_t)id; i++)
        before += logits[i] == own;
    return before + 1;
}

/* Rows [begin, end) of the group, which are finite, or of a job that has failed. */
static void take_rows(void *arg, size_t begin, size_t end, int thread)
{
    ct_run *r = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const ct_head_row *row = &r->rows[i];
        const float *logits = r->logits + i * r->p.model->cfg.n_vocab;
        const size_t pos = r->told[i].pos;
        ct_readout *o = r->told[i].job->readout;
        const int32_t id = r->told[i].job->stream->ids[pos];
        if (!row->is_finite)
            continue;
        o->logprobs[pos] = logits[id] - row->lse;
        o->ranks[pos] = rank_of(logits, r->p.model->n_pieces, id);
        for (size_t k = 0; k < row->n_top; k++)
            o->tops[pos * o->n_top + k] = (carat_top){ row->top[k].id, row->top[k].logit - row->lse };
    }
}

void ct_run_read_out(ct_run *r)
{
    carat_err err;
    for (size_t i = 0, done = 0, n; (n = gather(r, &i, &done)) > 0;) {
        bool ok = ct_run_head(r, n, &err);
        for (size_t k = 0; k < n; k++)
            if ((!ok || !ct_run_is_finite(&r->rows[k], &err)) && !r->told[k].job->is_failed)
                ct_run_fail(r->told[k].job, &err);
        if (ok)
            ct_pool_each(r->p.pool, n, 1, take_rows, r);
    }
    for (size_t i = 0; i < r->n_spans; i++) {
        ct_readout *o = r->jobs[i]->readout;
        if (!o || r->jobs[i]->is_failed || o->from == o->to)
            continue;
        if (o->embedding)
            add_hidden(r, o);
        if (r->p.model->cfg.is_encoder)
            continue;
        if (o->embedding && o->to == o->n)
            finish_embedding(o, 1 / (double)o->n);
        o->is_complete = o->to == o->n;
    }
    if (r->p.model->cfg.is_encoder)
        finish_texts(r);
}
