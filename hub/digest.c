/* SHA-256, and git's hash of a blob: SHA-1 of "blob SIZE\0" and the bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/digest.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

void ct_digest_init(ct_digest *d, uint64_t bytes)
{
    char head[40];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)bytes);
    sha256_init(&d->sha256);
    sha1_init(&d->git);
    sha1_update(&d->git, (size_t)n + 1, (const uint8_t *)head); /* with its NUL */
}

void ct_digest_add(ct_digest *d, const void *data, size_t len)
{
    sha256_update(&d->sha256, len, data);
    sha1_update(&d->git, len, data);
}

void ct_digest_text(const ct_digest *d, char sha256[65], char git[41])
{
    ct_digest copy = *d;
    uint8_t a[SHA256_DIGEST_SIZE], b[SHA1_DIGEST_SIZE];
    sha256_digest(&copy.sha256, sizeof a, a);
    sha1_digest(&copy.git, sizeof b, b);
    ct_hex_write(a, sizeof a, sha256);
    ct_hex_write(b, sizeof b, git);
}
