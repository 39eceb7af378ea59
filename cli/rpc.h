/* rpc.h - JSON-RPC 2.0 with a program that runs beside ours: a message a line, on its standard input and output.
 *
 * One request is under way at a time. While its answer is waited for, and in rpc_listen, all that comes is dealt with: a
 * ping is answered, other requests are refused as "method not found", notifications are handed on. Between these calls nobody
 * listens. What the program writes to its standard errors is kept, the last CHILD_LOG bytes of it.
 *
 * The program is trusted with nothing: a line has at most RPC_MOST_LINE bytes, no wait goes on beyond its time, and what
 * answers nothing is passed over with a notice.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_RPC_H
#define CT_CLI_RPC_H

#include "base/buf.h"
#include "base/json.h"
#include "child.h"

#define RPC_MOST_LINE ((size_t)16 << 20)

typedef void rpc_notice_fn(void *arg, const char *method, const json_t *params); /* params: NULL if it has none */

typedef struct rpc {
    char name[64]; /* for messages; printable */
    child child;
    child_talk talk;
    ct_buf to, line;     /* to be written; of the line that comes */
    bool is_lost;        /* nothing more can be exchanged */
    char why_lost[160];  /* a sentence about it */
    int64_t id;          /* of the last request */
    bool waits;          /* for its answer */
    json_t *answer;      /* a message with this id; NULL: not there yet */
    bool has_bad_answer; /* a line that began as a message was none */
    carat_err bad;       /* why */
    json_t *refusal;     /* the error object of the last request; NULL: it was no error */
    rpc_notice_fn *on_notice;
    void *arg;
    unsigned n_told; /* notices about what it sends */
    double grace;    /* seconds that it has to leave in, and again after SIGTERM; rpc_open sets them */
    child_log log;
} rpc;

/* Starts the command. *r is to be given to rpc_close, also after an error. Errors: CARAT_EARG, CARAT_ELIMIT (the command,
 * words.h), CARAT_EIO (it cannot be started), CARAT_ENOMEM. */
bool rpc_open(rpc *r, const char *command, carat_err *err);
/* params is JSON of one line. The answer's result, an object, is the caller's. Errors: CARAT_EUNSUPPORTED (it answers with an
 * error, in r->refusal), CARAT_EFORMAT (with what is no answer), CARAT_ETIME, CARAT_ECANCELLED (Ctrl-C), CARAT_EIO (it has
 * ended, or was ended for what it sent), CARAT_ENOMEM. */
bool rpc_request(rpc *r, const char *method, const char *params, double seconds, json_t **result, carat_err *err);
/* params may be NULL. */
void rpc_notify(rpc *r, const char *method, const char *params);
/* Deals with what has come, without waiting. */
void rpc_listen(rpc *r);
/* What it wrote last to its standard errors is shown, if it has written anything. */
void rpc_show_log(rpc *r);
/* Closes its input, which asks it to leave; rpc_close then waits less. */
void rpc_hang_up(rpc *r);
void rpc_close(rpc *r);

#endif
