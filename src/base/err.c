/* Fills a carat_err: formats the message, cuts it at a whole character, makes control characters visible.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Control characters from a hostile file must not reach a terminal; a cut must not leave half a character. */
static void tidy(char *msg, size_t size)
{
    size_t len = strnlen(msg, size - 1);
    len -= ct_utf8_incomplete(msg, len);
    msg[len] = '\0';
    ct_utf8_tidy(msg);
}

bool ct_fail(carat_err *err, carat_code code, uint64_t at, const char *fmt, ...)
{
    if (!err)
        return false;
    char msg[sizeof err->msg]; /* fmt's arguments may point into err->msg itself */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    tidy(msg, sizeof msg);
    err->code = code;
    err->at = at;
    memcpy(err->msg, msg, sizeof msg);
    return false;
}

bool ct_fail_in(carat_err *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char prefix[sizeof err->msg], msg[2 * sizeof err->msg + 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    snprintf(msg, sizeof msg, "%s: %s", prefix, err->msg);
    memcpy(err->msg, msg, sizeof err->msg);
    err->msg[sizeof err->msg - 1] = '\0';
    tidy(err->msg, sizeof err->msg);
    return false;
}
