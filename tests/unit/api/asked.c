/* asked.c - an engine of random weights, and what it answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "asked.h"

#include <string.h>

carat_engine *engine;
carat_prompt *prompt;

const carat_sampling wild = { .struct_size = sizeof wild,
                              .temperature = 1.5f,
                              .top_p = 1,
                              .repetition_penalty = 1,
                              .penalty_window = 64,
                              .seed = 7 };

void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

void asked_open(const char *text)
{
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_sessions = 8, .n_ctx = 1024 };
    const carat_content c = { .struct_size = sizeof c, .text = text };
    must(carat_engine_open(TINY, &o, &engine, &e) && carat_prompt_text(engine, &c, 1, NULL, &prompt, &e), &e);
}

void asked_close(void)
{
    carat_prompt_free(prompt);
    carat_engine_close(engine);
}

void answer_add(answer *a, const carat_token *t)
{
    assert_true(a->len + t->len < sizeof a->text);
    memcpy(a->text + a->len, t->text, t->len);
    a->len += t->len;
    a->n += t->id >= 0;
}

carat_request *ask(const carat_generation *g, size_t n)
{
    carat_request *r;
    carat_err e;
    const carat_request_options o = { .struct_size = sizeof o, .prompt = prompt, .generation = g, .n_answers = n };
    must(carat_request_submit(engine, &o, &r, &e), &e);
    return r;
}

void take(carat_request *r, answer *answers)
{
    const carat_event *ev;
    while ((ev = carat_request_next(r, -1))->kind != CARAT_EVENT_END) {
        answer *a = &answers[ev->answer];
        if (ev->kind == CARAT_EVENT_TOKEN) {
            answer_add(a, ev->token);
        } else if (ev->kind == CARAT_EVENT_ANSWER) {
            a->result = *ev->result;
        } else {
            a->has_failed = true;
            a->err = *ev->err;
        }
    }
    carat_request_free(r);
}

void answer_all(const carat_generation *g, size_t n, answer *answers)
{
    memset(answers, 0, n * sizeof *answers);
    take(ask(g, n), answers);
}

void refuse(carat_format_options o, carat_code code, const char *why)
{
    carat_format *f;
    carat_err e;
    o.struct_size = sizeof o;
    assert_false(carat_format_open(engine, &o, &f, &e));
    assert_null(f);
    if (e.code != code || !strstr(e.msg, why))
        fail_msg("%s: %s, expected '%s'", carat_code_name(e.code), e.msg, why);
}
