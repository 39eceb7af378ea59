/* pack_part.h - inside the reader and writer of packs: places in the head (pack_file.h draws them).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_PACK_PART_H
#define CT_FORMAT_PACK_PART_H

#include "format/pack_file.h"

#define CT_PACK_MAGIC   "CARATPCK"
#define CT_PACK_VERSION 1

enum {
    CT_PACK_AT_ENTRIES = 32,
    CT_PACK_ENTRY = 80,
    CT_PACK_AT_FINGERPRINTS = 192,
    CT_PACK_AT_MAKER = 288,
    CT_PACK_MAKER = 64,
    CT_PACK_AT_LAYOUT = 352,
    CT_PACK_LAYOUT = 32,
    CT_PACK_AT_HASH = 480,
    CT_PACK_FIXED = 512,
    CT_PACK_PAGE = 4096, /* the file is a multiple of it */
};

size_t ct_pack_chunks(size_t bytes);
void ct_pack_hash_head(const uint8_t *head, size_t bytes, uint8_t out[CT_PACK_HASH]);

#endif
