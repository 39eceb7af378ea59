/* Where a sequence can resume: prefixes of the index, and its own past.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "kv/kv_inside.h"

/* A sequence's keys: given (resume) or its own (rewind). */
typedef struct key_list {
    const uint64_t *given;
    size_t n;
} key_list;

static uint64_t key_at(const ct_kv *kv, const key_list *keys, size_t pos)
{
    size_t tile = pos / CT_TILE;
    if (keys->given)
        return keys->given[pos];
    return tile == kv->labelled / CT_TILE ? kv->keys[pos % CT_TILE]
                                          : kv->cache->nodes[kv->global[tile].page].keys[pos % CT_TILE];
}

/* Are the first `slots` positions of the tile's local page there, held or in the index? */
static bool has_local_page(const ct_kv *kv, size_t tile, size_t slots)
{
    const ct_cache *c = kv->cache;
    uint32_t page = kv->global[tile].page;
    if (kv->local[tile].page != CT_NONE)
        return true;
    return ct_is_node(c, page) && c->nodes[page].local != CT_NONE && c->nodes[page].n_keys >= slots;
}

/* The last tile that lacks its local page among those that the token at pos attends to; 1 more than it, 0 if none. */
static size_t missing_tile(const ct_kv *kv, size_t pos)
{
    size_t begin = ct_window_begin(kv->cache, pos);
    if (!ct_has_local(kv->cache) || begin == pos)
        return 0;
    for (size_t t = (pos - 1) / CT_TILE + 1; t > begin / CT_TILE; t--)
        if (!has_local_page(kv, t - 1, ct_kv_min(pos - (t - 1) * CT_TILE, CT_TILE)))
            return t;
    return 0;
}

/* The longest length <= pos from which kv can continue. */
static size_t usable(const ct_kv *kv, const key_list *keys, size_t pos)
{
    while (pos > 0) {
        size_t missing;
        if (pos < keys->n && (key_at(kv, keys, pos) & CT_KEY_INSIDE))
            pos--;
        else if ((missing = missing_tile(kv, pos)) > 0)
            pos = (missing - 1) * CT_TILE;
        else
            break;
    }
    return pos;
}

/* Takes the local pages of the window before pos that it does not hold from the index. */
static void hold_window(ct_kv *kv, size_t pos)
{
    ct_cache *c = kv->cache;
    size_t begin = ct_window_begin(c, pos);
    kv->local_begin = ct_kv_min(kv->local_begin, begin / CT_TILE); /* also the tile that is written next */
    if (!ct_has_local(c) || begin == pos)
        return;
    for (size_t t = begin / CT_TILE; t < ct_tiles_for(pos); t++)
        if (kv->local[t].page == CT_NONE)
            kv->local[t] = ct_page_hold(c, &c->local, c->nodes[kv->global[t].page].local);
}

/* ---- resume ---- */

/* Writes the path of nodes that match into kv->global, not held yet; returns how many positions match. */
static size_t find_path(ct_kv *kv, const uint64_t *keys, size_t n)
{
    size_t matched = 0, common = CT_TILE;
    uint32_t parent = CT_NONE;
    while (matched < n && common == CT_TILE) {
        uint32_t node =
            ct_node_match(kv->cache, kv->variant, parent, keys + matched, ct_kv_min(n - matched, CT_TILE), &common);
        if (common == 0)
            break;
        kv->global[matched / CT_TILE].page = node;
        matched += common;
        parent = node;
    }
    return matched;
}

static void hold_path(ct_kv *kv, size_t pos, size_t matched)
{
    ct_cache *c = kv->cache;
    kv->end = ct_tiles_for(pos);
    for (size_t t = 0; t < ct_tiles_for(matched); t++)
        if (t < kv->end)
            kv->global[t] = ct_page_hold(c, &c->global, kv->global[t].page);
        else
            kv->global[t].page = CT_NONE;
}

size_t ct_kv_resume(ct_kv *kv, const uint64_t *keys, size_t n, size_t max)
{
    ct_cache *c = kv->cache;
    assert(kv->len == 0 && kv->origin == kv->variant);
    c->clock++;
    ct_kv_drop_tail(kv, 0);
    const key_list list = { keys, n };
    size_t matched = find_path(kv, keys, ct_kv_min(ct_kv_min(n, max), kv->context));
    size_t pos = usable(kv, &list, matched);
    hold_path(kv, pos, matched);
    kv->local_begin = kv->end;
    hold_window(kv, pos);
    kv->len = kv->labelled = pos;
    if (pos % CT_TILE)
        memcpy(kv->keys, keys + pos / CT_TILE * CT_TILE, pos % CT_TILE * sizeof *keys);
    c->hits += pos > 0;
    c->misses += pos == 0;
    c->reused += pos;
    return pos;
}

/* ---- rewind ---- */

size_t ct_kv_rewind(ct_kv *kv, size_t pos)
{
    ct_cache *c = kv->cache;
    const key_list own = { NULL, kv->labelled };
    pos = usable(kv, &own, ct_kv_min(pos, kv->len));
    c->clock++;
    if (pos / CT_TILE < kv->labelled / CT_TILE && pos % CT_TILE)
        memcpy(kv->keys, c->nodes[kv->global[pos / CT_TILE].page].keys, pos % CT_TILE * sizeof *kv->keys);
    kv->labelled = ct_kv_min(kv->labelled, pos);
    kv->len = pos;
    ct_kv_drop_tail(kv, ct_tiles_for(pos));
    if (pos == 0)
        ct_kv_leave_origin(kv);
    hold_window(kv, pos);
    return pos;
}
