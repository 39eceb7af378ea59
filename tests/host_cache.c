/* A cache with the CPU backend's pages behind it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "host_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/pages.h"
#include "kv/kv_inside.h"

typedef struct host {
    ct_host_pages pages;
    ct_backend b;
} host;

static host *host_of(const ct_cache *c)
{
    return c->b->self;
}

static void page_copy(void *self, ct_page_kind kind, uint32_t to, uint32_t from)
{
    ct_host_pages_copy(&((host *)self)->pages, kind, to, from);
}

static void page_clear(void *self, ct_page_kind kind, uint32_t page, size_t begin, size_t end)
{
    ct_host_pages_clear(&((host *)self)->pages, kind, page, begin, end);
}

static void page_read(void *self, ct_page_kind kind, uint32_t page, void *to)
{
    ct_host_pages_read(&((host *)self)->pages, kind, page, to);
}

static void page_write(void *self, ct_page_kind kind, uint32_t page, const void *from)
{
    ct_host_pages_write(&((host *)self)->pages, kind, page, from);
}

static void close_host(host *h)
{
    ct_host_pages_close(&h->pages);
    free(h);
}

bool host_cache_open(const ct_config *c, const ct_cache_options *o, ct_cache **out, carat_err *err)
{
    ct_cache_size size = { { 0 } };
    host *h = calloc(1, sizeof *h);
    assert(h);
    h->b = (ct_backend){ .name = "pages",
                         .self = h,
                         .page_copy = page_copy,
                         .page_clear = page_clear,
                         .page_read = page_read,
                         .page_write = page_write };
    bool ok = !ct_cache_pages(c, o, &size) ||
              (ct_host_pages_describe(&h->pages, c, o->elem, size.n[CT_PAGE_GLOBAL], size.n[CT_PAGE_LOCAL], err) &&
               ct_host_pages_take(&h->pages, err));
    *out = NULL;
    if (ok && ct_cache_open(c, o, &h->b, out, err)) /* which refuses what has no pages */
        return true;
    close_host(h);
    return false;
}

void host_cache_close(ct_cache *cache)
{
    if (!cache)
        return;
    host *h = host_of(cache);
    ct_cache_close(cache);
    close_host(h);
}

bool host_cache_bytes(const ct_config *c, const ct_cache_options *o, size_t *out)
{
    ct_cache_size size;
    if (!ct_cache_bytes(c, o, out) || !ct_cache_pages(c, o, &size))
        return false;
    for (int k = 0; k < CT_N_PAGE_KINDS; k++)
        *out += size.n[k] * size.page_bytes[k];
    return true;
}

bool host_kv_open(const ct_config *c, const host_kv_options *o, ct_kv **out, carat_err *err)
{
    ct_cache *cache;
    *out = NULL;
    const ct_cache_options all = { .context = o->context, .n_seqs = 1, .max_batch = o->max_batch, .elem = o->elem };
    if (!host_cache_open(c, &all, &cache, err))
        return false;
    if (ct_kv_open(cache, o->context, out, err))
        return true;
    host_cache_close(cache);
    return false;
}

void host_kv_close(ct_kv *kv)
{
    ct_cache *cache = kv->cache;
    ct_kv_close(kv);
    host_cache_close(cache);
}

void host_kv_tile(const ct_kv *kv, size_t layer, size_t head, size_t tile, void **k, void **v)
{
    const ct_cache *c = kv->cache;
    assert(tile < kv->n_tiles);
    const ct_pages *p = c->is_global[layer] ? &c->global : &c->local;
    const ct_page_ref *ref = c->is_global[layer] ? &kv->global[tile] : &kv->local[tile];
    ct_kv_check_page(p, ref, tile);
    ct_host_pages_tile(&host_of(c)->pages, layer, head, ref->page, k, v);
}

bool host_kv_save(const ct_kv *kv, const char *path, const uint8_t model_hash[32], const void *blob, size_t blob_len,
                  carat_err *err)
{
    ct_kv_still *st;
    if (!ct_kv_still_take(kv, &st, err))
        return false;
    bool ok = ct_kv_still_save(st, path, model_hash, blob, blob_len, err);
    ct_kv_still_free(st);
    return ok;
}

static bool take(ct_kv_saved *f, ct_kv *kv, uint8_t **blob, size_t *blob_len, carat_err *err)
{
    const ct_kv_contents c = ct_kv_saved_contents(f);
    bool ok = ct_kv_saved_take(f, kv, err);
    if (ok && !(*blob = malloc(c.blob_len + 1)))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a blob of %zu bytes", c.blob_len);
    if (ok) {
        memcpy(*blob, c.blob, c.blob_len);
        *blob_len = c.blob_len;
    }
    ct_kv_saved_close(f);
    return ok;
}

bool host_kv_restore(ct_kv *kv, const char *path, const uint8_t model_hash[32], uint8_t **blob, size_t *blob_len,
                     carat_err *err)
{
    ct_kv_saved *f;
    *blob = NULL;
    *blob_len = 0;
    return ct_kv_saved_open(kv, path, model_hash, &f, err) && take(f, kv, blob, blob_len, err);
}

bool host_kv_restore_memory(ct_kv *kv, const char *what, const uint8_t *data, size_t size, const uint8_t model_hash[32],
                            uint8_t **blob, size_t *blob_len, carat_err *err)
{
    ct_kv_saved *f;
    *blob = NULL;
    *blob_len = 0;
    return ct_kv_saved_open_memory(kv, what, data, size, model_hash, &f, err) && take(f, kv, blob, blob_len, err);
}

size_t host_kv_rewind_limit(const ct_kv *kv)
{
    const ct_cache *c = kv->cache;
    size_t t = kv->end;
    if (!ct_has_local(c))
        return 1;
    while (t > 0 && kv->local[t - 1].page != CT_NONE)
        t--;
    return t == 0 ? 1 : ct_kv_min(t * CT_TILE + c->window - 1, kv->len);
}
