/* golden_file.h - reads a folder of golden arrays (tests/golden/data/...).
 *
 * Such a folder holds manifest.json and raw little-endian files; manifest["arrays"][name] is
 * { "file", "offset", "dtype", "shape" }, arrays in C order. The rest of the manifest (tolerances, prompts, ...) is
 * there as `manifest` for the test to read with jansson.
 *
 *     golden_file *g = golden_open("quants");                  // relative to TEST_DATA
 *     golden_array a = golden_get(g, "source");                // fails the test if it is not there
 *     const float *x = golden_f32(g, "source", 8 * 512, NULL); // same, and checks dtype and count
 *     golden_close(g);
 *
 * Whatever is wrong with the files fails the running cmocka test with a message. Arrays are borrowed from the folder
 * and live until golden_close. Their data is aligned for its dtype.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_GOLDEN_FILE_H
#define CT_TESTS_GOLDEN_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum golden_dtype { GOLDEN_F32, GOLDEN_F64, GOLDEN_I32, GOLDEN_I64, GOLDEN_U8 } golden_dtype;

#define GOLDEN_MAX_DIM 6

typedef struct golden_array {
    golden_dtype dtype;
    int n_dim;
    size_t shape[GOLDEN_MAX_DIM]; /* unused ones are 1 */
    size_t count;                 /* product of the shape */
    const void *data;             /* [count] of dtype, C order */
} golden_array;

typedef struct golden_file {
    char *folder;     /* absolute */
    json_t *manifest; /* the whole manifest.json, owned by the folder */
    size_t n_data;
    struct golden_data {
        char *name;    /* "golden.bin" */
        uint8_t *data; /* the whole file */
        size_t size;
    } data[4];
} golden_file;

/* folder: relative to TEST_DATA, or absolute. Never NULL: the test fails if the manifest cannot be read. */
golden_file *golden_open(const char *folder);
void golden_close(golden_file *g); /* accepts NULL */

/* Is there an array of this name? Then *out is filled. */
bool golden_find(golden_file *g, const char *name, golden_array *out);

/* The array; the test fails if there is none. */
golden_array golden_get(golden_file *g, const char *name);

/* The data of an array of this dtype with exactly n values; n == 0: any number, which *count (may be NULL) is told. */
const float *golden_f32(golden_file *g, const char *name, size_t n, size_t *count);
const int32_t *golden_i32(golden_file *g, const char *name, size_t n, size_t *count);

#endif
