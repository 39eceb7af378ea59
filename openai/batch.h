/* batch.h - the lines of OpenAI's Batch API: a request in an envelope, a response in another.
 *
 *     {"custom_id": "7", "method": "POST", "url": "/v1/chat/completions", "body": {…}}
 *     {"id": "batch_req_…", "custom_id": "7", "response": {"status_code": 200, "request_id": "req_…", "body": {…}}, "error": null}
 *
 * A request that was refused has the error object as its response's body; a line that is not a request has "response": null
 * and the reason in "error".
 *
 * Source: https://platform.openai.com/docs/api-reference/batch
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_BATCH_H
#define CT_OPENAI_BATCH_H

#include "openai/openai.h"

typedef struct ct_openai_line { /* zero-initialised */
    json_t *json;
    const char *custom_id; /* borrowed from json; never empty */
    ct_openai_request request;
} ct_openai_line;

/* Any bytes to JSON and custom_id. */
bool ct_openai_line_parse(ct_openai_line *l, const char *text, size_t len, ct_openai_fault *f);
/* The rest of a line that was parsed: its request. Without a seed of its own it draws from the options' seed and its
 * custom_id, so that a batch gives the same answers again whatever the order of its lines. */
bool ct_openai_line_read(ct_openai_line *l, carat_engine *e, const ct_openai_options *o, ct_openai_fault *f);
void ct_openai_line_deinit(ct_openai_line *l);

/* Lines of output with their newline, the caller's (free); NULL: no memory. body is taken and may be NULL. */
char *ct_openai_line_reply(const char *custom_id, json_t *body);
char *ct_openai_line_fault(const char *custom_id, const ct_openai_fault *f);

#endif
