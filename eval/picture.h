/* picture.h - pictures of items: files in the user's folder, or data in the row itself.
 *
 * What a data file says of a picture is from outside: a name is refused that is absolute, has ".." in it or control characters, so that it
 * stays in the folder; links that are there are the user's own, and are followed. Only what begins like a JPEG, PNG, WebP, GIF or BMP file
 * leaves the machine (url.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_EVAL_PICTURE_H
#define CT_EVAL_PICTURE_H

#include "base/json.h"

typedef struct ct_eval_picture {
    char *name; /* of a file under the folder; NULL: data */
    char *data; /* base64 */
    size_t at;  /* where in the item's text it stands, in bytes */
} ct_eval_picture;

/* A picture's bytes, for who is asked. */
typedef struct ct_eval_shown {
    char *bytes; /* [len] owned */
    size_t len, at;
} ct_eval_shown;

/* What a row has: a name, "data:image/png;base64,...", or Hugging Face's {"bytes": base64, "path": name}. Errors: CARAT_EFORMAT (none of
 * these, a hostile name, no base64), CARAT_ENOMEM. */
bool ct_eval_picture_of(const json_t *value, ct_eval_picture *out, carat_err *err);
/* The same of a name. */
bool ct_eval_picture_named(const char *name, ct_eval_picture *out, carat_err *err);
void ct_eval_picture_free(ct_eval_picture *p);

/* Is it there? A file is looked for by its name, then by the name's last part; the one that is there is kept. Errors: CARAT_EIO. */
bool ct_eval_picture_find(ct_eval_picture *p, const char *folder, carat_err *err);
/* Its bytes. Errors: CARAT_EIO, CARAT_EFORMAT (no picture by its first bytes), CARAT_ELIMIT (64 MiB), CARAT_ENOMEM. */
bool ct_eval_picture_read(const ct_eval_picture *p, const char *folder, ct_eval_shown *out, carat_err *err);
/* "image/png" by the first bytes; NULL: none that is known. */
const char *ct_eval_picture_type(const void *bytes, size_t len);

#endif
