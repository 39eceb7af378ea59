/* Guesses of answers in a step: from what they said before, by a smaller model, by a source of the job's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/run.h"

/* Places in the context after the token that comes next. */
size_t ct_run_room_after(const ct_job *j)
{
    size_t held = j->seq->n + (j->is_evaluated ? ct_run_certain(j) : 0);
    return j->seq->n_ctx - held - j->n_chunks;
}

/* With so many answers in a step guesses rarely pay: their rows are what the others' tokens would be. */
#define MANY_ANSWERS 4

/* Of a step like this; the first token of an answer comes in one without. */
static size_t n_answers(const ct_run *r)
{
    return r->n_answers ? r->n_answers : 1;
}

/* What was said so far, all of it: the sequence's ids, and in the places behind them, which hold nothing yet, what it does not
 * have. Returns how many. */
static size_t write_said(ct_job *j)
{
    size_t n = j->seq->n;
    if (j->is_evaluated)
        for (size_t i = 0; i < j->n_certain; i++)
            j->seq->ids[n++] = j->pending[i];
    for (size_t i = 0; i < j->n_chunks; i++)
        j->seq->ids[n++] = j->chunk[i].id;
    return n;
}

/* The guesses from the first one on that is no token, or, of ours, that ends turns: nothing comes behind it. */
static void cut_guesses(const ct_model *m, ct_job *j)
{
    for (size_t i = 0; i < j->n_guesses; i++) {
        const int32_t id = j->guesses[i];
        if (id < 0 || (size_t)id >= m->cfg.n_vocab || (!j->draft.propose && ct_model_is_stop(m, id)))
            j->n_guesses = i;
    }
}

/* Guesses of what follows. */
void ct_run_guess(const ct_run *r, ct_job *j)
{
    size_t n_new = j->n_chunks - j->n_right, room = ct_run_room_after(j);
    size_t most = CT_MAX_AHEAD - n_new < room ? CT_MAX_AHEAD - n_new : room;
    if (ct_generator_wants_lse(j->gen))
        j->n_guesses = ct_generator_forced(j->gen, j->guesses, most);
    j->are_forced = j->n_guesses > 0;
    j->guess.n_found = j->are_forced || r->n_answers >= MANY_ANSWERS ? 0 : j->guess.n_found;
    if (j->are_forced || !most)
        return;
    if (j->draft.propose)
        j->n_guesses = j->draft.propose(j->draft.self, j->seq->ids, write_said(j), j->guesses, most);
    else if (j->guess.most && r->n_answers < MANY_ANSWERS)
        j->n_guesses = ct_guesses_next(&j->guess, &r->paces, n_answers(r), j->seq->ids, write_said(j), j->n_before,
                                       j->n_chunks, j->guesses, most);
    cut_guesses(r->p.model, j);
    if (!j->draft.propose && !j->n_guesses && r->n_answers < MANY_ANSWERS)
        j->n_to_draft = most < j->guess.most ? most : j->guess.most;
}

/* On the scheduler's thread: the smaller model has the pool for itself. */
void ct_run_draft(ct_run *r)
{
    ct_draft_ask asks[CT_DRAFT_PLACES];
    ct_job *jobs[CT_DRAFT_PLACES];
    size_t n = 0;
    for (size_t i = 0; r->p.drafter && i < r->n_jobs && n < CT_DRAFT_PLACES; i++) {
        ct_job *j = r->jobs[i];
        if (!j->n_to_draft || j->is_failed)
            continue;
        jobs[n] = j;
        asks[n++] = (ct_draft_ask){
            .who = j->number, .ids = j->seq->ids, .n = write_said(j), .most = j->n_to_draft, .always = j->guess.always
        };
    }
    if (!n)
        return;
    ct_drafter_guess(r->p.drafter, asks, n, &r->paces, n_answers(r), r->o.step_seconds);
    for (size_t i = 0; i < n; i++) {
        memcpy(jobs[i]->guesses, asks[i].out, asks[i].n_out * sizeof *asks[i].out);
        jobs[i]->n_guesses = asks[i].n_out;
        cut_guesses(r->p.model, jobs[i]);
    }
}

void ct_run_count_guesses(ct_run *r, ct_job *j)
{
    if (j->pending_are_forced || j->n_span <= j->n_certain)
        return;
    j->n_drafted += j->n_span - j->n_certain;
    j->n_accepted += j->n_right;
    r->drafted_tokens += j->n_span - j->n_certain;
    r->accepted_tokens += j->n_right;
}
