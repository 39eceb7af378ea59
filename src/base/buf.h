/* buf.h - a growing byte buffer with a ceiling.
 *
 * A carat_buf starts zeroed except for max (carat_buf_init). Every append returns false once the buffer could not grow
 * (ceiling or memory) and sets `failed`, which stays set: build the whole text, then look once. data is always
 * NUL-terminated after the first append (the NUL is not counted in len).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARAT_BASE_BUF_H
#define CARAT_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct carat_buf {
    char *data;
    size_t len, cap, max;
    bool failed;
} carat_buf;

void carat_buf_init(carat_buf *b, size_t max);
void carat_buf_deinit(carat_buf *b);
void carat_buf_clear(carat_buf *b); /* len = 0, keeps the memory */
bool carat_buf_add(carat_buf *b, const void *data, size_t len);
bool carat_buf_str(carat_buf *b, const char *s);
bool carat_buf_char(carat_buf *b, char c);
bool carat_buf_fmt(carat_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *carat_buf_take(carat_buf *b); /* the caller frees it; b is empty again; NULL if failed or no memory */

#endif
