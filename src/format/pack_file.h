/* pack_file.h - a model packed by `carat pack`: its weights as a backend computes with them, mapped as they stand.
 *
 *      0  "CARATPCK"
 *      8  u32 version, 1
 *     12  u32 flags            1: its shape is as the header had it, against the published model (trusts_header)
 *     16  u64 bytes of the file
 *     24  u64 bytes of the head
 *     32  of the text model, at 112 of the vision tower (zeros: there is none):
 *            0  u64 place, u64 bytes      keys and tensors, as the head of a GGUF file without data; in the head
 *           16  u64 place, u64 bytes      its block, a multiple of CT_PACK_ALIGN from the file's start
 *           32  u8[32] layout             SHA-256 of where each matrix stands in the block, and how it is packed
 *           64  u64 place                 SHA-256 of every CT_PACK_CHUNK bytes of the block, in the head
 *           72  u64 0
 *    192  u8[3][32] fingerprints of the model that it was made from, by carat_embed_scale
 *    288  char[64] what made it, "carat 0.2.0"
 *    352  char[32] the layout's name
 *    384  zeros
 *    480  u8[32] SHA-256 of the head without these 32 bytes
 *    512  the text model's keys, the tower's, the hashes of the text model's block, the tower's; zeros in between
 *         then, outside the head, the blocks; zeros in between and up to a multiple of 4096
 *
 * The head is read, not mapped, and its hash is checked whenever a file is opened: keys, layout, places and the hashes of
 * the blocks are those that were written. The blocks are mapped and only checked when that is asked for (ct_pack_check): to
 * read 2.3 GB takes longer than all the rest of a start. Whatever they hold, they are numbers, and nothing is found by them.
 *
 * A mapping of a file that is cut is SIGBUS, unlike anything else here (base/map.h). Packs are therefore written without
 * permission to write, and replaced by renaming, which leaves those that use the old one alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_FORMAT_PACK_FILE_H
#define CT_FORMAT_PACK_FILE_H

#include "base/buf.h"
#include "base/map.h"
#include "base/pool.h"

#define CT_PACK_ALIGN    ((size_t)2 << 20) /* huge pages of the file can then be mapped as such */
#define CT_PACK_CHUNK    ((size_t)4 << 20)
#define CT_PACK_MAX_HEAD ((size_t)1 << 30)
#define CT_PACK_HASH     32
#define CT_PACK_SCALES   3 /* values of carat_embed_scale */

enum ct_pack_which { CT_PACK_TEXT, CT_PACK_TOWER, CT_PACK_PARTS };

typedef struct ct_pack_part {
    const uint8_t *keys; /* [keys_bytes], in the head; NULL: there is no such part */
    size_t keys_bytes;
    size_t at, bytes; /* of the block, in the file */
    const uint8_t *layout;
    const uint8_t *hashes; /* [ceil(bytes / CT_PACK_CHUNK)][CT_PACK_HASH] */
} ct_pack_part;

typedef struct ct_pack_file {
    ct_map map; /* a copy of the head, at least */
    size_t head_bytes;
    ct_pack_part parts[CT_PACK_PARTS];
    bool trusts_header;
    const uint8_t *fingerprints;   /* [CT_PACK_SCALES][CT_PACK_HASH] */
    const char *maker, *layout_of; /* in the head */
} ct_pack_file;

/* Does a file begin like a pack? False also for what cannot be opened. */
bool ct_pack_is(const char *path);
/* Reads and checks the head. Errors: CARAT_EIO, CARAT_EFORMAT (with the offset), CARAT_EUNSUPPORTED (another version),
 * CARAT_ELIMIT, CARAT_ENOMEM. */
bool ct_pack_open(const char *path, ct_pack_file **out, carat_err *err);
void ct_pack_close(ct_pack_file *p); /* accepts NULL; what was mapped stays */
/* The head alone, from bytes the caller keeps until close; its file would have file_bytes. For a fuzzer. */
bool ct_pack_open_memory(const char *path, const void *data, size_t size, size_t file_bytes, ct_pack_file **out,
                         carat_err *err);

/* Maps a part's block, to be read by all who use the file. Errors: CARAT_ENOMEM (no address space), CARAT_EIO. */
bool ct_pack_map(const ct_pack_file *p, enum ct_pack_which which, void **out, carat_err *err);
void ct_pack_unmap(void *block, size_t bytes); /* accepts NULL */

/* Reads the blocks and what is around them on all threads, and compares with the hashes. progress may be NULL; false from it
 * ends it. Errors: CARAT_EFORMAT (the first chunk that differs, by its place), CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
bool ct_pack_check(const ct_pack_file *p, ct_pool *pool, carat_progress_fn *progress, void *arg, carat_err *err);

void ct_pack_sha256(const void *data, size_t bytes, uint8_t out[CT_PACK_HASH]);

/* ---- writing ---- */

typedef struct ct_pack_new {
    struct {
        ct_buf keys;       /* empty: there is no such part */
        const void *block; /* [bytes] */
        size_t bytes;
        uint8_t layout[CT_PACK_HASH];
    } parts[CT_PACK_PARTS];
    bool trusts_header;
    uint8_t fingerprints[CT_PACK_SCALES][CT_PACK_HASH];
    const char *maker, *layout_of;
} ct_pack_new;

/* Writes it under another name first; path is whole or untouched. progress counts bytes of the blocks, hashed and then
 * written. Errors: CARAT_EIO, CARAT_ENOMEM, CARAT_ECANCELLED. */
bool ct_pack_write(const ct_pack_new *n, const char *path, ct_pool *pool, carat_progress_fn *progress, void *arg,
                   carat_err *err);

#endif
