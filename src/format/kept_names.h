/* kept_names.h - names taken from files: kept as copies, checked before they are shown.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_KEPT_NAMES_H
#define CT_FORMAT_KEPT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ct_name_chunk ct_name_chunk;

/* Copies handed out from chunks, so that a name costs little more than its bytes. Starts zeroed. */
typedef struct ct_names {
    ct_name_chunk *first;
    size_t bytes; /* heap held, at most max; a max of 0 means no limit */
    size_t max;
} ct_names;

/* A NUL-terminated copy that lives until deinit. NULL: no memory, or more than max. */
const char *ct_names_keep(ct_names *n, const void *s, size_t len);
void ct_names_deinit(ct_names *n);

/* The index of the first byte that is not printable ASCII, len if there is none: a name without any can be compared as
 * a C string and shown on a terminal. */
size_t ct_names_odd_byte(const void *s, size_t len);

/* A path for a message; of one that is too long, its end, so that the rest of the message is not cut off. */
const char *ct_short_path(const char *path, char buf[100]);

#endif
