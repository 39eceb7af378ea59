/* embed_with.h - texts through an engine to vectors, for tests that compare these.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_EMBED_WITH_H
#define CT_TESTS_EMBED_WITH_H

#include "api/internal.h"
#include "golden_file.h"

#define EMBED_WIDE 768 /* numbers of a vector, at most */

typedef struct embed_vector {
    size_t n;
    float v[EMBED_WIDE];
} embed_vector;

typedef struct embed_how {
    bool omits_norm;
    size_t n_dims;
} embed_how;

/* Whatever fails, fails the running test. */
carat_engine *embed_open(const char *path, const carat_options *o);
/* One text alone. */
void embed_alone(carat_engine *e, const int32_t *ids, size_t n, embed_how how, embed_vector *out);

typedef struct embed_text_ids {
    const int32_t *ids;
    size_t n;
} embed_text_ids;
/* All at once: texts [n] to out [n]. */
void embed_together(carat_engine *e, const embed_text_ids *texts, size_t n, embed_how how, embed_vector *out);

/* 1 - cosine, in double, by both norms. */
double embed_distance(const float *a, const float *b, size_t n);
/* Compares with a row of a golden array [rows, dims]: within max_abs, and no further than max_distance. Returns the distance. */
double embed_expect(const embed_vector *have, const golden_array *want, size_t row, double max_abs, double max_distance,
                    const char *what);

/* Text i of a golden folder's ids and ids_offset. */
embed_text_ids embed_golden_ids(golden_file *g, size_t i);

#endif
