/* base64.h - base64, encoded, and decoded strictly (RFC 4648, sections 4 and 5).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_BASE64_H
#define CT_BASE_BASE64_H

#include "base/err.h"

/* Bytes that are enough for any text of len characters. */
static inline size_t ct_base64_room(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Text of either alphabet ("+/" or "-_", not both in one) to bytes; padding may be left out, but not half of it. out
 * has ct_base64_room(len) bytes or is the text itself; *n of them are set. Errors: CARAT_EFORMAT with the position:
 * another character (white space too), padding before the end, a length that no encoder produces, stray bits in the
 * last character. out is then garbage. */
bool ct_base64_decode(const char *text, size_t len, void *out, size_t *n, carat_err *err);

/* Characters of n bytes, padding included. */
static inline size_t ct_base64_length(size_t n)
{
    return (n / 3 + (n % 3 != 0)) * 4;
}

/* In the standard alphabet with padding: ct_base64_length(n) characters, no NUL behind them. */
void ct_base64_encode(const void *bytes, size_t n, char *out);

#endif
