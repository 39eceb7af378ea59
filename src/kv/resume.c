/* Where a sequence can go on from: prefixes of the index, and its own past.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "kv/part.h"

/* A sequence's keys: given (resume) or its own (rewind). */
typedef struct key_list {
    const uint64_t *given;
    size_t n;
} key_list;

static uint64_t key_at(const carat_kv *kv, const key_list *keys, size_t pos)
{
    size_t tile = pos / CARAT_TILE;
    if (keys->given)
        return keys->given[pos];
    return tile == kv->labelled / CARAT_TILE ? kv->keys[pos % CARAT_TILE]
                                             : kv->cache->nodes[kv->global[tile].page].keys[pos % CARAT_TILE];
}

/* Are the first `slots` positions of the tile's local page there, held or in the index? */
static bool has_local_page(const carat_kv *kv, size_t tile, size_t slots)
{
    const carat_cache *c = kv->cache;
    uint32_t page = kv->global[tile].page;
    if (kv->local[tile].page != CARAT_NONE)
        return true;
    return carat_is_node(c, page) && c->nodes[page].local != CARAT_NONE && c->nodes[page].n_keys >= slots;
}

/* The last tile that lacks its local page among those that the token at pos sees; 1 more than it, 0 if none. */
static size_t missing_tile(const carat_kv *kv, size_t pos)
{
    size_t begin = carat_window_begin(kv->cache, pos);
    if (!carat_has_local(kv->cache) || begin == pos)
        return 0;
    for (size_t t = (pos - 1) / CARAT_TILE + 1; t > begin / CARAT_TILE; t--)
        if (!has_local_page(kv, t - 1, carat_min(pos - (t - 1) * CARAT_TILE, CARAT_TILE)))
            return t;
    return 0;
}

/* The longest length <= pos after which kv can go on. */
static size_t usable(const carat_kv *kv, const key_list *keys, size_t pos)
{
    while (pos > 0) {
        size_t missing;
        if (pos < keys->n && (key_at(kv, keys, pos) & CARAT_KEY_INSIDE))
            pos--;
        else if ((missing = missing_tile(kv, pos)) > 0)
            pos = (missing - 1) * CARAT_TILE;
        else
            break;
    }
    return pos;
}

/* Takes the local pages of the window before pos that it does not hold from the index. */
static void hold_window(carat_kv *kv, size_t pos)
{
    carat_cache *c = kv->cache;
    size_t begin = carat_window_begin(c, pos);
    kv->local_begin = carat_min(kv->local_begin, begin / CARAT_TILE); /* also the tile that is written next */
    if (!carat_has_local(c) || begin == pos)
        return;
    for (size_t t = begin / CARAT_TILE; t < carat_tiles_for(pos); t++)
        if (kv->local[t].page == CARAT_NONE)
            kv->local[t] = carat_page_hold(c, &c->local, c->nodes[kv->global[t].page].local);
}

/* ---- resume ---- */

/* Writes the path of nodes that match into kv->global, not held yet; returns how many positions match. */
static size_t find_path(carat_kv *kv, const uint64_t *keys, size_t n)
{
    size_t matched = 0, common = CARAT_TILE;
    uint32_t parent = CARAT_NONE;
    while (matched < n && common == CARAT_TILE) {
        uint32_t node =
            carat_node_match(kv->cache, parent, keys + matched, carat_min(n - matched, CARAT_TILE), &common);
        if (common == 0)
            break;
        kv->global[matched / CARAT_TILE].page = node;
        matched += common;
        parent = node;
    }
    return matched;
}

static void hold_path(carat_kv *kv, size_t pos, size_t matched)
{
    carat_cache *c = kv->cache;
    kv->end = carat_tiles_for(pos);
    for (size_t t = 0; t < carat_tiles_for(matched); t++)
        if (t < kv->end)
            kv->global[t] = carat_page_hold(c, &c->global, kv->global[t].page);
        else
            kv->global[t].page = CARAT_NONE;
}

size_t carat_kv_resume(carat_kv *kv, const uint64_t *keys, size_t n, size_t max)
{
    carat_cache *c = kv->cache;
    assert(kv->len == 0);
    c->clock++;
    carat_kv_drop_tail(kv, 0);
    const key_list list = { keys, n };
    size_t matched = find_path(kv, keys, carat_min(carat_min(n, max), kv->context));
    size_t pos = usable(kv, &list, matched);
    hold_path(kv, pos, matched);
    kv->local_begin = kv->end;
    hold_window(kv, pos);
    kv->len = kv->labelled = pos;
    if (pos % CARAT_TILE)
        memcpy(kv->keys, keys + pos / CARAT_TILE * CARAT_TILE, pos % CARAT_TILE * sizeof *keys);
    c->hits += pos > 0;
    c->misses += pos == 0;
    c->reused += pos;
    return pos;
}

/* ---- rewind ---- */

size_t carat_kv_rewind(carat_kv *kv, size_t pos)
{
    carat_cache *c = kv->cache;
    const key_list own = { NULL, kv->labelled };
    pos = usable(kv, &own, carat_min(pos, kv->len));
    c->clock++;
    if (pos / CARAT_TILE < kv->labelled / CARAT_TILE && pos % CARAT_TILE)
        memcpy(kv->keys, c->nodes[kv->global[pos / CARAT_TILE].page].keys, pos % CARAT_TILE * sizeof *kv->keys);
    kv->labelled = carat_min(kv->labelled, pos);
    kv->len = pos;
    carat_kv_drop_tail(kv, carat_tiles_for(pos));
    hold_window(kv, pos);
    return pos;
}

size_t carat_kv_rewind_limit(const carat_kv *kv)
{
    const carat_cache *c = kv->cache;
    size_t t = kv->end;
    if (!carat_has_local(c))
        return 1;
    while (t > 0 && kv->local[t - 1].page != CARAT_NONE)
        t--;
    return t == 0 ? 1 : carat_min(t * CARAT_TILE + c->window - 1, kv->len);
}
