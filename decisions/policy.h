/* policy.h - does a picture violate a policy? ShieldGemma 2's prompt, whose answer is how likely Yes is against No.
 *
 * Source: the chat template and the policies of google/shieldgemma-2-4b-it, arXiv:2504.01081.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_DECISIONS_POLICY_H
#define CT_DECISIONS_POLICY_H

#include "carat.h"

/* The prompt for one picture, whole, without crops. policy: "dangerous", "sexual", "violence" - the model's own - or the text of
 * another one. The continuations are "Yes" and "No", with an open ending. Errors: CARAT_EARG (an empty text, or one with a '<',
 * which could be a control token's name), those of carat_prompt_text. */
bool ct_policy_prompt(const carat_engine *e, const char *policy, const carat_picture *picture, carat_prompt **out,
                      carat_err *err);

#endif
