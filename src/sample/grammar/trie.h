/* trie.h - the vocabulary as a tree of bytes, so that a grammar looks at tokens that begin alike together.
 *
 * Nodes stand in the order of a walk: a node's first child comes right behind it, and `end` is where its subtree ends, so
 * that a walk that a grammar stops goes on at `end`. Holds the tokens of text that may be sampled, not empty ones; beside
 * it, the control tokens, which have no text. Built once for a tokenizer; immutable, safe from any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_TRIE_H
#define CT_SAMPLE_GRAMMAR_TRIE_H

#include "tokenizer/tokenizer.h"

typedef struct ct_trie_node {
    uint32_t end;  /* the first node behind the subtree */
    int32_t token; /* the token that ends here, -1 if none; others with the same bytes: twins */
    uint8_t byte;
    uint8_t depth; /* bytes from the root, this one included: 1.. */
} ct_trie_node;

typedef struct ct_trie {
    const carat_tokenizer *tok; /* borrowed */
    ct_trie_node *nodes;
    uint32_t n_nodes;
    int32_t *twins;    /* [n_tokens]: the next token with the same bytes, -1 if none */
    size_t n_tokens;   /* ids are below */
    unsigned depth;    /* of the deepest node */
    int32_t *controls; /* [n_controls] that may be sampled */
    size_t n_controls;
    int32_t *
        placeholders; /* [n_placeholders] of the tree's tokens: <unused7>, which is the text of its name and means none */
    size_t n_placeholders;
} ct_trie;

/* Of ids below n_ids alone. Tokens longer than 255 bytes are left out. Errors: CARAT_ENOMEM. */
bool ct_trie_open(const carat_tokenizer *tok, size_t n_ids, ct_trie *t, carat_err *err);
size_t ct_trie_bytes(const ct_trie *t);
void ct_trie_close(ct_trie *t); /* accepts a zeroed one */

#endif
