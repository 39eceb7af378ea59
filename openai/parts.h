/* parts.h - what an event makes certain of an answer, in no protocol's words: writers of streams turn parts into theirs.
 *
 *     carat_event ──> ct_openai_reply_add ──> parts ──> chunks of chat.completion, events of Anthropic, lines of Ollama ...
 *                             └──> the whole answer, for a reply that is not streamed
 *
 * The parts of an answer, put together, are the whole answer: its texts joined are its text, the arguments of each call
 * joined are the call's. What may still turn out to be something else (a call that need not be valid, half of a
 * character) is held back until it cannot.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_PARTS_H
#define CT_OPENAI_PARTS_H

#include "openai/openai.h"

typedef enum ct_openai_part_kind {
    CT_PART_TEXT,      /* the next text of the answer */
    CT_PART_CALL,      /* a call begins: id and name */
    CT_PART_ARGUMENTS, /* the next bytes of its arguments */
    CT_PART_CALL_END,  /* it is whole */
    CT_PART_END,       /* the answer is: finish, stop, result */
    CT_PART_FAILED,    /* it has failed: fault */
} ct_openai_part_kind;

/* Borrowed until the next event is added to the reply. */
typedef struct ct_openai_part {
    ct_openai_part_kind kind;
    size_t answer;         /* which of the request's, from 0 */
    size_t call;           /* of a call: which of the answer's, from 0 */
    const char *id, *name; /* CALL: "call_...", the function's */
    const char *text;      /* TEXT, ARGUMENTS: len bytes of whole characters; TEXT may be empty where it has entries */
    size_t len;
    const json_t *
        logprobs; /* TEXT, ARGUMENTS, END: entries of the tokens that it brings, as the endpoint has them; NULL: none */
    const char *finish;           /* END: "stop", "length", "tool_calls", "cancelled" */
    const char *stop;             /* END: the stop string that ended the text; NULL: none did */
    const carat_result *result;   /* END */
    const ct_openai_fault *fault; /* FAILED */
} ct_openai_part;

/* The parts that the latest ct_openai_reply_add has made, *n of them, perhaps none. */
const ct_openai_part *ct_openai_reply_parts(const ct_openai_reply *reply, size_t *n);

#endif
