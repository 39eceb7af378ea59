/* A growing byte buffer with a ceiling.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ct_buf_init(ct_buf *b, size_t max)
{
    *b = (ct_buf){ .max = max };
}

void ct_buf_deinit(ct_buf *b)
{
    free(b->data);
    *b = (ct_buf){ .max = b->max };
}

void ct_buf_clear(ct_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `more` bytes and a NUL. */
static bool grow(ct_buf *b, size_t more)
{
    if (b->failed || more > b->max || b->len > b->max - more) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool ct_buf_add(ct_buf *b, const void *data, size_t len)
{
    if (!grow(b, len))
        return false;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool ct_buf_str(ct_buf *b, const char *s)
{
    return ct_buf_add(b, s, strlen(s));
}

bool ct_buf_char(ct_buf *b, char c)
{
    return ct_buf_add(b, &c, 1);
}

bool ct_buf_fmt(ct_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !grow(b, (size_t)n)) {
        b->failed = true;
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return true;
}

char *ct_buf_take(ct_buf *b)
{
    char *data = NULL;
    if (!b->failed && (b->data || grow(b, 0))) {
        data = b->data;
        data[b->len] = '\0';
        *b = (ct_buf){ .max = b->max };
        return data;
    }
    ct_buf_deinit(b);
    return NULL;
}
