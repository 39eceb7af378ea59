/* asked.h - a body and what the protocol reads out of it, on a tiny model: for tests of requests and of their replies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_ASKED_H
#define CT_TESTS_ASKED_H

#include "openai/openai.h"

#define ASKED_CHAT  CT_OPENAI_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": \"a red star\"}]"
#define ASKED_COMPL CT_OPENAI_COMPLETIONS, "{\"prompt\": \"a red star\""

extern carat_engine *asked_engine;
extern ct_openai_options asked_defaults;

typedef struct asked {
    ct_openai_request r;
    ct_openai_fault f;
    bool ok;
} asked;

/* Reads base and the rest of an object: ", \"n\": 2}". */
void asked_read(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest);
void asked_done(asked *a);
/* The same; the test fails if it is refused. */
void asked_accept(asked *a, ct_openai_endpoint endpoint, const char *base, const char *rest);
/* The test fails if it is not refused with a 400, for this field and with this word. */
void asked_refuse(ct_openai_endpoint endpoint, const char *base, const char *rest, const char *param, const char *code);

extern size_t asked_n_ctx;      /* 128 */
extern const char *asked_model; /* tiny-text */

/* For cmocka's groups: the engine. */
int asked_open(void **state);
int asked_close(void **state);

#endif
