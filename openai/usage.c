/* Tokens and times of a request.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/usage.h"

#include "base/clock.h"

void ct_openai_usage_begin(ct_openai_usage *u)
{
    *u = (ct_openai_usage){ .began = ct_now() };
}

void ct_openai_usage_event(ct_openai_usage *u, const carat_event *event)
{
    if (event->kind == CARAT_EVENT_TOKEN && u->first == 0)
        u->first = ct_now();
    if (event->kind != CARAT_EVENT_ANSWER)
        return;
    u->n_generated += event->result->n_generated;
    u->n_drafted += event->result->n_drafted;
    u->n_accepted += event->result->n_accepted;
    if (event->result->seconds > u->seconds)
        u->seconds = event->result->seconds;
}

void ct_openai_usage_prompt(ct_openai_usage *u, const carat_engine *e, const carat_prompt *p, const carat_request *r)
{
    size_t n = 0, n_cached = 0;
    if (r)
        carat_request_prompt(r, &n, &n_cached);
    else
        carat_prompt_tokens(p, &n);
    u->n_prompt += n;
    u->n_cached += n_cached;
    u->n_image += carat_prompt_n_views(p) * carat_engine_info(e)->tokens_per_image;
}

json_t *ct_openai_usage_json(const ct_openai_usage *u)
{
    return json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:{s:i, s:I, s:I}}", "prompt_tokens", (json_int_t)u->n_prompt,
                     "completion_tokens", (json_int_t)u->n_generated, "total_tokens",
                     (json_int_t)(u->n_prompt + u->n_generated), "prompt_tokens_details", "cached_tokens",
                     (json_int_t)u->n_cached, "image_tokens", (json_int_t)u->n_image, "text_tokens",
                     (json_int_t)(u->n_prompt - u->n_image), "completion_tokens_details", "reasoning_tokens", 0,
                     "accepted_prediction_tokens", (json_int_t)u->n_accepted, "rejected_prediction_tokens",
                     (json_int_t)(u->n_drafted - u->n_accepted));
}

/* 0 where nothing was done. */
static double share(double of, double by)
{
    return by > 0 ? of / by : 0;
}

json_t *ct_openai_usage_timings(const ct_openai_usage *u)
{
    const double n = (double)(u->n_prompt - u->n_cached), n_generated = (double)u->n_generated;
    const double read = u->first > u->began ? u->first - u->began : 0;
    json_t *o =
        json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n", (json_int_t)u->n_cached, "prompt_n",
                  (json_int_t)(u->n_prompt - u->n_cached), "prompt_ms", read * 1e3, "prompt_per_token_ms",
                  share(read * 1e3, n), "prompt_per_second", share(n, read), "predicted_n", (json_int_t)u->n_generated,
                  "predicted_ms", u->seconds * 1e3, "predicted_per_token_ms", share(u->seconds * 1e3, n_generated),
                  "predicted_per_second", share(n_generated, u->seconds));
    /* Where nothing was guessed it has none. */
    if (o && u->n_drafted &&
        (json_object_set_new(o, "draft_n", json_integer((json_int_t)u->n_drafted)) != 0 ||
         json_object_set_new(o, "draft_n_accepted", json_integer((json_int_t)u->n_accepted)) != 0)) {
        json_decref(o);
        return NULL;
    }
    return o;
}
