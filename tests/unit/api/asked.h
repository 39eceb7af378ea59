/* asked.h - an engine of random weights that is asked, and what it answers; for the tests of forms.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_API_ASKED_H
#define CT_TESTS_API_ASKED_H

#include "carat.h"

#define TINY    TEST_DATA "/models/tiny-text"
#define ANSWERS 6

extern carat_engine *engine;
extern carat_prompt *prompt;

void must(bool ok, const carat_err *e);
/* The engine with eight sessions, and this prompt. */
void asked_open(const char *text);
void asked_close(void);

typedef struct answer {
    char text[4000];
    size_t len, n; /* bytes, tokens */
    bool has_failed;
    carat_result result;
    carat_err err; /* if it has failed */
} answer;

extern const carat_sampling wild; /* hot, and nothing cut off */

void answer_add(answer *a, const carat_token *t);
carat_request *ask(const carat_generation *g, size_t n);
/* All answers of a request, which is freed. */
void take(carat_request *r, answer *answers);
void answer_all(const carat_generation *g, size_t n, answer *answers);

/* The form is refused with this code, and a message that has `why`. */
void refuse(carat_format_options o, carat_code code, const char *why);

#endif
