/* tokenizer.h - text <-> token ids.
 *
 * Gemma's tokenizer is a byte-pair encoding over the whole text: spaces become U+2581, no pre-splitting by words, byte
 * fallback <0xXX> for what no piece covers, no space put in front. Added tokens (control tokens, runs of newlines,
 * spaces and tabs, HTML tags, <unusedN>) are matched first, longest at the leftmost place.
 *
 * A carat_tokenizer is immutable once opened and safe from any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_TOKENIZER_H
#define CT_TOKENIZER_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"

typedef enum ct_piece_kind { /* numbers of sentencepiece's Type and of GGUF's token_type */
                             CT_PIECE_NORMAL = 1,
                             CT_PIECE_UNKNOWN = 2,
                             CT_PIECE_CONTROL = 3,
                             CT_PIECE_USER_DEFINED = 4,
                             CT_PIECE_UNUSED = 5,
                             CT_PIECE_BYTE = 6,
} ct_piece_kind;

/* One entry of the vocabulary as a container states it. */
typedef struct ct_piece {
    const char *text; /* len bytes, borrowed during the call */
    size_t len;
    float score;
    ct_piece_kind kind;
} ct_piece;

/* Builds from GGUF's tables (pieces in id order; score order decides merges). bos, eos, .. are found by piece, not
 * trusted from the header. Wrong kinds of the known control pieces are repaired with one warning. Copies everything.
 * Errors: CARAT_EFORMAT (no pieces, > 2^20 of them, byte pieces missing, a non-finite score, ...), CARAT_ENOMEM. */
void ct_tokenizer_close(carat_tokenizer *t); /* accepts NULL */
bool ct_tokenizer_from_pieces(const ct_piece *pieces, size_t n, carat_tokenizer **out, carat_err *err);

/* From a folder's files: tokenizer.json (Hugging Face) or tokenizer.model (sentencepiece protobuf). */
bool ct_tokenizer_from_json(const char *path, carat_tokenizer **out, carat_err *err);
bool ct_tokenizer_from_model(const char *path, carat_tokenizer **out, carat_err *err);
/* The same with the added tokens that the folder's JSON files list (added.h). */
bool ct_tokenizer_from_model_of(const char *folder, const char *path, carat_tokenizer **out, carat_err *err);
/* tokenizer.json if there is one, else tokenizer.model. */
bool ct_tokenizer_from_folder(const char *folder, carat_tokenizer **out, carat_err *err);

/* ---- encoding ---- */

/* Flags CARAT_TOK_BOS and CARAT_TOK_SPECIAL: include/carat.h. */

typedef struct ct_ids { /* zero-initialised by the caller; grows; freed by ct_ids_deinit */
    int32_t *v;
    size_t n, cap;
} ct_ids;

bool ct_ids_push(ct_ids *ids, int32_t id);
void ct_ids_deinit(ct_ids *ids);

/* Appends the tokens of text. Invalid UTF-8 is not lost: each undecodable byte becomes its byte token. Time is linear
 * in the text (times a logarithm), also for one character repeated a million times. Errors: CARAT_ENOMEM, CARAT_ELIMIT
 * (text over 2^31 bytes). */
bool ct_tok_encode(const carat_tokenizer *t, const char *text, size_t len, unsigned flags, ct_ids *out, carat_err *err);

/* ---- decoding ---- */

/* The bytes of one token: U+2581 as a space, a byte token as its byte. Borrowed. Control tokens give their name
 * ("<bos>"): callers that hide them ask ct_tok_is_control first. An id out of range gives an empty string. */
const char *ct_tok_bytes(const carat_tokenizer *t, int32_t id, size_t *len);

/* A stream that emits whole UTF-8 characters only: bytes of an unfinished character are held back. */
typedef struct ct_detok {
    const carat_tokenizer *tok;
    bool show_control; /* write control tokens' names; default: they give nothing */
    uint8_t held[8];
    uint8_t n_held;
} ct_detok;

void ct_detok_init(ct_detok *d, const carat_tokenizer *tok, bool show_control);
/* Appends what is complete now to out: always valid UTF-8, so bytes that can never become a character come out as
 * U+FFFD, one for each stretch that Python's decoder would replace by one. At most 9 bytes + 3 for each of the token's.
 * False: out is full. For the bytes as they are, join ct_tok_bytes. */
bool ct_detok_push(ct_detok *d, int32_t id, ct_buf *out);
bool ct_detok_flush(ct_detok *d, ct_buf *out); /* end of text: what is held back is emitted as U+FFFD */

/* ---- facts ---- */

typedef struct ct_tok_info {
    size_t n_pieces; /* as the container states them. image_soft_token may be n_pieces itself: see below */
    int32_t bos, eos, pad, unk, start_of_turn, end_of_turn, start_of_image, end_of_image,
        image_soft_token; /* -1: none */
} ct_tok_info;

/* A text-only model's GGUF ends before <image_soft_token> (262144 of 262144). Where <start_of_image> exists and it does
 * not, it gets the next id, as in tokenizer.json: encoding may produce that id (only with SPECIAL), and a model without
 * such a row must refuse it. It is never samplable. */
const ct_tok_info *ct_tok_facts(const carat_tokenizer *t);
bool ct_tok_is_control(const carat_tokenizer *t, int32_t id); /* never printed: the special ids, not <unusedN> pieces */
int32_t ct_tok_find(const carat_tokenizer *t, const char *piece, size_t len); /* -1 if no such piece */
/* Can this id be what ends a text? A control token, an added one that is not white space, or a piece spelled <|like
 * this|>; other pieces are ordinary text. */
bool ct_tok_can_end(const carat_tokenizer *t, int32_t id);
/* Makes an added token one of the control tokens: plain text in users' text, without a text of its own in answers. Before
 * the tokenizer is used. */
void ct_tok_make_control(carat_tokenizer *t, int32_t id);
/* Was it put beside the pieces that text is made of? What trainers and converters append is. */
bool ct_tok_is_added(const carat_tokenizer *t, int32_t id);
/* Is it an added token that stands for no text, and only keeps a place in the vocabulary: <unused7>, <mask>, [multimodal]? */
bool ct_tok_is_placeholder(const carat_tokenizer *t, int32_t id);
/* May the model ever be allowed to sample this id? Not: ids past the pieces, image placeholders. */
bool ct_tok_is_samplable(const carat_tokenizer *t, int32_t id);

/* An entry as a GGUF file states it: its text, appended to *text, spaces as U+2581 but in added tokens; a score by which the
 * pieces rank as they do here. piece->text is not set. False: there is no such piece, or it has no text. */
bool ct_tok_piece(const carat_tokenizer *t, int32_t id, ct_piece *piece, ct_buf *text);

#endif
