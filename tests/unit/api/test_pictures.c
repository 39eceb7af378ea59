/* Pictures through the public interface: prompts, what sessions make of them, what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "carat.h"
#include "golden_file.h"
#include "unit.h"

#define SIGHT  TEST_DATA "/models/tiny-sight"
#define IMAGES TEST_DATA "/images/in/"
#define SOFT   16

static carat_engine *engine;
static carat_picture *star, *wide;

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 2, .chunk = 8, .n_sessions = 4 };
    return carat_engine_open(SIGHT, &o, &engine, &e) && carat_picture_load(SIGHT "/test/000-0.png", &star, &e) &&
                   carat_picture_load(SIGHT "/test/001-0.png", &wide, &e)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_picture_free(star), carat_picture_free(wide);
    carat_engine_close(engine);
    return 0;
}

static carat_session *open_session(size_t n_ctx)
{
    carat_err e;
    carat_session *s;
    must(carat_session_open(engine, n_ctx, &s, &e), &e);
    return s;
}

static carat_prompt *prompt_of(const carat_content *c, size_t n)
{
    carat_err e;
    carat_prompt *p;
    must(carat_prompt_text(engine, c, n, NULL, &p, &e), &e);
    return p;
}

static size_t length(const carat_prompt *p)
{
    size_t n;
    carat_prompt_tokens(p, &n);
    return n;
}

/* from, to: how many tokens may have been there already, in the session or in the engine's prefix cache. */
static void logits_of(carat_session *s, const carat_prompt *p, size_t from, size_t to, float *out)
{
    carat_err e;
    size_t cached;
    must(carat_session_prompt(s, p, &cached, &e), &e);
    assert_in_range(cached, from, to);
    memcpy(out, carat_session_logits(s), carat_engine_info(engine)->n_vocab * sizeof *out);
}

/* B48, B41: an image is its soft tokens, <start_of_image>, <end_of_image> and newlines; two neighbours share theirs. */
static void an_image_costs_what_it_says(void **state)
{
    (void)state;
    const carat_content c[] = { { .struct_size = sizeof(carat_content), .text = "a" },
                                { .struct_size = sizeof(carat_content), .picture = star },
                                { .struct_size = sizeof(carat_content), .picture = star },
                                { .struct_size = sizeof(carat_content), .text = "b" } };
    carat_prompt *with = prompt_of(c, 4),
                 *without =
                     prompt_of((carat_content[]){ { .struct_size = sizeof(carat_content), .text = "a\n\n" } }, 1);
    size_t n;
    const int32_t *ids = carat_prompt_tokens(with, &n);
    size_t soft = 0;
    for (size_t i = 0; i < n; i++)
        soft += ids[i] == 512;
    assert_int_equal(soft, 2 * SOFT);
    assert_int_equal(carat_prompt_n_views(with), 2);
    assert_true(n > length(without) + 2 * (SOFT + 2));
    carat_prompt_free(with), carat_prompt_free(without);
}

/* B46: the picture counts, whatever stands before it; the same picture gives the same bits. */
static void pictures_are_told_apart(void **state)
{
    (void)state;
    float a[1024], b[1024], again[1024];
    carat_session *s = open_session(256), *fresh = open_session(256);
    const carat_content ca[] = { { .struct_size = sizeof(carat_content), .picture = star },
                                 { .struct_size = sizeof(carat_content), .text = "What" } },
                        cb[] = { { .struct_size = sizeof(carat_content), .picture = wide },
                                 { .struct_size = sizeof(carat_content), .text = "What" } };
    carat_prompt *pa = prompt_of(ca, 2), *pb = prompt_of(cb, 2);
    assert_int_equal(length(pa), length(pb));
    assert_memory_equal(carat_prompt_tokens(pa, &(size_t){ 0 }), carat_prompt_tokens(pb, &(size_t){ 0 }),
                        length(pa) * sizeof(int32_t));
    logits_of(s, pa, 0, 0, a);
    logits_of(s, pb, 3, 3, b); /* the same ids: only <bos>, newlines and the image's start are shared */
    assert_memory_not_equal(a, b, carat_engine_info(engine)->n_vocab * sizeof *a);
    logits_of(s, pa, 3, length(pa) - 1, again);
    assert_memory_equal(a, again, carat_engine_info(engine)->n_vocab * sizeof *a);
    logits_of(fresh, pa, 0, length(pa) - 1, again);
    assert_memory_equal(a, again, carat_engine_info(engine)->n_vocab * sizeof *a);
    carat_prompt_free(pa), carat_prompt_free(pb);
    carat_session_close(s), carat_session_close(fresh);
}

/* B47, B22: a rewind into an image takes the whole of it away; a second turn reuses the first's. */
static void images_are_whole(void **state)
{
    (void)state;
    carat_err e;
    size_t kept;
    float a[1024], b[1024];
    carat_session *s = open_session(256), *fresh = open_session(256);
    const carat_content c[] = { { .struct_size = sizeof(carat_content), .text = "x" },
                                { .struct_size = sizeof(carat_content), .picture = star },
                                { .struct_size = sizeof(carat_content), .text = "y" },
                                { .struct_size = sizeof(carat_content), .picture = wide },
                                { .struct_size = sizeof(carat_content), .text = "z" } };
    carat_prompt *one = prompt_of(c, 3), *two = prompt_of(c, 5);
    logits_of(s, one, 0, length(one) - 1, a);
    size_t n;
    const int32_t *ids = carat_prompt_tokens(one, &n);
    size_t first = 0;
    while (ids[first] != 512)
        first++;
    for (size_t cut = first + SOFT; cut > first; cut--) {
        must(carat_session_rewind(s, cut, &kept, &e), &e);
        assert_int_equal(kept, cut == first + SOFT ? cut : first);
        must(carat_session_rewind(s, 0, &kept, &e), &e);
        logits_of(s, one, 0, length(one) - 1, b);
        assert_memory_equal(a, b, carat_engine_info(engine)->n_vocab * sizeof *a);
    }
    must(carat_session_rewind(s, first + SOFT + 1, &kept, &e), &e);
    logits_of(s, two, first + SOFT + 1, length(two) - 1, a);
    logits_of(fresh, two, 0, length(two) - 1, b);
    assert_memory_equal(a, b, carat_engine_info(engine)->n_vocab * sizeof *a);
    carat_prompt_free(one), carat_prompt_free(two);
    carat_session_close(s), carat_session_close(fresh);
}

typedef struct watch {
    size_t image_calls, prompt_calls, stop_at;
    uint64_t image_total, prompt_done;
} watch;

static bool on_progress(void *arg, carat_phase phase, uint64_t done, uint64_t total)
{
    watch *w = arg;
    assert_true(done <= total);
    if (phase == CARAT_PHASE_PROMPT) {
        w->prompt_calls++;
        w->prompt_done = done;
        return true;
    }
    w->image_total = total;
    return ++w->image_calls != w->stop_at;
}

/* The encoder's cache: the same picture again costs nothing. Cancelling while it looks leaves everything as it was. */
static void seen_once_and_cancelled_midway(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *own;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1 };
    must(carat_engine_open(SIGHT, &o, &own, &e), &e);
    carat_session *s;
    must(carat_session_open(own, 256, &s, &e), &e);
    const carat_content c[] = { { .struct_size = sizeof(carat_content), .picture = star },
                                { .struct_size = sizeof(carat_content), .picture = wide } };
    carat_prompt *p;
    must(carat_prompt_text(own, c, 2, NULL, &p, &e), &e);
    watch w = { .stop_at = 6 }; /* four layers an image: in the middle of the second */
    carat_session_on_progress(s, on_progress, &w);
    size_t cached;
    assert_false(carat_session_prompt(s, p, &cached, &e));
    assert_int_equal(e.code, CARAT_ECANCELLED);
    assert_int_equal(w.image_total, 8);
    assert_int_equal(carat_session_n_tokens(s), 0);
    w = (watch){ 0 };
    must(carat_session_prompt(s, p, &cached, &e), &e);
    assert_int_equal(w.image_calls, 2); /* the first one was remembered, of the second two layers were done */
    assert_int_equal(w.prompt_done, length(p));
    size_t kept;
    must(carat_session_rewind(s, 0, &kept, &e), &e);
    w = (watch){ 0 };
    must(carat_session_prompt(s, p, &cached, &e), &e);
    assert_int_equal(w.image_calls, 0);
    carat_prompt_free(p);
    carat_session_close(s);
    carat_engine_close(own);
}

/* B31, B41: with Pan & Scan a long picture becomes more views and the words around them. */
static void pan_and_scan_is_asked_for(void **state)
{
    (void)state;
    carat_err e;
    carat_picture *page;
    must(carat_picture_load(IMAGES "size_1200x500.png", &page, &e), &e);
    carat_pan_scan pan_scan = {
        .struct_size = sizeof pan_scan, .mode = CARAT_PAN_SCAN_ON, .min_crop = 8, .max_crops = 3
    };
    carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &pan_scan };
    const carat_content c = { .struct_size = sizeof c, .picture = page };
    carat_prompt *p;
    must(carat_prompt_text(engine, &c, 1, &o, &p, &e), &e);
    assert_int_equal(carat_prompt_n_views(p), 1 + 2); /* 1200 over 500, rounded */
    size_t n;
    const int32_t *ids = carat_prompt_tokens(p, &n);
    char *text;
    size_t len;
    must(carat_tokenizer_decode(carat_engine_tokenizer(engine), ids, 60, false, &text, &len, &e), &e);
    assert_non_null(strstr(text, "Here is the original image"));
    carat_free(text);
    carat_prompt_free(p);
    pan_scan.mode = CARAT_PAN_SCAN_OFF;
    must(carat_prompt_text(engine, &c, 1, &o, &p, &e), &e);
    assert_int_equal(carat_prompt_n_views(p), 1);
    carat_prompt_free(p);
    carat_picture_free(page);
}

/* Each picture may be cut in its own way: as a prompt of its own would be, whatever the options say. */
static void pictures_are_cut_each_in_its_way(void **state)
{
    (void)state;
    carat_err e;
    carat_picture *page;
    must(carat_picture_load(IMAGES "size_1200x500.png", &page, &e), &e);
    const carat_pan_scan on = { .struct_size = sizeof on, .mode = CARAT_PAN_SCAN_ON, .min_crop = 8, .max_crops = 3 },
                         off = { .struct_size = sizeof off, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options none = { .struct_size = sizeof none, .pan_scan = &off };
    const carat_content c[] = { { .struct_size = sizeof c[0], .picture = page },
                                { .struct_size = sizeof c[0], .picture = page, .pan_scan = &on },
                                { .struct_size = sizeof c[0], .picture = page, .pan_scan = &off } };
    carat_prompt *p;
    size_t n;
    must(carat_picture_n_views(page, &on, &n, &e), &e);
    assert_int_equal(n, 3);
    must(carat_prompt_text(engine, c, 3, &none, &p, &e), &e);
    assert_int_equal(carat_prompt_n_views(p), 1 + 3 + 1);
    carat_prompt_free(p);
    const carat_message m = { .struct_size = sizeof m, .role = "user", .content = c, .n_content = 3 };
    const carat_prompt_options all = { .struct_size = sizeof all, .pan_scan = &on };
    must(carat_prompt_chat(engine, &m, 1, &all, &p, &e), &e);
    assert_int_equal(carat_prompt_n_views(p), 3 + 3 + 1);
    carat_prompt_free(p);
    const carat_pan_scan forgotten = { .mode = CARAT_PAN_SCAN_ON };
    const carat_content bad = { .struct_size = sizeof bad, .picture = page, .pan_scan = &forgotten };
    assert_false(carat_prompt_text(engine, &bad, 1, NULL, &p, &e));
    assert_int_equal(e.code, CARAT_EARG);
    carat_picture_free(page);
}

/* B32, B69: a model without a vision tower runs as text only, and reports it when it is given a picture. */
static void text_models_say_so(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *blind;
    carat_prompt *p;
    const carat_content c = { .struct_size = sizeof c, .picture = star };
    must(carat_engine_open(TEST_DATA "/models/tiny-text", NULL, &blind, &e), &e);
    assert_false(carat_prompt_text(blind, &c, 1, NULL, &p, &e));
    assert_int_equal(e.code, CARAT_EUNSUPPORTED);
    assert_non_null(strstr(e.msg, "without a vision tower"));
    carat_engine_close(blind);
    const carat_options need = { .struct_size = sizeof need, .vision = CARAT_VISION_REQUIRED };
    assert_false(carat_engine_open(TEST_DATA "/models/tiny-text", &need, &blind, &e));
    assert_int_equal(e.code, CARAT_EUNSUPPORTED);
    const carat_options off = { .struct_size = sizeof off, .vision = CARAT_VISION_OFF };
    must(carat_engine_open(SIGHT, &off, &blind, &e), &e);
    assert_false(carat_engine_info(blind)->has_vision);
    assert_false(carat_prompt_text(blind, &c, 1, NULL, &p, &e));
    assert_non_null(strstr(e.msg, "without its vision tower"));
    carat_engine_close(blind);
}

/* The one mmproj file beside a GGUF; that of another model is refused with both widths. */
static void mmproj_is_found_and_checked(void **state)
{
    (void)state;
    carat_err e;
    carat_engine *g;
    must(carat_engine_open(TEST_DATA "/models/tiny-vl/gguf/tiny-vl-f32.gguf", NULL, &g, &e), &e);
    assert_true(carat_engine_info(g)->has_vision);
    assert_non_null(strstr(carat_engine_info(g)->vision_path, "mmproj-tiny-vl"));
    carat_engine_close(g);
    const carat_options wrong = { .struct_size = sizeof wrong,
                                  .mmproj = TEST_DATA "/models/tiny-vl/gguf/mmproj-tiny-vl-f32.gguf" };
    assert_false(carat_engine_open(SIGHT, &wrong, &g, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_true(strstr(e.msg, "96") && strstr(e.msg, "128"));
    const carat_options none = { .struct_size = sizeof none, .mmproj = "/nonexistent.gguf" };
    assert_false(carat_engine_open(TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf", &none, &g, &e));
    assert_int_equal(e.code, CARAT_EIO);
}

/* Ids as they stand: the runs of image tokens must be as many as the views. */
static void ids_and_views_must_match(void **state)
{
    (void)state;
    carat_err e;
    int32_t ids[2 * SOFT + 3] = { 2 };
    for (int i = 1; i < 2 * SOFT + 3; i++)
        ids[i] = i == 2 * SOFT + 2 ? 30 : i == SOFT + 1 ? 31 : 512;
    const carat_picture *two[] = { star, wide };
    carat_prompt *p;
    assert_false(carat_prompt_ids(engine, ids, 2 * SOFT + 3, two, 1, NULL, &p, &e));
    assert_int_equal(e.code, CARAT_EARG);
    must(carat_prompt_ids(engine, ids, 2 * SOFT + 3, two, 2, NULL, &p, &e), &e);
    carat_session *s = open_session(64);
    must(carat_session_append_prompt(s, p, NULL, NULL, &e), &e);
    float *rows = malloc(SOFT * carat_engine_info(engine)->hidden * sizeof *rows);
    must(carat_prompt_soft_tokens(engine, p, 1, rows, NULL, NULL, &e), &e);
    assert_false(carat_prompt_soft_tokens(engine, p, 2, rows, NULL, NULL, &e));
    free(rows);
    carat_session_close(s);
    carat_prompt_free(p);
    ids[3] = 9999;
    assert_false(carat_prompt_ids(engine, ids, 2 * SOFT + 3, two, 2, NULL, &p, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_costs_what_it_says),
        cmocka_unit_test(pictures_are_told_apart),
        cmocka_unit_test(images_are_whole),
        cmocka_unit_test(seen_once_and_cancelled_midway),
        cmocka_unit_test(pan_and_scan_is_asked_for),
        cmocka_unit_test(pictures_are_cut_each_in_its_way),
        cmocka_unit_test(text_models_say_so),
        cmocka_unit_test(mmproj_is_found_and_checked),
        cmocka_unit_test(ids_and_views_must_match),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
