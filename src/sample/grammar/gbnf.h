/* gbnf.h - grammars as llama.cpp writes them -> rules.
 *
 *   root ::= "yes" | "no" ("," ws item){0,3}     # a comment
 *   item ::= [a-z_] [^"\x00-\x1F]* | .
 *
 * Literals, classes, '.', groups, alternatives, * + ? {n} {n,} {n,m}; the rule `root` is the whole text. Newlines end a
 * rule except inside a group or behind '|' or '::='. Refused by name: a rule called and not defined, or defined twice,
 * left recursion (program.h), tokens (<...>).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_GBNF_H
#define CT_SAMPLE_GRAMMAR_GBNF_H

#include "sample/grammar/expr.h"

/* rules is empty and has a heap; *root becomes the number of the rule `root`. Errors: CARAT_EARG with line and byte
 * position, CARAT_ENOMEM. */
bool ct_gbnf_parse(const char *text, size_t len, ct_rules *rules, uint32_t *root, carat_err *err);

#endif
