/* events.h - the output of a response, item by item, and the events that tell of it.
 *
 *     response.created, response.in_progress
 *     a message:  response.output_item.added, response.content_part.added, response.output_text.delta ...,
 *                 response.output_text.done, response.content_part.done, response.output_item.done
 *     a call:     response.output_item.added, response.function_call_arguments.delta ..., .done, response.output_item.done
 *     response.completed, or .incomplete, or .failed
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_RESPONSES_EVENTS_H
#define CT_RESPONSES_EVENTS_H

#include "openai/parts.h"

typedef struct ct_responses_output {
    json_t *response; /* owned; its "output" has the items that are complete */
    bool streams;
    size_t n_events;
    json_t *item; /* that is coming; NULL: none */
    bool is_call;
    ct_buf text;      /* of it: the message's, or the call's arguments */
    json_t *logprobs; /* of it; NULL: none */
} ct_responses_output;

void ct_responses_output_init(ct_responses_output *o, bool streams);
void ct_responses_output_deinit(ct_responses_output *o);

/* All append to out if it streams. False: no memory. */
bool ct_responses_begin(ct_responses_output *o, ct_buf *out);
bool ct_responses_take(ct_responses_output *o, const ct_openai_part *part, ct_buf *out);
/* An event that has the whole response. */
bool ct_responses_tell(ct_responses_output *o, const char *type, ct_buf *out);

#endif
