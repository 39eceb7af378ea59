/* pull.h - brings a model from a hub that speaks Hugging Face's protocol into the store (store.h).
 *
 * A name says which:
 *
 *   OWNER/REPO[:TAG]                      TAG: a quantisation ("Q4_K_M"), a file's name, or "safetensors"
 *   hf.co/OWNER/REPO[:TAG], huggingface.co/...
 *   https://HOST/OWNER/REPO[/tree/REV], https://HOST/OWNER/REPO/{blob,resolve}/REV/FILE     HOST is the endpoint's
 *   gemma-3-4b-it, gemma3:4b ...          short names of published models (hub/short.h), with -TAG or :TAG behind
 *
 * The endpoint is options.endpoint, else $HF_ENDPOINT, else https://huggingface.co. The token is of options.token_file, else
 * $HF_TOKEN, $HF_TOKEN_PATH, $HF_HOME/token, ~/.cache/huggingface/token; it goes to the endpoint's host alone, never to one
 * that it redirects to. Proxies are those of curl's environment variables.
 *
 * Files are written as NAME.part and get their names once they are whole and their hash is the one that the hub states;
 * a pull that was interrupted continues there. Two pulls of a repository take turns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_PULL_H
#define CT_HUB_PULL_H

#include "hub/store.h"

/* Where a pull stands. Strings live during the call. */
typedef struct ct_pull_event {
    const char
        *status; /* "pulling manifest", "waiting for another pull", "pulling 8ccc5cd1f1b3", "verifying sha256 digest",
                         * "writing manifest", "success" */
    const char *digest;        /* "sha256:8ccc..." of the file under way; NULL: none is, or the hub states none */
    const char *file;          /* its name; NULL: none is */
    uint64_t total, completed; /* its bytes */
    uint64_t all_total, all_completed; /* of all files of this pull */
    size_t index, n_files;             /* which of them, from 1 */
} ct_pull_event;

/* False cancels. Called on the thread that pulls, at least once a second, also while nothing arrives. */
typedef bool ct_pull_progress_fn(void *arg, const ct_pull_event *e);
/* A line about what happens otherwise than it may look: a download that begins again, a file without a stated hash. */
typedef void ct_pull_tell_fn(void *arg, const char *line);

/* A model that the repository has. */
typedef struct ct_pull_offer {
    const char *tag;  /* "Q4_K_M" */
    const char *file; /* the first, of a split one */
    uint64_t bytes;   /* of all files that would be pulled, the mmproj among them */
    uint64_t memory;  /* what it takes at the default context, by carat_weigh; 0: not known */
    bool is_exact;    /* memory is weigh's own figure for this type, not worked out from the file's size */
    bool fits;        /* this machine has that much available */
    bool is_pulled;
} ct_pull_offer;

/* Which of them? best: the best that fits, or n if none does. False cancels. */
typedef bool ct_pull_choose_fn(void *arg, const ct_pull_offer *offers, size_t n, size_t best, size_t *chosen);

/* Zeros are the defaults. */
typedef struct ct_pull_options {
    const char *name;
    const char *revision; /* branch, tag or commit; NULL: the name's own, else "main" */
    const char *file;     /* this file of the repository, instead of a quantisation */
    const char
        *mmproj; /* "auto", "none" or a file's name; NULL: auto, the one beside the model that the loader prefers */
    const char *endpoint;
    const char *token_file;
    bool insecure_http; /* http to other hosts than this machine */
    bool any_model;     /* also what the hub says is no Gemma 3 */
    ct_pull_progress_fn *progress;
    void *progress_arg;
    ct_pull_tell_fn *tell;
    void *tell_arg;
    ct_pull_choose_fn *choose; /* asked where several quantisations could be meant; NULL: the best that fits */
    void *choose_arg;
} ct_pull_options;

/* Pulls it, or what of it is not there yet; *path, the caller's (free), is where it is, *name its name in the store; either
 * may be NULL. Blocks; any thread. Errors:
 *
 *   CARAT_EARG         a name that is none; no such repository, revision, file or quantisation, with those that come near;
 *                      the hub wants a token, or that its terms are accepted (with what to do); none fits this machine
 *   CARAT_EUNSUPPORTED built without libcurl; the hub says that it is no Gemma 3
 *   CARAT_EIO          no connection, an answer that is an error (429 and 5xx after being tried again), a file that cannot be
 *                      written, too little room on the disk
 *   CARAT_EFORMAT      what the hub says makes no sense; a file whose hash is another (it is thrown away)
 *   CARAT_ELIMIT       an answer longer than stated or than any could be
 *   CARAT_ECANCELLED   by a callback; what has arrived stays for the next pull
 *   CARAT_ENOMEM */
bool ct_pull(const ct_pull_options *o, char **name, char **path, carat_err *err);

/* Is there a libcurl in this build? */
bool ct_pull_is_built(void);

#endif
