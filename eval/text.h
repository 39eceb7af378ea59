/* text.h - texts as the judges of answers compare them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_TEXT_H
#define CT_EVAL_TEXT_H

#include "base/buf.h"

/* The small letter of a large one, of Latin (to U+024F), Greek, Cyrillic and Armenian; others as they are. */
uint32_t ct_eval_lower_char(uint32_t c);
/* Is it white space (Unicode's White_Space)? */
bool ct_eval_is_space(uint32_t c);

/* Copies, the caller's (free); NULL: no memory. Small letters; the ends trimmed; every run of white space one space, none at the ends. */
char *ct_eval_lower(const char *text);
char *ct_eval_trimmed(const char *text);
char *ct_eval_collapsed(const char *text);
/* Every `what` replaced, from left to right. */
char *ct_eval_replaced(const char *text, const char *what, const char *by);
/* The last place; NULL: none. That of an empty text is the end. */
const char *ct_eval_last(const char *text, const char *what);

#endif
