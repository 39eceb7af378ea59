/* input.h - texts and token ids that a user gives.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_INPUT_H
#define CT_CLI_INPUT_H

#include "carat.h"

/* Reads all of a stream ("-" is stdin from where it stands, of any kind) or file, at most 256 MiB; the caller frees it.
 */
bool cli_read_text(const char *path, char **text, size_t *len, carat_err *err);

/* The same, at most max bytes, as UTF-8: a byte order mark is taken off, UTF-16 with one is translated (U+FFFD for half a
 * pair). Errors also: CARAT_EUNSUPPORTED (UTF-32). */
bool cli_read_utf8(const char *path, size_t max, char **text, size_t *len, carat_err *err);

/* The same of a prompt, as editors and shells write it: one newline at the end, which ends the file and not the prompt, is
 * taken off, too. */
bool cli_read_prompt(const char *path, char **text, size_t *len, carat_err *err);

/* "1,2 3\n" -> ids; text has a NUL behind its len bytes; the caller frees the ids. Errors: CARAT_EARG naming the place,
 * CARAT_ENOMEM. */
bool cli_parse_ids(const char *text, size_t len, int32_t **ids, size_t *n, carat_err *err);

#endif
