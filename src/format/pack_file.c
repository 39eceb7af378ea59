/* Opens, maps and checks a packed model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pack_file.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/le.h"
#include "base/looks_like.h"
#include "base/size.h"
#include "format/kept_names.h"
#include "format/pack_part.h"

void ct_pack_sha256(const void *data, size_t bytes, uint8_t out[CT_PACK_HASH])
{
    struct sha256_ctx h;
    sha256_init(&h);
    sha256_update(&h, bytes, data);
    sha256_digest(&h, CT_PACK_HASH, out);
}

void ct_pack_hash_head(const uint8_t *head, size_t bytes, uint8_t out[CT_PACK_HASH])
{
    struct sha256_ctx h;
    sha256_init(&h);
    sha256_update(&h, CT_PACK_AT_HASH, head);
    sha256_update(&h, bytes - CT_PACK_FIXED, head + CT_PACK_FIXED);
    sha256_digest(&h, CT_PACK_HASH, out);
}

size_t ct_pack_chunks(size_t bytes)
{
    return bytes / CT_PACK_CHUNK + (bytes % CT_PACK_CHUNK != 0);
}

bool ct_pack_is(const char *path)
{
    return ct_file_begins(path, CT_PACK_MAGIC, 8);
}

/* ---- the head ---- */

static bool damaged(carat_err *err, size_t at, const char *what)
{
    return ct_fail(err, CARAT_EFORMAT, at, "a damaged pack: %s", what);
}

static bool check_beginning(const ct_map *m, carat_err *err)
{
    const char *what = ct_looks_like(m->data, m->mapped);
    if (m->size < 8 || memcmp(m->data, CT_PACK_MAGIC, 8) != 0)
        return ct_fail(err, CARAT_EFORMAT, 0, "not a pack%s%s", what ? ": it looks like " : "", what ? what : "");
    if (m->size < CT_PACK_FIXED)
        return ct_fail(err, CARAT_EFORMAT, m->size, "it has %zu bytes, a pack has more than %d%s", m->size,
                       (int)CT_PACK_FIXED, ct_looks_cut(CT_PACK_FIXED));
    const uint32_t version = ct_le32(m->data + 8);
    if (version != CT_PACK_VERSION)
        return ct_fail(err, CARAT_EUNSUPPORTED, 8,
                       "a pack of version %" PRIu32 ", expected %d: pack the model again, or use the model itself",
                       version, CT_PACK_VERSION);
    const uint64_t bytes = ct_le64(m->data + 16), head = ct_le64(m->data + 24);
    if (bytes != m->size)
        return ct_fail(err, CARAT_EFORMAT, 16, "it has %zu bytes, and had %" PRIu64 " when it was packed%s", m->size,
                       bytes, m->size > bytes ? ": something was added to it" : ct_looks_cut(bytes));
    if (head < CT_PACK_FIXED || head > bytes)
        return damaged(err, 24, "the size of its head");
    return head <= CT_PACK_MAX_HEAD ||
           ct_fail(err, CARAT_ELIMIT, 24, "a head of %" PRIu64 " bytes, the limit is %zu", head, CT_PACK_MAX_HEAD);
}

/* What was taken of the head and of the file: pieces come in order and share no byte. */
typedef struct placing {
    const ct_pack_file *p;
    size_t in_head, in_file;
    carat_err *err;
} placing;

static bool take_of_head(placing *pl, uint64_t at, uint64_t bytes, const uint8_t **out)
{
    if (at < pl->in_head || !ct_inside(at, bytes, pl->p->head_bytes))
        return damaged(pl->err, (size_t)at, "a piece of its head is out of place");
    *out = pl->p->map.data + at;
    pl->in_head = (size_t)(at + bytes);
    return true;
}

static bool take_block(placing *pl, ct_pack_part *part, const uint8_t *entry)
{
    const uint64_t at = ct_le64(entry + 16), bytes = ct_le64(entry + 24);
    if (at < pl->in_file || at % CT_PACK_ALIGN || bytes == 0 || !ct_inside(at, bytes, pl->p->map.size))
        return damaged(pl->err, (size_t)(entry + 16 - pl->p->map.data), "a block is out of place");
    part->at = (size_t)at;
    part->bytes = (size_t)bytes;
    part->layout = entry + 32;
    pl->in_file = part->at + part->bytes;
    return true;
}

static bool is_none(const uint8_t *entry)
{
    static const uint8_t zeros[CT_PACK_ENTRY];
    return memcmp(entry, zeros, sizeof zeros) == 0;
}

static bool read_parts(ct_pack_file *p, carat_err *err)
{
    placing pl = { .p = p, .in_head = CT_PACK_FIXED, .in_file = p->head_bytes, .err = err };
    const uint8_t *entries = p->map.data + CT_PACK_AT_ENTRIES;
    for (int pass = 0; pass < 2; pass++) /* keys come before hashes */
        for (size_t i = 0; i < CT_PACK_PARTS; i++) {
            const uint8_t *entry = entries + i * CT_PACK_ENTRY;
            ct_pack_part *part = &p->parts[i];
            if (i == CT_PACK_TOWER && is_none(entry))
                continue;
            part->keys_bytes = (size_t)ct_le64(entry + 8);
            if (pass == 0 &&
                (!take_of_head(&pl, ct_le64(entry), part->keys_bytes, &part->keys) || !take_block(&pl, part, entry)))
                return false;
            if (pass == 1 &&
                !take_of_head(&pl, ct_le64(entry + 64), ct_pack_chunks(part->bytes) * CT_PACK_HASH, &part->hashes))
                return false;
        }
    return true;
}

/* Texts of a fixed length; what they hold may come to a terminal. */
static bool read_text(const ct_pack_file *p, size_t at, size_t room, const char **out, carat_err *err)
{
    const char *text = (const char *)p->map.data + at;
    const size_t len = strnlen(text, room);
    if (len == room || ct_names_odd_byte(text, len) < len)
        return damaged(err, at, "a name in its head");
    *out = text;
    return true;
}

/* p->map has the file's beginning. Messages do not name the file. */
static bool read_head(ct_pack_file *p, carat_err *err)
{
    uint8_t hash[CT_PACK_HASH];
    if (!check_beginning(&p->map, err))
        return false;
    const size_t head = p->head_bytes = (size_t)ct_le64(p->map.data + 24);
    const uint32_t flags = ct_le32(p->map.data + 12);
    if (head > p->map.mapped && (p->map.fd < 0 || !ct_map_grow(&p->map, head, err)))
        return p->map.fd >= 0 ? false : damaged(err, head, "it ends within its head");
    ct_pack_hash_head(p->map.data, head, hash);
    if (memcmp(hash, p->map.data + CT_PACK_AT_HASH, sizeof hash) != 0)
        return damaged(err, CT_PACK_AT_HASH, "its head has another hash than when it was packed");
    if (flags > 1)
        return ct_fail(err, CARAT_EUNSUPPORTED, 12, "flags %" PRIu32 " that this Carat does not know", flags);
    p->trusts_header = flags;
    p->fingerprints = p->map.data + CT_PACK_AT_FINGERPRINTS;
    return read_text(p, CT_PACK_AT_MAKER, CT_PACK_MAKER, &p->maker, err) &&
           read_text(p, CT_PACK_AT_LAYOUT, CT_PACK_LAYOUT, &p->layout_of, err) && read_parts(p, err);
}

bool ct_pack_open(const char *path, ct_pack_file **out, carat_err *err)
{
    *out = NULL;
    ct_pack_file *p = calloc(1, sizeof *p);
    if (!p)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its description", path);
    char buf[100];
    if (ct_map_open_head(&p->map, path, CT_PACK_FIXED, err) &&
        (read_head(p, err) || ct_fail_in(err, "%s", ct_short_path(path, buf)))) {
        *out = p;
        return true;
    }
    ct_pack_close(p);
    return false;
}

bool ct_pack_open_memory(const char *path, const void *data, size_t size, size_t file_bytes, ct_pack_file **out,
                         carat_err *err)
{
    *out = NULL;
    ct_pack_file *p = calloc(1, sizeof *p);
    if (!p)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its description", path);
    p->map = (ct_map){ .data = data, .mapped = size, .size = size < CT_PACK_FIXED ? size : file_bytes, .fd = -1 };
    if (read_head(p, err)) {
        *out = p;
        return true;
    }
    free(p);
    return ct_fail_in(err, "%s", path);
}

void ct_pack_close(ct_pack_file *p)
{
    if (!p)
        return;
    if (p->map.path) /* a file's */
        ct_map_close(&p->map);
    free(p);
}

/* ---- blocks ---- */

bool ct_pack_map(const ct_pack_file *p, enum ct_pack_which which, void **out, carat_err *err)
{
    const ct_pack_part *part = &p->parts[which];
    *out = mmap(NULL, part->bytes, PROT_READ, MAP_SHARED, p->map.fd, (off_t)part->at);
    if (*out == MAP_FAILED) {
        const int why = errno;
        *out = NULL;
        return ct_fail(err, why == ENOMEM ? CARAT_ENOMEM : CARAT_EIO, CARAT_NOWHERE, "%s: cannot be mapped: %s",
                       p->map.path, strerror(why));
    }
    madvise(*out, part->bytes, MADV_HUGEPAGE); /* what has yet to be read is then read into huge pages */
    madvise(*out, part->bytes, MADV_WILLNEED);
    return true;
}

void ct_pack_unmap(void *block, size_t bytes)
{
    if (block)
        munmap(block, bytes);
}
