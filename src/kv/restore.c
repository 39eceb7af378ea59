/* A sequence from disk. Nothing of the file is trusted before it has been checked, and what it holds is never taken for
 * this program's own work: see "On disk" in README.md.
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

/* Where the parts of a file begin. */
typedef struct parts {
    size_t kinds, keys, blob, global, local, sum, size;
} parts;

struct ct_kv_saved {
    const ct_kv *kv; /* whose cache and context it was checked against */
    ct_map map;      /* a copy of all that precedes the pages */
    const char *what;
    header h;
    parts at;
};

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

/* In the words of the options that decide it. */
static bool check_elem(const char *what, uint32_t found, ct_kv_elem expected, carat_err *err)
{
    static const char *const names[] = { [CT_KV_F16] = "f16", [CT_KV_F32] = "float32", [CT_KV_Q8_0] = "q8_0" };
    if (found == (uint32_t)expected)
        return true;
    if (found >= sizeof names / sizeof *names)
        return ct_fail(err, CARAT_EUNSUPPORTED, 12, "%s: saved with keys and values of a type %u", what, found);
    const bool is_exact = found == CT_KV_F32, was_kv = !is_exact && expected != CT_KV_F32;
    return ct_fail(err, CARAT_EUNSUPPORTED, 12,
                   "%s: saved with %s keys and values, but this engine's are %s: open it %s%s", what, names[found],
                   names[expected],
                   is_exact ? "with --exact"
                   : was_kv ? "with --kv "
                            : "without --exact",
                   was_kv ? names[found] : "");
}

static bool check_model(const char *what, const ct_cache *c, const header *h, const uint8_t model_hash[32],
                        carat_err *err)
{
    if (memcmp(h->model, model_hash, 32) != 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, 64, "%s: saved with another model, or other adapters", what);
    if (!check_elem(what, h->elem, c->opt.elem, err))
        return false;
    const struct {
        const char *name;
        uint32_t found;
        size_t expected;
    } fields[] = { { "layers", h->n_layer, c->n_layer },
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

/* ---- what precedes the pages ---- */

static bool check_all(ct_kv_saved *f, const uint8_t model_hash[32], carat_err *err)
{
    const ct_cache *c = f->kv->cache;
    if (!read_header(f->what, f->map.data, f->map.size, &f->h, err) ||
        !check_model(f->what, c, &f->h, model_hash, err) || !check_size(f->what, c, &f->h, f->map.size, &f->at, err))
        return false;
    if (f->h.len > f->kv->context)
        return ct_fail(err, CARAT_ECONTEXT, 40, "%s: a session of %zu positions, but there is room for only %zu",
                       f->what, (size_t)f->h.len, f->kv->context);
    if (!ct_map_grow(&f->map, f->at.global, err))
        return ct_fail_in(err, "%s", f->what);
    return check_kinds(f->what, c, f->map.data + f->at.kinds, err);
}

static bool new_saved(const ct_kv *kv, const char *what, ct_kv_saved **out, carat_err *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for restoring it", what);
    **out = (ct_kv_saved){ .kv = kv, .what = what, .map.fd = -1 };
    return true;
}

static bool finish_open(ct_kv_saved **out, bool ok)
{
    if (ok)
        return true;
    ct_kv_saved_close(*out);
    *out = NULL;
    return false;
}

bool ct_kv_saved_open(const ct_kv *kv, const char *path, const uint8_t model_hash[32], ct_kv_saved **out,
                      carat_err *err)
{
    return new_saved(kv, path, out, err) &&
           finish_open(out, ct_map_open_head(&(*out)->map, path, HEADER, err) && check_all(*out, model_hash, err));
}

bool ct_kv_saved_open_memory(const ct_kv *kv, const char *what, const uint8_t *data, size_t size,
                             const uint8_t model_hash[32], ct_kv_saved **out, carat_err *err)
{
    if (!new_saved(kv, what, out, err))
        return false;
    (*out)->map = (ct_map){ .data = data, .size = size, .mapped = size, .fd = -1 };
    return finish_open(out, check_all(*out, model_hash, err));
}

void ct_kv_saved_close(ct_kv_saved *f)
{
    if (!f)
        return;
    if (f->map.fd >= 0)
        ct_map_close(&f->map);
    free(f);
}

ct_kv_contents ct_kv_saved_contents(const ct_kv_saved *f)
{
    const uint8_t *data = f->map.data;
    return (ct_kv_contents){ .n = (size_t)f->h.len,
                             .n_keys = (size_t)f->h.labelled,
                             .keys = data + f->at.keys,
                             .blob = data + f->at.blob,
                             .blob_len = (size_t)f->h.blob_len };
}

/* ---- taking it in ---- */

/* Pages on their way from the file to the backend, summed up as they pass. */
typedef struct intake {
    const ct_kv_saved *f;
    struct sha256_ctx sum;
    uint8_t *page;  /* one, in the host's memory */
    bool is_finite; /* all so far; one that is not stays out */
} intake;

static bool take_page(intake *in, const ct_backend *b, const ct_pages *p, uint32_t page, size_t at, carat_err *err)
{
    if (!p->page_bytes)
        return true;
    if (!ct_map_copy(&in->f->map, at, p->page_bytes, in->page, err))
        return ct_fail_in(err, "%s", in->f->what);
    sha256_update(&in->sum, p->page_bytes, in->page);
    in->is_finite = in->is_finite && is_finite(in->f->kv->cache, in->page, p->page_bytes);
    if (in->is_finite)
        b->page_write(b->self, p->kind, page, in->page);
    return true;
}

static bool take_pages(intake *in, ct_kv *kv, ct_pages *p, ct_page_ref *refs, size_t begin, size_t at, carat_err *err)
{
    const ct_backend *b = kv->cache->b;
    for (size_t t = begin; t < kv->end; t++) {
        ct_page_new(kv, p, &refs[t], t);
        if (!take_page(in, b, p, refs[t].page, at + (t - begin) * p->page_bytes, err))
            return false;
        if (t + 1 == kv->end && kv->len % CT_TILE)
            b->page_clear(b->self, p->kind, refs[t].page, kv->len % CT_TILE, CT_TILE);
    }
    return true;
}

static bool check_sum(intake *in, carat_err *err)
{
    uint8_t found[SUM], expected[SUM];
    size_t at = in->f->at.sum;
    if (!ct_map_copy(&in->f->map, at, SUM, expected, err))
        return ct_fail_in(err, "%s", in->f->what);
    sha256_digest(&in->sum, SUM, found);
    if (memcmp(found, expected, SUM) != 0)
        return ct_fail(err, CARAT_EFORMAT, at, "%s: damaged: its checksum does not match", in->f->what);
    if (!in->is_finite)
        return ct_fail(err, CARAT_EFORMAT, in->f->at.global, "%s: its keys and values are not finite", in->f->what);
    return true;
}

/* Pages first, which no other sequence can find; names for them when the whole file has proved to be whole. */
static bool take_in(intake *in, ct_kv *kv, carat_err *err)
{
    const ct_kv_saved *f = in->f;
    ct_cache *c = kv->cache;
    c->clock++;
    ct_kv_drop_tail(kv, 0);
    kv->len = (size_t)f->h.len;
    kv->end = ct_tiles_for(kv->len);
    kv->local_begin = ct_kv_min(ct_first_local(c, kv->len), kv->len / CT_TILE);
    if (!take_pages(in, kv, &c->global, kv->global, 0, f->at.global, err) ||
        !take_pages(in, kv, &c->local, kv->local, ct_first_local(c, kv->len), f->at.local, err) ||
        !check_sum(in, err)) {
        kv->len = 0;
        ct_kv_drop_tail(kv, 0);
        return false;
    }
    if (kv->len)
        kv->origin = ct_kv_new_origin(c);
    for (size_t i = 0; i < f->h.labelled; i++)
        ct_kv_label(kv, &(uint64_t){ ct_le64(f->map.data + f->at.keys + 8 * i) }, 1);
    return true;
}

bool ct_kv_saved_take(const ct_kv_saved *f, ct_kv *kv, carat_err *err)
{
    const ct_cache *c = kv->cache;
    assert(kv == f->kv && kv->len == 0);
    size_t most = c->global.page_bytes > c->local.page_bytes ? c->global.page_bytes : c->local.page_bytes;
    intake in = { .f = f, .page = malloc(most), .is_finite = true };
    if (!in.page)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for restoring it", f->what);
    sha256_init(&in.sum);
    sha256_update(&in.sum, f->at.global, f->map.data);
    bool ok = take_in(&in, kv, err);
    free(in.page);
    return ok;
}
