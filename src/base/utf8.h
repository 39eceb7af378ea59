/* utf8.h - UTF-8, decoded strictly (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_UTF8_H
#define CT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CT_UTF8_BAD 0xFFFFFFFFu

/* Decodes one character at s (len > 0). Returns the bytes consumed (>= 1); *cp is the code point, or CT_UTF8_BAD for
 * an undecodable byte: then the bytes consumed are the maximal subpart that Python's decoder would replace by one
 * U+FFFD (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts"). */
size_t ct_utf8_next(const char *s, size_t len, uint32_t *cp);

/* How many bytes at the end of s are the start of a character that is not complete yet (0..3). Bytes that can never
 * become a character do not count. */
size_t ct_utf8_incomplete(const char *s, size_t len);

/* Writes cp as 1..4 bytes to out, returns how many. */
size_t ct_utf8_put(uint32_t cp, char out[4]);

/* Would a terminal obey it instead of showing it? Control characters (U+009B begins a sequence as ESC [ does), and what
 * changes the direction or the line of the text around it (Unicode 15, UAX #9 section 2; U+2028, U+2029). */
bool ct_utf8_is_control(uint32_t cp);

/* For one line of a message with text from outside: puts '?' for each character of which ct_utf8_is_control says so and
 * for each undecodable byte. The text may become shorter. */
void ct_utf8_tidy(char *s);

/* Characters of a text; an undecodable byte counts as one, as ct_utf8_next takes it. */
size_t ct_utf8_count(const char *s);

/* Offset of the first byte that is not valid UTF-8, or len. */
size_t ct_utf8_valid(const char *s, size_t len);

#endif
