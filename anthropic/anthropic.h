/* anthropic.h - Anthropic's Messages protocol: requests and replies, JSON and server-sent events over openai/ and carat.h.
 * No sockets.
 *
 *     /v1/messages                a table of functions that a server calls (openai/talk.h)
 *     /v1/messages/count_tokens   a function of a body
 *
 * What of a request is honoured, ignored and refused: README.md.
 *
 * Source: https://platform.claude.com/docs/en/api/messages
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ANTHROPIC_H
#define CT_ANTHROPIC_H

#include "openai/talk.h"

extern const ct_talk_kind ct_anthropic_talk;

/* {"input_tokens"}: the prompt's, as usage of a reply would have them. */
bool ct_anthropic_count_tokens(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f);

/* {"type": "error", "error": {"type", "message"}, "request_id"}, the caller's; NULL: no memory. request_id NULL: none. */
json_t *ct_anthropic_error(const ct_openai_fault *f, const char *request_id);

#endif
