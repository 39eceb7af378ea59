/* wrap.h - text for a terminal: lines end between words, characters may be bold, italic, code.
 *
 * A word is shown once its end is known, so that it need not be taken back. What a terminal would obey instead of showing
 * it is shown as a sign. A word that is longer than a line is left to the terminal, so that it can be copied whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_WRAP_H
#define CT_CLI_WRAP_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

enum { STYLE_BOLD = 1, STYLE_ITALIC = 2, STYLE_CODE = 4, STYLE_DIM = 8 };

typedef struct wrap {
    FILE *out;
    int width;       /* columns of a line; 0: lines are not wrapped. May change between two characters */
    bool has_styles; /* else they are not shown */
    bool has_colour;
    bool is_verbatim; /* the line is not wrapped: code, tables */
    int indent;       /* of the lines that a line is continued on */
    int column;
    unsigned style;      /* at the end of `word` */
    ct_buf word, blanks; /* not shown yet; the blanks are before the word */
    int word_width, blanks_width;
    uint32_t last;            /* character of the word; 0: it is empty */
    bool is_long, had_return; /* the word is longer than a line; a carriage return came last */
} wrap;

void wrap_begin(wrap *w, FILE *out);
/* A character of n bytes; cp may be CT_UTF8_BAD. */
void wrap_char(wrap *w, const char *s, size_t n, uint32_t cp, unsigned style);
/* Shows what is left, and ends all styles. */
void wrap_end(wrap *w);

#endif
