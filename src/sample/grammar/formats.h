/* formats.h - the values of JSON Schema's `format`, as regular expressions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_FORMATS_H
#define CT_SAMPLE_GRAMMAR_FORMATS_H

#include <stdbool.h>

typedef enum ct_format_kind {
    CT_FORMAT_UNKNOWN,
    CT_FORMAT_TEXT,  /* a string that matches the expression, the whole of it */
    CT_FORMAT_NUMBER /* OpenAPI's int32, double ...: says how a number is stored, nothing about its text */
} ct_format_kind;

/* *pattern becomes the expression of a CT_FORMAT_TEXT. */
ct_format_kind ct_format_find(const char *name, const char **pattern);

#endif
