/* fetch.h - one file of a repository, to the disk: resumed, of the stated length and hash, or not there.
 *
 *   FILE.part        what has arrived
 *   FILE.part.json   { "of": "8ccc...", "etag": "\"...\"" }: of which bytes it is the beginning; another's are thrown away
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_FETCH_H
#define CT_HUB_FETCH_H

#include "hub/http.h"
#include "hub/repo.h"

typedef struct ct_fetch {
    ct_hub_http *http;
    const char *repo, *revision;
    const ct_hub_file *file;
    const char *path; /* where it goes; its folder is there */
    bool is_gated;    /* for the message where it is refused */
    /* Bytes that are there; checking: they are read again, to be hashed. False cancels. */
    bool (*at)(void *arg, bool checking, uint64_t done, uint64_t total);
    void (*tell)(void *arg, const char *line);
    void *arg;
} ct_fetch;

typedef struct ct_fetched {
    uint64_t bytes;
    char sha256[65];
} ct_fetched;

/* Brings it, unless there is a file of the same hash. Errors: those of ct_pull; what had arrived stays, but for bytes of a wrong
 * hash. */
bool ct_fetch_file(const ct_fetch *f, ct_fetched *out, carat_err *err);

/* What an answer's status means to a person: of a repository (file NULL) or a file of it. Always false. */
bool ct_hub_refusal(const ct_hub_http *h, const char *repo, const char *revision, const char *file, bool is_gated,
                    const ct_hub_http_reply *r, carat_err *err);

/* Room on the disk of a folder for so many more bytes? Errors: CARAT_EIO with both figures. */
bool ct_hub_has_room(const char *folder, uint64_t bytes, carat_err *err);

#endif
