/* GIF and animated WebP: the first picture against Pillow's (tests/golden/data/images/make_frames.py has how each file
 * is built), and files that mean harm.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

static void first_pictures_as_pillow(void **state)
{
    (void)state;
    assert_int_equal(for_each_file("frames.json", compare_file), 48);
}

static void cut_anywhere(void **state)
{
    (void)state;
    for_each_file("frames.json", cut_file);
}

static void flipped_anywhere(void **state)
{
    (void)state;
    for_each_file("frames.json", flip_file);
}

/* A GIF of w x h with the colours black and white and a picture at x, y of the same size; the codes follow. */
static size_t put_head(uint8_t *to, uint32_t w, uint32_t h, uint32_t x, uint32_t y)
{
    uint8_t head[29] = "GIF89a";
    const uint32_t words[] = { w, h, x, y, w, h };
    static const uint8_t places[] = { 6, 8, 20, 22, 24, 26 };
    head[10] = 0x80; /* two colours */
    memset(head + 16, 255, 3);
    head[19] = ',';
    for (size_t i = 0; i < 6; i++)
        head[places[i]] = (uint8_t)words[i], head[places[i] + 1] = (uint8_t)(words[i] >> 8);
    memcpy(to, head, sizeof head);
    return sizeof head;
}

/* The same with the codes given: eight pixels. */
static void refuse_codes(const char *codes, size_t n, const char *says)
{
    uint8_t file[64];
    size_t at = put_head(file, 8, 1, 0, 0);
    memcpy(file + at, codes, n);
    refuse(file, at + n, CARAT_EFORMAT, says);
}

static void refused_with_what_was_found(void **state)
{
    (void)state;
    uint8_t file[64];
    ct_image im;
    size_t n = put_head(file, 8, 1, 0, 0);
    refuse(file, 10, CARAT_EFORMAT, "cut off in the header, after 10 bytes");
    refuse(file, 17, CARAT_EFORMAT, "cut off in the header, after 17 bytes");
    refuse(file, 19, CARAT_EFORMAT, "cut off in what comes before the first picture, after 19 bytes");
    refuse(file, 25, CARAT_EFORMAT, "cut off in the picture's header, after 25 bytes");
    refuse(file, n, CARAT_EFORMAT, "cut off in the picture's header, after 29 bytes");
    refuse_codes("\x09\0", 2, "colour indices of 9 bits, expected at most 8");
    refuse_codes("\x02\0;", 3, "the codes end after 31 bytes");
    refuse_codes("\x02\x05\x44", 3, "cut off in the picture, after 32 bytes");
    refuse_codes("\x02\x01\x44", 3, "cut off in the picture, after 32 bytes");
    refuse_codes("\x02\x01\x4c\0;", 5, "the codes end after 33 bytes"); /* clear, 1, 1, and none more */
    refuse_codes("\x02\x01\x2c\0;", 5, "the codes end after 32 bytes"); /* clear, the end */
    refuse_codes("\x02\x01\x34\0;", 5, "code 6 after 32 bytes, expected at most 3");
    refuse_codes("\x02\x02\xcc\x01\0;", 6, "code 7 after 33 bytes, expected at most 6"); /* clear, 1, 7 */
    for (uint32_t w = 0, h = 5; w <= 5; w += 5, h -= 5) {
        put_head(file, w, h, 3, 3);
        memcpy(file + n, "\x02\0;", 3);
        refuse(file, n + 3, CARAT_EFORMAT, w ? "a picture of 5 x 0 pixels" : "a picture of 0 x 5 pixels");
    }
    file[19] = ';';
    refuse(file, n, CARAT_EFORMAT, "ends after 20 bytes without a picture");
    memcpy(file + 19, "!\xf9\x03\x01\0\0\0;", 8);
    refuse(file, 27, CARAT_EFORMAT, "a graphic control block of 3 bytes, expected 4");
    memcpy(file + 19, "!\xfe\x09!", 4);
    refuse(file, 23, CARAT_EFORMAT, "cut off in an extension, after 23 bytes");
    /* And what is right in the same way: clear, 1, 6 (two of the same), 7 (three), 6, in 3, 3, 3, 3, 4 bits. */
    n = put_head(file, 8, 1, 0, 0);
    memcpy(file + n, "\x02\x02\x8c\x6f", 4);
    assert_true(ct_image_decode(file, n + 4, NULL, &im, NULL));
    for (size_t i = 0; i < 24; i++)
        assert_int_equal(im.rgb[i], 255);
    ct_image_deinit(&im);
}

/* Screens and pictures of gigapixels, and sides of 1 : 65535: refused on the header. */
static void screens_take_no_memory(void **state)
{
    (void)state;
    const ct_image_limits limits = { .file_bytes = 1 << 20, .memory = 192000000, .ratio = 200 };
    static const struct {
        uint32_t w, h, x, y;
        const char *says;
    } screens[] = { { 65535, 65535, 0, 0,
                      "GIF of 65535 x 65535 pixels: 12287 MiB of memory to decode, the limit is 183 MiB" },
                    { 8001, 8000, 0, 0, "GIF of 8001 x 8000 pixels: 183 MiB of memory" },
                    { 1, 1, 65535, 65535, "GIF of 65536 x 65536 pixels: 12288 MiB of memory" },
                    { 65535, 65535, 65535, 65535, "GIF of 131070 x 131070 pixels: 49150 MiB of memory" },
                    { 65535, 1, 0, 0, "GIF of 65535 x 1 pixels, expected sides of at most 1 : 200" },
                    { 10, 10, 0, 5000, "GIF of 10 x 5010 pixels, expected sides of at most 1 : 200" } };
    for (size_t i = 0; i < sizeof screens / sizeof *screens; i++) {
        uint8_t file[64];
        size_t n = put_head(file, screens[i].w, screens[i].h, screens[i].x, screens[i].y);
        memcpy(file + n, "\x02\x02\x8c\x6f\0;", 6);
        refuse_within(&limits, file, n + 6, CARAT_ELIMIT, screens[i].says);
    }
}

/* Random bytes as codes, of every size of index: an error or a picture. */
static void garbage_codes(void **state)
{
    (void)state;
    uint8_t file[29 + 2 + 255 + 1] = { 0 };
    uint32_t seed = 1;
    size_t decoded = 0;
    for (int run = 0; run < 4000; run++) {
        ct_image im;
        size_t n = put_head(file, 8, 8, 0, 0);
        file[n++] = (uint8_t)(run % 9), file[n++] = 255;
        for (size_t i = 0; i < 255; i++)
            seed = seed * 1664525 + 1013904223, file[n++] = (uint8_t)(seed >> 24);
        if (ct_image_decode(file, n, &small_limits, &im, NULL)) {
            decoded++;
            ct_image_deinit(&im);
        }
    }
    assert_true(decoded > 0 && decoded < 4000); /* both ends were seen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_pictures_as_pillow), cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),         cmocka_unit_test(refused_with_what_was_found),
        cmocka_unit_test(screens_take_no_memory),   cmocka_unit_test(garbage_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
