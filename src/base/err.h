/* err.h - how a call that can fail reports it.
 *
 * carat_code and carat_err are public (include/carat.h); this header adds the one function that fills them.
 * Fallible calls return bool and take `carat_err *err` last; err may be NULL when the caller wants only the bool.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_ERR_H
#define CT_BASE_ERR_H

#include "carat.h"

/* Writes code, at and the message into *err and returns false, always, so that `return ct_fail(...)` is the idiom.
 * A message too long for err->msg is cut at a whole UTF-8 character. Bytes below 0x20 are shown as '?'. */
bool ct_fail(carat_err *err, carat_code code, uint64_t at, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Puts "prefix: " (a file's name, for example) in front of the message already in *err. Returns false. */
bool ct_fail_in(carat_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
