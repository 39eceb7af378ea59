/* looks_like.h - what a file really is that was taken for another.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_BASE_LOOKS_LIKE_H
#define CT_BASE_LOOKS_LIKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* By its first bytes: "a web page", "a Git LFS pointer, not the file itself" ...; NULL: nothing that is often met. Never
 * one of the formats that Carat reads. */
const char *ct_looks_like(const void *data, size_t size);

/* The end of a message about `bytes` bytes of which the file does not have all. "" where so many were never in a file:
 * then it is damaged, not cut. */
const char *ct_looks_cut(uint64_t bytes);

/* After a parser failed on the text of a file: puts what the file looks like in place of the message in *err, or says
 * that the file ends too early if that is where the parser stopped (err->at). Returns false. */
bool ct_explain_text(const char *path, const char *text, size_t len, carat_err *err);

#endif
