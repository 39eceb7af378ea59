/* digest.h - the two hashes by which a hub names a file's bytes: SHA-256, and git's of a blob.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_HUB_DIGEST_H
#define CT_HUB_DIGEST_H

#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdint.h>

typedef struct ct_digest {
    struct sha256_ctx sha256;
    struct sha1_ctx git;
} ct_digest;

void ct_digest_init(ct_digest *d, uint64_t bytes); /* the length of all of it, which git's begins with */
void ct_digest_add(ct_digest *d, const void *data, size_t len);
/* In hexadecimal. It may be asked in the middle: the sums go on. */
void ct_digest_text(const ct_digest *d, char sha256[65], char git[41]);

#endif
