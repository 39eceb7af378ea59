/* bpe.h - one stretch of text, cut into characters, is merged into pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_BPE_H
#define CT_TOKENIZER_BPE_H

#include "tokenizer/vocab.h"

/* A piece of the stretch so far; symbols form a list in text order. */
typedef struct ct_symbol {
    uint32_t at;         /* of its first byte in text; it ends where the next begins */
    uint32_t prev, next; /* CT_BPE_END: none */
    uint32_t rank;       /* of merging it with the next; CT_TOK_NO_RANK: they do not merge, or it was merged away */
    int32_t id;
    int32_t made; /* what merging it with the next makes */
} ct_symbol;

#define CT_BPE_END UINT32_MAX

/* Working memory, zeroed before first use: grows with the longest stretch (41 bytes for each of its bytes at most). */
typedef struct ct_bpe {
    char *text; /* decoded form: spaces, no U+2581 */
    ct_symbol *symbols;
    uint64_t *heap; /* rank << 32 | symbol */
    size_t n_text, n_symbols;
    size_t cap, heap_cap; /* symbols and bytes; heap */
} ct_bpe;

void ct_bpe_deinit(ct_bpe *b);

/* Adds a character (its piece, its bytes) to the stretch. most: no stretch will have more bytes than this.
 * False: no memory. */
bool ct_bpe_add(ct_bpe *b, int32_t id, const char *s, size_t len, size_t most);

/* Merges the stretch, appends its pieces to out, and starts a new one. Time n log n. False: no memory. */
bool ct_bpe_flush(ct_bpe *b, const carat_tokenizer *t, ct_ids *out);

#endif
