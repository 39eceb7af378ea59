/* An engine as who is asked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/model.h"

#include <stdlib.h>
#include <string.h>

#include "eval/functions.h"
#include "eval/score.h"

typedef struct run {
    ct_eval_model *m;
    const ct_eval_work *work;
    ct_eval_ask *asked; /* [n] what is needed of it until it is answered */
    carat_tools **tools;
    carat_continuation *continuations;
    size_t n_continuations;
    carat_generation generation;
    carat_sampling sampling;
} run;

void ct_eval_ask_unshow(ct_eval_ask *ask)
{
    for (size_t i = 0; i < ask->n_shown; i++)
        free(ask->shown[i].bytes);
    free(ask->shown);
    ask->shown = NULL;
    ask->n_shown = 0;
}

void ct_eval_ask_free(ct_eval_ask *ask)
{
    free(ask->text);
    for (size_t i = 0; i < ask->n_choices && ask->choices; i++)
        free(ask->choices[i]);
    free(ask->choices);
    ct_eval_ask_unshow(ask);
    *ask = (ct_eval_ask){ 0 };
}

/* A text with its pictures as pieces: [*n] of c, which has room for two of each and one more. */
static void pieces_of(const ct_eval_ask *ask, carat_picture *const *pictures, carat_content *c, size_t *n)
{
    size_t at = 0, len = strlen(ask->text);
    *n = 0;
    for (size_t i = 0; i < ask->n_shown; i++) {
        const size_t to = ask->shown[i].at;
        if (to > at)
            c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .text = ask->text + at, .text_len = to - at };
        c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .picture = pictures[i] };
        at = to;
    }
    if (at < len || !*n)
        c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .text = ask->text + at };
}

static bool prompt_of_messages(run *r, const json_t *messages, const carat_prompt_options *o, carat_prompt **out,
                               carat_err *err)
{
    size_t i;
    json_t *one;
    const size_t n = json_array_size(messages);
    carat_message *all = calloc(n, sizeof *all);
    json_array_foreach(messages, i, one) {
        if (all)
            all[i] = (carat_message){ .struct_size = sizeof *all,
                                      .role = json_string_value(json_object_get(one, "role")),
                                      .text = json_string_value(json_object_get(one, "content")),
                                      .text_len = json_string_length(json_object_get(one, "content")) };
    }
    const bool ok = all ? carat_prompt_chat(r->m->e, all, n, o, out, err)
                        : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu messages", n);
    free(all);
    return ok;
}

static bool prompt_of(run *r, size_t i, const carat_content *content, size_t n, carat_prompt **out, carat_err *err)
{
    const ct_eval_ask *ask = &r->asked[i];
    carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = r->m->pan_scan };
    if (!ask->is_chat)
        return carat_prompt_text(r->m->e, content, n, &o, out, err);
    if (ask->functions && !ct_eval_functions_open(ask->functions, &r->tools[i], err))
        return false;
    o.tools = r->tools[i];
    if (ask->messages)
        return prompt_of_messages(r, ask->messages, &o, out, err);
    carat_message message = { .struct_size = sizeof message, .role = "user" };
    if (ask->n_shown) {
        message.content = content;
        message.n_content = n;
    } else {
        message.text = ask->text;
    }
    return carat_prompt_chat(r->m->e, &message, 1, &o, out, err);
}

static bool make_prompt(run *r, size_t i, carat_prompt **out, carat_err *err)
{
    ct_eval_ask *ask = &r->asked[i];
    size_t n = 0, n_decoded = 0;
    carat_content *content = calloc(2 * ask->n_shown + 1, sizeof *content);
    carat_picture **pictures = calloc(ask->n_shown + 1, sizeof *pictures);
    bool ok = (content && pictures) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a prompt");
    while (ok && n_decoded < ask->n_shown) {
        const ct_eval_shown *s = &ask->shown[n_decoded];
        ok = carat_picture_decode(s->bytes, s->len, &pictures[n_decoded], err) ||
             ct_fail_in(err, "picture %zu", n_decoded + 1);
        n_decoded += ok;
    }
    if (ok) {
        pieces_of(ask, pictures, content, &n);
        ok = prompt_of(r, i, content, n, out, err);
    }
    while (n_decoded)
        carat_picture_free(pictures[--n_decoded]);
    free(pictures);
    free(content);
    ct_eval_ask_unshow(ask); /* the prompt has what it needs of them */
    return ok;
}

static bool set_continuations(run *r, const ct_eval_ask *ask, carat_err *err)
{
    if (ask->n_choices > r->n_continuations) {
        free(r->continuations);
        r->continuations = calloc(ask->n_choices, sizeof *r->continuations);
        r->n_continuations = r->continuations ? ask->n_choices : 0;
    }
    for (size_t k = 0; k < ask->n_choices && r->continuations; k++)
        r->continuations[k] = (carat_continuation){ .struct_size = sizeof *r->continuations, .text = ask->choices[k] };
    return !ask->n_choices || r->continuations || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for choices");
}

static void set_generation(run *r, const ct_eval_settings *s)
{
    r->sampling = (carat_sampling)CARAT_SAMPLING_DEFAULT;
    r->sampling.temperature = 0;
    r->generation = (carat_generation){ .struct_size = sizeof r->generation,
                                        .sampling = &r->sampling,
                                        .max_tokens = s->max_tokens,
                                        .stops = s->stops,
                                        .n_stops = s->n_stops };
}

static bool make(void *arg, size_t i, ct_eval_request *request, carat_err *err)
{
    run *r = arg;
    ct_eval_ask *ask = &r->asked[i];
    if (!r->work->make(r->work->arg, i, ask, err))
        return false;
    if (!ask->text)
        return true;
    if (!set_continuations(r, ask, err) || !make_prompt(r, i, &request->prompt, err))
        return ct_fail_in(err, "item %zu", i);
    if (ask->settings)
        set_generation(r, ask->settings);
    request->continuations = r->continuations;
    request->n = ask->n_choices;
    request->generation = &r->generation;
    return true;
}

static bool take_scores(const run *r, size_t i, const carat_score *scores, carat_err *err)
{
    const size_t n = r->asked[i].n_choices;
    double *logprobs = calloc(n, sizeof *logprobs);
    if (!logprobs)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu scores", n);
    for (size_t k = 0; k < n; k++)
        logprobs[k] = scores[k].logprob;
    const ct_eval_reply reply = { .logprobs = logprobs };
    const bool ok = r->work->take(r->work->arg, i, &reply, err);
    free(logprobs);
    return ok;
}

static bool take(void *arg, size_t i, const ct_eval_got *got, carat_err *err)
{
    run *r = arg;
    bool ok;
    if (got->scores) {
        ok = take_scores(r, i, got->scores, err);
    } else {
        char *text = NULL;
        ct_eval_reply reply = { .text = got->text,
                                .len = got->len,
                                .n_tokens = got->result->n_generated,
                                .is_cut = got->result->finish == CARAT_FINISH_LENGTH };
        ok = !r->tools[i] || ct_eval_functions_read(r->tools[i], got->text, got->len, &text, &reply.calls, err);
        if (text) {
            reply.text = text;
            reply.len = strlen(text);
        }
        ok = ok && r->work->take(r->work->arg, i, &reply, err);
        json_decref(reply.calls);
        free(text);
    }
    ct_eval_ask_free(&r->asked[i]);
    carat_tools_close(r->tools[i]);
    r->tools[i] = NULL;
    return ok;
}

static bool goes_on(void *arg)
{
    const run *r = arg;
    return !r->work->goes_on || r->work->goes_on(r->work->arg);
}

static bool run_engine(ct_eval_model *m, const ct_eval_work *work, carat_err *err)
{
    run r = {
        .m = m, .work = work, .asked = calloc(work->n, sizeof *r.asked), .tools = calloc(work->n, sizeof(carat_tools *))
    };
    const ct_eval_requests requests = { .n = work->n, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    const bool ok = r.asked && r.tools ? ct_eval_score(m->e, m->n_at_once, &requests, err)
                                       : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", work->n);
    for (size_t i = 0; r.asked && r.tools && i < work->n; i++) {
        ct_eval_ask_free(&r.asked[i]);
        carat_tools_close(r.tools[i]);
    }
    free(r.asked);
    free(r.tools);
    free(r.continuations);
    return ok;
}

void ct_eval_model_engine(ct_eval_model *m, carat_engine *e, size_t n_at_once)
{
    const carat_model_info *i = carat_engine_info(e);
    *m = (ct_eval_model){ .run = run_engine,
                          .n_at_once = n_at_once,
                          .path = i->path,
                          .weights = i->weight_types,
                          .published = i->published,
                          .numerics = carat_engine_numerics(e),
                          .is_tuned = i->is_instruction_tuned,
                          .e = e };
}
