/* test_kv_long.c - a whole conversation of the 4B's 131,072 tokens: what its keys and values take, in truth.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "host_cache.h"
#include "kv/kv_inside.h"
#include "unit.h"

#define CONTEXT ((size_t)131072)
#define CHUNK   ((size_t)512)
#define MIB     (1.0 / (1 << 20))

static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of K and V of one head in one tile: 2 x 64 positions of 256 values; q8_0 has 2 bytes of scale for every 32. */
static size_t two_tiles(ct_kv_elem elem)
{
    return 2 * 64 * 256 * (elem == CT_KV_F16 ? 64 : 34) / 32;
}

/* Every byte that a step of text/ would write: K and V of each head and layer in the tiles of the chunk. */
static void write_chunk(ct_kv *kv, const ct_config *c, size_t at)
{
    size_t bytes = two_tiles(kv->cache->opt.elem) / 2;
    for (size_t layer = 0; layer < c->n_layer; layer++)
        for (size_t head = 0; head < c->n_kv_head; head++)
            for (size_t tile = at / CT_TILE; tile < (at + CHUNK) / CT_TILE; tile++) {
                void *k, *v;
                host_kv_tile(kv, layer, head, tile, &k, &v);
                memset(k, 1, bytes);
                memset(v, 1, bytes);
            }
}

static void fill(ct_kv *kv, const ct_config *c)
{
    uint64_t keys[CHUNK];
    for (size_t at = 0; at < CONTEXT; at += CHUNK) {
        assert_true(ct_kv_begin(kv, CHUNK));
        write_chunk(kv, c, at);
        ct_kv_commit(kv, CHUNK);
        for (size_t i = 0; i < CHUNK; i++)
            keys[i] = at + i;
        ct_kv_label(kv, keys, CHUNK);
    }
    assert_int_equal(ct_kv_len(kv), CONTEXT);
}

/* Global layers: 5 of 4 heads, all positions: 2560 MiB in f16. Local ones: 29, the 25 pages that 1024 + 512 - 1
 * positions can touch. Resident memory grows by that, within 1 %: lists of pages, the index, ends of huge pages. */
static void whole_context(ct_kv_elem elem, size_t global, const char *name)
{
    ct_config c;
    carat_err err = { 0 };
    ct_cache *cache;
    ct_kv *kv = NULL;
    if (UNIT_SANITIZED)
        skip();
    ct_config_of(ct_published_by_name("4b"), &c);
    const ct_cache_options o = { .context = CONTEXT, .n_seqs = 1, .max_batch = CHUNK, .elem = elem };
    size_t ring = 25 * 29 * 4 * two_tiles(elem), announced, before = resident();
    assert_int_equal(CONTEXT / CT_TILE * 5 * 4 * two_tiles(elem), global);
    ct_cache_size size; /* of the pages; ct_cache_bytes has the books */
    assert_true(ct_cache_bytes(&c, &o, &announced) && ct_cache_pages(&c, &o, &size));
    for (int k = 0; k < CT_N_PAGE_KINDS; k++)
        announced += size.n[k] * size.page_bytes[k];
    if (!host_cache_open(&c, &o, &cache, &err) || !ct_kv_open(cache, CONTEXT, &kv, &err))
        fail_msg("%s", err.msg);
    fill(kv, &c);
    size_t held = resident() - before;
    print_message("%s: %.2f MiB by the formula, %.2f announced, %.2f resident\n", name, (double)(global + ring) * MIB,
                  (double)announced * MIB, (double)held * MIB);
    assert_true(held >= (global + ring) / 100 * 99 && held <= (global + ring) / 100 * 101);
    assert_true(announced >= global + ring && announced <= (global + ring) / 100 * 101);
    ct_kv_close(kv);
    host_cache_close(cache);
}

static void whole_context_f16(void **state)
{
    (void)state;
    whole_context(CT_KV_F16, (size_t)2560 << 20, "f16");
}

static void whole_context_q8(void **state)
{
    (void)state;
    whole_context(CT_KV_Q8_0, (size_t)1360 << 20, "q8_0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_context_f16),
        cmocka_unit_test(whole_context_q8),
    };
    return cmocka_run_group_tests_name("kv of a whole context", tests, NULL, NULL);
}
