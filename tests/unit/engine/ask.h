/* ask.h - asking an engine and keeping all it says: for tests of requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_ASK_H
#define CT_TESTS_ASK_H

#include <pthread.h>
#include <semaphore.h>

#include "carat.h"

#define ASK_MAX 512 /* tokens of an answer */
#define ASK_TOP 20

typedef struct answer {
    bool has_ended, ok;
    carat_err err;
    carat_result result;
    size_t n; /* tokens told */
    int32_t ids[ASK_MAX];
    float logprobs[ASK_MAX];
    carat_top top[ASK_MAX][ASK_TOP];
    char text[4096];
    size_t len;
} answer;

void ask_must(bool ok, const carat_err *e); /* fails the running test */

/* The model at path, or with CARAT_TEST_FAKE in the environment the fake backend and no model file. */
carat_engine *ask_open(const char *path, const carat_options *o);
bool ask_is_fake(void);
/* <bos> and n - 1 ids that depend on the seed, all below 500. */
void ask_ids(uint64_t seed, int32_t *ids, size_t n);
carat_prompt *ask_prompt(const carat_engine *e, const int32_t *ids, size_t n);
carat_prompt *ask_random(const carat_engine *e, uint64_t seed, size_t n);

/* The largest logit each time, past the ends of texts, with all alternatives. */
extern const carat_sampling ask_largest;
#define ASK_GREEDY(n)                                                                                                  \
    (&(const carat_generation){ .struct_size = sizeof(carat_generation),                                               \
                                .sampling = &ask_largest,                                                              \
                                .max_tokens = (n),                                                                     \
                                .ignores_eos = true,                                                                   \
                                .n_top = ASK_TOP })
carat_stats ask_stats(carat_engine *e);

carat_request *ask(carat_engine *e, const carat_request_options *o);
/* Keeps what the event says of its request; answers is [n_answers]. False: END or NONE. */
bool ask_take(const carat_event *ev, answer *answers);
/* What came; answers is [n_answers]. False: nothing within the time, or all have ended. */
bool ask_next(carat_request *r, double seconds, answer *answers);
/* Waits for the end of all. */
void ask_rest(carat_request *r, answer *answers);
/* Asks, waits, forgets. */
void ask_whole(carat_engine *e, const carat_request_options *o, answer *answers);

/* The engine in the middle of a step, from ask_hold to ask_release. */
typedef struct ask_held {
    carat_session *session;
    sem_t in, out;
    pthread_t thread;
} ask_held;
void ask_hold(carat_engine *e, ask_held *h);
void ask_release(ask_held *h);

/* The same tokens, probabilities bit for bit, text and ending. */
void ask_same(const answer *a, const answer *b, const char *what);

/* Of n logits, as the engine computes it: with its kernels, or as the fake backend does. */
float ask_logsumexp(const float *x, size_t n);

void ask_sleep(double seconds);
double ask_now(void);

#endif
