/* store.h - the models that were pulled: where they are, which there are, which one a name means.
 *
 *   $CARAT_MODELS, else $XDG_DATA_HOME/carat/models, else ~/.local/share/carat/models
 *     OWNER/REPO/                      the hub's repository, its files under their own names
 *       gemma-3-4b-it-Q4_K_M.gguf
 *       mmproj-model-f16.gguf
 *       gemma-3-4b-it-Q8_0.gguf.part   of a pull that is not finished, and .part.json what it is a part of
 *       carat-manifest.json            which models there are, of which files, sizes, hashes, commit, when
 *       .lock                          held while files come or go
 *
 * What the manifest says is believed as little as any file: names are checked before they are joined to the folder's.
 * Nothing here needs a network.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_STORE_H
#define CT_HUB_STORE_H

#include "base/err.h"

typedef struct ct_stored_file {
    char *file; /* in the repository's folder, "/" between folders */
    uint64_t bytes;
    char sha256[65]; /* lower case */
} ct_stored_file;

/* A model: what `carat run` opens. Of a repository there may be several, one for each quantisation. */
typedef struct ct_stored {
    char *name;              /* "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M" */
    char *repo;              /* "ggml-org/gemma-3-4b-it-GGUF" */
    char *tag;               /* "Q4_K_M"; "safetensors" of a folder; the file's name where it says no quantisation */
    char *path;              /* of its GGUF file, the first part of a split one, or of the folder of safetensors */
    char *asked;             /* the name under which it was pulled last, "gemma-3-4b-it"; "" if that is no other */
    char *endpoint, *commit; /* where it came from */
    char pulled[24];         /* "2026-11-29T23:10:00Z" */
    ct_stored_file *files;   /* those that hold the model come first, then what is beside it: an mmproj */
    size_t n_files;
    uint64_t bytes;   /* of all of them */
    bool is_complete; /* its pull came to its end */
    bool is_whole;    /* so it did, and all files are there, of the sizes recorded */
} ct_stored;

typedef struct ct_stored_list {
    ct_stored *v; /* sorted by name */
    size_t n;
} ct_stored_list;

/* The store's folder, which need not exist; the caller's (free). Errors: CARAT_EARG (no $HOME, and nothing else that says
 * where; a relative path), CARAT_ENOMEM. */
bool ct_store_folder(char **out, carat_err *err);

/* All models. A repository whose manifest cannot be read is left out and told (warn may be NULL). A folder that is not there
 * holds none. Errors: CARAT_EIO, CARAT_ENOMEM, those of ct_store_folder. */
typedef void ct_store_warn_fn(void *arg, const char *line);
bool ct_store_list(ct_stored_list *out, ct_store_warn_fn *warn, void *arg, carat_err *err);
void ct_stored_list_free(ct_stored_list *l); /* accepts a zeroed one */

/* The path of the pulled model that a name means; *path is the caller's (free). A name is anything that `carat pull`
 * takes, and any end of a name that only one model has:
 *
 *   ggml-org/gemma-3-4b-it-GGUF:Q4_K_M    the whole name; case does not count anywhere
 *   ggml-org/gemma-3-4b-it-GGUF           if one of it was pulled, or one was pulled under this very name
 *   gemma-3-4b-it, gemma3:4b              short names of published models (hub/short.h)
 *   gemma-3-4b-it-GGUF:Q8_0               without the owner
 *   gemma-3-4b-it-Q8_0.gguf               the file
 *
 * It never means a file outside the store, so that a server may give it what a client says. Errors: CARAT_EARG (nothing
 * was pulled under that name: with the nearest names; several: with theirs; not all of its files are there),
 * CARAT_ENOMEM. */
bool ct_store_find(const char *name, char **path, carat_err *err);

/* For a command line: a file or folder that exists, else ct_store_find. */
bool ct_store_resolve(const char *name, char **path, carat_err *err);

/* Which of the list a name means; names as in ct_store_find. Errors: CARAT_EARG as there. */
bool ct_store_match(const ct_stored_list *l, const char *name, const ct_stored **out, carat_err *err);

/* Removes a model: its files but those that another model of the repository has, too; the repository's folder once it is
 * empty. Also what is left of pulls of it that were not finished. Nothing outside the store, and no link's target.
 * *freed: bytes. Errors: CARAT_EARG (it is being pulled), CARAT_EIO, CARAT_ENOMEM. */
bool ct_store_remove(const ct_stored *m, uint64_t *freed, carat_err *err);

#endif
