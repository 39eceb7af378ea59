/* vqa.h - how answers about pictures are judged: DocVQA's, ChartQA's and TextVQA's ways.
 *
 *   anls      1 - the edit distance over the longer text's characters, the best over the targets; under 0.5: 0. Large and small letters are
 *             alike, white space is one space (Biten et al., Scene text visual question answering, ICCV 2019; DocVQA's evaluation)
 *   relaxed   a number within 5 % of the target's, "%" at its end a hundredth; of others the same text, large and small letters alike
 *             (Masry et al., ChartQA, arXiv:2203.10244, section 5.1)
 *   vqa       of the people asked: the mean over all but one of them of min(1, those who say the same / 3), after the normalisation of
 *             EvalAI: small letters, punctuation, articles, number words and contractions (Goyal et al., VQA v2; TextVQA)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_VQA_H
#define CT_EVAL_VQA_H

#include "base/json.h"

/* 0 to 1; no memory: NAN. */
double ct_eval_anls(const char *said, const json_t *targets);
double ct_eval_relaxed(const char *said, const json_t *targets);
double ct_eval_vqa(const char *said, const json_t *targets);
/* A normalised copy, the caller's; NULL: no memory. */
char *ct_eval_vqa_normal(const char *text);

#endif
