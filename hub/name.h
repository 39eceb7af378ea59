/* name.h - what names may be: of models at a hub, of its files. Everything that is joined to a path or a
 * URL has passed through here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_NAME_H
#define CT_HUB_NAME_H

#include "base/err.h"
#include "hub/quant.h"

#define HUB_MAX_REPO 200 /* with the NUL: two parts of 96 at most */
#define HUB_MAX_FILE 512
#define HUB_MAX_REV  128

#define HUB_UNKNOWN UINT64_MAX /* a size that is not stated */

#define HUB_SAFETENSORS "safetensors" /* the tag of a folder */
#define HUB_MANIFEST    "carat-manifest.json"

typedef struct ct_hub_name {
    char repo[HUB_MAX_REPO];                        /* "OWNER/REPO" */
    char tag[HUB_MAX_TAG];                          /* "" if the name has none */
    char revision[HUB_MAX_REV], file[HUB_MAX_FILE]; /* of a URL; "" */
    char host[256];                                 /* "" unless the name has one: "hf.co", "localhost:8080" */
    const char *licence;                            /* of a short name; else NULL */
} ct_hub_name;

/* "OWNER/REPO:TAG", "hf.co/OWNER/REPO", a URL, a short name (short.h). Errors: CARAT_EARG (what about it cannot be). */
bool ct_hub_name_read(const char *name, ct_hub_name *out, carat_err *err);

/* "OWNER/REPO" of letters, digits and . _ -, neither part beginning with . or - or having "..". */
bool ct_hub_repo_is_name(const char *repo);
/* A branch, tag or commit. */
bool ct_hub_revision_is_name(const char *revision);
/* A file of a repository that may be written below a folder of ours: UTF-8, relative, no part that begins with ".", no control
 * characters or backslashes, none of the names that the store itself gives. */
bool ct_hub_file_is_name(const char *file);

#endif
