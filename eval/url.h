/* url.h - a server of OpenAI's protocol as who is asked (model.h): chats by chat/completions, bare text and likelihoods by completions,
 * these with echo and logprobs.
 *
 * Whatever a server answers is judged: its replies have a ceiling, what they lack is said. $OPENAI_API_KEY goes with requests where it is
 * set, to https or to this machine alone. Redirects are not followed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_URL_H
#define CT_EVAL_URL_H

#include "eval/model.h"

typedef struct ct_eval_url ct_eval_url;

typedef struct ct_eval_url_options {
    const char *url, *name; /* "http://127.0.0.1:8080/v1"; of the model there */
    size_t n_at_once;
    int timeout_s;                               /* for a whole answer */
    void (*notice)(void *arg, const char *text); /* what is waited for, and what is asked again; may be NULL */
    void *arg;
} ct_eval_url_options;

/* m is filled in, and is good until it is closed. Errors: CARAT_EARG (no such URL; a key that would be sent
 * in the clear), CARAT_EUNSUPPORTED (built without libcurl, or it cannot be loaded), CARAT_ENOMEM. */
bool ct_eval_url_open(const ct_eval_url_options *o, ct_eval_url **out, ct_eval_model *m, carat_err *err);
void ct_eval_url_close(ct_eval_url *u); /* accepts NULL */

/* ---- url_talk.c: what is sent, what comes ---- */

/* The request's body and path for a question. NULL with an error. */
char *ct_eval_url_body(const ct_eval_ask *ask, const char *name, const char **path, carat_err *err);
/* Reads a reply and gives it to work->take. Errors: CARAT_EFORMAT (what it lacks), those of take. */
bool ct_eval_url_take(const ct_eval_ask *ask, const char *text, size_t len, const ct_eval_work *work, size_t i,
                      carat_err *err);
/* url_echo.c: the likelihood of words behind what was asked, out of an echoed completion. Errors: CARAT_EFORMAT (what the server's lists lack, or
 * that they are of another text). */
bool ct_eval_url_sum(const json_t *choice, const char *asked, const char *words, double *sum, carat_err *err);
/* What a reply says is wrong: its error's message, or its beginning. */
void ct_eval_url_fault(const char *text, size_t len, char *out, size_t size);

#endif
