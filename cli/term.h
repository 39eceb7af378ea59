/* term.h - what a person sees: notices, progress, colour on a terminal only.
 *
 * Text goes to stdout, notices and errors to stderr.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_TERM_H
#define CT_CLI_TERM_H

#include "carat.h"

/* Installs the log sink. quiet: only errors, and what term_tell says. */
void term_init(bool quiet);
/* Is stderr (2) or stdout (1) a terminal that a person watches? */
bool term_is_tty(int fd);
/* Is it one that obeys escape sequences (TERM is set, and not to dumb)? And may they be for colour (NO_COLOR)? */
bool term_obeys(int fd);
bool term_may_colour(void);
bool term_has_colour(int fd);
/* An ANSI sequence when fd is a terminal that shows colour, else "". */
const char *term_dim(int fd);
const char *term_bold(int fd);
const char *term_reset(int fd);
/* Columns of its window: 8 at least; 80 where nothing says so. */
int term_width(int fd);
/* A text from a file as a terminal may be given it: control characters and marks of direction as '?', cut to size bytes with the NUL. Returns
 * out. */
const char *term_printable(const char *s, char *out, size_t size);

/* "carat: message" on stderr; returns CLI_FAILED. */
int term_error(const carat_err *err);
/* A dim line on stderr, unless quiet. */
void term_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, quiet or not: something is answered otherwise than it was asked. */
void term_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For progress callbacks: a bar on a terminal's stderr that obeys, once the work has taken half a second. arg names the work
 * ("writing"); NULL means loading. */
bool term_progress(void *arg, uint64_t done, uint64_t total);
void term_progress_end(void);

#endif
