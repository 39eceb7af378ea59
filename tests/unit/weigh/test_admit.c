/* test_admit.c - the loader refuses exactly what weigh says does not fit, and says what would.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "carat_weigh.h"

#define HUGE_PAGE ((uint64_t)2 << 20)

static const char text[] = TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf",
                  sight[] = TEST_DATA "/models/tiny-sight";

static char notices[1024];

static void listen_to(void *arg, carat_log_level level, const char *line)
{
    (void)arg, (void)level;
    size_t n = strlen(notices);
    snprintf(notices + n, sizeof notices - n, "%s\n", line);
}

static carat_estimate_result weight_of(const char *path, const carat_options *o)
{
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_err err = { 0 };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = path, .options = o };
    if (!carat_weigh(&q, &w, &err))
        fail_msg("%s", err.msg);
    return w;
}

static uint64_t in_huge_pages(uint64_t bytes)
{
    return ct_block_bytes((size_t)bytes);
}

/* Opens with max_memory; returns what the engine reserved, the cache's two blocks (pages and books) in whole huge pages;
 * 0 if it was refused. */
static uint64_t reserved(const char *path, carat_options o, uint64_t max_memory, carat_err *err)
{
    carat_engine *e;
    o.max_memory = max_memory;
    *notices = '\0';
    if (!carat_engine_open(path, &o, &e, err)) {
        assert_null(e);
        assert_int_equal(err->code, CARAT_ENOMEM);
        return 0;
    }
    const carat_memory m = *carat_engine_memory(e);
    uint64_t pages = m.kv_global + m.kv_local;
    carat_engine_close(e);
    return m.total - pages - m.kv_index + in_huge_pages(pages) + in_huge_pages(m.kv_index);
}

/* Without what can be done without, the border is exact to the byte. */
static void at_the_border(const char *path, carat_options o)
{
    carat_err err;
    o.prefix_cache = 0, o.omits_prefix_cache = true;
    o.image_cache = 1;
    carat_estimate_result w = weight_of(path, &o);
    assert_true(reserved(path, o, w.total, &err) > 0);
    assert_string_equal(notices, "");
    assert_int_equal(reserved(path, o, w.total - 1, &err), 0);
    assert_non_null(strstr(err.msg, "needs "));
    assert_non_null(strstr(err.msg, "(--max-memory)"));
}

static void the_border_is_exact(void **state)
{
    (void)state;
    at_the_border(text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 1, .n_ctx = 2000 });
    at_the_border(
        text, (carat_options){
                  .struct_size = sizeof(carat_options), .n_threads = 2, .n_ctx = 1024, .n_sessions = 7, .chunk = 64 });
    at_the_border(sight, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2 });
    at_the_border(text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 1, .draft = sight });
    at_the_border(sight,
                  (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2, .vision = CARAT_VISION_OFF });
}

/* The context that a refusal names fits, the next larger does not. */
static void the_context_named_fits(void **state)
{
    (void)state;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 1024, .omits_prefix_cache = true };
    uint64_t room = weight_of(text, &o).total;
    carat_err err;
    o.n_ctx = 4096;
    assert_int_equal(reserved(text, o, room, &err), 0);
    assert_non_null(strstr(err.msg, "; a context of 1024 would fit"));
    o.n_ctx = 1280;
    assert_int_equal(reserved(text, o, room, &err), 0);
    assert_int_equal(reserved(text, o, 1 << 20, &err), 0);
    assert_non_null(strstr(err.msg, "; no context would fit"));
    assert_int_equal(reserved(text, o, 1, &err), 0);
}

/* The prefix cache gives way first, and by no more than it must. */
static void the_prefix_cache_gives_way(void **state)
{
    (void)state;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 1024, .prefix_cache = 24 << 20 }, bare = o;
    carat_err err;
    bare.prefix_cache = 0, bare.omits_prefix_cache = true;
    carat_estimate_result all = weight_of(text, &o), least = weight_of(text, &bare);
    uint64_t whole = reserved(text, o, all.total, &err), before = 0;
    assert_string_equal(notices, "");
    assert_true(all.kv_kept > 1 << 20);
    for (uint64_t room = least.total; room < all.total; room += (all.total - least.total) / 9 + 1) {
        uint64_t now = reserved(text, o, room, &err);
        assert_true(now >= before && now > 0 && now < whole);
        assert_true(now + (all.total - whole) <= room); /* it fits */
        /* And wastes little: a page or two a pool, a huge page. */
        assert_true(room - (now + (all.total - whole)) < all.kv_kept / 24 + HUGE_PAGE);
        assert_non_null(strstr(notices, "the prefix cache is reduced"));
        before = now;
    }
    assert_int_equal(reserved(text, o, least.total - 1, &err), 0);
}

static void images_give_way(void **state)
{
    (void)state;
    carat_options o = { .struct_size = sizeof o, .n_threads = 2, .image_cache = 4000, .omits_prefix_cache = true },
                  one = o;
    carat_err err;
    one.image_cache = 1;
    carat_estimate_result all = weight_of(sight, &o), least = weight_of(sight, &one);
    assert_true(all.total > least.total + (1 << 20));
    assert_true(reserved(sight, o, all.total, &err) > 0);
    assert_string_equal(notices, "");
    assert_true(reserved(sight, o, all.total - 1, &err) > 0);
    assert_non_null(strstr(notices, "2000 images"));
    assert_true(reserved(sight, o, least.total, &err) > 0);
    assert_int_equal(reserved(sight, o, least.total - 1, &err), 0);
}

static int listen_first(void **state)
{
    (void)state;
    carat_log_to(listen_to, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_border_is_exact),
        cmocka_unit_test(the_context_named_fits),
        cmocka_unit_test(the_prefix_cache_gives_way),
        cmocka_unit_test(images_give_way),
    };
    return cmocka_run_group_tests_name("admission", tests, listen_first, NULL);
}
