/* What cameras, scanners and paint programs write: kinds of BMP, orientations, chunks and markers that are empty or
 * missing (tests/golden/data/images/make_kinds.py has how each file is built), and large pictures.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

#include <stdio.h>

#include <jpeglib.h>

#include <spng.h>

#include "base/rng.h"

static const char *beginning; /* of the names that are looked at */
static size_t n_seen;

static bool is_meant(const char *name)
{
    bool is = strncmp(name + strlen("kinds/"), beginning, strlen(beginning)) == 0;
    n_seen += is;
    return is;
}

static void compare_if_meant(const char *name, const ct_map *m, const json_t *want)
{
    if (is_meant(name))
        compare_file(name, m, want);
}

static void compare_all(const char *begins, size_t n)
{
    beginning = begins, n_seen = 0;
    for_each_file("kinds.json", compare_if_meant);
    assert_int_equal(n_seen, n);
}

/* C19: palettes of 1, 4 and 8 bits, runs, 16 bits, masks, headers of 12 to 124 bytes. */
static void bmps_as_pillow(void **state)
{
    (void)state;
    compare_all("b", 62);
    compare_all("r", 9);
}

/* C21: every whole number's type, in every place. */
static void orientations_as_pillow(void **state)
{
    (void)state;
    compare_all("exif", 29);
    compare_all("xmp", 6);
}

/* C10: chunks that pixels do not need cannot refuse a picture. */
static void empty_chunks_cost_nothing(void **state)
{
    (void)state;
    compare_all("empty", 46);
    compare_all("many", 1);
}

static void cut_if_meant(const char *name, const ct_map *m, const json_t *want)
{
    if (is_meant(name))
        cut_file(name, m, want);
}

static void flip_if_meant(const char *name, const ct_map *m, const json_t *want)
{
    if (is_meant(name))
        flip_file(name, m, want);
}

static void bmps_cut_and_flipped(void **state)
{
    (void)state;
    static const char *const kinds[] = { "b1", "b4", "b8", "b16", "b32_bgra", "r" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        beginning = kinds[i], n_seen = 0;
        for_each_file("kinds.json", cut_if_meant);
        for_each_file("kinds.json", flip_if_meant);
        assert_true(n_seen > 0);
    }
}

static void odd_bmps_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        size_t at;
        uint8_t value;
        carat_code code;
        const char *says;
    } tries[] = {
        { "b8.bmp", 14, 41, CARAT_EFORMAT, "a header of 41 bytes, expected 12, 40" },
        { "b8.bmp", 28, 2, CARAT_EUNSUPPORTED, "2 bits with packing 0, expected 1, 4, 8, 16, 24 or 32 bits" },
        { "b8.bmp", 30, 4, CARAT_EUNSUPPORTED, "8 bits with packing 4" },
        { "b8.bmp", 30, 2, CARAT_EUNSUPPORTED, "8 bits with packing 2" },
        { "b8.bmp", 18, 0, CARAT_EFORMAT, "BMP of 0 x 9 pixels" },
        { "b8.bmp", 21, 0x80, CARAT_EFORMAT, "BMP of -2147483635 x 9 pixels" },
        { "b8_os2.bmp", 20, 0, CARAT_EFORMAT, "BMP of 13 x 0 pixels" },
        { "b8.bmp", 46, 3, CARAT_EFORMAT, "of 3" },
        { "b16_565.bmp", 54, 1, CARAT_EUNSUPPORTED, "a mask of 0000f801, expected bits beside each other" },
        { "b24_masks.bmp", 56, 0, CARAT_EUNSUPPORTED,
          "masks of 00000000, 0000ff00 and 000000ff, expected bits for each" },
        { "r8.bmp", 30, 0, CARAT_EFORMAT, "bytes do not hold 13 x 9 pixels" },
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char path[512];
        ct_map m;
        carat_err e;
        snprintf(path, sizeof path, DIR "kinds/%s", tries[i].from);
        assert_true(ct_map_read(&m, path, SIZE_MAX, &e));
        uint8_t *file = malloc(m.size);
        memcpy(file, m.data, m.size);
        file[tries[i].at] = tries[i].value;
        refuse(file, m.size, tries[i].code, tries[i].says);
        free(file);
        ct_map_close(&m);
    }
}

/* ---- a JPEG without its end ---- */

static void expect_same(const char *name, const uint8_t *file, size_t len, const ct_image *want)
{
    ct_image im;
    carat_err e;
    if (!ct_image_decode(file, len, NULL, &im, &e))
        fail_msg("%s, %zu bytes: %s", name, len, e.msg);
    assert_int_equal(im.width, want->width);
    assert_int_equal(im.height, want->height);
    assert_memory_equal(im.rgb, want->rgb, (size_t)im.width * im.height * 3);
    ct_image_deinit(&im);
}

/* `whole` ends with its end marker. Whatever stands in the marker's place, the picture is there; it is not once a bit of
 * a scan is missing, nor if zeros took its place. */
static void cut_jpeg(const char *name, const uint8_t *whole, size_t len)
{
    enum { FILL = 5000 };
    ct_image want;
    carat_err e;
    if (!ct_image_decode(whole, len, NULL, &want, &e))
        fail_msg("%s: %s", name, e.msg);
    assert_memory_equal(whole + len - 2, "\xff\xd9", 2);
    uint8_t *file = malloc(len + FILL);
    memcpy(file, whole, len);
    expect_same(name, file, len - 1, &want);
    expect_same(name, file, len - 2, &want);
    for (int fill = 0; fill < 256; fill += 255) {
        memset(file + len - 2, fill, FILL + 2);
        expect_same(name, file, len + FILL, &want);
    }
    for (size_t k = 0; k < 4; k++) {
        size_t cut = k == 3 ? len / 2 : len - (size_t[]){ 3, 4, 12 }[k];
        memcpy(file, whole, len);
        refuse(file, cut, CARAT_EFORMAT, "JPEG: cut off: pixels are missing");
        memset(file + cut, 0, len + FILL - cut);
        if (ct_image_decode(file, len + FILL, NULL, &(ct_image){ 0 }, &e))
            fail_msg("%s: zeros from byte %zu on are decoded as pixels", name, cut);
    }
    free(file);
    ct_image_deinit(&want);
}

static void jpegs_without_their_end(void **state)
{
    (void)state;
    static const char *const files[] = { "progressive.jpg", "gray.jpg", "restart.jpg", "q90_420.jpg", "cmyk.jpg" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        ct_map m;
        carat_err e;
        snprintf(path, sizeof path, DIR "in/%s", files[i]);
        assert_true(ct_map_read(&m, path, SIZE_MAX, &e));
        cut_jpeg(files[i], m.data, m.size);
        ct_map_close(&m);
    }
}

/* A picture of w x h as a JPEG, each colour in a scan of its own where they are apart; the caller frees it. */
static uint8_t *write_jpeg(uint32_t w, uint32_t h, bool apart, bool progressive, unsigned long *len)
{
    static const jpeg_scan_info scans[] = { { 1, { 0 }, 0, 63, 0, 0 },
                                            { 1, { 1 }, 0, 63, 0, 0 },
                                            { 1, { 2 }, 0, 63, 0, 0 } };
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr mgr;
    uint8_t *file = NULL, *row = malloc((size_t)w * 3);
    c.err = jpeg_std_error(&mgr);
    jpeg_create_compress(&c);
    *len = 0;
    jpeg_mem_dest(&c, &file, len);
    c.image_width = w, c.image_height = h, c.input_components = 3, c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    if (apart)
        c.scan_info = scans, c.num_scans = 3;
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (uint32_t y = 0; y < h; y++) {
        for (uint32_t x = 0; x < w; x++)
            row[3 * x] = (uint8_t)(x * 5), row[3 * x + 1] = (uint8_t)(y * 3), row[3 * x + 2] = (uint8_t)(x ^ y);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    return file;
}

/* Cut between two scans, a file has every row, but not every colour or bit of it. */
static void jpegs_without_a_scan(void **state)
{
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        unsigned long len;
        size_t n_scans = 0;
        uint8_t *file = write_jpeg(70, 50, !progressive, progressive, &len);
        cut_jpeg(progressive ? "progressive" : "colours apart", file, len);
        for (size_t at = 2; at + 1 < len; at++)
            if (file[at] == 0xff && (file[at + 1] == 0xda || file[at + 1] == 0xc4) && n_scans++ > 0)
                refuse(file, at, CARAT_EFORMAT, "cut off");
        assert_true(n_scans >= 3);
        free(file);
    }
}

/* ---- large pictures ---- */

/* Exactly as many bytes as it takes, and one less. */
static void takes_exactly(const uint8_t *file, size_t len, uint32_t w, uint32_t h, uint64_t bytes)
{
    ct_image im;
    carat_err e;
    ct_image_limits l = { .file_bytes = 1 << 28, .memory = bytes, .ratio = 200 };
    if (!ct_image_decode(file, len, &l, &im, &e))
        fail_msg("%u x %u: %s", w, h, e.msg);
    assert_int_equal(im.width, w);
    assert_int_equal(im.height, h);
    ct_image_deinit(&im);
    l.memory--;
    refuse_within(&l, file, len, CARAT_ELIMIT, "of memory to decode, the limit is");
}

/* The same of a picture that takes seconds to decode: within its bounds it is begun, and found to be cut. */
static void begins_exactly(const uint8_t *file, uint64_t bytes)
{
    ct_image_limits l = { .file_bytes = 1 << 28, .memory = bytes, .ratio = 200 };
    refuse_within(&l, file, 1 << 16, CARAT_EFORMAT, "cut off");
    l.memory--;
    refuse_within(&l, file, 1 << 16, CARAT_ELIMIT, "of memory to decode, the limit is");
}

/* The first bytes of its pixels are noise, so that a part of the file may be all of it. */
static void *write_png(uint32_t w, uint32_t h, uint8_t interlace, size_t n_noise, size_t *len)
{
    int rc = 0;
    spng_ctx *c = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr head = { .width = w, .height = h, .bit_depth = 1, .interlace_method = interlace };
    size_t size = ((size_t)w + 7) / 8 * h;
    uint8_t *bits = calloc(size, 1);
    uint64_t rng = 1;
    for (size_t i = 0; i < n_noise; i++)
        bits[i] = (uint8_t)ct_rng_next(&rng);
    spng_set_option(c, SPNG_ENCODE_TO_BUFFER, 1);
    assert_int_equal(spng_set_ihdr(c, &head), 0);
    assert_int_equal(spng_encode_image(c, bits, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
    void *file = spng_get_png_buffer(c, len, &rc);
    assert_non_null(file);
    spng_ctx_free(c);
    free(bits);
    return file;
}

/* A phone's 108 megapixels, a long screenshot, and a page's scan that is interlaced: what bounds them is memory. */
static void large_pictures_are_bounded_by_memory(void **state)
{
    (void)state;
    static const struct {
        uint32_t w, h;
        uint8_t interlace;
        uint64_t bytes; /* a pixel */
    } pngs[] = { { 1080, 6000, 0, 3 }, { 1240, 1754, 1, 7 } };
    size_t len;
    void *photo = write_png(12000, 9000, 0, 1 << 17, &len);
    begins_exactly(photo, (uint64_t)12000 * 9000 * 3);
    free(photo);
    for (size_t i = 0; i < sizeof pngs / sizeof *pngs; i++) {
        void *file = write_png(pngs[i].w, pngs[i].h, pngs[i].interlace, 0, &len);
        takes_exactly(file, len, pngs[i].w, pngs[i].h, (uint64_t)pngs[i].w * pngs[i].h * pngs[i].bytes);
        free(file);
    }
    unsigned long n;
    uint8_t *file = write_jpeg(1240, 1754, false, false, &n);
    takes_exactly(file, n, 1240, 1754, (uint64_t)1240 * 1754 * 3);
    free(file);
    /* All coefficients at once, in two bytes each; colours have half of the sides, in whole blocks. */
    file = write_jpeg(800, 608, false, true, &n);
    takes_exactly(file, n, 800, 608, (uint64_t)800 * 608 * 3 + 800 * 608 * 3);
    free(file);
}

/* A line of pixels is a picture, which the reference reads too. */
static void a_line_is_a_picture(void **state)
{
    (void)state;
    static const uint32_t sides[][2] = { { 1, 5000 }, { 5000, 1 }, { 20000, 1 }, { 20001, 1 } };
    uint8_t *square = malloc(896 * 896 * 3);
    for (size_t i = 0; i < 4; i++) {
        size_t len;
        ct_image im;
        carat_err e;
        void *file = write_png(sides[i][0], sides[i][1], 0, 0, &len);
        bool ok = ct_image_decode(file, len, NULL, &im, &e);
        assert_int_equal(ok, i < 3);
        if (ok) {
            assert_true(ct_image_resize(&im, (ct_box){ 0, 0, im.width, im.height }, 896, 896, square, &e));
            for (size_t k = 0; k < 896 * 896 * 3; k++)
                assert_int_equal(square[k], im.rgb[0]); /* of one colour */
        } else {
            assert_non_null(strstr(e.msg, "expected sides of at most 1 : 20000"));
        }
        ct_image_deinit(&im);
        free(file);
    }
    free(square);
}

/* What the process may still have sets the limit. */
static void limits_follow_memory(void **state)
{
    (void)state;
    ct_image_limits l = ct_image_limits_default();
    assert_true(l.memory > 0 && l.memory <= (uint64_t)2 << 30);
    assert_true(l.file_bytes > 0 && l.file_bytes <= (size_t)1 << 30);
    assert_int_equal(l.ratio, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bmps_as_pillow),
        cmocka_unit_test(orientations_as_pillow),
        cmocka_unit_test(empty_chunks_cost_nothing),
        cmocka_unit_test(bmps_cut_and_flipped),
        cmocka_unit_test(odd_bmps_are_named),
        cmocka_unit_test(jpegs_without_their_end),
        cmocka_unit_test(jpegs_without_a_scan),
        cmocka_unit_test(large_pictures_are_bounded_by_memory),
        cmocka_unit_test(a_line_is_a_picture),
        cmocka_unit_test(limits_follow_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
