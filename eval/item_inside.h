/* item_inside.h - what item.c and item_choices.c share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_ITEM_INSIDE_H
#define CT_EVAL_ITEM_INSIDE_H

#include "eval/item.h"

#define CT_EVAL_MOST_TEXT ((size_t)4 << 20)

/* A text as the task asks it: cleaned, where the description says so. The caller frees it. NULL with CARAT_ENOMEM. */
char *ct_eval_as_asked(const ct_eval_task *t, const char *text, carat_err *err);
/* The same of a template filled in. NULL with an error. */
char *ct_eval_filled(const ct_eval_task *t, const char *template, const json_t *row, carat_err *err);
bool ct_eval_no_memory(carat_err *err); /* false */

/* ---- item_choices.c ---- */

/* Choices and which of them are right, in their order; and what prompts have of them: {listed}, all choices, {letter}, the right one's, which
 * become fields of the row. Errors: CARAT_EFORMAT, CARAT_ENOMEM. */
bool ct_eval_choices_read(const ct_eval_task *t, const json_t *layout, json_t *row, size_t nth, ct_eval_item *item,
                          carat_err *err);

#endif
