/* ifeval.h - IFEval: instructions whose following a program can tell (arXiv:2311.07911).
 *
 *   input_data.jsonl   {"key": 1000, "prompt": "...", "instruction_id_list": ["punctuation:no_comma", ...], "kwargs": [{}, ...]}
 *
 * All 25 kinds are known. Strictly: the answer follows an instruction; loosely: it does, or does without its first line, its last one, its
 * asterisks, or several of these. A prompt is followed where all of its instructions are.
 *
 * The authors' program asks others of two things, which are statistics learnt from texts: which language it is (langdetect) and where a
 * sentence ends (NLTK's Punkt). Here the first is recognised by scripts, English by its most common words, the second where whatever an
 * abbreviation may be makes no difference. What is not certain so is not judged: such instructions, and the prompts that have them, are
 * left out of the figures and counted. So is what its program draws by chance (a letter that is none).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_IFEVAL_H
#define CT_EVAL_IFEVAL_H

#include "eval/task.h"

typedef enum ct_eval_verdict { CT_EVAL_NOT_FOLLOWED, CT_EVAL_FOLLOWED, CT_EVAL_NOT_JUDGED } ct_eval_verdict;

/* The item's rules, [{"id", "args"}], out of a row. Errors: CARAT_EFORMAT (an instruction that is unknown, or lacks what it needs),
 * CARAT_ENOMEM. */
bool ct_eval_ifeval_read(const json_t *row, ct_eval_item *item, carat_err *err);
/* A line's "rules": [{"id", "strict", "loose"}], true, false, or null: not judged. NULL: no memory. */
json_t *ct_eval_ifeval_judge(const ct_eval_item *item, const char *answer);

/* Of all lines. Shares of those that were judged; of what they would be with all others wrong, and with all right: low, high. */
typedef struct ct_eval_followed {
    size_t n, n_judged, right, sure; /* sure: that are not followed, of judged and others */
} ct_eval_followed;
typedef struct ct_eval_ifeval {
    ct_eval_followed prompts[2], instructions[2]; /* strictly, loosely */
    json_t *not_judged;                           /* {"change_case:english_capital": 3}, of strict ones */
} ct_eval_ifeval;

/* Adds a line's rules; false: they are none. */
bool ct_eval_ifeval_add(ct_eval_ifeval *sum, const json_t *rules);
/* Of one prompt: is it followed? */
ct_eval_verdict ct_eval_ifeval_whole(const json_t *rules, const char *how);

/* ---- ifeval_check.c ---- */

/* One instruction on one text that is not blank. */
ct_eval_verdict ct_eval_ifeval_check(const char *id, const json_t *args, const char *text);
/* What an instruction lacks; NULL: nothing. "": it is unknown. */
const char *ct_eval_ifeval_lacks(const char *id, const json_t *args);

/* ---- ifeval_json.c ---- */

bool ct_eval_is_python_json(const char *text);

/* ---- ifeval_words.c ---- */

size_t ct_eval_count_words(const char *text); /* runs of letters, digits and "_" */
bool ct_eval_is_word_char(uint32_t c);        /* of these */
size_t ct_eval_count_large(const char *text); /* NLTK's tokens all of whose letters are large */
void ct_eval_count_sentences(const char *text, size_t *low, size_t *high);
ct_eval_verdict ct_eval_is_language(const char *text, const char *language); /* "en", "hi" ... */
/* 1: some letter is, and none is not, large; -1: small; 0: neither. */
int ct_eval_case_of(const char *text);

#endif
