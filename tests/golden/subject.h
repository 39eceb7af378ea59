/* subject.h - a model opened for comparing: weights, kernels of one level, threads, one step's scratch.
 *
 * Whatever cannot be opened fails the running cmocka test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_SUBJECT_H
#define CT_TESTS_SUBJECT_H

#include "text/text.h"

typedef struct subject_options {
    const char *level; /* "generic", "avx2", ...; NULL: best */
    bool exact;
    bool q8_kv; /* a q8_0 cache instead of the f32 of exact, the f16 of all others */
    carat_embed_scale scale;
    int n_threads;  /* 0: 1 */
    size_t batch;   /* 0: 1024 */
    size_t context; /* 0: 1024 */
    bool tokenizer;
} subject_options;

typedef struct subject {
    subject_options opt;
    ct_kernels k;
    ct_pool *pool;
    ct_model *m;
    bool owns_model;
    ct_text *t;
} subject;

/* --level NAME from the command line; exits with 77 (skipped) if this machine lacks it. */
const char *subject_level(int argc, char **argv);
/* --all from the command line: every combination, not the selection that keeps the quick tests quick. */
bool subject_takes_all(int argc, char **argv);

/* path: under TEST_DATA, or absolute. */
void subject_open(subject *s, const char *path, subject_options opt);
/* Another way of running a model that is open already (and outlives it). */
void subject_share(subject *s, ct_model *m, subject_options opt);
void subject_close(subject *s);

ct_kv *subject_kv(const subject *s);

/* Runs n tokens in chunks of at most `chunk` through a fresh cache and gives the logits of every position:
 * [n, n_vocab], to be freed. */
float *subject_logits(subject *s, const int32_t *ids, size_t n, size_t chunk);

/* Appends n tokens to kv in chunks; logits of all of them to out if not NULL. */
void subject_append(subject *s, ct_kv *kv, const int32_t *ids, size_t n, size_t chunk, float *out);

/* Continues from the last logits: the largest each time. */
void subject_greedy(subject *s, const int32_t *ids, size_t n, int32_t *out, size_t n_out);

size_t argmax(const float *x, size_t n);

#endif
