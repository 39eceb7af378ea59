/* Answers in a step: which of their tokens are evaluated, what comes after them, and what their sequences keep.
 *
 *   pending   t0 t1 | d0 d1 d2        reported and not evaluated: certain | guessed (draft.h)
 *   rows         L0   L1 L2 L3        logits after the last certain token, and after each guess
 *   said         d0   d1 x            L0 gives d0, which was right; L1 gives d1; L2 gives x instead of d2
 *   kept      t0 t1   d0 d1           the sequence goes back to here; x is pending now, and L3 is not looked at
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "engine/run.h"

/* ---- who takes part ---- */

static bool is_answer(const ct_job *j)
{
    return j->state == CT_JOB_DECODING || j->state == CT_JOB_CLOSING;
}

/* How many of its pending tokens could be evaluated now: no more guesses than may come true in this step. */
static size_t span_of(const ct_job *j)
{
    size_t n_drafts = j->n_pending - j->n_certain, most = j->n_most - 1;
    return j->n_certain + (n_drafts < most ? n_drafts : most);
}

size_t ct_run_count_answers(ct_job *const *jobs, size_t n, size_t *n_ahead)
{
    size_t n_answers = 0;
    *n_ahead = 0;
    for (size_t i = 0; i < n; i++)
        if (is_answer(jobs[i])) {
            n_answers++;
            *n_ahead += span_of(jobs[i]) - 1;
        }
    return n_answers;
}

void ct_run_add_answers(ct_run *r, ct_job *const *jobs, size_t n, size_t used, size_t n_ahead)
{
    r->n_ahead = 0;
    for (size_t k = 0; k < n; k++) {
        ct_job *j = jobs[(r->turn + k) % n];
        if (!is_answer(j))
            continue;
        size_t most = span_of(j), m = most - 1 < n_ahead ? most : 1 + n_ahead;
        for (size_t i = 0; i < m; i++)
            r->inputs[used + i] = (ct_step_input){ .id = j->pending[i] };
        ct_run_join(r, j, r->inputs + used, m);
        j->n_span = m;
        used += m;
        n_ahead -= m - 1;
        r->n_ahead += m - 1;
    }
}

void ct_run_answer_evaluated(ct_job *j, size_t row)
{
    j->first_row = row;
    j->is_evaluated = true;
    if (j->state == CT_JOB_DECODING && j->n_span >= j->n_certain)
        j->n_rows = j->n_span - j->n_certain + 1;
}

bool ct_run_drop_guesses(ct_job *j)
{
    bool had = is_answer(j) && j->n_span > j->n_certain;
    if (had)
        j->n_pending = j->n_certain;
    return had;
}

/* ---- what comes after them ---- */

/* A token has come: was it the next guess? */
static void note(ct_job *j)
{
    if (j->verdict == CT_END_TURN)
        return;
    size_t next = j->n_certain + j->n_right;
    bool is_right = j->verdict == CT_GO_ON && j->n_chunks == j->n_right && next < j->n_span && j->is_evaluated &&
                    j->pending[next] == j->chunk[j->n_chunks].id;
    j->n_right += is_right;
    j->n_chunks++;
}

/* All guesses so far were right, so the next row is that of the next token. */
static bool wants_row(const ct_job *j)
{
    if (j->scores)
        return !j->is_failed && j->n_right < j->n_rows;
    return !j->is_failed && j->verdict == CT_GO_ON && j->n_chunks == j->n_right && j->n_right < j->n_rows;
}

/* Tokens that a mask leaves no choice of need no logits; who wants log-probabilities gets them as guesses. */
static bool take_forced(ct_job *j, carat_err *err)
{
    int32_t ids[CT_MAX_AHEAD];
    if (j->verdict != CT_GO_ON || ct_generator_wants_lse(j->gen))
        return true;
    size_t n = ct_generator_forced(j->gen, ids, j->n_most - j->n_chunks);
    for (size_t i = 0; i < n && j->verdict == CT_GO_ON; i++) {
        if (!ct_generator_give(j->gen, ids[i], ct_run_room_after(j), &j->chunk[j->n_chunks], &j->verdict, err))
            return false;
        note(j);
    }
    return true;
}

static bool take_row(ct_job *j, const ct_head_row *row, float *logits, carat_err *err)
{
    if (!ct_run_is_finite(row, err))
        return false;
    if (!ct_generator_next(j->gen, logits, row->lse, ct_run_room_after(j), &j->chunk[j->n_chunks], &j->verdict, err))
        return false;
    note(j);
    return take_forced(j, err);
}

static void begin_answer(ct_job *j)
{
    for (size_t i = 0; i < j->seq->n; i++)
        ct_generator_accept(j->gen, j->seq->ids[i]);
    j->n_before = j->seq->n;
    j->has_begun = true;
}

/* ---- logits, a group of rows at a time ---- */

static void add_row(ct_run *r, ct_job *j)
{
    ct_head_row *row = &r->rows[r->n_rows++];
    *row = (ct_head_row){ .wants_lse = j->scores || ct_generator_wants_lse(j->gen) };
    if (ct_job_is_scoring(j))
        row->row = j->first_row + j->row_end;
    else if (j->is_evaluated)
        row->row = j->first_row + j->n_certain - 1 + j->row_end;
    else
        row->hidden = j->seq->hidden;
    j->row_end++;
}

/* The next rows, from those of job `first` on. Returns the job whose rows come after them. */
static size_t fill_group(ct_run *r, size_t first)
{
    size_t i = first;
    r->n_rows = 0;
    for (; i < r->n_jobs; i++) {
        ct_job *j = r->jobs[i];
        j->group_row = r->n_rows;
        if (j->row_end < j->n_right)
            j->row_end = j->n_right;
        j->row_begin = j->row_end;
        while (wants_row(j) && j->row_end < j->n_rows && r->n_rows < r->max_rows)
            add_row(r, j);
        if (wants_row(j) && j->row_end < j->n_rows)
            break;
    }
    r->group_first = first;
    r->group_n = i < r->n_jobs ? i + 1 - first : i - first;
    return i;
}

static void sample(ct_run *r, ct_job *j)
{
    carat_err err;
    bool takes_part = j->row_begin < j->row_end;
    if (takes_part && !j->has_begun)
        begin_answer(j);
    while (wants_row(j) && j->n_right < j->row_end) { /* rows behind forced tokens that were guessed are passed over */
        size_t row = j->group_row + j->n_right - j->row_begin;
        if (!take_row(j, &r->rows[row], r->logits + row * r->p.model->cfg.n_vocab, &err))
            ct_run_fail(j, &err);
    }
    if (takes_part && !j->is_failed && j->verdict == CT_GO_ON && !wants_row(j))
        ct_run_guess(r, j);
}

/* Jobs [begin, end) of the group. */
static void use_rows(void *arg, size_t begin, size_t end, int thread)
{
    ct_run *r = arg;
    (void)thread;
    for (size_t k = begin; k < end; k++) {
        ct_job *j = r->jobs[r->group_first + k];
        if (j->scores && !j->is_failed)
            ct_run_score(r, j);
        else if (!j->scores)
            sample(r, j);
    }
}

void ct_run_sample(ct_run *r)
{
    carat_err err;
    for (size_t next = 0; next < r->n_jobs;) {
        next = fill_group(r, next);
        if (!r->n_rows)
            continue;
        bool ok = ct_run_head(r, r->n_rows, &err);
        for (size_t k = 0; k < r->group_n && !ok; k++)
            if (r->jobs[r->group_first + k]->row_begin < r->jobs[r->group_first + k]->row_end)
                ct_run_fail(r->jobs[r->group_first + k], &err);
        ct_pool_each(r->p.pool, r->group_n, 1, use_rows, r);
    }
}

/* ---- what is kept ---- */

/* The sequence keeps what is certain and the guesses that were right. */
static void keep(ct_run *r, ct_job *j)
{
    uint64_t keys[CT_MAX_AHEAD];
    size_t n = ct_run_certain(j) + j->n_right, want = j->seq->n + n;
    size_t left = n < j->n_span ? ct_kv_rewind(j->seq->kv, want) : want;
    assert(left == want); /* ct_job_reach */
    (void)left;
    ct_stream_text_keys(j->pending, n, keys);
    ct_seq_grow(j->seq, j->pending, keys, n, j->first_row + n - 1);
    r->decoded_tokens += n;
}

/* What is ahead of the sequence from now on. Of an ended answer the last token is not evaluated. */
static void look_ahead(ct_job *j)
{
    size_t n = 0;
    for (size_t i = j->n_right; i < j->n_chunks; i++)
        j->pending[n++] = j->chunk[i].id;
    if (j->verdict == CT_LAST)
        n--;
    memcpy(j->pending + n, j->guesses, j->n_guesses * sizeof *j->guesses);
    j->n_certain = n;
    j->n_pending = n + j->n_guesses;
    j->pending_are_forced = j->are_forced;
}

void ct_run_settle_answer(ct_run *r, ct_job *j)
{
    if (j->is_evaluated) {
        keep(r, j);
        ct_run_count_guesses(r, j);
    }
    if (j->n_rows && !j->is_failed) {
        look_ahead(j);
    } else if (j->is_evaluated) { /* a part of what is certain */
        size_t n = ct_run_certain(j);
        memmove(j->pending, j->pending + n, (j->n_pending - n) * sizeof *j->pending);
        j->n_certain -= n;
        j->n_pending -= n;
    }
}
