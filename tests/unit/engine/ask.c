/* Submits requests and collects their events.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_backend.h"
#include "kernels/kernels.h"
#include "unit.h"

void ask_must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s: %s", carat_code_name(e->code), e->msg);
}

bool ask_is_fake(void)
{
    return getenv("CARAT_TEST_FAKE") != NULL;
}

carat_engine *ask_open(const char *path, const carat_options *o)
{
    carat_engine *e;
    carat_err err;
    ask_must(ask_is_fake() ? fake_engine_open(o, &e, &err) : carat_engine_open(path, o, &e, &err), &err);
    return e;
}

void ask_ids(uint64_t seed, int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = i ? (int32_t)(20 + (seed >> 33) % 480) : 2;
    }
}

carat_prompt *ask_prompt(const carat_engine *e, const int32_t *ids, size_t n)
{
    carat_prompt *p;
    carat_err err;
    ask_must(carat_prompt_ids(e, ids, n, NULL, 0, NULL, &p, &err), &err);
    return p;
}

carat_prompt *ask_random(const carat_engine *e, uint64_t seed, size_t n)
{
    int32_t ids[4096];
    assert_true(n <= 4096);
    ask_ids(seed, ids, n);
    return ask_prompt(e, ids, n);
}

const carat_sampling ask_largest = { .struct_size = sizeof ask_largest, .top_p = 1, .repetition_penalty = 1 };

carat_stats ask_stats(carat_engine *e)
{
    carat_stats s = { .struct_size = sizeof s };
    carat_err err;
    ask_must(carat_engine_stats(e, &s, &err), &err);
    return s;
}

carat_request *ask(carat_engine *e, const carat_request_options *o)
{
    carat_request *r;
    carat_err err;
    ask_must(carat_request_submit(e, o, &r, &err), &err);
    return r;
}

static void add_token(answer *a, const carat_token *t)
{
    assert_true(!a->has_ended && a->len + t->len < sizeof a->text);
    memcpy(a->text + a->len, t->text, t->len);
    a->text[a->len += t->len] = '\0';
    if (t->id < 0)
        return;
    assert_true(a->n < ASK_MAX && t->n_top <= ASK_TOP);
    a->ids[a->n] = t->id;
    a->logprobs[a->n] = t->logprob;
    if (t->n_top)
        memcpy(a->top[a->n], t->top, t->n_top * sizeof *t->top);
    a->n++;
}

bool ask_take(const carat_event *ev, answer *answers)
{
    if (ev->kind == CARAT_EVENT_END || ev->kind == CARAT_EVENT_NONE)
        return false;
    answer *a = &answers[ev->answer];
    if (ev->kind == CARAT_EVENT_TOKEN) {
        add_token(a, ev->token);
        return true;
    }
    assert_false(a->has_ended);
    a->has_ended = true;
    a->ok = ev->kind == CARAT_EVENT_ANSWER;
    assert_true(a->ok ? ev->result && !ev->err : ev->err && !ev->result);
    if (a->ok)
        a->result = *ev->result;
    else
        a->err = *ev->err;
    return true;
}

bool ask_next(carat_request *r, double seconds, answer *answers)
{
    return ask_take(carat_request_next(r, seconds), answers);
}

void ask_rest(carat_request *r, answer *answers)
{
    while (ask_next(r, -1, answers))
        ;
}

void ask_whole(carat_engine *e, const carat_request_options *o, answer *answers)
{
    carat_request *r = ask(e, o);
    size_t n = o->n_answers ? o->n_answers : 1;
    memset(answers, 0, n * sizeof *answers);
    ask_rest(r, answers);
    for (size_t i = 0; i < n; i++)
        assert_true(answers[i].has_ended);
    carat_request_free(r);
}

void ask_same(const answer *a, const answer *b, const char *what)
{
    if (a->ok != b->ok || a->result.finish != b->result.finish || a->result.stop_id != b->result.stop_id)
        fail_msg("%s: ended otherwise (%s; %s)", what, a->ok ? "well" : a->err.msg, b->ok ? "well" : b->err.msg);
    if (a->n != b->n || a->len != b->len || memcmp(a->text, b->text, a->len) != 0)
        fail_msg("%s: %zu tokens and %zu bytes, %zu tokens and %zu bytes, or other bytes", what, a->n, a->len, b->n,
                 b->len);
    for (size_t i = 0; i < a->n; i++)
        if (a->ids[i] != b->ids[i] || memcmp(&a->logprobs[i], &b->logprobs[i], sizeof(float)) != 0 ||
            memcmp(a->top[i], b->top[i], sizeof a->top[i]) != 0)
            fail_msg("%s: token %zu differs", what, i);
}

float ask_logsumexp(const float *x, size_t n)
{
    if (ask_is_fake()) { /* which computes it so */
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += exp((double)x[i]);
        return (float)log(sum);
    }
    ct_kernels k;
    ct_kernels_for(&k, ct_cpu_preferred());
    float most, sum = k.logsumexp(x, n, &most);
    return sum + most;
}

void ask_sleep(double seconds)
{
    const struct timespec t = { .tv_sec = (time_t)seconds,
                                .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
    nanosleep(&t, NULL);
}

double ask_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- a step that stands still ---- */

static bool hold_up(void *arg, size_t pos, const float *logits, size_t n)
{
    ask_held *h = arg;
    (void)pos, (void)logits, (void)n;
    sem_post(&h->in);
    sem_wait(&h->out);
    return true;
}

static void *append_held(void *arg)
{
    ask_held *h = arg;
    const int32_t id = 2;
    carat_err e;
    ask_must(carat_session_append_logits(h->session, &id, 1, hold_up, h, &e), &e);
    return NULL;
}

void ask_hold(carat_engine *e, ask_held *h)
{
    carat_err err;
    ask_must(carat_session_open(e, 64, &h->session, &err), &err);
    sem_init(&h->in, 0, 0), sem_init(&h->out, 0, 0);
    assert_int_equal(pthread_create(&h->thread, NULL, append_held, h), 0);
    sem_wait(&h->in);
}

void ask_release(ask_held *h)
{
    sem_post(&h->out);
    pthread_join(h->thread, NULL);
    carat_session_close(h->session);
    sem_destroy(&h->in), sem_destroy(&h->out);
}
