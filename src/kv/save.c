/* A sequence to disk: held still, then written while others step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/size.h"
#include "format/le.h"
#include "kv/file.h"

/* ---- held still ---- */

/* Of the cache only what never changes is looked at while writing: its shapes, and the bytes of pages. */
struct carat_kv_still {
    const carat_cache *cache;
    size_t len, labelled, n_global, n_local;
    uint64_t *keys;        /* [labelled], copied: nodes of the index come and go */
    const uint8_t **pages; /* [n_global + n_local] */
    uint8_t *last[2];      /* copies of an unfinished last tile's pages, global and local; NULL: it is full */
};

static void copy_keys(carat_kv_still *st, const carat_kv *kv)
{
    for (size_t pos = 0; pos < kv->labelled; pos += CARAT_TILE) {
        size_t tile = pos / CARAT_TILE, n = carat_min(kv->labelled - pos, CARAT_TILE);
        const uint64_t *keys = n == CARAT_TILE ? kv->cache->nodes[kv->global[tile].page].keys : kv->keys;
        memcpy(st->keys + pos, keys, n * sizeof *keys);
    }
}

/* Full pages are borrowed: the sequence holds them and relies on all their slots, so nobody writes there. The last one
 * may be another's to write, behind our slots, which hold what others said: it is copied and those are made zero. */
static bool take_pages(const carat_kv *kv, const carat_pages *p, const carat_ref *refs, size_t begin,
                       const uint8_t **pages, uint8_t **copy)
{
    size_t end = carat_tiles_for(kv->len), used = kv->len % CARAT_TILE;
    for (size_t t = begin; t < end; t++)
        pages[t - begin] = carat_page_data(p, refs[t].page);
    if (begin == end || used == 0 || p->page_bytes == 0)
        return true;
    *copy = malloc(p->page_bytes);
    if (!*copy)
        return false;
    memcpy(*copy, pages[end - 1 - begin], p->page_bytes);
    carat_page_clear(kv->cache, p, *copy, used, CARAT_TILE);
    pages[end - 1 - begin] = *copy;
    return true;
}

bool carat_kv_still_take(const carat_kv *kv, carat_kv_still **out, carat_err *err)
{
    const carat_cache *c = kv->cache;
    size_t tiles = carat_tiles_for(kv->len), first = carat_first_local(c, kv->len);
    carat_kv_still *st = *out = calloc(1, sizeof *st);
    if (!st)
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for saving a session");
    st->cache = c;
    st->len = kv->len;
    st->labelled = kv->labelled;
    st->n_global = c->global.page_bytes ? tiles : 0;
    st->n_local = c->local.page_bytes ? tiles - first : 0;
    st->keys = calloc(kv->labelled + 1, sizeof *st->keys);
    st->pages = calloc(2 * tiles + 1, sizeof *st->pages);
    if (!st->keys || !st->pages ||
        (st->n_global && !take_pages(kv, &c->global, kv->global, 0, st->pages, &st->last[0])) ||
        (st->n_local && !take_pages(kv, &c->local, kv->local, first, st->pages + st->n_global, &st->last[1]))) {
        carat_kv_still_free(st);
        *out = NULL;
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for saving a session of %zu tokens", kv->len);
    }
    copy_keys(st, kv);
    return true;
}

void carat_kv_still_free(carat_kv_still *st)
{
    if (!st)
        return;
    free(st->keys);
    free(st->pages);
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

static void put_header(writer *w, const carat_kv_still *st, const uint8_t model_hash[32], size_t blob_len)
{
    const carat_cache *c = st->cache;
    uint8_t h[HEADER] = MAGIC;
    const uint32_t numbers[] = { VERSION,
                                 (uint32_t)c->opt.elem,
                                 (uint32_t)c->n_layer,
                                 (uint32_t)c->n_kv_head,
                                 (uint32_t)c->head_dim,
                                 (uint32_t)c->window,
                                 CARAT_TILE,
                                 0 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        carat_put_le32(h + 8 + 4 * i, numbers[i]);
    carat_put_le64(h + 40, st->len);
    carat_put_le64(h + 48, st->labelled);
    carat_put_le64(h + 56, blob_len);
    memcpy(h + 64, model_hash, 32);
    put(w, h, sizeof h);
    for (size_t i = 0; i < c->n_layer; i++)
        put(w, &(uint8_t){ c->is_global[i] }, 1);
    put_zeros_to_8(w, c->n_layer);
}

static void put_keys(writer *w, const carat_kv_still *st)
{
    uint8_t bytes[CARAT_TILE * 8];
    for (size_t pos = 0; pos < st->labelled; pos += CARAT_TILE) {
        size_t n = carat_min(st->labelled - pos, CARAT_TILE);
        for (size_t i = 0; i < n; i++)
            carat_put_le64(bytes + 8 * i, st->keys[pos + i]);
        put(w, bytes, 8 * n);
    }
}

static void put_all(writer *w, const carat_kv_still *st, const uint8_t model_hash[32], const void *blob,
                    size_t blob_len)
{
    const carat_cache *c = st->cache;
    uint8_t sum[SUM];
    sha256_init(&w->sum);
    put_header(w, st, model_hash, blob_len);
    put_keys(w, st);
    put(w, blob, blob_len);
    put_zeros_to_8(w, blob_len);
    for (size_t i = 0; i < st->n_global + st->n_local; i++)
        put(w, st->pages[i], i < st->n_global ? c->global.page_bytes : c->local.page_bytes);
    sha256_digest(&w->sum, sizeof sum, sum);
    w->failed = w->failed || fwrite(sum, 1, sizeof sum, w->file) != sizeof sum;
}

typedef struct saving {
    const carat_kv_still *still;
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
    return fsync(fileno(f)) == 0 || carat_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", s->path, strerror(errno));
}

bool carat_kv_still_save(const carat_kv_still *st, const char *path, const uint8_t model_hash[32], const void *blob,
                         size_t blob_len, carat_err *err)
{
    return carat_write_beside(path, save_to, &(saving){ st, path, model_hash, blob, blob_len }, err);
}

bool carat_kv_save(const carat_kv *kv, const char *path, const uint8_t model_hash[32], const void *blob,
                   size_t blob_len, carat_err *err)
{
    carat_kv_still *st;
    if (!carat_kv_still_take(kv, &st, err))
        return false;
    bool ok = carat_kv_still_save(st, path, model_hash, blob, blob_len, err);
    carat_kv_still_free(st);
    return ok;
}
