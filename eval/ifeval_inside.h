/* ifeval_inside.h - what the files of IFEval's checks share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_IFEVAL_INSIDE_H
#define CT_EVAL_IFEVAL_INSIDE_H

#include "eval/ifeval.h"

#define YES(x) ((x) ? CT_EVAL_FOLLOWED : CT_EVAL_NOT_FOLLOWED)

/* ---- ifeval_places.c ---- */

const char *ct_eval_arg_text(const json_t *args, const char *key);
size_t ct_eval_arg_number(const json_t *args, const char *key);
uint32_t ct_eval_char_at(const char *s); /* 0: the end */
size_t ct_eval_len_of(const char *s);    /* of that character, in bytes */
const char *ct_eval_skip_space(const char *s);
bool ct_eval_is_blank(const char *s, size_t len);
bool ct_eval_has_metachar(const char *word); /* of regular expressions */
/* Parts between marks; a blank one counts only inside, and there it is wrong. SIZE_MAX: there was one. */
size_t ct_eval_parts_between(const char *text, const char *mark);

/* ---- ifeval_format.c: one instruction of content, format, combinations, beginnings and ends ---- */

ct_eval_verdict ct_eval_check_placeholders(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_postscript(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_bullets(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_constrained(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_highlights(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_sections(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_title(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_json(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_two(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_repeat(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_end(const json_t *args, const char *text);
ct_eval_verdict ct_eval_check_quotation(const json_t *args, const char *text);

#endif
