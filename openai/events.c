/* The engine's events -> parts of answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/inside.h"

/* A part that says so; where there is no memory even for that, the fault alone does. */
static void fail(ct_openai_reply *reply, size_t answer)
{
    const ct_openai_part part = { .kind = CT_PART_FAILED, .answer = answer, .fault = &reply->fault };
    ct_openai_part_add_n(reply, &part, 0);
}

static void fail_memory(ct_openai_reply *reply, size_t answer)
{
    ct_openai_answer *a = &reply->answers[answer];
    if (a->has_failed)
        return;
    a->has_failed = true;
    if (!reply->has_failed)
        ct_openai_no_memory(&reply->fault, "an answer");
    reply->has_failed = true;
    ct_openai_parts_clear(reply);
    fail(reply, answer);
}

static bool take_entry(ct_openai_answer *a, ct_openai_endpoint endpoint, const carat_tokenizer *tok,
                       const carat_token *t)
{
    const size_t at = a->n_echo + t->at;
    return !a->waiting || t->id < 0 ||
           (json_array_append_new(a->waiting, ct_openai_entry(endpoint, tok, t)) == 0 &&
            ct_buf_add(&a->starts, &at, sizeof at));
}

static bool take_token(ct_openai_reply *reply, size_t answer, const carat_tokenizer *tok, const carat_token *t)
{
    ct_openai_answer *a = &reply->answers[answer];
    if (!take_entry(a, reply->request->endpoint, tok, t) || !ct_buf_add(&a->text, t->text, t->len))
        return false;
    if (a->reader)
        return ct_openai_calls_read(reply, answer, t->text, t->len);
    const ct_openai_part part = { .kind = CT_PART_TEXT, .answer = answer, .text = t->text, .len = t->len };
    return t->len == 0 || ct_openai_part_add(reply, &part, a->text.len);
}

static const char *finish_of(const ct_openai_answer *a)
{
    if (a->result.finish != CARAT_FINISH_STOP)
        return a->result.finish == CARAT_FINISH_LENGTH ? "length" : "cancelled";
    for (size_t i = 0; i < a->n_calls; i++)
        if (!a->calls[i]->is_whole)
            return "stop"; /* a stop string cut it off */
    return a->n_calls ? "tool_calls" : "stop";
}

static const char *stop_of(const ct_openai_request *r, const carat_result *result)
{
    return result->stop && result->stop <= r->generation.n_stops ? r->generation.stops[result->stop - 1] : NULL;
}

/* Where the prompt is echoed the token that ended the text has an entry, too: clients count on one behind the prompt's. */
static bool take_end(ct_openai_reply *reply, size_t answer, const carat_tokenizer *tok, const carat_event *event)
{
    ct_openai_answer *a = &reply->answers[answer];
    const carat_result *result = event->result;
    a->result = *result;
    if (reply->request->echoes && event->stop_token && !take_entry(a, reply->request->endpoint, tok, event->stop_token))
        return false;
    if (a->reader && !ct_openai_calls_end(reply, answer))
        return false;
    a->finish = finish_of(a);
    const ct_openai_part part = { .kind = CT_PART_END,
                                  .answer = answer,
                                  .finish = a->finish,
                                  .stop = stop_of(reply->request, result),
                                  .result = &a->result };
    const size_t n = a->waiting ? ct_openai_n_in_text(&a->starts, a->text.len, result) : 0;
    return ct_openai_part_add_n(reply, &part, n > a->n_brought ? n - a->n_brought : 0);
}

static void take_failure(ct_openai_reply *reply, size_t answer, const carat_err *err)
{
    if (!reply->has_failed) {
        reply->has_failed = true;
        reply->fault.err = *err;
        ct_openai_refuse_err(&reply->fault, "");
    }
    fail(reply, answer);
}

void ct_openai_reply_add(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_event *event)
{
    const size_t answer = event->answer;
    bool ok = true;
    ct_openai_parts_clear(reply);
    switch (event->kind) {
    case CARAT_EVENT_TOKEN:
        ok = reply->answers[answer].has_failed ||
             (ct_openai_tell_prompt(reply, answer, tok, event) && take_token(reply, answer, tok, event->token));
        break;
    case CARAT_EVENT_ANSWER:
        ok = reply->answers[answer].has_failed ||
             (ct_openai_tell_prompt(reply, answer, tok, event) && take_end(reply, answer, tok, event));
        break;
    case CARAT_EVENT_FAILED:
        take_failure(reply, answer, event->err);
        break;
    case CARAT_EVENT_END:
    case CARAT_EVENT_NONE:
        break;
    }
    if (!ok)
        fail_memory(reply, answer);
}
