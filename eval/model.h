/* model.h - who is asked: an engine of this process, or a server that speaks OpenAI's protocol. Both are given the same questions and
 * say the same of their answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_MODEL_H
#define CT_EVAL_MODEL_H

#include "base/json.h"
#include "eval/picture.h"

#define CT_EVAL_MOST_STOPS 16

/* How an answer is generated: the likeliest token each time. */
typedef struct ct_eval_settings {
    size_t max_tokens;
    const char *stops[CT_EVAL_MOST_STOPS]; /* [n_stops] borrowed; not part of the answer */
    size_t n_stops;
} ct_eval_settings;

typedef struct ct_eval_ask {
    char *text;     /* taken (free): what the model reads. NULL: there is nothing to do for this one */
    bool is_chat;   /* as a user's message, by the model's template; else bare, behind <bos> */
    char **choices; /* [n_choices] taken: texts whose likelihood is asked for. NULL: an answer is generated */
    size_t n_choices;
    ct_eval_shown *shown; /* [n_shown] taken: pictures, by their places in the text */
    size_t n_shown;
    const json_t *messages; /* [{"role", "content"}] of a chat, instead of text as a user's; borrowed; NULL: that */
    const ct_eval_settings *settings; /* of an answer; borrowed */
    const json_t
        *functions; /* that a chat may call, as OpenAI's "tools"; borrowed until the next call of make; NULL: none */
} ct_eval_ask;

typedef struct ct_eval_reply {
    const double *logprobs; /* [n_choices] natural logarithms, of all tokens of a choice behind the text */
    const char *text;       /* [len] the answer, NUL-terminated; without its calls where there were functions */
    size_t len;
    size_t n_tokens; /* of the answer; 0: not known */
    bool is_cut;     /* by max_tokens or the context */
    json_t *calls;   /* [{"name", "arguments"}]; borrowed; NULL: there were no functions */
} ct_eval_reply;

typedef struct ct_eval_work {
    size_t n; /* questions */
    void *arg;
    bool (*make)(void *arg, size_t i, ct_eval_ask *ask, carat_err *err);           /* the i-th; called in order */
    bool (*take)(void *arg, size_t i, const ct_eval_reply *reply, carat_err *err); /* in any order of i */
    bool (*goes_on)(
        void *arg); /* now and then, and at the end: false ends the work with CARAT_ECANCELLED; may be NULL */
} ct_eval_work;

typedef struct ct_eval_model ct_eval_model;
struct ct_eval_model {
    /* All of it, n_at_once at work. Errors: of make and take, of the model (with the item's number), CARAT_ECANCELLED. */
    bool (*run)(ct_eval_model *m, const ct_eval_work *work, carat_err *err);
    size_t n_at_once;
    const char *path, *weights, *published; /* as carat_model_info has them; of a server its URL and name, "" and "" */
    const char *numerics;                   /* results of another one are not mixed with this one's */
    bool is_tuned;                          /* instruction-tuned */
    carat_engine *e;                        /* NULL: a server */
    const carat_pan_scan *pan_scan;         /* of pictures; NULL: the defaults; a server has its own */
    void *self;
};

/* An engine; borrowed. */
void ct_eval_model_engine(ct_eval_model *m, carat_engine *e, size_t n_at_once);

/* A text of what was asked that is no longer needed, with its choices. */
void ct_eval_ask_free(ct_eval_ask *ask);
/* Its pictures alone. */
void ct_eval_ask_unshow(ct_eval_ask *ask);

#endif
