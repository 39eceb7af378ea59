/* Packs where nothing computes a hash (meson.build: without nettle): none can be opened.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "format/pack_file.h"

bool ct_pack_is(const char *path)
{
    (void)path;
    return false;
}

bool ct_pack_open(const char *path, ct_pack_file **out, carat_err *err)
{
    *out = NULL;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: a pack, which this build does not read", path);
}

void ct_pack_close(ct_pack_file *p)
{
    (void)p;
}

bool ct_pack_map(const ct_pack_file *p, enum ct_pack_which which, void **out, carat_err *err)
{
    (void)p;
    (void)which;
    *out = NULL;
    return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "a pack, which this build does not read");
}

void ct_pack_unmap(void *block, size_t bytes)
{
    (void)block;
    (void)bytes;
}

void ct_pack_sha256(const void *data, size_t bytes, uint8_t out[CT_PACK_HASH])
{
    (void)data;
    (void)bytes;
    memset(out, 0, CT_PACK_HASH);
}
