/* Writes a packed model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "base/new_file.h"
#include "base/size.h"
#include "format/pack_part.h"

typedef struct writing {
    const ct_pack_new *n;
    ct_new_file file;
    uint8_t *head; /* [head_bytes] */
    size_t head_bytes, file_bytes, at;
    size_t keys_at[CT_PACK_PARTS], hashes_at[CT_PACK_PARTS], block_at[CT_PACK_PARTS];
    ct_pool *pool;
    carat_progress_fn *progress;
    void *arg;
    uint64_t done, total;
    carat_err *err;
} writing;

static bool tick(writing *w, size_t bytes)
{
    w->done += bytes;
    return !w->progress || w->progress(w->arg, w->done, w->total) ||
           ct_fail(w->err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: packing was cancelled", w->file.path);
}

/* ---- the head ---- */

/* Where everything goes. */
static bool place(writing *w)
{
    size_t at = CT_PACK_FIXED;
    bool ok = true;
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        w->keys_at[i] = at;
        ok = ok && ct_add_size(at, w->n->parts[i].keys.len, &at) && ct_align_size(at, 64, &at);
    }
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        w->hashes_at[i] = at;
        ok = ok && ct_add_size(at, ct_pack_chunks(w->n->parts[i].bytes) * CT_PACK_HASH, &at);
    }
    w->head_bytes = at;
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        ok = ok && ct_align_size(at, CT_PACK_ALIGN, &w->block_at[i]);
        ok = ok && (!w->n->parts[i].bytes || ct_add_size(w->block_at[i], w->n->parts[i].bytes, &at));
        w->total += 2 * (uint64_t)w->n->parts[i].bytes; /* hashed and written */
    }
    return (ok && ct_align_size(at, CT_PACK_PAGE, &w->file_bytes) && w->head_bytes <= CT_PACK_MAX_HEAD) ||
           ct_fail(w->err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: the pack's size overflows", w->file.path);
}

typedef struct hashing {
    const uint8_t *block;
    uint8_t *hashes;
    size_t bytes, first;
} hashing;

static void hash_chunks(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    const hashing *h = arg;
    for (size_t i = h->first + begin; i < h->first + end; i++) {
        const size_t from = i * CT_PACK_CHUNK, left = h->bytes - from;
        ct_pack_sha256(h->block + from, left < CT_PACK_CHUNK ? left : CT_PACK_CHUNK, h->hashes + i * CT_PACK_HASH);
    }
}

static bool hash_block(writing *w, size_t part)
{
    hashing h = { .block = w->n->parts[part].block,
                  .hashes = w->head + w->hashes_at[part],
                  .bytes = w->n->parts[part].bytes };
    const size_t n = ct_pack_chunks(h.bytes), step = 4 * (size_t)ct_pool_threads(w->pool);
    for (; h.first < n; h.first += step) {
        const size_t k = n - h.first < step ? n - h.first : step, left = h.bytes - h.first * CT_PACK_CHUNK;
        ct_pool_each(w->pool, k, 1, hash_chunks, &h);
        if (!tick(w, k * CT_PACK_CHUNK < left ? k * CT_PACK_CHUNK : left))
            return false;
    }
    return true;
}

static void put_entry(writing *w, size_t part)
{
    uint8_t *to = w->head + CT_PACK_AT_ENTRIES + part * CT_PACK_ENTRY;
    if (!w->n->parts[part].bytes)
        return;
    ct_put_le64(to, w->keys_at[part]);
    ct_put_le64(to + 8, w->n->parts[part].keys.len);
    ct_put_le64(to + 16, w->block_at[part]);
    ct_put_le64(to + 24, w->n->parts[part].bytes);
    memcpy(to + 32, w->n->parts[part].layout, CT_PACK_HASH);
    ct_put_le64(to + 64, w->hashes_at[part]);
    memcpy(w->head + w->keys_at[part], w->n->parts[part].keys.data, w->n->parts[part].keys.len);
}

static void put_text(uint8_t *to, const char *text, size_t room)
{
    const size_t len = strlen(text);
    memcpy(to, text, len < room ? len : room - 1);
}

static bool make_head(writing *w)
{
    w->head = calloc(1, w->head_bytes);
    if (!w->head)
        return ct_fail(w->err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its head", w->file.path);
    memcpy(w->head, CT_PACK_MAGIC, 8);
    ct_put_le32(w->head + 8, CT_PACK_VERSION);
    ct_put_le32(w->head + 12, w->n->trusts_header);
    ct_put_le64(w->head + 16, w->file_bytes);
    ct_put_le64(w->head + 24, w->head_bytes);
    memcpy(w->head + CT_PACK_AT_FINGERPRINTS, w->n->fingerprints, sizeof w->n->fingerprints);
    put_text(w->head + CT_PACK_AT_MAKER, w->n->maker, CT_PACK_MAKER);
    put_text(w->head + CT_PACK_AT_LAYOUT, w->n->layout_of, CT_PACK_LAYOUT);
    for (size_t i = 0; i < CT_PACK_PARTS; i++) {
        put_entry(w, i);
        if (!hash_block(w, i))
            return false;
    }
    ct_pack_hash_head(w->head, w->head_bytes, w->head + CT_PACK_AT_HASH);
    return true;
}

/* ---- the file ---- */

/* Past stdio's buffer: what is written in large pieces comes to lie in large pages. */
static bool put(writing *w, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    while (bytes) {
        const ssize_t n = write(fileno(w->file.f), p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ct_fail(w->err, CARAT_EIO, w->at, "%s: cannot be written: %s", w->file.path, strerror(errno));
        p += n;
        bytes -= (size_t)n;
        w->at += (size_t)n;
    }
    return true;
}

static bool pad_to(writing *w, size_t end)
{
    static const uint8_t zeros[CT_PACK_PAGE];
    while (w->at < end)
        if (!put(w, zeros, end - w->at < sizeof zeros ? end - w->at : sizeof zeros))
            return false;
    return true;
}

static bool put_block(writing *w, size_t part)
{
    const uint8_t *block = w->n->parts[part].block;
    const size_t bytes = w->n->parts[part].bytes;
    if (!bytes)
        return true;
    if (!pad_to(w, w->block_at[part]))
        return false;
    for (size_t done = 0; done < bytes; done += CT_PACK_CHUNK) {
        const size_t n = bytes - done < CT_PACK_CHUNK ? bytes - done : CT_PACK_CHUNK;
        if (!put(w, block + done, n) || !tick(w, n))
            return false;
    }
    return true;
}

/* Nobody writes to a pack by mistake: whoever uses it would see that, or end if it became shorter. */
static bool protect(writing *w)
{
    struct stat st;
    const int fd = fileno(w->file.f);
    return (fstat(fd, &st) == 0 && fchmod(fd, st.st_mode & 0555) == 0) ||
           ct_fail(w->err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be written: %s", w->file.path, strerror(errno));
}

bool ct_pack_write(const ct_pack_new *n, const char *path, ct_pool *pool, carat_progress_fn *progress, void *arg,
                   carat_err *err)
{
    writing w = { .n = n, .pool = pool, .progress = progress, .arg = arg, .err = err };
    if (!ct_new_file_open(&w.file, path, err))
        return false;
    bool ok = place(&w) && make_head(&w) && put(&w, w.head, w.head_bytes);
    for (size_t i = 0; ok && i < CT_PACK_PARTS; i++)
        ok = put_block(&w, i);
    ok = ok && pad_to(&w, w.file_bytes) && protect(&w) && ct_new_file_commit(&w.file, err);
    ct_new_file_abandon(&w.file);
    free(w.head);
    return ok;
}
