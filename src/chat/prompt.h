/* prompt.h - putting a prompt together, inside chat/. Each returns false when there is no memory or the text is full.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_CHAT_PROMPT_H
#define CARAT_CHAT_PROMPT_H

#include "chat/template.h"

bool carat_prompt_control(carat_prompt *p, carat_segment_kind kind);
bool carat_prompt_add(carat_prompt *p, const char *s, size_t len);
bool carat_prompt_str(carat_prompt *p, const char *s);
bool carat_prompt_image(carat_prompt *p, const carat_chat_part *part); /* with its crops and the words around them */

#endif
