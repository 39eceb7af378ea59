/* fuzz_safetensors.c - one safetensors file: opens it and reads every byte of every tensor.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "format/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_safetensors *s;
    carat_err err = { 0 };
    if (!ct_safetensors_open_memory("input", data, size, &s, &err)) {
        FUZZ_MUST(!s && err.code != CARAT_OK && strncmp(err.msg, "input: ", 7) == 0);
        return 0;
    }
    const ct_tensors *all = ct_safetensors_tensors(s);
    for (size_t i = 0; i < all->n; i++) {
        const ct_tensor *t = &all->items[i];
        FUZZ_MUST(ct_tensors_find(all, t->name) == t && t->name[0]);
        FUZZ_MUST(t->data >= data && (size_t)(t->data - data) <= size && t->bytes <= size - (size_t)(t->data - data));
        FUZZ_MUST(t->bytes > 0 && t->offset % ct_type_get(t->type)->bytes == 0);
        fuzz_touch(t->data, t->bytes);
    }
    ct_safetensors_skipped(s, "x");
    ct_safetensors_close(s);
    return 0;
}
