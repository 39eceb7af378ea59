/* place.h - where a file of a repository is in the store, and that nothing leads out of it: every folder below the store's
 * own must be a folder, not a link to one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_PLACE_H
#define CT_HUB_PLACE_H

#include "base/err.h"

/* The path of repo's file (names that name.h lets through) below the store's folder; file "": of the repository's folder.
 * Makes the folders to it if asked. *out is the caller's (free). Errors: CARAT_EIO (a folder that cannot be made, or is
 * something else), CARAT_EARG (names that cannot be), CARAT_ENOMEM. */
bool ct_place(const char *folder, const char *repo, const char *file, bool make, char **out, carat_err *err);

/* The lock of a repository's folder, made if asked and not there; -1 in *fd: another has it, or (not made) there is no folder.
 * Closing *fd gives it back. Errors: CARAT_EIO, CARAT_ENOMEM. */
bool ct_place_lock(const char *folder, const char *repo, bool make, int *fd, carat_err *err);

/* A regular file's size, links not followed; false: there is none. */
bool ct_place_size(const char *path, uint64_t *bytes);

/* What such a file takes of the disk: its bytes, or more where room is reserved for those to come. 0: there is none. */
uint64_t ct_place_held(const char *path);

#endif
