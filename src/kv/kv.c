/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

/* One kind of layer: how many there are and how its pages are laid out. */
typedef struct kind {
    size_t n_layers;
    size_t page_bytes;
    size_t n_pages;
    uint8_t **pages; /* [n_pages] */
} kind;

struct carat_kv {
    carat_kv_options opt;
    size_t window, n_layer, n_kv_head, head_dim;
    size_t half_bytes; /* of a K tile or a V tile */
    size_t len;
    size_t high; /* tiles ever begun since the last rewind to 0: ring page of tile t is intact if t + n_ring >= high */
    kind global, local;
    bool *is_global;   /* [n_layer] */
    uint32_t *in_kind; /* [n_layer]: the layer's place among its kind */
    carat_arena arena;
};

static size_t pages_for(size_t positions)
{
    return (positions + CARAT_TILE - 1) / CARAT_TILE;
}

size_t carat_kv_ring_pages(const carat_config *c, const carat_kv_options *o)
{
    /* The oldest position that the first token of a batch sees lies window - 1 before it. A stretch of s >= 1 positions
     * touches at most (s - 2) / 64 + 2 tiles, when it begins at the last slot of one. */
    size_t stretch = (size_t)c->window + o->max_batch - 1;
    size_t ring = stretch < 2 ? stretch : (stretch - 2) / CARAT_TILE + 2, all = pages_for(o->context);
    return ring < all ? ring : all;
}

static size_t count_global(const carat_config *c)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->n_layer; i++)
        n += c->is_global[i];
    return n;
}

static void take_kind(carat_arena *a, kind *k)
{
    k->pages = carat_arena_take(a, k->n_pages, sizeof *k->pages);
    for (size_t i = 0; i < k->n_pages && !a->overflow; i++) {
        uint8_t *page = carat_arena_take(a, k->page_bytes, 1);
        if (k->pages)
            k->pages[i] = page;
    }
}

/* One walk for the size and for the real thing. */
static void take_all(const carat_config *c, carat_kv *kv, carat_arena *a)
{
    kv->is_global = carat_arena_take(a, c->n_layer, sizeof *kv->is_global);
    kv->in_kind = carat_arena_take(a, c->n_layer, sizeof *kv->in_kind);
    take_kind(a, &kv->global);
    take_kind(a, &kv->local);
}

static bool plan(const carat_config *c, const carat_kv_options *o, carat_kv *kv)
{
    size_t elem = o->elem == CARAT_KV_F32 ? 4 : 2, head;
    *kv = (carat_kv){
        .opt = *o, .window = c->window, .n_layer = c->n_layer, .n_kv_head = c->n_kv_head, .head_dim = c->head_dim
    };
    kv->half_bytes = CARAT_TILE * elem * c->head_dim;
    if (!carat_mul_size(2 * kv->half_bytes, c->n_kv_head, &head))
        return false;
    kv->global.n_layers = count_global(c);
    kv->local.n_layers = c->n_layer - kv->global.n_layers;
    kv->global.n_pages = kv->global.n_layers ? pages_for(o->context) : 0;
    kv->local.n_pages = kv->local.n_layers ? carat_kv_ring_pages(c, o) : 0;
    return carat_mul_size(head, kv->global.n_layers, &kv->global.page_bytes) &&
           carat_mul_size(head, kv->local.n_layers, &kv->local.page_bytes);
}

bool carat_kv_bytes(const carat_config *c, const carat_kv_options *o, size_t *out)
{
    carat_kv kv;
    carat_arena count;
    carat_arena_count(&count);
    if (!plan(c, o, &kv))
        return false;
    take_all(c, &kv, &count);
    *out = count.used;
    return !count.overflow;
}

bool carat_kv_open(const carat_config *c, const carat_kv_options *o, carat_kv **out, carat_err *err)
{
    *out = NULL;
    size_t bytes;
    if (o->context < 1 || o->context > CARAT_MAX_CONTEXT || o->max_batch < 1 || o->max_batch > CARAT_MAX_CONTEXT)
        return carat_fail(err, CARAT_EARG, CARAT_NOWHERE, "a cache of %zu positions for steps of %zu, expected 1 to %d",
                          o->context, o->max_batch, CARAT_MAX_CONTEXT);
    if (!carat_kv_bytes(c, o, &bytes))
        return carat_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "the cache of %zu positions is too large", o->context);
    carat_kv *kv = calloc(1, sizeof *kv);
    if (!kv || !plan(c, o, kv) || !carat_arena_init(&kv->arena, bytes)) {
        carat_kv_close(kv);
        return carat_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a cache of %zu positions (%zu MiB)",
                          o->context, (bytes >> 20) + 1);
    }
    take_all(c, kv, &kv->arena);
    uint32_t seen[2] = { 0, 0 };
    for (uint32_t i = 0; i < c->n_layer; i++) {
        kv->is_global[i] = c->is_global[i];
        kv->in_kind[i] = seen[c->is_global[i]]++;
    }
    *out = kv;
    return true;
}

void carat_kv_close(carat_kv *kv)
{
    if (!kv)
        return;
    carat_arena_deinit(&kv->arena);
    free(kv);
}

size_t carat_kv_len(const carat_kv *kv)
{
    return kv->len;
}

size_t carat_kv_context(const carat_kv *kv)
{
    return kv->opt.context;
}

size_t carat_kv_max_batch(const carat_kv *kv)
{
    return kv->opt.max_batch;
}

carat_kv_elem carat_kv_elem_of(const carat_kv *kv)
{
    return kv->opt.elem;
}

/* ---- rewinding ---- */

/* A token at pos sees local positions from pos - window + 1 on; their pages must not have been taken by later tiles. */
size_t carat_kv_rewind_limit(const carat_kv *kv)
{
    if (kv->high <= kv->local.n_pages || kv->local.n_pages == 0)
        return 1;
    return (kv->high - kv->local.n_pages) * CARAT_TILE + kv->window - 1;
}

bool carat_kv_rewind(carat_kv *kv, size_t pos)
{
    if (pos > kv->len || (pos != 0 && pos != kv->len && pos < carat_kv_rewind_limit(kv)))
        return false;
    if (pos == 0)
        kv->high = 0;
    kv->len = pos;
    return true;
}

/* ---- for text/ ---- */

void carat_kv_tile(const carat_kv *kv, size_t layer, size_t head, size_t tile, void **k, void **v)
{
    const kind *kd = kv->is_global[layer] ? &kv->global : &kv->local;
    uint8_t *page = kd->pages[kv->is_global[layer] ? tile : tile % kd->n_pages];
    *k = page + (kv->in_kind[layer] * kv->n_kv_head + head) * 2 * kv->half_bytes;
    *v = (uint8_t *)*k + kv->half_bytes;
}

bool carat_kv_begin(carat_kv *kv, size_t n)
{
    if (n > kv->opt.max_batch || n > kv->opt.context - kv->len)
        return false;
    /* Written now, before a single layer runs: a step that fails half-way has still overwritten the ring's oldest. */
    size_t tiles = pages_for(kv->len + n);
    if (tiles > kv->high)
        kv->high = tiles;
    return true;
}

void carat_kv_commit(carat_kv *kv, size_t n)
{
    kv->len += n;
}

/* Zeroes slot s of one tile: a column of the K tile's lanes, a row of the V tile. */
static void clear_slot(const carat_kv *kv, uint8_t *k, uint8_t *v, size_t s)
{
    size_t elem = kv->half_bytes / CARAT_TILE / kv->head_dim;
    uint8_t *group = k + s / 16 * kv->head_dim * 16 * elem;
    for (size_t d = 0; d < kv->head_dim; d++)
        memset(group + (d * 16 + s % 16) * elem, 0, elem);
    memset(v + s * kv->head_dim * elem, 0, kv->head_dim * elem);
}

void carat_kv_scrub(carat_kv *kv, size_t n)
{
    for (size_t pos = kv->len; pos < kv->len + n; pos++)
        for (size_t layer = 0; layer < kv->n_layer; layer++)
            for (size_t head = 0; head < kv->n_kv_head; head++) {
                void *k, *v;
                carat_kv_tile(kv, layer, head, pos / CARAT_TILE, &k, &v);
                clear_slot(kv, k, v, pos % CARAT_TILE);
            }
}
