/* Images in requests: what is one, where it may come from, how it is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "asked.h"

#define SIGHT TEST_DATA "/models/tiny-sight"

/* ---- images ---- */

static void refuse_image_of(const char *url, const char *param, const char *says)
{
    char base[512];
    asked a;
    snprintf(base, sizeof base,
             "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": %s}]}]", url);
    asked_read(&a, CT_OPENAI_CHAT, base, "");
    assert_false(a.ok);
    if (a.f.status != 400 || strcmp(a.f.param, param) != 0 || !strstr(a.f.err.msg, says))
        fail_msg("%s: %d '%s' '%s', expected '%s'", url, a.f.status, a.f.param, a.f.err.msg, says);
    asked_done(&a);
}

static void refuse_image(const char *url, const char *says)
{
    refuse_image_of(url, "messages[0].content[0]", says);
}

static void test_images_that_are_none(void **state)
{
    (void)state;
    refuse_image("5", "not a string");
    refuse_image("null", "not a string");
    refuse_image("{\"detail\": \"low\"}", "not a string");
    refuse_image("\"data:image/png;base64,AA\\u0000AA\"", "NUL");
    refuse_image("\"data:image/png;base64\"", ";base64,");
    refuse_image("\"data:,AAAA\"", ";base64,");
    refuse_image("\"data:image/png,AAAA\"", ";base64,");
    refuse_image("\"data:image/png;base64,\"", "messages[0].content[0]");
    refuse_image("\"data:image/png;base64,A\"", "base64");
    refuse_image("\"data:image/png;base64,AB*D\"", "base64");
    refuse_image("\"data:image/png;base64,AB%2\"", "byte 0x25");
    refuse_image("\"data:image/png;base64,AB%GGCD\"", "byte 0x25");
    refuse_image("\"data:image/png;base64,AB%00\"", "byte 0x00");
    refuse_image("\"data:image/png;base64,AB\\u00a0CD\"", "byte 0xc2"); /* not ASCII's white space */
    refuse_image("\"data:image/png;base64,AB\\u000bCD\"", "byte 0x0b");
    refuse_image("\"data:image/png;base64,AB==%20%3D\"", "base64");
    refuse_image("\"data:image/pngbase64,AAAA\"", ";base64,");
    refuse_image("\"data: base64,AAAA\"", ";base64,");
    refuse_image("\"data:image/png;base64,AB==CD\"", "base64");
    refuse_image("\"data:image/png;base64,A+-A\"", "base64");
    refuse_image("\"data:image/png;base64,AB=\"", "base64");
    refuse_image("\"data:image/png;base64,QUJD\"", "messages[0].content[0]"); /* bytes, but of no image */
    refuse_image("\"http://example.org/a.png\"", "not fetched");
    refuse_image("\"HTTPS://example.org/a.png\"", "not fetched");
    refuse_image("\"/etc/passwd\"", "only with --files DIR");
    refuse_image("\"file:///etc/passwd\"", "only with --files DIR");
    refuse_image("{\"url\": \"a.png\", \"detail\": \"huge\"}", "auto, low or high");
    refuse_image("{\"url\": \"a.png\", \"detail\": 3}", "auto, low or high");
}

/* As `base64 file`, MIME and browsers write it: all the same picture. */
static void test_base64_in_lines(void **state)
{
    (void)state;
    static const char *const same[] = {
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
        "gg==",
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8\\nz8BQDwAEhQGAhKmMIQAAAABJRU5E"
        "rkJggg==\\n",
        "data:image/"
        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8\\r\\nz8BQDwAEhQGAhKmMIQAAAABJRU"
        "5ErkJggg==\\r\\n",
        "data:image/png;base64, "
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJ"
        "ggg=\\t=",
        "data:image/png; base64 "
        ",iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJ"
        "ggg%3D%3d",
        "DATA:;BASE64,%69VBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg%"
        "0D%0A"
        "gg",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char url[400];
        snprintf(url, sizeof url, "\"%s\"", same[i]);
        refuse_image_of(url, "messages", "vision tower"); /* decoded, but this model sees nothing */
    }
}

static void test_images_of_a_folder(void **state)
{
    (void)state;
    const ct_openai_options before = asked_defaults;
    asked_defaults.files = TEST_DATA "/images/in";
    refuse_image_of("\"../in/rgb8.png\"", "messages", "vision tower"); /* read, but this model has none */
    refuse_image("\"none.png\"", "no such image");
    refuse_image("\"../../models/tiny-text/config.json\"", "no such image file in the folder");
    refuse_image("\"/etc/passwd\"", "no such image file in the folder");
    refuse_image("\"file:///etc/passwd\"", "no such image file in the folder");
    refuse_image("\".\"", "no such image file in the folder");
    asked_defaults = before;
}

static void test_detail_is_pan_and_scan(void **state)
{
    (void)state;
    const ct_openai_options before = asked_defaults;
    carat_engine *text_only = asked_engine;
    carat_err err;
    carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 256 };
    assert_true(carat_engine_open(SIGHT, &o, &asked_engine, &err));
    asked_defaults.files = TEST_DATA "/images/in";
    static const struct {
        const char *detail;
        size_t n_views;
    } cases[] = { { "low", 1 }, { "high", 3 }, { "auto", 3 } }; /* 1200 x 500 */
    for (size_t i = 0; i < 3; i++) {
        char base[256];
        asked a;
        snprintf(
            base, sizeof base,
            "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": "
            "\"size_1200x500.png\", \"detail\": \"%s\"}}]}]",
            cases[i].detail);
        asked_accept(&a, CT_OPENAI_CHAT, base, "");
        assert_int_equal(carat_prompt_n_views(a.r.prompt), cases[i].n_views);
        asked_done(&a);
    }
    asked mixed; /* each image as it asks */
    asked_accept(
        &mixed, CT_OPENAI_CHAT,
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": "
        "\"size_1200x500.png\", \"detail\": \"high\"}}, {\"type\": \"image_url\", \"image_url\": {\"url\": "
        "\"size_1200x500.png\", \"detail\": \"low\"}}]}]",
        "");
    assert_int_equal(carat_prompt_n_views(mixed.r.prompt), 3 + 1);
    asked_done(&mixed);
    carat_engine_close(asked_engine);
    asked_engine = text_only;
    asked_defaults = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_that_are_none),
        cmocka_unit_test(test_base64_in_lines),
        cmocka_unit_test(test_images_of_a_folder),
        cmocka_unit_test(test_detail_is_pan_and_scan),
    };
    return cmocka_run_group_tests(tests, asked_open, asked_close);
}
