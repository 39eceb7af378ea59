/* segments.h - putting a prompt together, inside chat/. Each returns false when there is no memory or the text is full.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_SEGMENTS_H
#define CT_CHAT_SEGMENTS_H

#include "chat/template.h"

bool ct_segments_control(ct_segments *p, ct_segment_kind kind);
bool ct_segments_named(ct_segments *p, const char *name); /* a control token; name is not copied */
bool ct_segments_add(ct_segments *p, const char *s, size_t len);
bool ct_segments_str(ct_segments *p, const char *s);
bool ct_segments_written(ct_segments *p, size_t from); /* to p->text, behind `from` bytes: takes it as text */
bool ct_segments_image(ct_segments *p, const ct_chat_part *part); /* with its crops and the text around them */

/* The ids of segments [begin, end), whole turns, behind those in out. Errors as ct_segments_ids. */
bool ct_segments_ids_of(const ct_segments *p, size_t begin, size_t end, const carat_tokenizer *t, size_t n_soft,
                        ct_ids *out, carat_err *err);

#endif
