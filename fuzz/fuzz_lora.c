/* fuzz_lora.c - a LoRA adapter: a GGUF file, or a line of JSON (adapter_config.json) and a safetensors file behind it. What fits a
 * small model is loaded.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "cpu/adapters.h"
#include "fuzz.h"

static void load(const ct_lora *l)
{
    const ct_config c = {
        .n_layer = 2, .hidden = 8, .ffn = 16, .n_head = 2, .n_kv_head = 1, .head_dim = 4, .n_vocab = 32
    };
    ct_adapter *a;
    uint8_t digest[32];
    uint64_t bytes;
    carat_err err = { 0 };
    if (!ct_lora_check(l, &c, &err) || !ct_adapter_bytes(l, &c, 3, &bytes, &err)) {
        FUZZ_MUST(err.code != CARAT_OK);
        return;
    }
    if (ct_adapter_load(l, &c, 3, &a, digest, &err)) {
        FUZZ_MUST(a->bytes <= bytes);
        for (size_t i = 0; i < l->n; i++) {
            const ct_adapted *at = ct_adapter_at(a, l->pairs[i].part, l->pairs[i].layer);
            FUZZ_MUST(at);
            fuzz_touch(at->a.packed, at->a.bytes);
            fuzz_touch(at->b.packed, at->b.bytes);
        }
        ct_adapter_free(a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size && *data == '{' ? memchr(data, '\n', size) : NULL;
    const char *config = line ? (const char *)data : NULL;
    const size_t n = line ? (size_t)(line - data) : 0, skip = line ? n + 1 : 0;
    ct_lora *l;
    carat_err err = { 0 };
    void *copy = malloc(size - skip + 1); /* as malloc aligns */
    FUZZ_MUST(copy);
    memcpy(copy, data + skip, size - skip);
    if (!ct_lora_open_memory("input", config, n, copy, size - skip, &l, &err)) {
        FUZZ_MUST(!l && err.code != CARAT_OK);
    } else {
        FUZZ_MUST(l->n > 0 && l->max_rank > 0 && l->max_rank <= CT_LORA_MAX_RANK);
        for (size_t i = 0; i < l->n; i++)
            FUZZ_MUST(l->pairs[i].a && l->pairs[i].b && isfinite(l->pairs[i].scale));
        load(l);
        ct_lora_close(l);
    }
    free(copy);
    return 0;
}
