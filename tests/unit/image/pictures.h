/* pictures.h - what the tests of pictures share: the golden pictures, their hashes, and refusals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_PICTURES_H
#define CT_TESTS_PICTURES_H

#include "unit.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "image/image.h"

#define DIR TEST_DATA "/images/"

static inline json_t *load_json(const char *name)
{
    char path[512];
    carat_err e;
    json_t *j;
    snprintf(path, sizeof path, DIR "%s", name);
    if (!ct_json_load(path, 1 << 24, &j, &e))
        fail_msg("%s", e.msg);
    return j;
}

static inline ct_image load(const char *name)
{
    char path[512];
    carat_err e;
    ct_image im;
    snprintf(path, sizeof path, DIR "%s", name);
    if (!ct_image_load(path, NULL, &im, &e))
        fail_msg("%s", e.msg);
    return im;
}

static inline void hash(const uint8_t *data, size_t len, char hex[65])
{
    struct sha256_ctx c;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&c);
    sha256_update(&c, len, data);
    sha256_digest(&c, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static inline void refuse(const void *data, size_t len, carat_code code, const char *says)
{
    carat_err e;
    ct_image im;
    if (ct_image_decode(data, len, NULL, &im, &e))
        fail_msg("was decoded, expected '%s'", says);
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("'%s' (%s), expected '%s'", e.msg, carat_code_name(e.code), says);
    assert_null(im.rgb);
}

#endif
