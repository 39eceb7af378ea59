/* stream.h - what a model is given: token ids, and the images that stand for some of them.
 *
 * Each position has a key (kv/kv.h), which determines its activations together with the keys before it: a text token's
 * key is its id, an image's soft tokens carry the hash of its pixels. Two streams with the same keys up to a position
 * have the same keys and values up to there, and may share them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_STREAM_H
#define CT_ENGINE_STREAM_H

#include "engine/view.h"
#include "step/step.h"

typedef struct ct_stream_place { /* of an image: its soft tokens are at [at, at + n_soft) */
    size_t at;
    ct_view *view; /* a reference */
} ct_stream_place;

#define CT_MAX_MARKS 8

typedef struct ct_stream {
    int32_t *ids;   /* [n] */
    uint64_t *keys; /* [n] */
    size_t n;
    ct_stream_place *places; /* [n_places], ascending */
    size_t n_places, n_soft;
    /* Lengths worth resuming from (kv.h, ct_kv_mark), ascending: the end of the system text, of images, of turns. */
    size_t marks[CT_MAX_MARKS];
    size_t n_marks;
} ct_stream;

/* The first mark after position at; n if there is none. */
size_t ct_stream_next_mark(const ct_stream *s, size_t at);

/* Keys of plain ids. */
void ct_stream_text_keys(const int32_t *ids, size_t n, uint64_t *keys);

/* Writes the keys of the stream from its ids and places. */
void ct_stream_label(ct_stream *s);
void ct_stream_deinit(ct_stream *s); /* frees all; accepts a zeroed one */

/* How many keys at the beginning are the same, without those of an image that is only partly the same. */
size_t ct_stream_same(const uint64_t *a, size_t n_a, const uint64_t *b, size_t n_b);
/* n, or less, so that keys[n] does not continue an image; n_keys of them are known. */
size_t ct_stream_whole(const uint64_t *keys, size_t n_keys, size_t n);

/* The places whose tokens begin in [from, to): the first one's index; *n is how many. */
size_t ct_stream_places(const ct_stream *s, size_t from, size_t to, size_t *n);

/* The step's inputs for positions [from, from + n) without soft tokens: ids, and how far each attends ahead. */
void ct_stream_inputs(const ct_stream *s, size_t from, size_t n, ct_step_input *out);
/* The same of a whole text for an encoder: every token attends to all that follow. */
void ct_stream_text_inputs(const ct_stream *s, ct_step_input *out);

#endif
