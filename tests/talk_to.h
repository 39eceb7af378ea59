/* talk_to.h - a talk (openai/talk.h) from its body to its last byte, without a server: for tests of protocols.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TALK_TO_H
#define CT_TESTS_TALK_TO_H

#include "openai/talk.h"

typedef struct talk_place { /* whose event it is: carat_request_options.user */
    struct talked *of;
    size_t ask;
} talk_place;

typedef struct talked {
    ct_talk *talk;
    bool ok; /* it was read, and answered without a fault */
    ct_openai_fault fault;
    ct_buf out;   /* all that it wrote */
    json_t *body; /* where it was not streamed; NULL: it has none */
    char ignored[256];
    talk_place *places;
} talked;

/* Reads the body and has it answered. */
void talk_to(talked *t, const ct_talk_kind *kind, const ct_talk_scene *scene, const char *body);
void talk_done(talked *t);

/* Several at once: read and submitted by the first, answered by the second, in whatever order the events come. */
void talk_begin(talked *t, const ct_talk_kind *kind, const ct_talk_scene *scene, const char *body, carat_queue *q);
void talk_finish(talked *const *talks, size_t n, carat_queue *q);

#endif
