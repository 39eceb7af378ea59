/* A sequence to disk: a snapshot, then written while other sequences run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "base/new_file.h"
#include "base/size.h"
#include "kv/file.h"

/* ---- held still ---- */

/* While writing, only what never changes is read of the cache: its shapes, and the bytes of borrowed pages. */
struct ct_kv_still {
    const ct_cache *cache;
    size_t len, labelled, n_global, n_local;
    uint64_t *keys;   /* [labelled], copied: nodes of the index come and go */
    uint32_t *pages;  /* [n_global + n_local] */
    uint8_t *last[2]; /* copies of an unfinished last tile's pages, global and local; NULL: it is full */
    uint8_t *buffer;  /* of one page, for all the others */
};

static void copy_keys(ct_kv_still *st, const ct_kv *kv)
{
    for (size_t pos = 0; pos < kv->labelled; pos += CT_TILE) {
        size_t tile = pos / CT_TILE, n = ct_kv_min(kv->labelled - pos, CT_TILE);
        const uint64_t *keys = n == CT_TILE ? kv->cache->nodes[kv->global[tile].page].keys : kv->keys;
        memcpy(st->keys + pos, keys, n * sizeof *keys);
    }
}

/* Zeroes slots [begin, 64) of a page in the host's memory. */
static void clear_slots(const ct_cache *c, uint8_t *page, size_t page_bytes, size_t begin)
{
    for (size_t at = 0; at < page_bytes; at += 2 * c->tile_bytes)
        for (size_t s = begin; s < CT_TILE; s++)
            ct_kv_clear_slot(c->opt.elem, page + at, page + at + c->tile_bytes, s, c->head_dim);
}

/* Full pages are borrowed: the sequence holds them and relies on all their slots, so no other writes there. The last
 * one may have another writer behind our slots, with another conversation's text: it is copied, and those slots are
 * zeroed. */
static bool take_pages(const ct_kv *kv, const ct_pages *p, const ct_page_ref *refs, size_t begin, uint32_t *pages,
                       uint8_t **copy)
{
    const ct_backend *b = kv->cache->b;
    size_t end = ct_tiles_for(kv->len), used = kv->len % CT_TILE;
    for (size_t t = begin; t < end; t++)
        pages[t - begin] = refs[t].page;
    if (begin == end || used == 0)
        return true;
    *copy = malloc(p->page_bytes);
    if (!*copy)
        return false;
    b->page_read(b->self, p->kind, refs[end - 1].page, *copy);
    clear_slots(kv->cache, *copy, p->page_bytes, used);
    return true;
}

bool ct_kv_still_take(const ct_kv *kv, ct_kv_still **out, carat_err *err)
{
    const ct_cache *c = kv->cache;
    size_t tiles = ct_tiles_for(kv->len), first = ct_first_local(c, kv->len);
    size_t largest = c->global.page_bytes > c->local.page_bytes ? c->global.page_bytes : c->local.page_bytes;
    ct_kv_still *st = *out = calloc(1, sizeof *st);
    if (!st)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for saving a session");
    st->cache = c;
    st->len = kv->len;
    st->labelled = kv->labelled;
    st->n_global = c->global.page_bytes ? tiles : 0;
    st->n_local = c->local.page_bytes ? tiles - first : 0;
    st->keys = calloc(kv->labelled + 1, sizeof *st->keys);
    st->pages = calloc(2 * tiles + 1, sizeof *st->pages);
    st->buffer = malloc(largest);
    if (!st->keys || !st->pages || !st->buffer ||
        (st->n_global && !take_pages(kv, &c->global, kv->global, 0, st->pages, &st->last[0])) ||
        (st->n_local && !take_pages(kv, &c->local, kv->local, first, st->pages + st->n_global, &st->last[1]))) {
        ct_kv_still_free(st);
        *out = NULL;
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for saving a session of %zu tokens", kv->len);
    }
    copy_keys(st, kv);
    return true;
}

void ct_kv_still_free(ct_kv_still *st)
{
    if (!st)
        return;
    free(st->keys);
    free(st->pages);
    free(st->buffer);
    free(st->last[0]);
    free(st->last[1]);
    free(st);
}

/* ---- writing ---- */

typedef struct writer {
    FILE *file;
    struct sha256_ctx sum;
    bool failed;
} writer;

static void put(writer *w, const void *data, size_t n)
{
    if (n == 0 || w->failed)
        return;
    sha256_update(&w->sum, n, data);
    w->failed = fwrite(data, 1, n, w->file) != n;
}

static void put_zeros_to_8(writer *w, size_t n)
{
    static const uint8_t zeros[8];
    put(w, zeros, (8 - n % 8) % 8);
}

static void put_header(writer *w, const ct_kv_still *st, const uint8_t model_hash[32], size_t blob_len)
{
    const ct_cache *c = st->cache;
    uint8_t h[HEADER] = MAGIC;
    const uint32_t numbers[] = { VERSION,
                                 (uint32_t)c->opt.elem,
                                 (uint32_t)c->n_layer,
                                 (uint32_t)c->n_kv_head,
                                 (uint32_t)c->head_dim,
                                 (uint32_t)c->window,
                                 CT_TILE,
                                 0 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ct_put_le32(h + 8 + 4 * i, numbers[i]);
    ct_put_le64(h + 40, st->len);
    ct_put_le64(h + 48, st->labelled);
    ct_put_le64(h + 56, blob_len);
    memcpy(h + 64, model_hash, 32);
    put(w, h, sizeof h);
    for (size_t i = 0; i < c->n_layer; i++)
        put(w, &(uint8_t){ c->is_global[i] }, 1);
    put_zeros_to_8(w, c->n_layer);
}

static void put_keys(writer *w, const ct_kv_still *st)
{
    uint8_t bytes[CT_TILE * 8];
    for (size_t pos = 0; pos < st->labelled; pos += CT_TILE) {
        size_t n = ct_kv_min(st->labelled - pos, CT_TILE);
        for (size_t i = 0; i < n; i++)
            ct_put_le64(bytes + 8 * i, st->keys[pos + i]);
        put(w, bytes, 8 * n);
    }
}

static void put_pages(writer *w, const ct_kv_still *st, const ct_pages *p, const uint32_t *pages, size_t n,
                      const uint8_t *last)
{
    const ct_backend *b = st->cache->b;
    for (size_t i = 0; i < n && !w->failed; i++) {
        bool is_copied = last && i + 1 == n;
        if (!is_copied)
            b->page_read(b->self, p->kind, pages[i], st->buffer);
        put(w, is_copied ? last : st->buffer, p->page_bytes);
    }
}

static void put_all(writer *w, const ct_kv_still *st, const uint8_t model_hash[32], const void *blob, size_t blob_len)
{
    const ct_cache *c = st->cache;
    uint8_t sum[SUM];
    sha256_init(&w->sum);
    put_header(w, st, model_hash, blob_len);
    put_keys(w, st);
    put(w, blob, blob_len);
    put_zeros_to_8(w, blob_len);
    put_pages(w, st, &c->global, st->pages, st->n_global, st->last[0]);
    put_pages(w, st, &c->local, st->pages + st->n_global, st->n_local, st->last[1]);
    sha256_digest(&w->sum, sizeof sum, sum);
    w->failed = w->failed || fwrite(sum, 1, sizeof sum, w->file) != sizeof sum;
}

typedef struct saving {
    const ct_kv_still *still;
    const char *path;
    const uint8_t *model_hash;
    const void *blob;
    size_t blob_len;
} saving;

static bool save_to(void *arg, FILE *f, carat_err *err)
{
    const saving *s = arg;
    writer w = { .file = f };
    put_all(&w, s->still, s->model_hash, s->blob, s->blob_len);
    if (w.failed || fflush(f) != 0)
        return false;
    return fsync(fileno(f)) == 0 || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", s->path, strerror(errno));
}

/* What another program wrote is not replaced: a slip of the hand would cost it. */
static bool may_replace(const char *path, carat_err *err)
{
    char begin[sizeof MAGIC - 1];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return true; /* nothing is lost; what is no file is refused where it is opened */
    FILE *f = fopen(path, "rbe");
    if (!f)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: is there, and cannot be read to see what it is: %s", path,
                       strerror(errno));
    const bool is_ours = fread(begin, 1, sizeof begin, f) == sizeof begin && memcmp(begin, MAGIC, sizeof begin) == 0;
    fclose(f);
    return is_ours ||
           ct_fail(err, CARAT_EFORMAT, 0, "%s: not a saved session; the file is left unchanged, choose another", path);
}

bool ct_kv_still_save(const ct_kv_still *st, const char *path, const uint8_t model_hash[32], const void *blob,
                      size_t blob_len, carat_err *err)
{
    return may_replace(path, err) &&
           ct_write_beside(path, save_to, &(saving){ st, path, model_hash, blob, blob_len }, err);
}
