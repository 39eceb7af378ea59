/* talked.h - a body, what a protocol reads out of it and the bytes that it replies, on a tiny model and without a server: for
 * tests of any table of functions of openai/talk.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TALKED_H
#define CT_TESTS_TALKED_H

#include "asked.h"
#include "openai/talk.h"

extern ct_talk_scene talked_scene; /* what all of them have, but for the engine and the options */

typedef struct talked {
    ct_talk_scene scene;
    ct_talk *t;
    ct_openai_fault f;
    bool ok;
    ct_buf out; /* all bytes of the reply */
} talked;

/* Reads a body with asked_engine and asked_defaults; ' in it stands for ". */
void talked_read(talked *o, const ct_talk_kind *kind, const char *body);
/* The same; the test fails if it is refused. */
void talked_accept(talked *o, const ct_talk_kind *kind, const char *body);
/* The test fails unless it is refused with a 400 that names this field, and says this in the message. */
void talked_refuse(const ct_talk_kind *kind, const char *body, const char *param, const char *says);
void talked_done(talked *o);

/* The model answers. */
void talked_run(talked *o);
/* Instead of the model: tokens with these texts, NULL at the end, and how it ends. stop: which stop string did, from 1. */
void talked_say(talked *o, const char *const *texts, carat_finish finish, unsigned stop);
/* An event of a failure. */
void talked_fail(talked *o, carat_code code, const char *msg);

#endif
