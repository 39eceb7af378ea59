/* talks.h - the routes of the OpenAI protocol that need the model, as tables of functions (talk.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_TALKS_H
#define CT_OPENAI_TALKS_H

#include "openai/talk.h"

extern const ct_talk_kind ct_openai_talk_chat;        /* POST /v1/chat/completions */
extern const ct_talk_kind ct_openai_talk_completions; /* POST /v1/completions */
extern const ct_talk_kind ct_openai_talk_embeddings;  /* POST /v1/embeddings */

#endif
