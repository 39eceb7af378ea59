/* file.h - a sequence on disk, as save.c writes it and restore.c reads it.
 *
 *   0    8   "CARATKV\n"
 *   8    u32 version, 2                    12   u32 elements: CT_KV_F16, ..
 *   16   u32 layers     20  u32 KV heads   24   u32 head_dim
 *   28   u32 window     32  u32 positions of a page, 64                  36   u32 0
 *   40   u64 length     48  u64 labelled positions                       56   u64 bytes of the blob
 *   64   u8[32] hash of the model
 *   96   u8[layers]     1: global, 0: local                              then zeros to a multiple of 8
 *        u64[labelled]  keys
 *        u8[blob]                                                        then zeros to a multiple of 8
 *        global pages of tiles 0 .. last, then local pages of the tiles that the window before `length` touches; slots
 *        from `length` on are zero
 *        u8[32] SHA-256 of all before
 *
 * Numbers are little-endian; pages are as in memory, on machines that are little-endian too. The header determines the
 * file's size.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_KV_FILE_H
#define CT_KV_FILE_H

#include "kv/kv_inside.h"

#define MAGIC   "CARATKV\n"
#define VERSION 2 /* 1: the blob of a session had its last logits */
#define HEADER  96
#define SUM     32

/* First tile whose local page belongs to a sequence of this length; the number of tiles if none does. */
static inline size_t ct_first_local(const ct_cache *c, size_t len)
{
    size_t begin = ct_window_begin(c, len);
    return ct_has_local(c) && begin < len ? begin / CT_TILE : ct_tiles_for(len);
}

#endif
