/* What the figures of an engine depend on, as one short text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "api/numerics.h"
#include "base/hex.h"

/* Grows with every change of the library after which some model gives other bits. */
#define NUMERICS_VERSION 2

static void add_text(struct sha256_ctx *h, const char *text)
{
    sha256_update(h, strlen(text) + 1, (const uint8_t *)text);
}

void ct_numerics_of(carat_engine *e, const carat_options *o)
{
    struct sha256_ctx h;
    uint8_t hash[8];
    char numbers[128];
    snprintf(numbers, sizeof numbers, "%d %d %d %llu %zu", NUMERICS_VERSION, (int)o->cache, (int)o->is_exact,
             (unsigned long long)e->info->vision_weight_bytes, e->info->vision_layers);
    sha256_init(&h);
    sha256_update(&h, sizeof e->fingerprint, e->fingerprint);
    add_text(&h, numbers);
    add_text(&h, e->info->weight_types);
    add_text(&h, e->info->vision_types);
    add_text(&h, e->info->chat_template);
    add_text(&h, e->backend.name);
    for (size_t i = 0; i < e->n_adapters; i++) {
        const carat_adapter_info *a = carat_adapter_describe(e->adapters[i]);
        snprintf(numbers, sizeof numbers, "%a", e->scales[i]);
        add_text(&h, a->name);
        add_text(&h, a->digest);
        add_text(&h, numbers);
    }
    sha256_digest(&h, sizeof hash, hash);
    ct_hex_write(hash, sizeof hash, e->numerics);
}
