/* repo.h - what a hub says about a repository: its commit and its files with sizes and hashes.
 *
 *   GET /api/models/OWNER/REPO/revision/REV?blobs=true
 *   { "sha": "f9c2...", "gated": false, "config": { "model_type": "gemma3" }, "gguf": { "architecture": "gemma3", "total": 999885952 },
 *     "siblings": [ { "rfilename": "x.gguf", "size": 806058240, "blobId": "5be3...", "lfs": { "sha256": "8ccc...", "size": 806058240 } },
 *                   { "rfilename": "config.json", "size": 899, "blobId": "01c5..." } ] }
 *
 * Source: Hugging Face, "Hub API Endpoints". blobId is git's hash of a file that is not in LFS: SHA-1 of "blob SIZE\0" and
 * the bytes. Nothing of it is believed: what is of the wrong type or out of bounds is an error, a file whose name cannot be
 * a file's here is left out and counted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_REPO_H
#define CT_HUB_REPO_H

#include "base/err.h"
#include "hub/name.h"

typedef struct ct_hub_file {
    char *name;
    uint64_t bytes;  /* or HUB_UNKNOWN */
    char sha256[65]; /* of its bytes, lower case; "": not stated */
    char blob[41];   /* git's hash; "": not stated, or of a pointer to the bytes */
} ct_hub_file;

typedef struct ct_hub_repo {
    char repo[HUB_MAX_REPO]; /* in the hub's spelling */
    char commit[65];         /* "" if it is not stated */
    bool is_gated;           /* its owner wants the terms accepted */
    char architecture[64];   /* "gemma3": of its GGUF files, else of its config.json; "" if it is not stated */
    uint64_t n_params;       /* of its GGUF files, else of its safetensors; 0: not stated */
    ct_hub_file *files;      /* sorted by name, no two alike */
    size_t n_files;
    size_t n_left_out;
} ct_hub_repo;

/* repo: whose answer this is. Deinit in any case. Errors: CARAT_EFORMAT, CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_hub_repo_read(const char *repo, const char *text, size_t len, ct_hub_repo *out, carat_err *err);
void ct_hub_repo_deinit(ct_hub_repo *r);

/* By its whole name; NULL: there is none. */
ct_hub_file *ct_hub_repo_file(const ct_hub_repo *r, const char *name);

/* Is it a Gemma 3, or is nothing said about it? */
bool ct_hub_repo_may_run(const ct_hub_repo *r);

#endif
