/* A window of requests over all that is asked for: as one is done, the next is submitted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/score.h"

#include <stdlib.h>

#include "base/buf.h"

#define PATIENCE    0.1 /* seconds until somebody is asked whether the work goes on */
#define MOST_ANSWER ((size_t)64 << 20)

typedef struct slot {
    carat_request *request; /* NULL: free */
    size_t i;
    ct_buf answer;
} slot;

typedef struct run {
    carat_engine *e;
    const ct_eval_requests *w;
    carat_queue *queue;
    slot *slots; /* [n_slots] */
    size_t n_slots, n_busy, next;
} run;

static slot *free_slot(const run *r)
{
    for (size_t i = 0; i < r->n_slots; i++)
        if (!r->slots[i].request)
            return &r->slots[i];
    return NULL;
}

static bool submit(run *r, carat_err *err)
{
    ct_eval_request ask = { 0 };
    if (!r->w->make(r->w->arg, r->next, &ask, err))
        return false;
    slot *s = free_slot(r);
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = ask.prompt,
                                      .queue = r->queue,
                                      .user = s,
                                      .wants_embedding = ask.wants_embedding,
                                      .omits_answers = ask.wants_embedding,
                                      .ending = ask.n ? CARAT_ENDING_OPEN : CARAT_ENDING_DEFAULT,
                                      .generation = ask.n ? NULL : ask.generation,
                                      .continuations = ask.continuations,
                                      .n_continuations = ask.n };
    bool ok = true;
    if (ask.prompt) {
        s->i = r->next;
        ct_buf_clear(&s->answer);
        ok = carat_request_submit(r->e, &o, &s->request, err) || ct_fail_in(err, "item %zu", r->next);
        r->n_busy += ok;
    }
    r->next++;
    carat_prompt_free(ask.prompt);
    return ok;
}

static bool handle(run *r, const carat_event *event, carat_err *err)
{
    slot *s = event->user;
    if (event->kind == CARAT_EVENT_TOKEN)
        return ct_buf_add(&s->answer, event->token->text, event->token->len) ||
               ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "item %zu: no memory for an answer", s->i);
    if (event->kind == CARAT_EVENT_ANSWER) {
        const ct_eval_got got = { .scores = event->scores,
                                  .text = s->answer.data ? s->answer.data : "",
                                  .len = s->answer.len,
                                  .result = event->scores ? NULL : event->result,
                                  .embedding = event->embedding,
                                  .n_embedding = event->n_embedding };
        return r->w->take(r->w->arg, s->i, &got, err);
    }
    if (event->kind == CARAT_EVENT_FAILED) {
        ct_fail(err, event->err->code, event->err->at, "item %zu: %s", s->i, event->err->msg);
        return false;
    }
    if (event->kind == CARAT_EVENT_END) {
        carat_request_free(s->request);
        s->request = NULL;
        r->n_busy--;
    }
    return true;
}

static bool work_through(run *r, carat_err *err)
{
    for (;;) {
        if (r->w->goes_on && !r->w->goes_on(r->w->arg))
            return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
        while (r->next < r->w->n && r->n_busy < r->n_slots)
            if (!submit(r, err))
                return false;
        if (!r->n_busy)
            return true;
        const carat_event *event = carat_queue_next(r->queue, PATIENCE);
        for (; event->kind != CARAT_EVENT_NONE; event = carat_queue_next(r->queue, 0))
            if (!handle(r, event, err))
                return false;
    }
}

bool ct_eval_score(carat_engine *e, size_t n_at_once, const ct_eval_requests *w, carat_err *err)
{
    run r = { .e = e, .w = w, .n_slots = n_at_once, .slots = calloc(n_at_once, sizeof *r.slots) };
    bool ok = r.slots || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu requests", n_at_once);
    for (size_t i = 0; r.slots && i < n_at_once; i++)
        ct_buf_init(&r.slots[i].answer, MOST_ANSWER);
    ok = ok && carat_queue_open(&r.queue, err) && work_through(&r, err);
    if (w->goes_on) /* how far it came */
        w->goes_on(w->arg);
    for (size_t i = 0; r.slots && i < n_at_once; i++) {
        carat_request_free(r.slots[i].request);
        ct_buf_deinit(&r.slots[i].answer);
    }
    carat_queue_close(r.queue);
    free(r.slots);
    return ok;
}
