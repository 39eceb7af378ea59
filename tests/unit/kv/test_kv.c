/* test_kv.c - the cache's sizes, its ring, its tiles, rewinding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "host_cache.h"
#include "unit.h"

/* B09: pages of the ring, by hand. */
static void test_b09_ring_pages(void **state)
{
    (void)state;
    const struct {
        uint32_t window;
        size_t batch, context, pages;
    } cases[] = {
        { 1, 1, 1000, 1 }, /* one position touches one tile */
        { 2, 1, 1000, 2 }, /* two may stand on both sides of a border */
        { 1, 2, 1000, 2 },         { 8, 1, 1000, 2 },       { 65, 1, 1000, 2 },      /* 65 positions: 1 + 64 */
        { 66, 1, 1000, 3 },                                                          /* 66: 1 + 64 + 1 */
        { 512, 512, 32768, 17 },                                                     /* 1023: 1 + 15 * 64 + 62 */
        { 1024, 512, 131072, 25 }, { 1024, 1, 131072, 17 }, { 1024, 512, 1000, 16 }, /* no more than the context has */
        { 1024, 512, 1, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_config c = fake_config(12, 6, 1, 32, cases[i].window);
        host_kv_options o = { cases[i].context, cases[i].batch, CT_KV_F16 };
        assert_int_equal(ct_cache_ring_pages(&c, o.context, o.max_batch), cases[i].pages);
    }
}

/* The ring never holds two tiles that one step needs in one page, at any alignment, and is not a page too large. */
static void test_b09_ring_is_just_enough(void **state)
{
    (void)state;
    for (uint32_t window = 1; window < 200; window += 3)
        for (size_t batch = 1; batch < 200; batch += 5) {
            ct_config c = fake_config(6, 6, 1, 16, window);
            host_kv_options o = { 100000, batch, CT_KV_F16 };
            size_t most = 0;
            for (size_t pos = 1000; pos < 1064; pos++) { /* the first token of a step */
                size_t tiles = (pos + batch - 1) / CT_TILE - (pos + 1 - window) / CT_TILE + 1;
                most = tiles > most ? tiles : most;
            }
            assert_int_equal(ct_cache_ring_pages(&c, o.context, o.max_batch), most);
        }
}

/* B07: 4B, f16: 20 480 bytes a token in global layers and 118 784 a cell in local ones, and nothing else but the lists
 * of pages and the prefix index (a node of 64 keys a global page). */
static void test_b07_bytes(void **state)
{
    (void)state;
    const struct {
        const char *name;
        size_t global, local; /* bytes a token, a cell */
    } models[] = { { "270M", 3 * 1024, 15 * 1024 },
                   { "1B", 4 * 1024, 22 * 1024 },
                   { "4B", 20480, 118784 },
                   { "12B", 8 * 8192, 40 * 8192 },
                   { "27B", 10 * 8192, 52 * 8192 } };
    static const size_t contexts[] = { 1, 64, 1000, 1024, 8192, 32768, 65536, 131072 };
    for (size_t m = 0; m < 5; m++)
        for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
            ct_config c;
            ct_config_of(ct_published_by_name(models[m].name), &c);
            ct_cache_options o = { .context = contexts[i], .n_seqs = 1, .max_batch = 512, .elem = CT_KV_F16 };
            size_t bytes, pages = (contexts[i] + 63) / 64, ring = ct_cache_ring_pages(&c, o.context, o.max_batch);
            assert_true(host_cache_bytes(&c, &o, &bytes));
            size_t tiles = models[m].global * pages * 64 + models[m].local * ring * 64;
            assert_true(bytes >= tiles && bytes < tiles + 600 * pages + 60 * ring + 8192);
            /* the formula's min(T, W + batch - 1) cells, at most two tiles more */
            size_t cells = c.window + 511 < contexts[i] ? c.window + 511 : contexts[i];
            assert_true(ring * 64 >= cells && ring * 64 < cells + 128);
            o.elem = CT_KV_F32;
            size_t twice;
            assert_true(host_cache_bytes(&c, &o, &twice));
            assert_true(twice - bytes == tiles);
        }
}

static ct_kv *open_kv(const ct_config *c, size_t context, size_t batch)
{
    ct_kv *kv;
    carat_err err;
    if (!host_kv_open(c, &(host_kv_options){ context, batch, CT_KV_F32 }, &kv, &err))
        fail_msg("%s", err.msg);
    return kv;
}

/* Every tile of every layer and head is its own memory: each is filled with its number, then all are read back. */
static void test_tiles_do_not_overlap(void **state)
{
    (void)state;
    enum { TILES = 5 };
    ct_config c = fake_config(7, 3, 2, 24, 5);
    ct_kv *kv = open_kv(&c, TILES * 64, TILES * 64); /* the ring holds all */
    assert_true(ct_kv_begin(kv, TILES * 64));
    for (int pass = 0; pass < 2; pass++)
        for (size_t l = 0; l < 7; l++)
            for (size_t h = 0; h < 2; h++)
                for (size_t t = 0; t < TILES; t++) {
                    void *k, *v;
                    float id = (float)(1 + 2 * ((l * 2 + h) * TILES + t));
                    host_kv_tile(kv, l, h, t, &k, &v);
                    assert_true((uintptr_t)k % 64 == 0 && (uintptr_t)v % 64 == 0);
                    float *fk = k, *fv = v;
                    for (size_t i = 0; i < 64 * 24; i++) {
                        if (pass == 0) {
                            assert_true(fk[i] == 0 && fv[i] == 0);
                            fk[i] = id, fv[i] = id + 1;
                        } else {
                            assert_true(fk[i] == id && fv[i] == id + 1);
                        }
                    }
                }
    host_kv_close(kv);
}

static void grow(ct_kv *kv, size_t n)
{
    assert_true(ct_kv_begin(kv, n));
    ct_kv_commit(kv, n);
}

/* B09: a sequence on its own walks over the same few local pages; its global pages are all different. */
static void test_b09_ring_wraps(void **state)
{
    (void)state;
    ct_config c = fake_config(6, 6, 1, 16, 8);
    ct_kv *kv = open_kv(&c, 1000, 20);
    size_t ring = ct_cache_ring_pages(&c, 1000, 20), n_local = 0, n_global = 0;
    void *local[16], *global[16];
    for (size_t tile = 0; tile < 15; tile++) {
        void *k, *v;
        for (size_t n = 0; n < 64; n += 16)
            grow(kv, 16);
        for (int is_global = 0; is_global < 2; is_global++) {
            void **seen = is_global ? global : local;
            size_t *n = is_global ? &n_global : &n_local, i = 0;
            host_kv_tile(kv, is_global ? 5 : 0, 0, tile, &k, &v);
            while (i < *n && seen[i] != k)
                i++;
            seen[i] = k;
            *n += i == *n;
        }
    }
    assert_int_equal(n_local, ring);
    assert_int_equal(n_global, 15);
    host_kv_close(kv);
}

/* B11: how far back: positions whose window before them is still in the ring. */
static void test_b11_rewind_limits(void **state)
{
    (void)state;
    ct_config c = fake_config(6, 6, 1, 16, 8);
    ct_kv *kv = open_kv(&c, 1000, 60); /* stretch 67: ring of 3 pages, 192 positions */
    grow(kv, 60), grow(kv, 60), grow(kv, 60);
    assert_int_equal(host_kv_rewind_limit(kv), 1); /* 180 positions: all there */
    grow(kv, 60);                                  /* 240: tile 3 took the page of tile 0 */
    assert_int_equal(host_kv_rewind_limit(kv), 64 + 7);
    assert_int_equal(ct_kv_rewind(kv, 241), 240);
    assert_int_equal(ct_kv_rewind(kv, 71), 71);
    assert_int_equal(ct_kv_len(kv), 71);
    /* going back does not bring the lost page back */
    assert_int_equal(host_kv_rewind_limit(kv), 71);
    grow(kv, 60);
    assert_int_equal(host_kv_rewind_limit(kv), 71);
    assert_int_equal(ct_kv_rewind(kv, 70), 0);
    assert_int_equal(ct_kv_len(kv), 0);
    assert_int_equal(host_kv_rewind_limit(kv), 1);
    assert_false(ct_kv_begin(kv, 61));
    host_kv_close(kv);
    /* only global layers: any position, always */
    c = fake_config(3, 1, 1, 16, 8);
    kv = open_kv(&c, 1000, 200);
    for (int i = 0; i < 5; i++)
        grow(kv, 200);
    assert_false(ct_kv_begin(kv, 1));
    assert_int_equal(ct_kv_rewind(kv, 3), 3);
    host_kv_close(kv);
}

/* Scrubbing zeroes the slots of a failed step in every layer, and only them. */
static void test_scrub(void **state)
{
    (void)state;
    enum { DIM = 16 };
    ct_config c = fake_config(6, 6, 2, DIM, 8);
    ct_kv *kv = open_kv(&c, 200, 200);
    assert_true(ct_kv_begin(kv, 192));
    for (size_t l = 0; l < 6; l++)
        for (size_t h = 0; h < 2; h++)
            for (size_t t = 0; t < 3; t++) {
                void *k, *v;
                host_kv_tile(kv, l, h, t, &k, &v);
                for (size_t i = 0; i < 64 * DIM; i++)
                    ((float *)k)[i] = ((float *)v)[i] = 1;
            }
    ct_kv_commit(kv, 60);
    assert_true(ct_kv_begin(kv, 21));
    ct_kv_scrub(kv, 21);
    assert_true(ct_kv_begin(kv, 132)); /* takes the pages back, in the order they were given back */
    for (size_t l = 0; l < 6; l++)
        for (size_t pos = 0; pos < 192; pos++) {
            void *k, *v;
            size_t s = pos % 64;
            host_kv_tile(kv, l, 1, pos / 64, &k, &v);
            for (size_t d = 0; d < DIM; d++) {
                float expected = pos >= 60 && pos < 81 ? 0 : 1;
                assert_true(((float *)v)[s * DIM + d] == expected);
                assert_true(((float *)k)[s / 16 * DIM * 16 + d * 16 + s % 16] == expected);
            }
        }
    host_kv_close(kv);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    ct_config c = fake_config(6, 6, 1, 16, 8);
    ct_kv *kv;
    carat_err err;
    const size_t bad[][2] = { { 0, 1 }, { 1, 0 }, { CT_MAX_CONTEXT + 1, 1 }, { 1, SIZE_MAX }, { SIZE_MAX, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        host_kv_options o = { bad[i][0], bad[i][1], CT_KV_F16 };
        assert_false(host_kv_open(&c, &o, &kv, &err));
        assert_int_equal(err.code, CARAT_EARG);
        assert_null(kv);
    }
    /* the largest of everything: a size that no machine has, said with the figure */
    c = fake_config(CT_MAX_LAYERS, 1, CT_MAX_HEADS, 512, 8);
    assert_false(host_kv_open(&c, &(host_kv_options){ CT_MAX_CONTEXT, 512, CT_KV_F32 }, &kv, &err));
    assert_true(err.code == CARAT_ENOMEM || err.code == CARAT_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b09_ring_pages), cmocka_unit_test(test_b09_ring_is_just_enough),
        cmocka_unit_test(test_b07_bytes),      cmocka_unit_test(test_tiles_do_not_overlap),
        cmocka_unit_test(test_b09_ring_wraps), cmocka_unit_test(test_b11_rewind_limits),
        cmocka_unit_test(test_scrub),          cmocka_unit_test(test_bad_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
