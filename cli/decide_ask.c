/* A decision, asked and waited for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "decide.h"
#include "pictures.h"
#include "signals.h"
#include "term.h"

static void show_progress(const carat_request *r)
{
    carat_request_state s = { .struct_size = sizeof s };
    if (!carat_request_progress(r, &s, NULL) || s.stage != CARAT_REQUEST_READING)
        term_progress_end();
    else if (s.n_encoded < s.n_images)
        cli_prompt_progress(NULL, CARAT_PHASE_IMAGE, s.n_encoded, s.n_images);
    else
        cli_prompt_progress(NULL, CARAT_PHASE_PROMPT, s.n_read, s.n_prompt);
}

/* Waits for the end of a request that is alone in its queue. Its scores, or false. */
static bool wait_for(decision *d, carat_queue *q, carat_err *err)
{
    struct pollfd p[] = { { .fd = carat_queue_fd(q), .events = POLLIN },
                          { .fd = cli_interrupt_fd(), .events = POLLIN } };
    bool ok = false;
    while (!cli_was_interrupted()) {
        const carat_event *e = carat_queue_next(q, 0);
        if (e->kind == CARAT_EVENT_END)
            break;
        if (e->kind == CARAT_EVENT_ANSWER) {
            ok = true;
            d->scores = e->scores;
        } else if (e->kind == CARAT_EVENT_FAILED) {
            *err = *e->err;
        } else {
            poll(p, 2, 100);
            show_progress(d->request);
        }
    }
    term_progress_end();
    return cli_was_interrupted() ? ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted") : ok;
}

/* Spaces, and a choice behind them. */
static char *behind_spaces(const char *text, size_t n)
{
    size_t len = strlen(text);
    char *s = malloc(n + len + 1);
    if (!s)
        return NULL;
    memset(s, ' ', n);
    memcpy(s + n, text, len + 1);
    return s;
}

static bool submit(decision *d, carat_queue *q, carat_err *err)
{
    carat_continuation *c = calloc(d->n, sizeof *c);
    char **texts = calloc(d->n, sizeof *texts);
    bool ok = c && texts;
    for (size_t i = 0; ok && i < d->n; i++) {
        ok = (texts[i] = behind_spaces(d->choices[i], d->n_spaces)) != NULL;
        c[i] = (carat_continuation){ .struct_size = sizeof *c, .text = texts[i] };
    }
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = d->prompt,
                                      .queue = q,
                                      .ending = d->ending,
                                      .continuations = c,
                                      .n_continuations = d->n };
    carat_engine *e = (carat_engine *)(uintptr_t)d->engine;
    ok = ok ? carat_request_submit(e, &o, &d->request, err)
            : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu choices", d->n);
    for (size_t i = 0; texts && i < d->n; i++)
        free(texts[i]);
    free(texts);
    free(c);
    return ok;
}

size_t decision_take_spaces(decision *d, const char *text, size_t len)
{
    while (len > 0 && text[len - 1] == ' ') {
        d->n_spaces++;
        len--;
    }
    return len;
}

bool decide(decision *d, carat_err *err)
{
    carat_queue *q;
    double start = ct_now();
    if (!carat_queue_open(&q, err))
        return false;
    bool ok = submit(d, q, err) && wait_for(d, q, err);
    d->seconds = ct_now() - start;
    carat_queue_close(q);
    return ok;
}

void decision_free(decision *d)
{
    carat_request_free(d->request);
    d->request = NULL;
    d->scores = NULL;
}
