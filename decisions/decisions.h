/* decisions.h - POST /v1/systemone: typed questions about a state, answered with probabilities and without generating.
 *
 *     {"state", "images", "questions": {"urgent": {"type", "instructions", "criteria"}, ...}}
 *           │                 └ each is a prompt of its own: the state, then the question; its possible answers are
 *           │                   continuations (docs/DECISIONS.md), and the engine computes how likely each is
 *           └ what all prompts begin with: it is evaluated once
 *     {"answers": {"urgent": {"type", "noul"}, ...}, "usage"}
 *
 * Source: https://docs.litellm.ai/docs/decisions/systemone_format, and the other servers that have this endpoint.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_DECISIONS_H
#define CT_DECISIONS_H

#include "openai/talk.h"

#define CT_DECISIONS_MAX_QUESTIONS 64
#define CT_DECISIONS_MAX_OPTIONS   255 /* of a choice */
#define CT_DECISIONS_MAX_LEVELS    10  /* of a score; at least 2 */
#define CT_DECISIONS_MAX_PICTURES  64  /* for all questions together: each prompt has all of the request's */

extern const ct_talk_kind ct_decisions_talk;

#endif
