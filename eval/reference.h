/* reference.h - what a model foresaw at every counted place of a text, in a file: what other models are compared with.
 *
 *     8  "CARATKL1"
 *     4  length of the head                                        numbers are little-endian
 *     n  the head, JSON: protocol, window, stride, text_tokens, text, vocabulary, n_vocab, numerics, model
 *    4t  the text's tokens, <bos> in front of them; t = text_tokens + 1
 *        a block for each window, in order:
 *     4    which window
 *     4    places
 *     8    bytes of what follows
 *          for each place:
 *     4      k, how many tokens are kept
 *     4      bytes of their ids
 *     4      f32: log of the probability of all others together; -inf if there are none
 *     4      f32: log-probability of the text's own token
 *            their ids, ascending: differences, 7 bits a byte, the last byte of each below 128
 *    4k      f32: their log-probabilities
 *
 * Kept are a place's likeliest tokens, until all others together have CT_EVAL_REST at most. These others count as one event in a
 * divergence, which makes it smaller by no more than CT_EVAL_REST times the divergence within them.
 *
 * A block is in the file whole or not at all: one that was torn is cut off when the file is written on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_REFERENCE_H
#define CT_EVAL_REFERENCE_H

#include <stdio.h>

#include "base/json.h"
#include "eval/windows.h"

#define CT_EVAL_REST (1.0 / 4096)

typedef struct ct_eval_reference {
    const char *path; /* borrowed */
    int fd;
    json_t *head;
    ct_eval_windows windows; /* of the text in it */
    size_t n_vocab;
    size_t n;       /* windows that are there, the first ones */
    uint64_t *at;   /* [n] where their blocks begin */
    uint64_t end;   /* of the last of them */
    ct_buf block;   /* of the window that is being written, or was read last */
    size_t n_place; /* in it */
    size_t cursor;  /* behind the place that was read last */
} ct_eval_reference;

/* Opens one to read it. Errors: CARAT_EIO, CARAT_EFORMAT (it is none, or is damaged), CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_eval_reference_open(ct_eval_reference *r, const char *path, carat_err *err);
/* Opens one to write it, or to write on: head is taken; ids are the windows' and are written. A file of another head is left as it is.
 * Errors: those, CARAT_EIO (another run writes it). */
bool ct_eval_reference_create(ct_eval_reference *r, const char *path, json_t *head, const ct_eval_windows *w,
                              size_t n_vocab, carat_err *err);
/* Accepts a zeroed one. */
void ct_eval_reference_close(ct_eval_reference *r);

/* Begins the block of window r->n; then comes one place after the other; end writes it. */
void ct_eval_reference_begin(ct_eval_reference *r);
bool ct_eval_reference_add(ct_eval_reference *r, const float *logits, int32_t token, carat_err *err);
bool ct_eval_reference_end(ct_eval_reference *r, carat_err *err);

/* What a place says of the model that is compared. */
typedef struct ct_eval_place {
    double kl;             /* of the reference from it, in nats */
    double rest;           /* the reference's probability of all tokens that were not kept */
    double nll, reference; /* of the text's token: the model's, the reference's */
    bool has_same_top;     /* is the likeliest token the same? */
} ct_eval_place;

/* Reads the block of window i; then each call of next compares one place, whose logits are the model's. */
bool ct_eval_reference_read(ct_eval_reference *r, size_t i, carat_err *err);
bool ct_eval_reference_next(ct_eval_reference *r, const float *logits, int32_t token, ct_eval_place *out,
                            carat_err *err);

#endif
