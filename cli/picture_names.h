/* picture_names.h - files of pictures, named the ways people and terminals name them: bare, with punctuation behind, in
 * quotes or brackets, with escaped blanks, with ~/, as file:// addresses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_PICTURE_NAMES_H
#define CT_CLI_PICTURE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define PICTURE_PATH 4096 /* PATH_MAX of Linux */

typedef enum picture_kind {
    PICTURE_FILE,    /* there it is */
    PICTURE_MISSING, /* it ends like a picture, but no file can be had by that name */
    PICTURE_ADDRESS, /* of a server: https://... */
    PICTURE_OTHER,   /* a file, of a format that is not read */
} picture_kind;

typedef struct picture_name {
    picture_kind kind;
    size_t from, to;         /* where it stands in the text, quotes included */
    char path[PICTURE_PATH]; /* of the file; else the name as it was written, perhaps cut */
    int why;                 /* PICTURE_MISSING: errno */
} picture_name;

/* Why no file can be had by a name that is PICTURE_MISSING, for messages. */
const char *picture_name_why(const picture_name *p);

/* The first name at or behind text + at; what came before `at` belongs to other names. False: there is none. */
bool picture_name_next(const char *text, size_t at, picture_name *out);

/* What was typed where a path is expected, all of it or the first of several words at text + *at, which moves on. False at
 * the end. Any file that exists will do, whatever its ending. */
bool picture_path_next(const char *text, size_t *at, picture_name *out);

#endif
