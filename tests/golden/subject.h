/* subject.h - a model opened for comparing: weights, kernels of one level, threads, one step's scratch.
 *
 * Whatever cannot be opened fails the running cmocka test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_SUBJECT_H
#define CT_TESTS_SUBJECT_H

#include "cpu/inside.h"
#include "model/checkpoint.h"
#include "step/step.h"

typedef struct subject_options {
    const char *level; /* "generic", "avx2", ...; NULL: best */
    bool exact;
    bool q8_kv; /* a q8_0 cache instead of the f32 of exact, the f16 of all others */
    carat_embed_scale scale;
    int n_threads;  /* 0: 1 */
    size_t batch;   /* 0: 1024 */
    size_t context; /* 0: 1024 */
    size_t n_seqs;  /* sequences at once; 0: 8 */
    size_t n_soft;  /* tokens an image; 0: as the model says, or 1 */
    size_t keep_bytes;
    const ct_kv_elem *elem; /* of the cache; NULL: as above */
    bool tokenizer;
} subject_options;

#define SUBJECT_SLOTS 16 /* images */

/* A model and a backend that holds its weights; others may compute with them too. */
typedef struct subject_model {
    ct_checkpoint c;
    ct_config *cfg; /* the checkpoint's */
    ct_pool *pool;
    ct_backend b;
} subject_model;

typedef struct subject {
    subject_options opt;
    subject_model *own; /* NULL: another's weights */
    ct_config *cfg;
    ct_pool *pool;
    ct_backend b;
    ct_cpu *cpu; /* the backend from within */
    ct_cache *cache;
    ct_step_limits limits;
} subject;

/* --level NAME from the command line; exits with 77 (skipped) if this machine lacks it. */
const char *subject_level(int argc, char **argv);
/* --all from the command line: every combination, not the selection that keeps the quick tests quick. */
bool subject_takes_all(int argc, char **argv);

/* path: under TEST_DATA, or absolute. */
void subject_open(subject *s, const char *path, subject_options opt);
/* A model alone, and ways of running it (which it outlives). */
subject_model *subject_model_open(const char *path, bool tokenizer);
void subject_model_close(subject_model *m);
void subject_share(subject *s, subject_model *m, subject_options opt);
void subject_close(subject *s);

/* A sequence of the subject's own cache. */
ct_kv *subject_kv(const subject *s);

/* One step, and logits of rows of the last one: [n, n_vocab]. Both fail the test if they fail. */
void subject_step(subject *s, ct_step_span *spans, size_t n_spans);
void subject_rows(subject *s, const size_t *rows, size_t n, float *logits);

/* Makes the input a soft token: row i of an image's, which are copied into the slot. */
void subject_soft(subject *s, ct_step_input *in, uint32_t slot, const float *rows, size_t i);

/* Runs n tokens in chunks of at most `chunk` through a fresh cache and gives the logits of every position:
 * [n, n_vocab], to be freed. */
float *subject_logits(subject *s, const int32_t *ids, size_t n, size_t chunk);

/* Appends n tokens to kv in chunks; logits of all of them to out if not NULL. */
void subject_append(subject *s, ct_kv *kv, const int32_t *ids, size_t n, size_t chunk, float *out);

/* Continues from the last logits: the largest each time. */
void subject_greedy(subject *s, const int32_t *ids, size_t n, int32_t *out, size_t n_out);

size_t argmax(const float *x, size_t n);

#endif
