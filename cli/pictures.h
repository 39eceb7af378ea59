/* pictures.h - images on the command line: the options, the files, their places in a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_PICTURES_H
#define CT_CLI_PICTURES_H

#include "carat.h"
#include "options.h"

#define CLI_IMAGE_MARK "<image>"

extern const cli_table cli_pictures_table; /* --image and Pan & Scan */
extern const cli_table cli_pan_scan_table; /* Pan & Scan alone */
extern cli_list cli_image_paths;           /* of --image */

/* From the options. */
carat_pan_scan cli_pan_scan(void);
bool cli_pans(void); /* is it other than by default? */

typedef struct cli_picture_file {
    char *path; /* full name */
    char *data; /* what was in it: only where a conversation may be saved */
    size_t len;
} cli_picture_file;

typedef struct cli_pictures {
    carat_picture **v;       /* [n], owned */
    cli_picture_file *files; /* [n], owned: where they came from */
    size_t n;
} cli_pictures;

/* Loads the files in order; all or none. */
bool cli_pictures_load(const cli_list *paths, cli_pictures *out, carat_err *err);
/* The same for one picture of a conversation: keeps the file's bytes. */
bool cli_pictures_keep(const char *path, cli_pictures *out, carat_err *err);
/* One picture from a file's bytes, which are copied; name is for messages, and kept. */
bool cli_pictures_from_bytes(const char *name, const void *data, size_t len, cli_pictures *out, carat_err *err);
void cli_pictures_free(cli_pictures *p);
/* Moves all of `from` behind those of `to`; false (no memory): neither has changed. */
bool cli_pictures_join(cli_pictures *to, cli_pictures *from);

/* A text of len bytes with pictures: where the marks stand, else all before the text. The pieces borrow from `text`;
 * *content is the caller's (free). *is_inline: marks there were. Errors: CARAT_EARG (marks and pictures that do not
 * match). */
bool cli_place_pictures(const char *text, size_t len, const carat_picture *const *pictures, size_t n_pictures,
                        carat_content **content, size_t *n, bool *is_inline, carat_err *err);

/* For carat_session_on_progress: a bar while images are encoded and a long prompt is read. */
bool cli_prompt_progress(void *arg, carat_phase phase, uint64_t done, uint64_t total);

#endif
