/* Scoring in a step: rows of logits to figures, and from one continuation to the next.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/run.h"

void ct_run_score(ct_run *r, ct_job *j)
{
    carat_err err;
    for (; j->n_right < j->row_end; j->n_right++) {
        size_t at = j->group_row + j->n_right - j->row_begin;
        const float *logits = r->logits + at * r->p.model->cfg.n_vocab;
        if (!ct_run_is_finite(&r->rows[at], &err)) {
            ct_run_fail(j, &err);
            return;
        }
        if (ct_job_is_scoring(j))
            ct_scores_take(j->scores, j->at - j->n_rows + j->n_right, logits, r->rows[at].lse);
        else
            ct_scores_take_first(j->scores, logits, r->rows[at].lse);
    }
}

/* The next continuation that a token of has to be evaluated. False: there is none. */
static bool find_next(ct_job *j)
{
    ct_scores *s = j->scores;
    s->at += ct_job_is_scoring(j);
    while (s->at < s->n && ct_scores_n(s, &s->v[s->at]) == 1) /* known from the prompt's row */
        s->at++;
    return s->at < s->n;
}

/* The job reads this stream next, from a token on. */
static void turn_to(ct_job *j, const ct_stream *stream, size_t from)
{
    j->stream = stream;
    j->at = j->from = from;
    j->n_seen = j->n_encoded = 0;
    ct_stream_places(stream, from, stream->n, &j->n_images);
}

void ct_run_settle_scores(ct_job *j)
{
    ct_scores *s = j->scores;
    if (j->is_failed || j->at < j->stream->n)
        return;
    if (!ct_job_is_scoring(j)) {
        s->prompt = j->stream;
        s->has_read = true;
    }
    if (!find_next(j))
        return;
    if (ct_seq_rewind(j->seq, s->prompt->n) < s->prompt->n) {
        /* The continuation was longer than what local layers keep: the prompt is read again, or found in the cache. */
        ct_seq_rewind(j->seq, 0);
        ct_seq_resume(j->seq, s->prompt, s->prompt->n - 1);
        turn_to(j, s->prompt, j->seq->n);
        return;
    }
    const ct_continuation *c = &s->v[s->at];
    s->stream.ids = c->ids;
    s->stream.n = ct_scores_n(s, c) - 1;
    ct_stream_text_keys(c->ids, s->stream.n, s->stream.keys);
    turn_to(j, &s->stream, 0);
}
