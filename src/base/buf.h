/* buf.h - a growing byte buffer with a ceiling.
 *
 * A ct_buf starts zeroed except for max (ct_buf_init). Every append returns false once the buffer could not grow
 * (ceiling or memory) and sets `failed`, which stays set: build the whole text, then look once. data is always
 * NUL-terminated after the first append (the NUL is not counted in len).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_BUF_H
#define CT_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ct_buf {
    char *data;
    size_t len, cap, max;
    bool failed;
} ct_buf;

void ct_buf_init(ct_buf *b, size_t max);
void ct_buf_deinit(ct_buf *b);
void ct_buf_clear(ct_buf *b); /* len = 0, keeps the memory */
bool ct_buf_add(ct_buf *b, const void *data, size_t len);
bool ct_buf_str(ct_buf *b, const char *s);
bool ct_buf_char(ct_buf *b, char c);
bool ct_buf_fmt(ct_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *ct_buf_take(ct_buf *b); /* the caller frees it; b is empty again; NULL if failed or no memory */

#endif
