/* Structs that carry the size their maker knew: older and newer callers, forgotten sizes, arrays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/sized.h"

#define TINY TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf"

/* What a caller of a later version would have: a known struct and more behind it. */
typedef struct later {
    carat_pan_scan known;
    uint64_t more, and_more;
} later;

static void expect(const carat_err *e, const char *says)
{
    assert_int_equal(e->code, CARAT_EARG);
    if (!strstr(e->msg, says))
        fail_msg("'%s' does not say '%s'", e->msg, says);
}

static void an_older_caller_is_filled_up_with_zeros(void **state)
{
    (void)state;
    const ct_sized type = { "carat_pan_scan", sizeof(later), sizeof(carat_pan_scan) };
    carat_err e;
    later to;
    memset(&to, 0x5a, sizeof to);
    const carat_pan_scan from = {
        .struct_size = sizeof from, .mode = CARAT_PAN_SCAN_ON, .min_crop = 7, .min_ratio = 3
    };
    assert_true(ct_sized_take(&type, &from, &to, &e));
    assert_int_equal(to.known.struct_size, sizeof(later)); /* ours */
    assert_int_equal(to.known.mode, CARAT_PAN_SCAN_ON);
    assert_int_equal(to.known.min_crop, 7);
    assert_true(to.known.min_ratio == 3);
    assert_int_equal(to.more, 0);
    assert_int_equal(to.and_more, 0);
}

static void a_newer_caller_may_leave_the_new_alone(void **state)
{
    (void)state;
    carat_err e;
    carat_pan_scan to;
    later from = { .known = { .struct_size = sizeof from, .max_crops = 5 } };
    assert_true(CT_TAKE(carat_pan_scan, &from, &to, &e));
    assert_int_equal(to.struct_size, sizeof to);
    assert_int_equal(to.max_crops, 5);
    from.and_more = (uint64_t)1 << 63; /* the very last byte */
    assert_false(CT_TAKE(carat_pan_scan, &from, &to, &e));
    expect(&e, "carat_pan_scan: made for a newer Carat");
    assert_int_equal(e.at, sizeof from - 1);
}

static void sizes_that_no_release_had_are_refused(void **state)
{
    (void)state;
    carat_err e;
    carat_pan_scan to, from = { .struct_size = 0 };
    const size_t sizes[] = { 0, 1, sizeof(size_t), sizeof from - 1, 1 << 20, SIZE_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        from.struct_size = sizes[i];
        assert_false(CT_TAKE(carat_pan_scan, &from, &to, &e));
        expect(&e, "carat_pan_scan: struct_size is");
        assert_false(CT_CAN_GIVE(carat_pan_scan, &from, &e));
        expect(&e, "carat_pan_scan: struct_size is");
    }
    assert_true(CT_TAKE(carat_pan_scan, NULL, &to, &e)); /* nothing asked for: the defaults */
    const carat_pan_scan zeros = { .struct_size = sizeof zeros };
    assert_memory_equal(&to, &zeros, sizeof to);
}

static void results_fill_what_the_caller_has(void **state)
{
    (void)state;
    const ct_sized type = { "carat_pan_scan", sizeof(later), sizeof(carat_pan_scan) };
    const later from = { .known = { .mode = CARAT_PAN_SCAN_OFF, .min_ratio = 2 }, .more = 1, .and_more = 2 };
    struct {
        carat_pan_scan out;
        uint64_t guard;
    } old = { .out = { .struct_size = sizeof old.out }, .guard = 77 };
    ct_sized_give(&type, &from, &old.out);
    assert_int_equal(old.out.struct_size, sizeof old.out); /* still the caller's */
    assert_true(old.out.min_ratio == 2 && old.out.mode == CARAT_PAN_SCAN_OFF);
    assert_int_equal(old.guard, 77);
    later new;
    memset(&new, 0x5a, sizeof new);
    new.known.struct_size = sizeof new;
    CT_GIVE(carat_pan_scan, &from.known, (carat_pan_scan *)&new);
    assert_int_equal(new.known.struct_size, sizeof new);
    assert_true(new.known.min_ratio == 2 && new.more == 0 && new.and_more == 0);
}

static void arrays_are_walked_at_the_callers_pace(void **state)
{
    (void)state;
    carat_err e;
    carat_pan_scan to;
    later all[3] = { { .known = { .struct_size = sizeof(later), .min_crop = 10 } },
                     { .known = { .struct_size = sizeof(later), .min_crop = 11 } },
                     { .known = { .struct_size = sizeof(later), .min_crop = 12 } } };
    for (size_t i = 0; i < 3; i++) {
        assert_true(CT_TAKE_AT(carat_pan_scan, all, i, &to, &e));
        assert_int_equal(to.min_crop, 10 + i);
    }
    all[2].known.struct_size = sizeof(carat_pan_scan);
    assert_false(CT_TAKE_AT(carat_pan_scan, all, 2, &to, &e));
    expect(&e, "carat_pan_scan 2: struct_size is 32, that of the first is 48");
}

/* ---- through the public calls ---- */

/* Whoever forgets a size hears of it by name, at every door. */
static void every_call_asks_for_the_size(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *engine = NULL;
    carat_prompt *p;
    carat_request *r;
    carat_session *s;
    const carat_options none = { .n_ctx = 64 }, o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 64 };
    assert_false(carat_engine_open(TINY, &none, &engine, &e));
    expect(&e, "carat_options: struct_size is 0");
    assert_true(carat_engine_open(TINY, &o, &engine, &e));
    carat_stats stats = { .steps = 0 };
    assert_false(carat_engine_stats(engine, &stats, &e));
    expect(&e, "carat_stats");
    const carat_message m = { .role = "user", .text = "x" };
    assert_false(carat_prompt_chat(engine, &m, 1, NULL, &p, &e));
    expect(&e, "carat_message");
    const carat_content c = { .text = "x" }, good = { .struct_size = sizeof good, .text = "x" };
    const carat_message of_content = { .struct_size = sizeof m, .role = "user", .content = &c, .n_content = 1 };
    assert_false(carat_prompt_chat(engine, &of_content, 1, NULL, &p, &e));
    expect(&e, "carat_content");
    assert_false(carat_prompt_text(engine, &c, 1, NULL, &p, &e));
    expect(&e, "carat_content");
    assert_false(carat_prompt_text(engine, &good, 1, &(carat_prompt_options){ .fit = 0 }, &p, &e));
    expect(&e, "carat_prompt_options");
    const carat_pan_scan pan = { .min_crop = 1 };
    const carat_prompt_options po = { .struct_size = sizeof po, .pan_scan = &pan };
    assert_false(carat_prompt_text(engine, &good, 1, &po, &p, &e));
    expect(&e, "carat_pan_scan");
    assert_true(carat_prompt_text(engine, &good, 1, NULL, &p, &e));
    assert_false(carat_request_submit(engine, &(carat_request_options){ .prompt = p }, &r, &e));
    expect(&e, "carat_request_options");
    carat_generation g = { .max_tokens = 1 };
    carat_sampling cold = { .temperature = 0 };
    const carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = &g };
    assert_false(carat_request_submit(engine, &ro, &r, &e));
    expect(&e, "carat_generation");
    g.struct_size = sizeof g, g.sampling = &cold;
    assert_false(carat_request_submit(engine, &ro, &r, &e));
    expect(&e, "carat_sampling");
    assert_false(carat_sampling_check(&cold, &e));
    expect(&e, "carat_sampling");
    assert_true(carat_session_open(engine, 0, &s, &e) && carat_session_append_prompt(s, p, NULL, NULL, &e));
    assert_false(carat_session_generate(s, &g, NULL, &e));
    expect(&e, "carat_sampling");
    g.sampling = NULL;
    assert_false(carat_session_generate(s, &g, &(carat_result){ .n_generated = 0 }, &e));
    expect(&e, "carat_result");
    assert_true(carat_session_generate(s, &g, NULL, &e));
    carat_session_close(s);
    carat_prompt_free(p);
    carat_engine_close(engine);
}

static bool wants_no_more(void *arg, const carat_kernel_speed *s)
{
    size_t *n = arg;
    *n += *s->kernel != '\0';
    return false;
}

static void weighing_asks_for_the_size(void **state)
{
    (void)state;
    carat_err e;
    const carat_weigh_query none = { .model = "1b" }, q = { .struct_size = sizeof q, .model = "1b" };
    carat_estimate_result w = { .struct_size = sizeof w };
    assert_false(carat_weigh(&none, &w, &e));
    expect(&e, "carat_weigh_query");
    const carat_options o = { .n_ctx = 1 };
    const carat_weigh_query of_options = { .struct_size = sizeof q, .options = &o };
    assert_false(carat_weigh(&of_options, &w, &e));
    expect(&e, "carat_options");
    const carat_shape shape = { .n_layer = 1 };
    const carat_weigh_query of_shape = { .struct_size = sizeof q, .shape = &shape };
    assert_false(carat_weigh(&of_shape, &w, &e));
    expect(&e, "carat_shape");
    assert_false(carat_synth(&shape, "/nonexistent/x.gguf", NULL, NULL, &e));
    expect(&e, "carat_shape");
    assert_false(carat_weigh(&q, &(carat_estimate_result){ .n_ctx = 0 }, &e));
    expect(&e, "carat_estimate_result");
    assert_true(carat_weigh(&q, &w, &e));
    const carat_device *d = carat_device_at(0);
    carat_speed speed = { .decode = { 0 } };
    assert_int_equal(d->struct_size, sizeof *d);
    assert_false(carat_weigh_speed(&w, d, &speed, &e));
    expect(&e, "carat_speed");
    speed.struct_size = sizeof speed;
    assert_false(carat_weigh_speed(&w, &(carat_device){ .bandwidth = 1 }, &speed, &e));
    expect(&e, "carat_device");
    const carat_rates rates = { .decode = { 0 } };
    const carat_device here = { .struct_size = sizeof here, .measured = &rates };
    assert_false(carat_weigh_speed(&w, &here, &speed, &e));
    expect(&e, "carat_rates");
    w.tower_type = CARAT_WEIGHT_TYPES;
    assert_false(carat_weigh_speed(&w, d, &speed, &e));
    expect(&e, "tower_type is 64");
    assert_false(carat_bench_kernels(&(carat_kernel_query){ .cpu = "generic" }, &e));
    expect(&e, "carat_kernel_query");
    assert_false(carat_bench_kernels(&(carat_kernel_query){ .struct_size = sizeof(carat_kernel_query) }, &e));
    expect(&e, "report is NULL");
    const carat_kernel_query crowd = { .struct_size = sizeof crowd, .report = wants_no_more, .n_threads = 513 };
    assert_false(carat_bench_kernels(&crowd, &e));
    expect(&e, "513 threads");
    size_t n_reported = 0;
    const carat_kernel_query one = {
        .struct_size = sizeof one, .list = 1, .report = wants_no_more, .arg = &n_reported
    };
    assert_true(carat_bench_kernels(&one, &e));
    assert_int_equal(n_reported, 1);
}

/* Contexts are weighed into structs as far apart as their size says, of a later version for instance. */
static void contexts_are_weighed_at_the_callers_pace(void **state)
{
    (void)state;
    typedef struct wide {
        carat_estimate_result w;
        uint64_t more;
    } wide;
    carat_err e;
    const size_t contexts[] = { 256, 4096 };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = "1b" };
    wide out[2];
    memset(out, 0x5a, sizeof out);
    out[0].w.struct_size = out[1].w.struct_size = sizeof(wide);
    assert_true(carat_weigh_contexts(&q, contexts, 2, &out[0].w, &e));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(out[i].w.n_ctx, contexts[i]);
        assert_int_equal(out[i].w.struct_size, sizeof(wide));
        assert_int_equal(out[i].more, 0);
    }
    assert_true(out[1].w.total > out[0].w.total);
    out[1].w.struct_size = sizeof(carat_estimate_result);
    assert_false(carat_weigh_contexts(&q, contexts, 2, &out[0].w, &e));
    expect(&e, "carat_estimate_result 1: struct_size is");
}

static void the_version_is_one(void **state)
{
    (void)state;
    char text[32];
    unsigned n = carat_version_number();
    snprintf(text, sizeof text, "%u.%u.%u", n / 10000, n / 100 % 100, n % 100);
    assert_string_equal(text, carat_version());
    assert_string_equal(text, CARAT_VERSION);
    assert_string_equal(text, CARAT_PROJECT_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_caller_is_filled_up_with_zeros),
        cmocka_unit_test(a_newer_caller_may_leave_the_new_alone),
        cmocka_unit_test(sizes_that_no_release_had_are_refused),
        cmocka_unit_test(results_fill_what_the_caller_has),
        cmocka_unit_test(arrays_are_walked_at_the_callers_pace),
        cmocka_unit_test(every_call_asks_for_the_size),
        cmocka_unit_test(weighing_asks_for_the_size),
        cmocka_unit_test(contexts_are_weighed_at_the_callers_pace),
        cmocka_unit_test(the_version_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
