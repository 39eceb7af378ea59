/* Prompts in a step: their next tokens, the images among these, and what comes of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/run.h"

#define LEAST_MARKED 16 /* the shortest append whose end is marked, in tokens */

/* ---- who takes part ---- */

/* One layer of the tower for a job's next image that is not in the cache. One job has the tower until the images of its
 * next step are encoded. False: the job has failed, or this was not its turn. */
static bool encode_image(ct_run *r, ct_job *j, const ct_view *view)
{
    carat_err err;
    size_t done, total = ct_image_cache_shape(r->p.images)->n_layer;
    if (r->has_encoded || (r->encoding_job && r->encoding_job != j))
        return false;
    r->encoding_job = j;
    r->has_encoded = true;
    bool ok = ct_image_cache_encode(r->p.images, view, &done, &err);
    if (ok && j->on_progress &&
        !j->on_progress(j->on_progress_arg, CARAT_PHASE_IMAGE, j->n_encoded * total + done, j->n_images * total))
        ok = ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled while an image was encoded");
    if (ok) {
        j->n_encoded += done == total;
        return done == total;
    }
    r->encoding_job = NULL;
    return ct_run_fail(j, &err);
}

static bool knows_all(const ct_run *r, const ct_stream_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!ct_image_cache_knows(r->p.images, places[i].view))
            return false;
    return true;
}

/* Puts the rows of the images among a job's next n inputs in their places. False: not all are encoded yet. */
static bool set_rows(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n)
{
    const ct_stream *t = j->stream;
    size_t n_places, first = ct_stream_places(t, j->at, j->at + n, &n_places);
    /* One that waits for the tower keeps no places for images from the one that has it: they are as many as a step's.
     */
    if (r->encoding_job && r->encoding_job != j && !knows_all(r, t->places + first, n_places))
        return false;
    for (size_t i = first; i < first + n_places; i++) {
        uint32_t slot = ct_image_cache_find(r->p.images, t->places[i].view);
        if (slot == CT_NO_SLOT && encode_image(r, j, t->places[i].view))
            slot = ct_image_cache_find(r->p.images, t->places[i].view);
        if (slot == CT_NO_SLOT)
            return false;
        for (size_t k = 0; k < t->n_soft; k++) {
            ct_step_input *in = &inputs[t->places[i].at + k - j->at];
            in->is_soft = true;
            in->slot = slot;
            in->index = (uint32_t)k;
        }
    }
    if (r->encoding_job == j)
        r->encoding_job = NULL;
    j->n_seen += n_places;
    return true;
}

/* An encoder's text goes into a step as a whole. */
static size_t add_text(ct_run *r, ct_job *j, size_t used, size_t want, bool is_first)
{
    const size_t n = j->stream->n;
    if (n > want && !is_first)
        return 0;
    ct_stream_text_inputs(j->stream, r->inputs + used);
    ct_run_join(r, j, r->inputs + used, n);
    return n;
}

/* An image that is more than an answer may wait for: its layers go into this and the next steps (ct_run_add_part). */
static void begin_part(ct_run *r, ct_job *j, ct_step_input *inputs, size_t n)
{
    memcpy(inputs, r->window, n * sizeof *inputs);
    if (!set_rows(r, j, inputs, n))
        return;
    j->n_part = n;
    j->part_layers = 0;
    r->part_job = j;
}

/* Adds a prompt's next tokens: at most `want`, more only if an image of more comes first, nothing is before it and no answer
 * waits. Returns how many. */
static size_t add_prompt(ct_run *r, ct_job *j, size_t used, size_t want, bool is_first)
{
    const ct_stream *t = j->stream;
    if (r->p.model->cfg.is_encoder)
        return add_text(r, j, used, want, is_first);
    size_t left = ct_stream_next_mark(t, j->at) - j->at; /* a step ends at a mark, so that it can be set there */
    size_t most = r->o.chunk + r->o.batch, window = left < most ? left : most;
    ct_stream_inputs(t, j->at, window, r->window);
    size_t n = ct_step_cut(r->window, window, want);
    ct_step_input *to = r->inputs + used;
    if (n > want && r->n_answers > 0) {
        if (!r->part_job && used + n <= r->o.batch)
            begin_part(r, j, r->part, n);
        return 0;
    }
    if (n > want && (!is_first || r->part_job))
        return 0;
    memcpy(to, r->window, n * sizeof *to);
    if (!set_rows(r, j, to, n))
        return 0;
    j->n_part = j->part_layers = 0; /* of one that was given up */
    ct_run_join(r, j, to, n);
    return n;
}

/* Of `want` tokens, what other prompts may have: half of it, where there is an image of which some layers are evaluated. */
static size_t beside_part(const ct_run *r, size_t want, size_t used)
{
    if (!r->part_job)
        return want;
    const size_t room = r->o.batch - (r->part_job->n_part + used);
    return want / 2 < room ? want / 2 : room;
}

size_t ct_run_add_prompts(ct_run *r, ct_job *const *jobs, size_t n, size_t want)
{
    /* Of an encoder the oldest goes first: there is no next step of it that could wait. */
    size_t left = beside_part(r, want, 0), taken = 0, turn = r->p.model->cfg.is_encoder ? 0 : r->turn;
    for (size_t k = 0; k < n && left > 0; k++) {
        ct_job *j = jobs[(turn + k) % n];
        if (j->state != CT_JOB_READING || j->is_failed || j->at == j->stream->n || j == r->part_job)
            continue;
        const bool had_part = r->part_job != NULL;
        size_t m = add_prompt(r, j, taken, left, taken == 0);
        taken += m;
        left -= m < left ? m : left;
        if (!had_part)
            left = beside_part(r, left, taken);
    }
    return taken;
}

size_t ct_run_add_part(ct_run *r, size_t used, size_t want)
{
    ct_job *j = r->part_job;
    const size_t n_layer = r->p.model->cfg.n_layer;
    if (!j)
        return 0;
    size_t left = n_layer - j->part_layers, layers = want * n_layer / j->n_part;
    if (layers > left || !r->n_answers)
        layers = left;
    if (layers < 1)
        layers = 1;
    /* Of tokens that are in the backend's keeping only their number and what they attend to count. */
    if (j->part_layers)
        ct_stream_inputs(j->stream, j->at, j->n_part, r->part);
    memcpy(r->inputs + used, r->part, j->n_part * sizeof *r->part);
    ct_run_join(r, j, r->inputs + used, j->n_part);
    r->spans[r->n_spans - 1].first_layer = j->part_layers;
    r->spans[r->n_spans - 1].end_layer = j->part_layers + layers;
    return (j->n_part * layers + n_layer - 1) / n_layer;
}

/* ---- what comes of it ---- */

bool ct_run_part_evaluated(ct_run *r, ct_job *j, bool is_good)
{
    j->part_layers = r->spans[r->n_spans - 1].end_layer;
    const bool is_last = j->part_layers == r->p.model->cfg.n_layer;
    if (is_good && !is_last)
        return false;
    j->n_part = j->part_layers = 0; /* a step that fails scrubs what there was */
    r->part_job = NULL;
    return is_last;
}

/* Rows [row, row + n) of the step, as many at a time as there is room for. */
static bool give_all_logits(ct_run *r, ct_job *j, size_t row, size_t n)
{
    carat_err err;
    size_t n_vocab = r->p.model->cfg.n_vocab, pos = j->seq->n - n;
    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < r->max_rows ? n - at : r->max_rows;
        for (size_t i = 0; i < m; i++)
            r->rows[i] = (ct_head_row){ .row = row + at + i };
        if (!ct_run_head(r, m, &err))
            return ct_run_fail(j, &err);
        for (size_t i = 0; i < m; i++) {
            if (!ct_run_is_finite(&r->rows[i], &err))
                return ct_run_fail(j, &err);
            if (!j->on_logits(j->on_logits_arg, pos + at + i, r->logits + i * n_vocab, n_vocab)) {
                ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled");
                return ct_run_fail(j, &err);
            }
        }
    }
    return true;
}

static void report(ct_job *j)
{
    carat_err err;
    if (!j->on_progress ||
        j->on_progress(j->on_progress_arg, CARAT_PHASE_PROMPT, j->at - j->from, j->stream->n - j->from) ||
        j->at == j->stream->n)
        return;
    ct_fail(&err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled after %zu of %zu tokens", j->at - j->from,
            j->stream->n - j->from);
    ct_run_fail(j, &err);
}

/* All rows of a continuation are scored. */
static void add_scored(ct_run *r, ct_job *j, size_t row, size_t n)
{
    ct_seq_grow_unshared(j->seq, j->stream->ids + j->at, j->stream->keys + j->at, n, row + n - 1);
    j->at += n;
    j->first_row = row;
    j->n_rows = n;
    r->read_tokens += n;
}

void ct_run_prompt_evaluated(ct_run *r, ct_job *j, size_t row, size_t n)
{
    if (ct_job_is_scoring(j)) {
        add_scored(r, j, row, n);
        return;
    }
    const bool is_encoder =
        r->p.model->cfg.is_encoder; /* whose pages hold one layer, and nothing that another could use */
    (is_encoder ? ct_seq_grow_unshared : ct_seq_grow)(j->seq, j->stream->ids + j->at, j->stream->keys + j->at, n,
                                                      row + n - 1);
    if (j->readout) {
        j->readout->from = j->at;
        j->readout->to = j->at + n;
        j->readout->first_row = row;
    }
    j->at += n;
    r->read_tokens += n;
    if (j->at == j->stream->n && j->n_seen > j->n_encoded)
        ct_image_cache_count_cached(r->p.images, j->n_seen - j->n_encoded);
    if (j->on_logits && !give_all_logits(r, j, row, n))
        return;
    /* A caller that appends a few tokens at a time will not resume from each. */
    bool is_end = j->at == j->stream->n, is_short = !j->gen && !j->scores && j->stream->n - j->from < LEAST_MARKED;
    if (!is_encoder && ct_stream_next_mark(j->stream, j->at - 1) == j->at && !(is_end && is_short))
        ct_kv_mark(j->seq->kv);
    report(j);
}
