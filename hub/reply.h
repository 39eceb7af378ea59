/* reply.h - what the head of an answer says: the headers that a pull looks at (RFC 9110; Hugging Face's X- ones).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_REPLY_H
#define CT_HUB_REPLY_H

#include "hub/name.h"

typedef struct ct_hub_http_reply {
    int status;
    uint64_t length;          /* of the body; HUB_UNKNOWN */
    uint64_t from, total;     /* of a 206: where it begins, and of how many bytes it is a part; HUB_UNKNOWN */
    uint64_t linked_size;     /* X-Linked-Size: of the file behind the redirect; HUB_UNKNOWN */
    char etag[256];           /* as it stands, quotes and W/ and all */
    char linked_etag[320];    /* X-Linked-Etag, without quotes: the SHA-256 of a file in LFS, git's hash of another */
    char commit[65];          /* X-Repo-Commit */
    char error[64], why[160]; /* X-Error-Code, X-Error-Message: of one line */
    long retry_after;         /* seconds; 0: not said */
} ct_hub_http_reply;

void ct_hub_reply_init(ct_hub_http_reply *r);

/* A line of the head, of n bytes, which need not end. With a status line a new head begins; what the endpoint said of the file that
 * it redirects to (linked_*, commit) stays, and is believed of nobody else. What is too long is cut, what makes no sense is not said. */
void ct_hub_reply_line(ct_hub_http_reply *r, const char *line, size_t n, bool is_endpoint);

#endif
