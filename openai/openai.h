/* openai.h - the OpenAI protocol over carat.h: requests, replies and errors as JSON. No sockets, no terminal.
 *
 *     body (JSON) ── ct_openai_request_read ──> carat_request_options ── carat_request_submit ──> events
 *          │                 └ false: a fault                                                     │
 *          │                          └── ct_openai_error ──> {"error": {…}}    ct_openai_reply_add, one by one
 *          └ /v1/chat/completions, /v1/completions                                                │
 *                                              {"object": "chat.completion", …} <── ct_openai_reply_body
 *
 * A reply is made event by event, and its id and time are fixed when it begins, so a writer of streamed chunks needs
 * nothing but the same three calls. Which fields are honoured, ignored and refused: README.md. openai/batch.h adds the
 * lines of the Batch API.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat, /completions
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_H
#define CT_OPENAI_H

#include <pthread.h>

#include "base/buf.h"
#include "base/json.h"
#include "carat.h"
#include "openai/usage.h"

#define CT_OPENAI_MAX_ANSWERS  16 /* n */
#define CT_OPENAI_MAX_STOPS    16
#define CT_OPENAI_MAX_FORMS    16
#define CT_OPENAI_MAX_CALLS    16                   /* of an answer */
#define CT_OPENAI_MAX_PIXELS   ((uint64_t)64 << 20) /* of an image in a request */
#define CT_OPENAI_MAX_TOP      20                   /* top_logprobs */
#define CT_OPENAI_MAX_ADAPTERS 16                   /* that answer one request */
#define CT_OPENAI_ALL_ADAPTERS 64                   /* that there are */
#define CT_OPENAI_MAX_LIST     1024 /* bytes of the names of unknown fields; then the list ends in "..." */

typedef enum ct_openai_endpoint {
    CT_OPENAI_CHAT,        /* /v1/chat/completions */
    CT_OPENAI_COMPLETIONS, /* /v1/completions */
} ct_openai_endpoint;

/* ---- faults ---- */

/* Why a request has no answer. */
typedef struct ct_openai_fault {
    int status;       /* HTTP's; 0: what came is not a request and has no response */
    const char *code; /* OpenAI's word for it; static */
    char param[64];   /* the field, or "" */
    carat_err err;
} ct_openai_fault;

/* Fills all of it; returns false, always. */
bool ct_openai_refuse(ct_openai_fault *f, int status, const char *code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same where a call has filled f->err: status and code follow from its code. What failed here (no memory, a deadline,
 * numbers that are not finite) is a 500, an engine that is being drained a 503, and neither names a field; any other is a
 * 400. */
bool ct_openai_refuse_err(ct_openai_fault *f, const char *param);
/* A 503 for an answer that was cancelled: whoever gets it is not told that it was complete. */
bool ct_openai_refuse_cut(ct_openai_fault *f);
/* The same where carat_request_submit has: a full queue is a 429. */
bool ct_openai_refuse_submit(ct_openai_fault *f, ct_openai_endpoint endpoint);

/* {"error": {"message", "type", "param", "code"}}, the caller's; NULL: no memory. The type follows from the status. */
json_t *ct_openai_error(const ct_openai_fault *f);

/* ---- requests ---- */

/* What becomes of fields that nobody knows, and of those that are taken without being honoured (fields.h). What would
 * change the answer and cannot be honoured is refused in any case. */
typedef enum ct_openai_mode {
    CT_OPENAI_KNOWN,   /* unknown ones are refused, harmless ones are not */
    CT_OPENAI_LENIENT, /* unknown ones are listed: for a response's header "x-carat-ignored" */
    CT_OPENAI_STRICT,  /* harmless ones are refused too where they ask for something: "X-Strict: 1" */
} ct_openai_mode;

typedef struct ct_openai_list {
    ct_openai_mode mode;
    ct_buf names; /* "top, messages[0].mood": letters, digits and _ - . [ ] % only; empty: data may be NULL */
    size_t n;
} ct_openai_list;

/* Forms of answers of one engine that were asked for lately: requests that ask for the same share what it was compiled to and
 * what it has found out. From any thread; zero-initialised. Closed before the engine, after the requests. */
typedef struct ct_openai_form ct_openai_form;
typedef struct ct_openai_forms {
    pthread_mutex_t lock;
    ct_openai_form *v[CT_OPENAI_MAX_FORMS]; /* [n] */
    size_t n;
} ct_openai_forms;
void ct_openai_forms_deinit(ct_openai_forms *forms);

/* LoRA adapters that requests may name, by their numbers, and what those that name none are answered with. */
typedef struct ct_openai_adapters {
    struct {
        const carat_adapter *adapter;
        double scale;
    } v[CT_OPENAI_ALL_ADAPTERS]; /* [n] */
    size_t n;
} ct_openai_adapters;

/* What the operator allows, and the settings of requests that do not say otherwise. */
typedef struct ct_openai_options {
    carat_sampling sampling; /* with the seed of a request that gives none */
    size_t max_tokens;       /* of an answer; 0: a chat's until the model stops, a completion's 16 (OpenAI's default) */
    carat_pan_scan pan_scan; /* "detail" of a request wins */
    size_t max_answers;      /* the most `n` may be: answers the engine generates at once */
    const char *files;       /* the folder whose image files a request may name; NULL: none */
    const char *files_hint;  /* what would open one, for the message: "--batch-files DIR" */
    const char *adapter_files; /* the folder whose adapters a request may load; NULL: none */
    size_t fit;             /* of a chat: oldest turns are left out until its prompt has no more tokens; 0: none is */
    ct_openai_mode mode;    /* of this request */
    ct_openai_forms *forms; /* NULL: a request compiles its form for itself */
    const ct_openai_adapters *adapters; /* NULL: the engine's own */
} ct_openai_options;

/* The adapters of a request that does not say which: one that has the name of its model, else all by their scales. Returns how
 * many. */
size_t ct_openai_adapters_of(const carat_engine *e, const ct_openai_options *o, const char *model,
                             carat_adapter_use uses[CT_OPENAI_MAX_ADAPTERS]);

/* What answers may call. */
typedef struct ct_openai_calls {
    carat_tools *tools; /* that the prompt declares; NULL: none */
    carat_tools *some;  /* those of them that may be called; NULL: all */
    const char **names; /* [n_names]: their names, borrowed from the body */
    size_t n_names;
    char *key;         /* all of this as text */
    bool must_call;    /* an answer is nothing but calls */
    bool is_single;    /* one at most */
    bool is_old_style; /* asked for as "functions": answers have a "function_call" */
} ct_openai_calls;

typedef struct ct_openai_request { /* zero-initialised */
    ct_openai_endpoint endpoint;
    carat_engine *engine;     /* that it is for, borrowed */
    bool has_logprobs;        /* of each token, and of generation.n_top alternatives */
    bool echoes;              /* answers begin with the prompt, and log-probabilities with those of its tokens */
    bool has_prompt_logprobs; /* of the prompt's tokens by themselves, and of n_prompt_top alternatives */
    size_t n_prompt_top;
    carat_request_options submit; /* what the engine is asked; all it points at is below, so do not move it */
    carat_generation generation;
    carat_sampling sampling;
    json_t *body;
    carat_prompt *prompt;
    carat_prompt *
        *others; /* [n_others]: of a completion's list of prompts those behind the first; asked for in the same way */
    size_t n_others;
    bool streams, wants_usage; /* "stream"; "include_usage" of "stream_options" */
    carat_bias *bias;
    const char **stops;
    ct_buf prediction;                                  /* what the answer is expected to be; empty: nothing */
    carat_adapter_use adapters[CT_OPENAI_MAX_ADAPTERS]; /* [n_adapters] that it names */
    size_t n_adapters;
    ct_openai_form *form;   /* of the answers; NULL: any */
    ct_openai_calls calls;  /* that answers may make */
    ct_openai_list unknown; /* fields that nobody knows, in the lenient mode */
} ct_openai_request;

/* Every field of the body is honoured, known to change nothing, refused by name, or listed as unknown. Takes a reference to the body.
 * On false the fault says why; the request is to be deinitialised in either case. */
bool ct_openai_request_read(ct_openai_request *r, ct_openai_endpoint endpoint, json_t *body, carat_engine *e,
                            const ct_openai_options *o, ct_openai_fault *f);
void ct_openai_request_deinit(ct_openai_request *r);

/* image.c: an image of an address: data:, or a file where options have a folder. where: its place, for messages. */
bool ct_openai_image(const json_t *url, const char *files, const char *files_hint, const char *where,
                     carat_picture **out, ct_openai_fault *f);

/* ---- replies ---- */

/* The prompt, as each answer begins with it. */
typedef struct ct_openai_echo {
    bool is_made;
    ct_buf text, starts; /* as an answer's */
    json_t *entries;     /* of its tokens; NULL: not asked for */
} ct_openai_echo;

/* A call that an answer makes. */
typedef struct ct_openai_call {
    char id[40];
    ct_buf name, arguments;
    size_t text_at; /* how much of the text beside the calls stands before it */
    bool is_whole;  /* it was not cut off */
} ct_openai_call;

typedef enum ct_openai_reading {
    CT_READING_TEXT,  /* it makes no calls */
    CT_READING_CALLS, /* it may, but has not */
    CT_READING_BOUND, /* it does: the form sees to them */
    CT_READING_HELD,  /* it does, if all are valid, which shows at its end */
} ct_openai_reading;

typedef struct ct_openai_answer {
    ct_buf text;             /* as the engine has given it */
    ct_buf starts;           /* size_t: where the text of each token begins */
    json_t *waiting;         /* entries of tokens that no part has brought yet; NULL: not asked for */
    size_t n_brought;        /* entries that parts have brought */
    json_t *logprobs;        /* all of these; NULL: not asked for, or streamed */
    size_t counted, n_chars; /* characters in the first bytes of the text */
    ct_openai_reading reading;
    carat_call_reader *reader; /* NULL: it may make no calls */
    size_t n_told;             /* bytes of the text that have come before any call */
    ct_openai_call **calls;    /* [n_calls] */
    size_t n_calls;
    ct_buf beside;      /* where there are calls: the text beside them */
    bool has_begun;     /* what is told of the prompt has been added */
    size_t n_echo;      /* bytes of the text that are the prompt's */
    bool has_failed;    /* no memory for a part of it */
    const char *finish; /* once it is complete: "stop", "length", "tool_calls", "cancelled" */
    carat_result result;
} ct_openai_answer;

typedef struct ct_openai_reply {      /* zero-initialised */
    const ct_openai_request *request; /* borrowed */
    char id[40];                      /* "chatcmpl-" or "cmpl-" and 24 hexadecimal digits */
    int64_t created;                  /* seconds since 1970 */
    ct_openai_answer *answers;        /* [n] */
    size_t n;
    const carat_prompt *prompt; /* that it answers, borrowed; at first the request's first */
    ct_openai_echo echo;
    json_t *prompt_logprobs;      /* vLLM's; NULL: not asked for */
    struct ct_openai_part *parts; /* [n_parts] of the latest event: parts.h */
    size_t n_parts, cap_parts;
    bool has_failed; /* an answer has: fault says why */
    ct_openai_fault fault;
} ct_openai_reply;

/* The request must outlive the reply. False: no memory. */
bool ct_openai_reply_init(ct_openai_reply *reply, const ct_openai_request *r);
void ct_openai_reply_deinit(ct_openai_reply *reply);
/* One event of any kind. */
void ct_openai_reply_add(ct_openai_reply *reply, const carat_tokenizer *tok, const carat_event *event);
/* The response's body once all answers are complete, the caller's; NULL: no memory. */
json_t *ct_openai_reply_body(const ct_openai_reply *reply, const char *model, const ct_openai_usage *usage);

/* A token as log-probabilities have it: {"id", "token", "logprob", "bytes"}. A token that is part of a character has a
 * replacement character as its text and the true bytes. NULL: no memory, or no such id. */
json_t *ct_openai_token(const carat_tokenizer *tok, int32_t id, float logprob);

/* How many of an answer's tokens are part of its text. All are, unless a stop string ended it: then those that begin
 * before the cut. starts: carat_token.at of each, as size_t. */
size_t ct_openai_n_in_text(const ct_buf *starts, size_t text_len, const carat_result *result);

/* prefix and 24 random hexadecimal digits into to[size]. False: the system gives no random bytes. */
bool ct_openai_new_id(const char *prefix, char *to, size_t size);

#endif
