/* vocab.h - the tables inside a carat_tokenizer: the look-up tables of encoding and decoding.
 *
 * Pieces are kept in decoded form: U+2581 is already a space. So one copy serves both ways (the text being encoded is
 * brought to the same form), and a GGUF that spells the runs with spaces and a tokenizer.json that spells them with
 * U+2581 become the same vocabulary.
 *
 * Which pair merges first. A merge (left, right) -> piece is named by its piece and the length of its left part, and
 * has a rank: lower goes first, equal ranks (the same merge at two places) leftmost first. tokenizer.json lists the
 * merges in rank order. From pieces with scores the list is what Hugging Face's converter would write: every way to
 * split a piece into two pieces; user-defined pieces before normal ones; then by score, then the longer left part, then
 * the longer right part (in characters), then the lower id. Almost every piece has a score of its own, and then its
 * merges need no list: the rank is rank[piece] + (bytes of the piece - bytes of its left part).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_VOCAB_H
#define CT_TOKENIZER_VOCAB_H

#include "tokenizer/match.h"
#include "tokenizer/tokenizer.h"

#define CT_TOK_MAX_PIECES (1u << 20)
#define CT_TOK_MAX_PIECE  1024u /* bytes of one piece; Gemma's longest have 93 (31 times U+2581) */
#define CT_TOK_NO_RANK    UINT32_MAX

typedef struct ct_merge { /* one way to make a piece */
    uint32_t left;        /* bytes of its left part */
    uint32_t rank;
} ct_merge;

typedef struct ct_slot { /* of the piece table: open addressing, linear probing; id < 0: free */
    uint32_t tag;        /* high half of the hash */
    int32_t id;
} ct_slot;

struct carat_tokenizer {
    ct_tok_info facts;
    uint32_t n;           /* pieces here: facts.n_pieces and perhaps one image_soft_token after them */
    char *text;           /* all pieces one after the other, decoded form */
    uint32_t *start;      /* [n + 1] piece id is text[start[id] .. start[id + 1]) */
    uint8_t *kind;        /* [n] ct_piece_kind after the repairs */
    uint8_t *is_special;  /* [n] the model's control tokens: in user text they are plain text */
    int32_t byte_id[256]; /* the piece of each byte */
    char bytes[256];      /* 0 .. 255, what those pieces decode to */

    ct_slot *slots; /* [slot_mask + 1] */
    uint32_t slot_mask;
    uint32_t max_bytes; /* longest piece that a merge makes */

    uint32_t *rank;        /* [n] see above; CT_TOK_NO_RANK: no merge makes this piece */
    uint32_t *first_merge; /* [n + 1] into merges; an empty span: the merges need no list */
    ct_merge *merges;

    /* One character -> its piece, by code point: page cp >> 8, or none. */
    uint16_t char_page[0x1100]; /* 1 + index into char_ids; 0: no such characters */
    int32_t (*char_ids)[256];   /* -1: no piece */
    uint64_t *pairs;            /* bit set over hashed pairs of neighbouring characters inside any piece */
    ct_matcher matcher;         /* the added tokens */
};

/* The vocabulary as a container states it. */
typedef struct ct_vocab_source {
    const ct_piece *pieces; /* by id */
    size_t n;
    bool runs_in_spaces; /* GGUF: the run tokens, matched where U+2581 is written, are spelled with spaces */
    bool lists_added;    /* tokenizer.json: which pieces are added tokens is as stated, even against their names */
    /* Ranks the merges when the pieces can be looked up; NULL: by the pieces' scores. */
    bool (*rank)(void *arg, carat_tokenizer *t, carat_err *err);
    void *arg;
} ct_vocab_source;

bool ct_vocab_build(const ct_vocab_source *src, carat_tokenizer **out, carat_err *err);

/* Ranks of all merges, into t->rank, t->first_merge and t->merges. In ranks.c. */
bool ct_vocab_rank_by_score(carat_tokenizer *t, const float *scores, carat_err *err);
typedef struct ct_vocab_merge {
    int32_t made;
    uint32_t left; /* bytes, decoded form */
} ct_vocab_merge;
bool ct_vocab_rank_by_list(carat_tokenizer *t, const ct_vocab_merge *merges, size_t n, carat_err *err);

/* Writes s with every U+2581 as a space; returns the bytes written, at most len. out may be s. */
size_t ct_vocab_decoded(char *out, const char *s, size_t len);

/* The two files as bytes in memory. */
bool ct_tokenizer_from_json_bytes(const char *text, size_t len, carat_tokenizer **out, carat_err *err);
bool ct_tokenizer_from_model_bytes(const void *data, size_t size, carat_tokenizer **out, carat_err *err);

/* Piece with exactly these bytes (decoded form), or -1. */
int32_t ct_vocab_lookup(const carat_tokenizer *t, const char *s, size_t len);

/* Could a merge ever make this piece, or text be this piece? */
static inline bool ct_vocab_is_text(const carat_tokenizer *t, int32_t id)
{
    return t->kind[id] == CT_PIECE_NORMAL || t->kind[id] == CT_PIECE_USER_DEFINED;
}

static inline size_t ct_vocab_len(const carat_tokenizer *t, int32_t id)
{
    return t->start[id + 1] - t->start[id];
}

/* The piece of one character, or -1. */
static inline int32_t ct_vocab_char(const carat_tokenizer *t, uint32_t cp)
{
    uint32_t page = t->char_page[cp >> 8];
    return page ? t->char_ids[page - 1][cp & 0xFF] : -1;
}

/* A bit per hashed pair of neighbouring characters. Where it is clear no piece holds the two side by side, so no merge
 * can ever reach across: the text may be cut there. A false hit only makes a stretch longer. 2^22 bits hold the 140,000
 * different pairs of Gemma's pieces at 3% false hits. */
#define CT_PAIR_BITS 22
static inline uint32_t ct_pair_hash(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a << 21 | b) * 0x9E3779B97F4A7C15ull >> (64 - CT_PAIR_BITS));
}

static inline bool ct_vocab_may_join(const carat_tokenizer *t, uint32_t a, uint32_t b)
{
    uint32_t h = ct_pair_hash(a, b);
    return t->pairs[h >> 6] >> (h & 63) & 1;
}

/* Rank of merging left_bytes | rest into piece id; CT_TOK_NO_RANK if that is no merge. */
uint32_t ct_vocab_rank(const carat_tokenizer *t, int32_t id, uint32_t left_bytes);

#endif
