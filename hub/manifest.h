/* manifest.h - a repository's folder in the store says which models it holds.
 *
 *   { "format": 1, "repo": "ggml-org/gemma-3-4b-it-GGUF",
 *     "models": [ { "tag": "Q4_K_M", "path": "gemma-3-4b-it-Q4_K_M.gguf", "asked": "gemma-3-4b-it",
 *                   "endpoint": "https://huggingface.co", "commit": "f9c2...", "pulled": "2026-11-29T23:10:00Z", "complete": true,
 *                   "files": [ { "file": "gemma-3-4b-it-Q4_K_M.gguf", "size": 2489757856, "sha256": "8ccc..." } ] } ] }
 *
 * A model is there from the moment that its pull begins, not complete, so that what came of it can be seen and removed; sizes and
 * hashes are those that are expected then, zeros where the hub states none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_MANIFEST_H
#define CT_HUB_MANIFEST_H

#include "hub/store.h"

/* Appends the models of a repository's folder; none if it has no manifest. Errors: CARAT_EFORMAT (also: another repository's,
 * names that lead out of it), CARAT_ELIMIT, CARAT_EIO, CARAT_ENOMEM; then nothing was appended. */
bool ct_manifest_read(const char *folder, const char *repo, ct_stored_list *l, carat_err *err);
/* From memory. */
bool ct_manifest_parse(const char *folder, const char *repo, const char *text, size_t len, ct_stored_list *l,
                       carat_err *err);

/* Writes it anew with these models; with none the file is removed. Errors: CARAT_EIO, CARAT_ENOMEM. */
bool ct_manifest_write(const char *folder, const char *repo, const ct_stored *const *models, size_t n, carat_err *err);

void ct_stored_deinit(ct_stored *m); /* accepts a zeroed one */

#endif
