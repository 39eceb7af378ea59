/* A model whose keys and values are hashes: writes them, and checks what a cache holds.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <math.h>
#include <string.h>

#include "host_cache.h"
#include "kv/kv_inside.h"
#include "unit.h"

#define MAX_DIM 64

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

ct_config fake_config(uint32_t n_layer, uint32_t pattern, uint32_t n_kv, uint32_t dim, uint32_t window)
{
    ct_config c;
    ct_config_defaults(&c);
    c.n_layer = n_layer;
    c.n_kv_head = n_kv;
    c.head_dim = dim;
    c.window = window;
    ct_config_pattern(&c, pattern);
    return c;
}

void text_cut(text *t, size_t n)
{
    assert_true(n <= t->n);
    t->n = n;
    t->labelled = t->labelled < n ? t->labelled : n;
}

void text_add(text *t, const uint64_t *keys, size_t n)
{
    assert_true(n <= TEXT_MAX - t->n);
    for (size_t i = 0; i < n; i++, t->n++) {
        t->keys[t->n] = keys[i];
        t->hash[t->n + 1] = mix(t->hash[t->n] * 0x9E3779B97F4A7C15u + keys[i] + 1);
    }
}

static const ct_kernels *kernels(void)
{
    static ct_kernels k;
    if (!k.isa)
        ct_kernels_generic(&k);
    return &k;
}

/* The key and value of one position: bytes of a hash as numbers. */
static void rows_of(const ct_config *c, uint64_t hash, size_t layer, size_t head, float *k, float *v)
{
    uint64_t x = mix(hash + (layer * 64 + head + 1) * 0xD6E8FEB86659FD93u);
    for (size_t d = 0; d < c->head_dim; d++) {
        k[d] = (float)(x >> d % 48 & 255) - 100;
        v[d] = (float)(x >> (d + 7) % 48 & 255) + 0.5f;
    }
}

static void write_at(const ct_config *c, const text *t, size_t pos, const float *bad)
{
    float k[MAX_DIM], v[MAX_DIM];
    for (size_t layer = 0; layer < c->n_layer; layer++)
        for (size_t head = 0; head < c->n_kv_head; head++) {
            void *kt, *vt;
            host_kv_tile(t->kv, layer, head, pos / CT_TILE, &kt, &vt);
            rows_of(c, t->hash[pos + 1], layer, head, k, v);
            kernels()->kv_put(t->kv->cache->opt.elem, kt, vt, pos % CT_TILE, bad ? bad : k, bad ? bad : v, c->head_dim);
        }
}

void fake_step(const ct_config *c, text *t, const uint64_t *keys, size_t n, bool label)
{
    size_t begin = t->n;
    assert_true(ct_kv_begin(t->kv, n));
    text_add(t, keys, n);
    for (size_t pos = begin; pos < t->n; pos++)
        write_at(c, t, pos, NULL);
    ct_kv_commit(t->kv, n);
    assert_int_equal(ct_kv_len(t->kv), t->n);
    if (!label)
        return;
    ct_kv_label(t->kv, t->keys + t->labelled, t->n - t->labelled);
    t->labelled = t->n;
}

void fake_append(const ct_config *c, text *t, const uint64_t *keys, size_t n, bool label)
{
    size_t batch = ct_kv_max_batch(t->kv);
    while (n > 0) {
        size_t m = n < batch ? n : batch;
        while (m < n && m > 1 && (keys[m] & CT_KEY_INSIDE))
            m--;
        fake_step(c, t, keys, m, label);
        keys += m;
        n -= m;
    }
}

void fake_failed_step(const ct_config *c, text *t, size_t n)
{
    float bad[MAX_DIM];
    for (size_t d = 0; d < MAX_DIM; d++)
        bad[d] = NAN;
    assert_true(ct_kv_begin(t->kv, n));
    for (size_t pos = t->n; pos < t->n + n; pos++)
        write_at(c, t, pos, bad);
    ct_kv_scrub(t->kv, n);
    assert_int_equal(ct_kv_len(t->kv), t->n);
}

/* Of a q8_0 tile the scales. */
static bool all_finite(ct_kv_elem elem, const void *tile, size_t head_dim)
{
    const void *from = elem == CT_KV_Q8_0 ? ct_kv_scales_of(tile, head_dim) : tile;
    size_t n = CT_TILE * (elem == CT_KV_Q8_0 ? head_dim / CT_KV_GROUP : head_dim);
    for (size_t i = 0; i < n; i++)
        if (elem == CT_KV_F32 ? !isfinite(((const float *)from)[i]) : (((const uint16_t *)from)[i] & 0x7c00) == 0x7c00)
            return false;
    return true;
}

/* Slots [begin, end) of one tile: the tile with all others zeroed must be the one the rows make. */
static void verify_tile(const ct_config *c, const text *t, size_t layer, size_t head, size_t tile, size_t begin,
                        size_t end)
{
    static _Alignas(64) uint8_t have[2 * CT_TILE * MAX_DIM * 4], want[2 * CT_TILE * MAX_DIM * 4];
    ct_kv_elem elem = t->kv->cache->opt.elem;
    size_t half = ct_kv_tile_bytes(elem, c->head_dim);
    void *k, *v;
    host_kv_tile(t->kv, layer, head, tile, &k, &v);
    if (!all_finite(elem, k, c->head_dim) || !all_finite(elem, v, c->head_dim))
        fail_msg("layer %zu, tile %zu is not finite", layer, tile);
    memset(want, 0, 2 * half);
    memcpy(have, k, half);
    memcpy(have + half, v, half);
    for (size_t s = 0; s < CT_TILE; s++) {
        float kr[MAX_DIM], vr[MAX_DIM];
        if (s < begin || s >= end) {
            ct_kv_clear_slot(elem, have, have + half, s, c->head_dim);
            continue;
        }
        rows_of(c, t->hash[tile * CT_TILE + s + 1], layer, head, kr, vr);
        kernels()->kv_put(elem, want, want + half, s, kr, vr, c->head_dim);
    }
    if (memcmp(have, want, 2 * half) != 0)
        fail_msg("length %zu, layer %zu, head %zu: slots %zu to %zu of tile %zu are not this sequence's", t->n, layer,
                 head, begin, end, tile);
}

void fake_verify(const ct_config *c, const text *t)
{
    assert_int_equal(ct_kv_len(t->kv), t->n);
    assert_int_equal(ct_kv_labelled(t->kv), t->labelled);
    for (size_t i = 0; i < t->labelled; i++) { /* the index knows it under its own keys */
        size_t tile = i / CT_TILE;
        const uint64_t *keys =
            tile < t->labelled / CT_TILE ? t->kv->cache->nodes[t->kv->global[tile].page].keys : t->kv->keys;
        assert_true(keys[i % CT_TILE] == t->keys[i]);
    }
    for (size_t layer = 0; layer < c->n_layer; layer++) {
        size_t begin = !c->is_global[layer] && t->n + 1 > c->window ? t->n + 1 - c->window : 0;
        for (size_t pos = begin; pos < t->n;) {
            size_t tile = pos / CT_TILE, end = (tile + 1) * CT_TILE < t->n ? (tile + 1) * CT_TILE : t->n;
            for (size_t head = 0; head < c->n_kv_head; head++)
                verify_tile(c, t, layer, head, tile, pos - tile * CT_TILE, end - tile * CT_TILE);
            pos = end;
        }
    }
}
