/* match.h - finds added tokens in text: the leftmost, and of several there the longest.
 *
 * Patterns are matched on the raw text, before spaces are replaced: a run token is found where U+2581 is written, not
 * where spaces are (those become the same token by merging).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TOKENIZER_MATCH_H
#define CT_TOKENIZER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ct_pattern {
    const char *text; /* borrowed while building */
    uint32_t len;
    int32_t id;
} ct_pattern;

typedef struct ct_matcher {
    char *text;         /* owned: all patterns */
    ct_pattern *sorted; /* by bytes; a pattern comes before its own extensions */
    size_t n;
    uint32_t first[257]; /* patterns that begin with byte b: sorted[first[b] .. first[b + 1]) */
} ct_matcher;

/* Copies the patterns (empty ones are left out; of equal ones the first stays). False: no memory. */
bool ct_matcher_init(ct_matcher *m, const ct_pattern *patterns, size_t n);
void ct_matcher_deinit(ct_matcher *m);

/* The first match at or after pos: its place, length and id. False if there is none. Time: linear in the bytes passed
 * over, times the length of the longest pattern where patterns begin but do not end. */
bool ct_matcher_next(const ct_matcher *m, const char *text, size_t len, size_t pos, size_t *at, size_t *match_len,
                     int32_t *id);

#endif
