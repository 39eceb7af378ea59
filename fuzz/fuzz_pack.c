/* fuzz_pack.c - a pack's head, first as it is and then with the hash that its bytes have: parts, keys, tensors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/gguf.h"
#include "format/pack_part.h"
#include "fuzz.h"

#define BLOCKS ((size_t)16 << 20) /* what the file has beyond its head: any places in it may be stated */

static void use_keys(const ct_pack_part *part)
{
    ct_gguf *g;
    carat_err err = { 0 };
    ct_window w;
    if (!ct_gguf_open_head("keys", part->keys, part->keys_bytes, &g, &err)) {
        FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
        return;
    }
    const ct_tensors *t = ct_gguf_tensors(g);
    for (size_t i = 0; i < t->n; i++) {
        FUZZ_MUST(!t->items[i].data && !ct_tensor_window(&t->items[i], 0, 1, &w, &err));
        FUZZ_MUST(err.code == CARAT_EUNSUPPORTED);
    }
    ct_gguf_close(g);
}

static void use(const uint8_t *head, size_t size)
{
    ct_pack_file *p;
    carat_err err = { 0 };
    const size_t file = size + BLOCKS;
    if (!ct_pack_open_memory("input", head, size, file, &p, &err)) {
        FUZZ_MUST(!p && err.code != CARAT_OK && strncmp(err.msg, "input: ", 7) == 0);
        return;
    }
    size_t end = p->head_bytes;
    FUZZ_MUST(end <= size && p->parts[CT_PACK_TEXT].keys);
    fuzz_touch(p->fingerprints, CT_PACK_SCALES * CT_PACK_HASH);
    FUZZ_MUST(strlen(p->maker) < CT_PACK_MAKER && strlen(p->layout_of) < CT_PACK_LAYOUT);
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        const ct_pack_part *part = &p->parts[i];
        if (!part->keys)
            continue;
        FUZZ_MUST(part->at >= end && part->at % CT_PACK_ALIGN == 0 && part->bytes && part->at + part->bytes <= file);
        end = part->at + part->bytes;
        fuzz_touch(part->keys, part->keys_bytes);
        fuzz_touch(part->layout, CT_PACK_HASH);
        fuzz_touch(part->hashes, ct_pack_chunks(part->bytes) * CT_PACK_HASH);
        use_keys(part);
    }
    ct_pack_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use(data, size);
    if (size < CT_PACK_FIXED)
        return 0;
    uint8_t *head = malloc(size);
    if (!head)
        return 0;
    memcpy(head, data, size);
    memcpy(head, CT_PACK_MAGIC, 8);
    ct_put_le32(head + 8, CT_PACK_VERSION);
    ct_put_le64(head + 16, size + BLOCKS);
    ct_put_le64(head + 24, size);
    ct_pack_hash_head(head, size, head + CT_PACK_AT_HASH);
    use(head, size);
    free(head);
    return 0;
}
