/* test_kv_share.c - what is shared, kept, dropped and refused, each case by name and with its figures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "host_cache.h"
#include "kv/kv_inside.h"
#include "unit.h"

enum { WINDOW = 100, BATCH = 50, CONTEXT = 1000 };

static ct_config shape;
static text a, b;

static ct_cache *open_cache(size_t n_seqs, size_t kept_pages)
{
    ct_cache *cache;
    carat_err err;
    shape = fake_config(3, 3, 1, 32, WINDOW);
    size_t local = (size_t)2 * 2 * 2 * 64 * 32; /* a local page: two layers, K and V, f16 */
    ct_cache_options o = { CONTEXT, n_seqs, BATCH, CT_KV_F16, kept_pages * local * 4 / 3 + 4 };
    if (!host_cache_open(&shape, &o, &cache, &err))
        fail_msg("%s", err.msg);
    return cache;
}

static ct_cache_stats stats(const ct_cache *cache)
{
    carat_err err;
    ct_cache_stats s;
    if (!ct_cache_check(cache, &err))
        fail_msg("%s", err.msg);
    ct_cache_get_stats(cache, &s);
    return s;
}

static void start(ct_cache *cache, text *t)
{
    carat_err err;
    t->n = t->labelled = 0;
    if (!ct_kv_open(cache, CONTEXT, &t->kv, &err))
        fail_msg("%s", err.msg);
}

/* keys[i] = base + i: texts of different bases have nothing in common. */
static void make(uint64_t *keys, size_t n, uint64_t base)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = base + i;
}

/* Runs a prompt the way the engine does: resume, the rest computed, its end marked. Returns what was reused. */
static size_t run(ct_cache *cache, text *t, const uint64_t *keys, size_t n)
{
    start(cache, t);
    size_t got = ct_kv_resume(t->kv, keys, n, n - 1);
    text_add(t, keys, got);
    t->labelled = got;
    fake_append(&shape, t, keys + got, n - got, true);
    ct_kv_mark(t->kv);
    fake_verify(&shape, t);
    return got;
}

static size_t run_and_close(ct_cache *cache, text *t, const uint64_t *keys, size_t n)
{
    size_t got = run(cache, t, keys, n);
    ct_kv_close(t->kv);
    return got;
}

/* Somebody else's long text goes through the cache and takes what is not kept. */
static void flood(ct_cache *cache, uint64_t base)
{
    static text t;
    uint64_t keys[CONTEXT];
    make(keys, CONTEXT, base);
    start(cache, &t);
    fake_append(&shape, &t, keys, CONTEXT, true);
    ct_kv_close(t.kv);
}

/* B10: a repeated prompt computes one token; one with another end computes that end; a new turn only itself. */
static void test_b10_only_the_tail_is_computed(void **state)
{
    (void)state;
    static const size_t lengths[] = { 2, 64, 65, 129, 300, 640, 700, 900 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i];
        uint64_t keys[CONTEXT];
        ct_cache *cache = open_cache(1, 5);
        make(keys, CONTEXT, 1);
        assert_int_equal(run_and_close(cache, &a, keys, n), 0);
        assert_int_equal(run_and_close(cache, &a, keys, n), n - 1);
        assert_int_equal(run_and_close(cache, &a, keys, n + 30), n); /* a new turn */
        if (n > 50) {
            make(keys + n - 50, 50, 5000);
            assert_int_equal(run_and_close(cache, &a, keys, n), n - 50); /* its last 50 changed */
        }
        assert_true(stats(cache).hits >= 2);
        host_cache_close(cache);
    }
}

/* B10: marked boundaries survive other people's traffic, in the only place that there is; unmarked ones need not. */
static void test_b10_marked_boundaries_are_kept(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT], other[CONTEXT];
    ct_cache *cache = open_cache(1, 5); /* window of 100 and 128 before: at most 5 tiles */
    make(keys, CONTEXT, 1);
    run_and_close(cache, &a, keys, 200);
    assert_int_equal(stats(cache).local.kept, 4);
    for (uint64_t i = 1; i < 4; i++) { /* 11 of 19 pages, of which 4 are the kept ones */
        make(other, CONTEXT, i * 10000);
        start(cache, &b);
        fake_append(&shape, &b, other, 700, true);
        ct_kv_close(b.kv);
    }
    assert_int_equal(run_and_close(cache, &a, keys, 250), 200);
    host_cache_close(cache);
}

/* The budget: pages kept never exceed it, and the boundary used longest ago is the one that goes. */
static void test_least_recently_used_boundary_goes(void **state)
{
    (void)state;
    uint64_t keys[3][CONTEXT];
    ct_cache *cache = open_cache(3, 9); /* two windows of at most 5 tiles, less one */
    for (uint64_t i = 0; i < 3; i++)
        make(keys[i], CONTEXT, 1 + i * 10000);
    run_and_close(cache, &a, keys[0], 250); /* 4 tiles */
    run_and_close(cache, &a, keys[1], 250);
    assert_int_equal(stats(cache).local.kept, 8);
    run_and_close(cache, &a, keys[0], 250); /* used again */
    run_and_close(cache, &a, keys[2], 250);
    ct_cache_stats s = stats(cache);
    assert_int_equal(s.local.may_keep, 9);
    assert_int_equal(s.local.kept, 9);
    flood(cache, 90000), flood(cache, 91000);
    assert_int_equal(run_and_close(cache, &a, keys[0], 250), 249);
    assert_int_equal(run_and_close(cache, &a, keys[2], 250), 249);
    assert_true(run_and_close(cache, &a, keys[1], 250) < 249);
    host_cache_close(cache);
}

/* Without a budget nothing is kept for sure, and nothing is wrong. */
static void test_no_budget(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 0);
    make(keys, CONTEXT, 1);
    run_and_close(cache, &a, keys, 900);
    ct_cache_stats s = stats(cache);
    assert_int_equal(s.local.kept, 0);
    assert_int_equal(s.local.total, ct_cache_ring_pages(&shape, CONTEXT, BATCH));
    assert_int_equal(run_and_close(cache, &a, keys, 900), 899); /* nobody wanted the memory meanwhile */
    flood(cache, 10000);
    assert_int_equal(run_and_close(cache, &a, keys, 900), 0);
    host_cache_close(cache);
}

/* An edited earlier turn: the conversation goes on from the boundary before it. */
static void test_b10_edited_turn(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 12);
    make(keys, CONTEXT, 1);
    start(cache, &a);
    for (size_t turn = 0; turn < 3; turn++) {
        fake_append(&shape, &a, keys + turn * 250, 250, true);
        ct_kv_mark(a.kv);
    }
    ct_kv_close(a.kv);
    make(keys + 260, CONTEXT - 260, 7000);
    size_t got = run_and_close(cache, &a, keys, 600);
    assert_true(got >= 250 && got <= 260);
    host_cache_close(cache);
}

/* The same by rewinding: past the ring, to a boundary that the index has kept. */
static void test_b10_rewind_through_the_index(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 6);
    make(keys, CONTEXT, 1);
    run(cache, &a, keys, 260);
    fake_append(&shape, &a, keys + 260, 600, true);
    assert_true(host_kv_rewind_limit(a.kv) > 600);
    assert_int_equal(ct_kv_rewind(a.kv, 258), 258);
    text_cut(&a, 258);
    fake_verify(&shape, &a);
    make(keys, CONTEXT, 3000);
    fake_append(&shape, &a, keys, 100, true);
    fake_verify(&shape, &a);
    ct_kv_close(a.kv);
    stats(cache);
    host_cache_close(cache);
}

/* A fork holds the same pages; the first write copies one page of each kind, none at a page's end. */
static void test_fork_copies_nothing(void **state)
{
    (void)state;
    for (size_t n = 300; n <= 320; n += 20) {
        uint64_t keys[CONTEXT];
        carat_err err;
        ct_cache *cache = open_cache(2, 0);
        make(keys, CONTEXT, 1);
        run(cache, &a, keys, n);
        size_t held = stats(cache).global.held, local = stats(cache).local.held;
        b = a;
        assert_true(ct_kv_fork(a.kv, &b.kv, &err));
        assert_int_equal(stats(cache).global.held, held);
        assert_int_equal(stats(cache).local.held, local);
        assert_int_equal(stats(cache).copies, 0);
        fake_append(&shape, &b, (uint64_t[]){ 77 }, 1, true);
        fake_append(&shape, &a, (uint64_t[]){ 78 }, 1, true);
        assert_int_equal(stats(cache).copies, n % 64 ? 2 : 0);
        fake_verify(&shape, &a);
        fake_verify(&shape, &b);
        ct_kv_close(a.kv);
        fake_verify(&shape, &b);
        ct_kv_close(b.kv);
        host_cache_close(cache);
    }
}

/* Two that compute the same prompt at the same time end up with one copy of its full pages. */
static void test_same_prompt_at_the_same_time(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(2, 0);
    make(keys, CONTEXT, 1);
    start(cache, &a), start(cache, &b);
    for (size_t i = 0; i < 640; i += 40) {
        fake_append(&shape, &a, keys + i, 40, true);
        fake_append(&shape, &b, keys + i, 40, true);
    }
    assert_int_equal(stats(cache).global.held, 10);
    fake_verify(&shape, &a);
    fake_verify(&shape, &b);
    ct_kv_close(a.kv), ct_kv_close(b.kv);
    host_cache_close(cache);
}

/* The same where one has marked the tile while it was unfinished: its part of a tile is not left behind. */
static void test_a_part_is_not_left_behind(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(2, 5);
    make(keys, CONTEXT, 1);
    start(cache, &a), start(cache, &b);
    fake_append(&shape, &a, keys, 300, true);
    ct_kv_mark(a.kv);
    fake_append(&shape, &b, keys, 320, true);
    fake_append(&shape, &a, keys + 300, 20, true);
    assert_int_equal(stats(cache).global.held, 5);
    assert_int_equal(stats(cache).global.cached, 0);
    assert_true(stats(cache).local.kept > 0);
    ct_kv_close(a.kv), ct_kv_close(b.kv);
    host_cache_close(cache);
}

/* Who comes back alone goes on in the same pages. */
static void test_going_on_copies_nothing(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 5);
    make(keys, CONTEXT, 1);
    for (size_t n = 100; n < 900; n += 70)
        assert_int_equal(run_and_close(cache, &a, keys, n), n > 100 ? n - 70 : 0);
    assert_int_equal(stats(cache).copies, 0);
    assert_int_equal(stats(cache).global.evictions, 0);
    host_cache_close(cache);
}

/* Boundaries in unfinished tiles that differ late are two boundaries. */
static void test_near_boundaries_are_told_apart(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT], other[CONTEXT];
    ct_cache *cache = open_cache(2, 10);
    make(keys, CONTEXT, 1), make(other, CONTEXT, 1);
    other[308] = 7000;
    run_and_close(cache, &a, keys, 310);
    assert_int_equal(run_and_close(cache, &a, other, 310), 308);
    assert_int_equal(run_and_close(cache, &a, keys, 320), 310);
    assert_int_equal(run_and_close(cache, &a, other, 320), 310);
    host_cache_close(cache);
}

static void test_unlabelled_is_never_shared(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(2, 10);
    make(keys, CONTEXT, 1);
    start(cache, &a);
    fake_append(&shape, &a, keys, 100, true);
    fake_append(&shape, &a, keys + 100, 200, false);
    ct_kv_mark(a.kv); /* not all labelled: no boundary */
    start(cache, &b);
    assert_int_equal(ct_kv_resume(b.kv, keys, 300, 300), 64);
    ct_kv_close(a.kv), ct_kv_close(b.kv);
    host_cache_close(cache);
}

/* Neither resumed nor cut inside an image; the same id with other pixels is another key. */
static void test_images_are_whole(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(2, 10);
    make(keys, CONTEXT, 1);
    for (size_t i = 70; i < 110; i++)
        keys[i] = CT_KEY_IMAGE | 99 | (i > 70 ? CT_KEY_INSIDE : 0);
    run_and_close(cache, &a, keys, 200);
    start(cache, &a);
    assert_int_equal(ct_kv_resume(a.kv, keys, 200, 100), 70);
    ct_kv_close(a.kv);
    start(cache, &a);
    assert_int_equal(ct_kv_resume(a.kv, keys, 200, 110), 110);
    text_add(&a, keys, 110);
    a.labelled = 110;
    fake_append(&shape, &a, keys + 110, 20, true);
    assert_int_equal(ct_kv_rewind(a.kv, 109), 70);
    ct_kv_close(a.kv);
    for (size_t i = 70; i < 110; i++)
        keys[i] ^= 3; /* another picture */
    start(cache, &a);
    assert_int_equal(ct_kv_resume(a.kv, keys, 200, 199), 70);
    ct_kv_close(a.kv);
    host_cache_close(cache);
}

/* B24: what is promised is there, to the last page, however the memory was used before; one page more is refused. */
static void test_b24_promises_are_exact(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    carat_err err;
    ct_kv *kv;
    ct_cache *cache = open_cache(2, 0);
    make(keys, CONTEXT, 1);
    flood(cache, 20000), flood(cache, 30000);
    start(cache, &a), start(cache, &b);
    assert_false(ct_kv_open(cache, 1, &kv, &err));
    assert_null(kv);
    assert_int_equal(err.code, CARAT_ELIMIT);
    assert_string_equal(
        err.msg,
        "a sequence of 1 positions needs 1 + 1 pages (global + local), but 0 + 0 of 32 + 8 are not promised yet");
    assert_false(ct_kv_fork(a.kv, &kv, &err));
    assert_int_equal(err.code, CARAT_ELIMIT);
    for (size_t i = 0; i < CONTEXT; i += BATCH) { /* both to the end, different texts */
        fake_append(&shape, &a, keys + i, BATCH, true);
        for (size_t j = 0; j < BATCH; j++)
            fake_append(&shape, &b, (uint64_t[]){ 9000 + i + j }, 1, true);
    }
    assert_int_equal(stats(cache).global.held, 32);
    assert_false(ct_kv_begin(a.kv, 1));
    fake_verify(&shape, &a);
    fake_verify(&shape, &b);
    ct_kv_close(a.kv);
    assert_true(ct_kv_open(cache, CONTEXT, &kv, &err)); /* what a left in the index is no hindrance */
    ct_kv_close(kv);
    assert_false(ct_kv_open(cache, CONTEXT + 1, &kv, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_false(ct_kv_open(cache, 0, &kv, &err));
    assert_int_equal(err.code, CARAT_EARG);
    assert_false(ct_kv_open(cache, SIZE_MAX, &kv, &err));
    ct_kv_close(b.kv);
    host_cache_close(cache);
}

/* A page that must be copied while no page is left: the sequence takes its own out of the index. */
static void test_copy_without_a_page_left(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 0);
    make(keys, CONTEXT, 1);
    run(cache, &a, keys, CONTEXT);
    assert_int_equal(stats(cache).global.free, 0);
    size_t to = ct_kv_rewind(a.kv, CONTEXT - 10);
    assert_int_equal(to, CONTEXT - 10);
    text_cut(&a, to);
    make(keys, 10, 7000);
    fake_append(&shape, &a, keys, 10, true);
    fake_verify(&shape, &a);
    assert_int_equal(stats(cache).copies, 0);
    ct_kv_close(a.kv);
    host_cache_close(cache);
}

/* B08: pages are touched when first used, counted so, and never more than were announced. */
static void test_b08_memory_is_touched_on_use(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    size_t bytes;
    ct_cache *cache = open_cache(3, 7);
    assert_true(ct_cache_bytes(&shape, &cache->opt, &bytes));
    assert_int_equal(cache->arena.size, bytes);
    assert_int_equal(cache->arena.used, bytes);
    assert_int_equal(stats(cache).global.touched, 0);
    make(keys, CONTEXT, 1);
    run_and_close(cache, &a, keys, 128);
    assert_int_equal(stats(cache).global.touched, 2);
    assert_int_equal(stats(cache).local.touched, 2);
    for (uint64_t i = 0; i < 9; i++)
        flood(cache, i * 20000);
    assert_int_equal(stats(cache).global.touched, stats(cache).global.total);
    host_cache_close(cache);
}

#ifndef NDEBUG
static bool aborts(void (*fn)(size_t i), size_t i)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        fn(i);
        _exit(0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void read_foreign_tile(size_t i)
{
    static const struct {
        size_t layer, tile;
    } foreign[] = { { 0, 3 }, { 2, 15 }, { 0, 15 }, { 2, 1000 } }; /* out of the ring, not yet there, never there */
    void *k, *v;
    host_kv_tile(a.kv, foreign[i].layer, 0, foreign[i].tile, &k, &v);
}

/* A reference to a page that has been another's since, among those that a step would get. */
static void step_with_a_stale_page(size_t i)
{
    const ct_page_ref *global, *local;
    ct_page_ref *ref = i ? &a.kv->local[a.kv->end - 1] : &a.kv->global[2];
    ref->gen++;
    ct_kv_pages(a.kv, &global, &local);
}

static void step_as_it_is(size_t i)
{
    const ct_page_ref *global, *local;
    (void)i;
    ct_kv_pages(a.kv, &global, &local);
}
#endif

/* B11: a page that the sequence does not hold ends the program, where assertions are compiled in. */
static void test_b11_foreign_read_aborts(void **state)
{
    (void)state;
    uint64_t keys[CONTEXT];
    ct_cache *cache = open_cache(1, 0);
    make(keys, CONTEXT, 1);
    run(cache, &a, keys, 900);
#ifndef NDEBUG
    for (size_t i = 0; i < 4; i++)
        assert_true(aborts(read_foreign_tile, i));
    for (size_t i = 0; i < 2; i++)
        assert_true(aborts(step_with_a_stale_page, i));
    assert_false(aborts(step_as_it_is, 0));
#endif
    ct_kv_close(a.kv);
    host_cache_close(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b10_only_the_tail_is_computed),
        cmocka_unit_test(test_b10_marked_boundaries_are_kept),
        cmocka_unit_test(test_least_recently_used_boundary_goes),
        cmocka_unit_test(test_no_budget),
        cmocka_unit_test(test_b10_edited_turn),
        cmocka_unit_test(test_b10_rewind_through_the_index),
        cmocka_unit_test(test_fork_copies_nothing),
        cmocka_unit_test(test_same_prompt_at_the_same_time),
        cmocka_unit_test(test_a_part_is_not_left_behind),
        cmocka_unit_test(test_going_on_copies_nothing),
        cmocka_unit_test(test_near_boundaries_are_told_apart),
        cmocka_unit_test(test_unlabelled_is_never_shared),
        cmocka_unit_test(test_images_are_whole),
        cmocka_unit_test(test_b24_promises_are_exact),
        cmocka_unit_test(test_copy_without_a_page_left),
        cmocka_unit_test(test_b08_memory_is_touched_on_use),
        cmocka_unit_test(test_b11_foreign_read_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
