/* drop.h - removing from the store, with the repository's lock held: nothing outside of it, and no link's target.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_DROP_H
#define CT_HUB_DROP_H

#include "hub/store.h"

/* The files of m that none of the others has, with what is there of them in part. *freed: bytes are added. Errors: CARAT_EIO,
 * CARAT_ENOMEM. */
bool ct_drop_files(const char *folder, const ct_stored *m, const ct_stored *const *others, size_t n, uint64_t *freed,
                   carat_err *err);
/* The model of m's tag, out of the manifest too; with the last one the folder. Errors: those of the manifest also. */
bool ct_drop_model(const char *folder, const ct_stored *m, uint64_t *freed, carat_err *err);

#endif
