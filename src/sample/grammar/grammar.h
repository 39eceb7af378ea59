/* grammar.h - a grammar over a vocabulary: which tokens may come next in an answer that it governs.
 *
 * A ct_grammar is compiled once and serves any number of answers at once, each with a mask of its own (sample/mask.h);
 * what one answer makes it find out the others find done. Masks may be used from several threads at once: a lock inside
 * orders them.
 *
 * Where only one text can follow, its tokens are those that the tokenizer makes of it, except the last, which may
 * continue beyond that text. So the model never spells a key in an odd way, and the engine may append these tokens
 * without asking the model (forced).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_GRAMMAR_H
#define CT_SAMPLE_GRAMMAR_GRAMMAR_H

#include "sample/grammar/expr.h"
#include "sample/grammar/trie.h"
#include "sample/mask.h"

typedef struct ct_grammar ct_grammar;

/* Compiles; rules and their heap may go afterwards, `what` is copied, the tree is borrowed and must outlive all masks.
 * Errors: those of ct_program_build; CARAT_EARG if the vocabulary has no token for a byte that the grammar needs. */
bool ct_grammar_open(const char *what, const ct_rules *rules, uint32_t root, const ct_trie *trie, ct_grammar **out,
                     carat_err *err);
/* Counted references: open gives one, every mask holds one. */
ct_grammar *ct_grammar_hold(ct_grammar *g);
void ct_grammar_release(ct_grammar *g); /* accepts NULL */

/* A mask at the beginning of an answer; n_vocab rows of logits. Errors: CARAT_ENOMEM. */
bool ct_grammar_mask(ct_grammar *g, size_t n_vocab, ct_mask *out, carat_err *err);

/* Is this text, as bytes, one that the grammar matches? Errors: those of a mask's fill. */
bool ct_grammar_matches(ct_grammar *g, const char *text, size_t len, bool *matches, carat_err *err);

/* Bytes it holds now: what was compiled, masks of 32 states, and states as they are met, of which the first are forgotten
 * before they take more than CT_GRAMMAR_MOST_BYTES. */
#define CT_GRAMMAR_MOST_BYTES ((size_t)16 << 20)
size_t ct_grammar_bytes(ct_grammar *g);

#endif
