/* A sequence from disk. The file is not trusted until all of it has been checked.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/map.h"
#include "base/size.h"
#include "kv/file.h"

typedef struct header {
    uint32_t elem, n_layer, n_kv_head, head_dim, window, page;
    uint64_t len, labelled, blob_len;
    uint8_t model[32];
} header;

/* ---- checking ---- */

static bool read_header(const char *what, const uint8_t *data, size_t size, header *h, carat_err *err)
{
    if (size < 8 || memcmp(data, MAGIC, 8) != 0)
        return ct_fail(err, CARAT_EFORMAT, 0, "%s: not a saved session", what);
    if (size < HEADER + SUM)
        return ct_fail(err, CARAT_EFORMAT, size, "%s: truncated in its header, after %zu bytes", what, size);
    if (ct_le32(data + 8) != VERSION)
        return ct_fail(err, CARAT_EUNSUPPORTED, 8, "%s: session format %u, of %s Carat; this program reads %d", what,
                       ct_le32(data + 8), ct_le32(data + 8) < VERSION ? "an older" : "a newer", VERSION);
    *h = (header){ .elem = ct_le32(data + 12),
                   .n_layer = ct_le32(data + 16),
                   .n_kv_head = ct_le32(data + 20),
                   .head_dim = ct_le32(data + 24),
                   .window = ct_le32(data + 28),
                   .page = ct_le32(data + 32),
                   .len = ct_le64(data + 40),
                   .labelled = ct_le64(data + 48),
                   .blob_len = ct_le64(data + 56) };
    memcpy(h->model, data + 64, sizeof h->model);
    if (h->len > CT_MAX_CONTEXT || h->labelled > h->len || ct_le32(data + 36) != 0)
        return ct_fail(err, CARAT_EFORMAT, 40, "%s: %llu positions, %llu of them labelled: damaged", what,
                       (unsigned long long)h->len, (unsigned long long)h->labelled);
    return true;
}

static bool check_model(const char *what, const ct_cache *c, const header *h, const uint8_t model_hash[32],
                        carat_err *err)
{
    if (memcmp(h->model, model_hash, 32) != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, 64, "%s: saved with another model", what);
    const struct {
        const char *name;
        uint32_t found;
        size_t expected;
    } fields[] = { { "element type", h->elem, (size_t)c->opt.elem },
                   { "layers", h->n_layer, c->n_layer },
                   { "KV heads", h->n_kv_head, c->n_kv_head },
                   { "head size", h->head_dim, c->head_dim },
                   { "window", h->window, c->window },
                   { "page size", h->page, CT_TILE } };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].found != fields[i].expected)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: saved with %s %u, but this cache has %zu", what,
                           fields[i].name, fields[i].found, fields[i].expected);
    return true;
}

/* Where the parts of a file begin. */
typedef struct parts {
    size_t kinds, keys, blob, global, local, sum, size;
} parts;

static bool add_product(size_t *at, size_t n, size_t bytes)
{
    size_t product;
    return ct_mul_size(n, bytes, &product) && ct_add_size(*at, product, at);
}

/* Shapes are the cache's own. False: no file is so large. */
static bool find_parts(const ct_cache *c, const header *h, parts *p)
{
    size_t len = (size_t)h->len, tiles = ct_tiles_for(len), at = HEADER;
    p->kinds = at;
    p->keys = at += (c->n_layer + 7) / 8 * 8;
    if (!add_product(&at, (size_t)h->labelled, 8))
        return false;
    p->blob = at;
    if (h->blob_len > SIZE_MAX - 7 || !ct_add_size(at, (size_t)(h->blob_len + 7) / 8 * 8, &at))
        return false;
    p->global = at;
    if (!add_product(&at, tiles, c->global.page_bytes))
        return false;
    p->local = at;
    if (!add_product(&at, tiles - ct_first_local(c, len), c->local.page_bytes))
        return false;
    p->sum = at;
    return ct_add_size(at, SUM, &p->size);
}

static bool check_size(const char *what, const ct_cache *c, const header *h, size_t size, parts *p, carat_err *err)
{
    if (!find_parts(c, h, p))
        return ct_fail(err, CARAT_EFORMAT, 40, "%s: damaged: its lengths exceed any file's size", what);
    if (size < p->size)
        return ct_fail(err, CARAT_EFORMAT, size, "%s: truncated: %zu bytes, expected %zu", what, size, p->size);
    if (size > p->size)
        return ct_fail(err, CARAT_EFORMAT, p->size, "%s: %zu bytes after its end", what, size - p->size);
    return true;
}

static bool check_sum(const char *what, const uint8_t *data, const parts *p, carat_err *err)
{
    struct sha256_ctx ctx;
    uint8_t sum[SUM];
    sha256_init(&ctx);
    sha256_update(&ctx, p->sum, data);
    sha256_digest(&ctx, sizeof sum, sum);
    if (memcmp(sum, data + p->sum, SUM) != 0)
        return ct_fail(err, CARAT_EFORMAT, p->sum, "%s: damaged: its checksum does not match", what);
    return true;
}

static bool check_kinds(const char *what, const ct_cache *c, const uint8_t *kinds, carat_err *err)
{
    for (size_t i = 0; i < c->n_layer; i++)
        if (kinds[i] != (uint8_t)c->is_global[i])
            return ct_fail(err, CARAT_EUNSUPPORTED, HEADER + i, "%s: saved with another kind of layer %zu", what, i);
    return true;
}

/* Numbers are finite unless all bits of the exponent are set. */
static bool finite_f32(const uint8_t *data, size_t bytes)
{
    bool bad = false;
    for (size_t i = 0; i < bytes; i += 4)
        bad |= (ct_le32(data + i) & 0x7f800000u) == 0x7f800000u;
    return !bad;
}

static bool finite_f16(const uint8_t *data, size_t bytes)
{
    bool bad = false;
    for (size_t i = 0; i < bytes; i += 2)
        bad |= (ct_le16(data + i) & 0x7c00) == 0x7c00;
    return !bad;
}

/* Pages are tiles, one after the other; of a q8_0 tile the scales behind the int8 count. */
static bool is_finite(const ct_cache *c, const uint8_t *data, size_t bytes)
{
    size_t skip = c->opt.elem == CT_KV_Q8_0 ? CT_TILE * c->head_dim : 0;
    for (size_t at = 0; at < bytes; at += c->tile_bytes) {
        const uint8_t *numbers = data + at + skip;
        size_t n = c->tile_bytes - skip;
        if (!(c->opt.elem == CT_KV_F32 ? finite_f32(numbers, n) : finite_f16(numbers, n)))
            return false;
    }
    return true;
}

/* ---- taking it in ---- */

static void take_pages(ct_kv *kv, ct_pages *p, ct_page_ref *refs, size_t begin, const uint8_t *data)
{
    const ct_backend *b = kv->cache->b;
    size_t end = ct_tiles_for(kv->len);
    for (size_t t = begin; t < end; t++) {
        ct_page_new(kv, p, &refs[t], t);
        if (p->page_bytes)
            b->page_write(b->self, p->kind, refs[t].page, data + (t - begin) * p->page_bytes);
        if (t + 1 == end && kv->len % CT_TILE)
            b->page_clear(b->self, p->kind, refs[t].page, kv->len % CT_TILE, CT_TILE);
    }
}

static void take_keys(ct_kv *kv, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ct_kv_label(kv, &(uint64_t){ ct_le64(data + 8 * i) }, 1);
}

static void take_in(ct_kv *kv, const header *h, const parts *p, const uint8_t *data)
{
    ct_cache *c = kv->cache;
    c->clock++;
    ct_kv_drop_tail(kv, 0);
    kv->len = (size_t)h->len;
    kv->end = ct_tiles_for(kv->len);
    kv->local_begin = ct_kv_min(ct_first_local(c, kv->len), kv->len / CT_TILE);
    take_pages(kv, &c->global, kv->global, 0, data + p->global);
    take_pages(kv, &c->local, kv->local, ct_first_local(c, kv->len), data + p->local);
    take_keys(kv, data + p->keys, (size_t)h->labelled);
}

bool ct_kv_restore_memory(ct_kv *kv, const char *what, const uint8_t *data, size_t size, const uint8_t model_hash[32],
                          uint8_t **blob, size_t *blob_len, carat_err *err)
{
    const ct_cache *c = kv->cache;
    header h = { 0 };
    parts p = { 0 };
    assert(kv->len == 0);
    *blob = NULL;
    *blob_len = 0;
    if (!read_header(what, data, size, &h, err) || !check_model(what, c, &h, model_hash, err) ||
        !check_size(what, c, &h, size, &p, err) || !check_sum(what, data, &p, err) ||
        !check_kinds(what, c, data + p.kinds, err))
        return false;
    if (h.len > kv->context)
        return ct_fail(err, CARAT_ECONTEXT, 40, "%s: a session of %zu positions, but there is room for only %zu", what,
                       (size_t)h.len, kv->context);
    if (!is_finite(c, data + p.global, p.sum - p.global))
        return ct_fail(err, CARAT_EFORMAT, p.global, "%s: its keys and values are not finite", what);
    uint8_t *copy = malloc(h.blob_len ? (size_t)h.blob_len : 1);
    if (!copy)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its text", what);
    memcpy(copy, data + p.blob, (size_t)h.blob_len);
    take_in(kv, &h, &p, data);
    *blob = copy;
    *blob_len = (size_t)h.blob_len;
    return true;
}

bool ct_kv_restore(ct_kv *kv, const char *path, const uint8_t model_hash[32], uint8_t **blob, size_t *blob_len,
                   carat_err *err)
{
    ct_map m;
    *blob = NULL;
    *blob_len = 0;
    if (!ct_map_open(&m, path, err))
        return false;
    bool ok = ct_kv_restore_memory(kv, path, m.data, m.size, model_hash, blob, blob_len, err);
    ct_map_close(&m);
    return ok;
}
