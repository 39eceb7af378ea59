/* paths.h - a request that was translated from another protocol's: what its fields are called there.
 *
 * A fault in the translation is told to a client in its own words: "messages[1].content[0]" was "messages[0].images[0]".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_PATHS_H
#define CT_OPENAI_PATHS_H

#include "openai/openai.h"

/* Zero-initialised. */
typedef struct ct_openai_paths {
    json_t *own; /* {path: the client's}, or NULL */
} ct_openai_paths;

/* Everything at and below `path` is at and below `own`, a path of the client's. Where several fit, the longest is taken.
 * False: no memory, and f says so. */
bool ct_openai_path_add(ct_openai_paths *p, const char *path, const char *own, ct_openai_fault *f);
/* The fault's field, there and in its message, by the client's path. False, always. */
bool ct_openai_path_rename(const ct_openai_paths *p, ct_openai_fault *f);
void ct_openai_paths_deinit(ct_openai_paths *p);

#endif
