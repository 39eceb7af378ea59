/* columns.h - how many columns of a terminal a character takes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_COLUMNS_H
#define CT_CLI_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

/* 0 (combining, joiners), 1 or 2 (East Asian wide, emoji); whatever the locale. Not for control characters. */
int char_columns(uint32_t cp);
/* May a line end between a and b, which are no blanks? In scripts that are written without them, not before closing or
 * behind opening punctuation (the heart of Unicode's UAX #14). Hangul has words, and stays whole. */
bool char_may_break(uint32_t a, uint32_t b);

#endif
