/* bpe.h - one stretch of text, cut into characters, is merged into pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_TOKENIZER_BPE_H
#define CARAT_TOKENIZER_BPE_H

#include "tokenizer/vocab.h"

/* A piece of the stretch so far; symbols form a list in text order. */
typedef struct carat_symbol {
    uint32_t at;         /* its first byte in text; it ends where the next begins */
    uint32_t prev, next; /* CARAT_BPE_END: none */
    uint32_t rank;       /* of merging it with the next; CARAT_TOK_NO_RANK: they do not merge, or it is gone */
    int32_t id;
    int32_t made; /* what merging it with the next makes */
} carat_symbol;

#define CARAT_BPE_END UINT32_MAX

/* Working memory, zeroed before first use: grows with the longest stretch (41 bytes for each of its bytes at most). */
typedef struct carat_bpe {
    char *text; /* decoded form: spaces, no U+2581 */
    carat_symbol *symbols;
    uint64_t *heap; /* rank << 32 | symbol */
    size_t n_text, n_symbols;
    size_t cap, heap_cap; /* symbols and bytes; heap */
} carat_bpe;

void carat_bpe_deinit(carat_bpe *b);

/* Adds a character (its piece, its bytes) to the stretch. most: no stretch will have more bytes than this.
 * False: no memory. */
bool carat_bpe_add(carat_bpe *b, int32_t id, const char *s, size_t len, size_t most);

/* Merges the stretch, appends its pieces to out, and starts a new one. Time n log n. False: no memory. */
bool carat_bpe_flush(carat_bpe *b, const carat_tokenizer *t, carat_ids *out);

#endif
