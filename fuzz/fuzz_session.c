/* fuzz_session.c - a saved session: restored as it is, and with its checksum made right (or nothing behind it would
 * ever be reached); then the sequence is gone on with, cut, and found again by its keys.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <nettle/sha2.h>
#include <string.h>

#include "fuzz.h"
#include "host_cache.h"

enum { CONTEXT = 200, BATCH = 40 };

static const uint8_t model[32] = "fuzz";

/* All slots of the sequence can be read; it can be longer, shorter, and shared. */
static void use(ct_cache *cache, ct_kv *kv)
{
    size_t len = ct_kv_len(kv);
    uint64_t keys[CONTEXT] = { 0 };
    FUZZ_MUST(len <= CONTEXT && ct_kv_labelled(kv) <= len);
    size_t n = CONTEXT - len < BATCH ? CONTEXT - len : BATCH;
    FUZZ_MUST(ct_kv_begin(kv, n));
    for (size_t tile = 0; tile < (len + n + CT_TILE - 1) / CT_TILE; tile++) {
        void *k, *v;
        host_kv_tile(kv, 1, 0, tile, &k, &v);
        fuzz_touch(k, ct_kv_tile_bytes(CT_KV_F16, 4));
        fuzz_touch(v, ct_kv_tile_bytes(CT_KV_F16, 4));
    }
    ct_kv_commit(kv, n);
    ct_kv_label(kv, keys, ct_kv_len(kv) - ct_kv_labelled(kv));
    ct_kv_mark(kv);
    FUZZ_MUST(ct_cache_check(cache, NULL));
    FUZZ_MUST(ct_kv_rewind(kv, len) <= len);
    FUZZ_MUST(ct_cache_check(cache, NULL));
}

static void restore(const uint8_t *data, size_t size)
{
    ct_config c;
    ct_cache *cache;
    ct_kv *kv;
    carat_err err = { 0 };
    uint8_t *blob;
    size_t blob_len;
    ct_config_defaults(&c);
    c.n_layer = 2;
    c.n_kv_head = 1;
    c.head_dim = 4;
    c.window = 8;
    ct_config_pattern(&c, 2);
    const ct_cache_options o = { CONTEXT, 1, BATCH, CT_KV_F16, 0 };
    if (!host_cache_open(&c, &o, &cache, &err))
        return;
    FUZZ_MUST(ct_kv_open(cache, CONTEXT, &kv, &err));
    if (host_kv_restore_memory(kv, "input", data, size, model, &blob, &blob_len, &err)) {
        fuzz_touch(blob, blob_len);
        FUZZ_MUST(ct_cache_check(cache, NULL));
        use(cache, kv);
        free(blob);
    } else {
        FUZZ_MUST(!blob && !blob_len && ct_kv_len(kv) == 0 && err.code != CARAT_OK);
        FUZZ_MUST(strncmp(err.msg, "input: ", 7) == 0 && ct_cache_check(cache, NULL));
    }
    ct_kv_close(kv);
    host_cache_close(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restore(data, size);
    if (size <= 32)
        return 0;
    uint8_t *fixed = malloc(size);
    if (!fixed)
        return 0;
    struct sha256_ctx ctx;
    memcpy(fixed, data, size);
    sha256_init(&ctx);
    sha256_update(&ctx, size - 32, fixed);
    sha256_digest(&ctx, 32, fixed + size - 32);
    restore(fixed, size);
    free(fixed);
    return 0;
}
