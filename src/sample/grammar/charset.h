/* charset.h - sets of characters, as ranges of code points.
 *
 * A set is sorted, without overlaps or neighbours that touch, and without surrogates (U+D800..U+DFFF), which no text
 * contains. Sets live in the heap they were made in; one that could not be made has failed the heap.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_CHARSET_H
#define CT_SAMPLE_GRAMMAR_CHARSET_H

#include <stdint.h>

#include "base/heap.h"

#define CT_MAX_CODE 0x10FFFFu

typedef struct ct_range {
    uint32_t lo, hi; /* both inside */
} ct_range;

typedef struct ct_charset {
    const ct_range *v;
    size_t n;
} ct_charset;

/* From ranges in any order, which may overlap or be empty (lo > hi); v is sorted in place. */
ct_charset ct_charset_of(ct_heap *a, ct_range *v, size_t n);
ct_charset ct_charset_one(ct_heap *a, uint32_t lo, uint32_t hi);
ct_charset ct_charset_or(ct_heap *a, ct_charset x, ct_charset y);
ct_charset ct_charset_and(ct_heap *a, ct_charset x, ct_charset y);
ct_charset ct_charset_not(ct_heap *a, ct_charset x); /* every other character */
bool ct_charset_has(ct_charset x, uint32_t cp);

#endif
