/* segments.h - putting a prompt together, inside chat/. Each returns false when there is no memory or the text is full.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_CHAT_SEGMENTS_H
#define CARAT_CHAT_SEGMENTS_H

#include "chat/template.h"

bool carat_segments_control(carat_segments *p, carat_segment_kind kind);
bool carat_segments_add(carat_segments *p, const char *s, size_t len);
bool carat_segments_str(carat_segments *p, const char *s);
bool carat_segments_image(carat_segments *p,
                          const carat_chat_part *part); /* with its crops and the words around them */

#endif
