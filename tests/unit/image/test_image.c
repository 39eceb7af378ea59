/* Pictures against the reference processor's (tests/golden/data/images), and files that mean harm.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

#include <spng.h>

static int largest_difference(const ct_image *a, const ct_image *b)
{
    int worst = 0;
    for (size_t i = 0; i < (size_t)a->width * a->height * 3; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        worst = d > worst ? d : worst;
    }
    return worst;
}

/* Files where we decide otherwise than the reference given a path: transparency is always put on white (what the
 * reference makes of an opened picture), and 16-bit gray is scaled, which a test of its own checks. */
static const char *expectation(const char *file)
{
    return strstr(file, "la8.png") || strstr(file, "rgba8.png") ? "pil_image_given" : "path_given";
}

/* The README's tolerance: exact, but for lossy formats where the decoder need not be the reference's: 2. Debian's
 * libjpeg-turbo and libwebp are, so 0 is expected there too; the bound stays the README's for other builds. */
static int tolerance(const char *file)
{
    return strstr(file, ".jpg") || strstr(file, "lossy.webp") ? 2 : 0;
}

static void decodes_as_the_reference(void **state)
{
    (void)state;
    json_t *m = load_json("manifest.json"), *entry;
    size_t compared = 0;
    const char *file;
    json_object_foreach(json_object_get(m, "images"), file, entry) {
        if (strstr(file, "gray16"))
            continue;
        const json_t *want = json_object_get(entry, expectation(file));
        const char *png = json_string_value(json_object_get(want, "png"));
        ct_image got = load(json_string_value(json_object_get(entry, "file")));
        if (png) {
            ct_image ref = load(png);
            assert_int_equal(got.width, ref.width);
            assert_int_equal(got.height, ref.height);
            if (largest_difference(&got, &ref) > tolerance(file))
                fail_msg("%s differs by %d", file, largest_difference(&got, &ref));
            ct_image_deinit(&ref);
        } else {
            char hex[65];
            hash(got.rgb, (size_t)got.width * got.height * 3, hex);
            assert_string_equal(hex, json_string_value(json_object_get(want, "sha256_rgb")));
        }
        ct_image_deinit(&got);
        compared++;
    }
    assert_int_equal(compared, json_object_size(json_object_get(m, "images")) - 1);
    json_decref(m);
}

static void sixteen_bits_are_scaled(void **state)
{
    (void)state;
    ct_map m;
    carat_err e;
    assert_true(ct_map_read(&m, DIR "in/gray16.png", SIZE_MAX, &e));
    spng_ctx *c = spng_ctx_new(0);
    struct spng_ihdr head;
    size_t size;
    assert_int_equal(spng_set_png_buffer(c, m.data, m.size), 0);
    assert_int_equal(spng_get_ihdr(c, &head), 0);
    assert_int_equal(head.bit_depth, 16);
    assert_int_equal(spng_decoded_image_size(c, SPNG_FMT_RAW, &size), 0);
    uint8_t *raw = malloc(size);
    assert_int_equal(spng_decode_image(c, raw, size, SPNG_FMT_RAW, 0), 0); /* big-endian samples */
    ct_image im = load("in/gray16.png");
    for (size_t i = 0; i < size / 2; i++)
        for (int k = 0; k < 3; k++)
            assert_int_equal(im.rgb[3 * i + (size_t)k], raw[2 * i]);
    ct_image_deinit(&im);
    free(raw);
    spng_ctx_free(c);
    ct_map_close(&m);
}

static void resizes_as_pillow(void **state)
{
    (void)state;
    json_t *m = load_json("manifest.json"), *entry;
    size_t i;
    json_array_foreach(json_object_get(m, "resize"), i, entry) {
        const char *source = json_string_value(json_object_get(entry, "source"));
        json_t *to = json_object_get(entry, "target_wh");
        uint32_t w = (uint32_t)json_integer_value(json_array_get(to, 0));
        uint32_t h = (uint32_t)json_integer_value(json_array_get(to, 1));
        ct_image im = load(source);
        carat_err e;
        char hex[65];
        uint8_t *out = malloc((size_t)w * h * 3);
        assert_true(ct_image_resize(&im, (ct_box){ 0, 0, im.width, im.height }, w, h, out, &e));
        hash(out, (size_t)w * h * 3, hex);
        if (strcmp(hex, json_string_value(json_object_get(entry, "sha256_rgb_pil"))) != 0)
            fail_msg("%s to %u x %u is not Pillow's", source, w, h);
        free(out);
        ct_image_deinit(&im);
    }
    json_decref(m);
}

static void boxes_as_the_processor(void **state)
{
    (void)state;
    char *text, *rest;
    size_t len, lines = 0;
    carat_err e;
    assert_true(ct_read_file(DIR "pan_and_scan.jsonl", 1 << 22, &text, &len, &e));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
        json_t *j;
        assert_true(ct_json_parse("line", line, strlen(line), &j, &e));
        const carat_pan_scan p = {
            .struct_size = sizeof p,
            .min_crop = (uint32_t)json_integer_value(json_object_get(j, "min_crop_size")),
            .max_crops = (uint32_t)json_integer_value(json_object_get(j, "max_num_crops")),
            .min_ratio = json_number_value(json_object_get(j, "min_ratio_to_activate")),
        };
        ct_box boxes[CT_MAX_CROPS];
        size_t n = ct_pan_scan_boxes(&p, (uint32_t)json_integer_value(json_object_get(j, "w")),
                                     (uint32_t)json_integer_value(json_object_get(j, "h")), boxes);
        json_t *want = json_object_get(j, "crops_xywh");
        if (n != json_array_size(want))
            fail_msg("%s: %zu crops", line, n);
        for (size_t i = 0; i < n; i++) {
            const json_t *b = json_array_get(want, i);
            assert_int_equal(boxes[i].x, json_integer_value(json_array_get(b, 0)));
            assert_int_equal(boxes[i].y, json_integer_value(json_array_get(b, 1)));
            assert_int_equal(boxes[i].width, json_integer_value(json_array_get(b, 2)));
            assert_int_equal(boxes[i].height, json_integer_value(json_array_get(b, 3)));
        }
        json_decref(j);
    }
    assert_true(lines > 40);
    free(text);
}

static void crops_as_the_processor(void **state)
{
    (void)state;
    json_t *j = load_json("pan_and_scan_pixels.json");
    ct_image im = load(json_string_value(json_object_get(j, "source")));
    const carat_pan_scan p = { .struct_size = sizeof p };
    ct_box boxes[1 + CT_MAX_CROPS] = { { 0, 0, im.width, im.height } };
    size_t n = 1 + ct_pan_scan_boxes(&p, im.width, im.height, boxes + 1);
    json_t *hashes = json_object_get(j, "sha256_rgb");
    assert_int_equal(n, json_array_size(hashes));
    uint8_t *out = malloc(112 * 112 * 3);
    for (size_t i = 0; i < n; i++) {
        carat_err e;
        char hex[65];
        assert_true(ct_image_resize(&im, boxes[i], 112, 112, out, &e));
        hash(out, 112 * 112 * 3, hex);
        assert_string_equal(hex, json_string_value(json_array_get(hashes, i)));
    }
    free(out);
    ct_image_deinit(&im);
    json_decref(j);
}

static void values_as_the_processor(void **state)
{
    (void)state;
    ct_map m;
    carat_err e;
    assert_true(ct_map_read(&m, DIR "pixel_lut.bin", SIZE_MAX, &e));
    for (int v = 0; v < 256; v++) {
        float want;
        memcpy(&want, m.data + 4 * v, 4);
        assert_true(ct_pixel_value((uint8_t)v) == want);
    }
    ct_map_close(&m);
}

/* ---- files that mean harm ---- */

static void what_is_no_picture_is_named(void **state)
{
    (void)state;
    carat_err e;
    ct_image im;
    refuse("", 0, CARAT_EFORMAT, "0 bytes");
    refuse("hello, I am text named .png", 27, CARAT_EFORMAT, "not an image");
    refuse("GIF88a", 6, CARAT_EFORMAT, "not an image");
    refuse("\0\0\0\x18"
           "ftypheic",
           12, CARAT_EUNSUPPORTED, "a HEIC");
    refuse((const uint8_t *)"\0\0\0\x1c"
                            "ftypavif",
           12, CARAT_EUNSUPPORTED, "an AVIF, expected");
    refuse("\xff\xd8\xff\xd9", 4, CARAT_EFORMAT, "JPEG");
    refuse("\x89PNG\r\n\x1a\n", 8, CARAT_EFORMAT, "PNG: cut off");
    refuse("RIFF\x10\0\0\0WEBPVP8 ", 16, CARAT_EFORMAT, "WebP");
    refuse("GIF89a", 6, CARAT_EFORMAT, "GIF");
    refuse("BM", 2, CARAT_EFORMAT, "BMP");
    refuse("II*\0", 4, CARAT_EUNSUPPORTED, "a TIFF, expected JPEG, PNG, WebP, GIF or BMP");
    assert_false(ct_image_load(TEST_DATA, NULL, &im, &e));
    assert_false(ct_image_load(DIR "none.png", NULL, &im, &e));
    assert_int_equal(e.code, CARAT_EIO);
}

/* Headers that declare side x side pixels, in every format; png and jpeg hold headers to be patched. libspng checks
 * the CRC of IHDR before the size is seen, so it is made right. libjpeg takes no side over 65500,
 * and reads on to see what it is. */
static void refuse_bombs(uint32_t side, uint8_t *png, uint8_t *jpeg, size_t jpeg_len)
{
    char says[32];
    snprintf(says, sizeof says, "%u x %u", side, side);
    const uint8_t hi = (uint8_t)(side >> 8), lo = (uint8_t)side;
    png[16] = png[17] = png[20] = png[21] = 0;
    png[18] = png[22] = hi, png[19] = png[23] = lo;
    uint32_t crc = ~0u;
    for (size_t i = 12; i < 29; i++) {
        crc ^= png[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
    refuse(png, 33, CARAT_EFORMAT, says);
    jpeg[7] = jpeg[9] = hi, jpeg[8] = jpeg[10] = lo;
    refuse(jpeg, jpeg_len, CARAT_EFORMAT, side > 65500 ? "cut off" : says);
    uint8_t webp[38] = "RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0";
    webp[24] = webp[27] = (uint8_t)(side - 1), webp[25] = webp[28] = (uint8_t)((side - 1) >> 8);
    memcpy(webp + 30, "VP8L", 4);
    refuse_within(&small_limits, webp, sizeof webp, CARAT_ELIMIT, says);
    uint8_t bmp[54] = "BM";
    bmp[10] = 54, bmp[14] = 40, bmp[18] = bmp[22] = lo, bmp[19] = bmp[23] = hi, bmp[28] = 24;
    refuse(bmp, sizeof bmp, CARAT_EFORMAT, says);
}

/* A few bytes that declare gigapixels: refused on the header, because so few cannot hold them, or by the limit. */
static void bombs_take_no_memory(void **state)
{
    (void)state;
    uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x4e\x20\0\0\x4e\x20\x08\x06\0\0\0\xac\x27\x3f\x8d";
    refuse(png, sizeof png - 1, CARAT_EFORMAT, "33 bytes do not hold 20000 x 20000 pixels");
    uint8_t jpeg[] =
        "\xff\xd8\xff\xc0\0\x11\x08\xea\x60\xea\x60\x03\x01\x11\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x0c\x03\x01"
        "\0\x02\x11\x03\x11\0\x3f\0";
    refuse(jpeg, sizeof jpeg - 1, CARAT_EFORMAT, "35 bytes do not hold 60000 x 60000 pixels");
    uint8_t webp[] = "RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    refuse_within(&small_limits, webp, sizeof webp - 1, CARAT_ELIMIT,
                  "16384 x 16384 pixels: 1794 MiB of memory to decode, the limit is 16 MiB");
    uint8_t bmp[64] = "BM";
    bmp[14] = 40, bmp[18] = 0xff, bmp[19] = 0xff, bmp[20] = 0xff, bmp[21] = 0x7f, bmp[22] = 1, bmp[28] = 24;
    refuse(bmp, sizeof bmp, CARAT_EFORMAT, "do not hold");
    for (uint32_t i = 0, side = 20000; i < 2; i++, side = 65535)
        refuse_bombs(side, png, jpeg, sizeof jpeg - 1);
    carat_err e;
    ct_image im;
    ct_image_limits l = ct_image_limits_default();
    l.ratio = 2;
    assert_false(ct_image_load(DIR "in/size_1200x500.png", &l, &im, &e));
    assert_non_null(strstr(e.msg, "1 : 2"));
    l = ct_image_limits_default();
    l.file_bytes = 100;
    assert_false(ct_image_load(DIR "in/rgb8.png", &l, &im, &e));
    assert_int_equal(e.code, CARAT_ELIMIT);
}

/* Every cut is a clean error, or (a cut in trailing bytes) the whole picture; flipped bytes never crash. */
static void cut_and_flipped(void **state)
{
    (void)state;
    static const char *const files[] = { "in/progressive.jpg", "in/cmyk.jpg",       "in/exif6.jpg",
                                         "in/restart.jpg",     "in/rgba8.png",      "in/palette_trns.png",
                                         "in/exif6.png",       "in/interlaced.png", "in/lossy.webp",
                                         "in/lossless.webp",   "in/x.bmp",          "in/x.gif" };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[512];
        ct_map m;
        carat_err e;
        ct_image im;
        snprintf(path, sizeof path, DIR "%s", files[f]);
        assert_true(ct_map_read(&m, path, SIZE_MAX, &e));
        for (size_t n = 0; n < m.size; n += 1 + m.size / 97)
            if (ct_image_decode(m.data, n, NULL, &im, &e)) {
                if (n + 64 < m.size)
                    fail_msg("%s was decoded from %zu of %zu bytes", files[f], n, m.size);
                ct_image_deinit(&im);
            }
        uint8_t *copy = malloc(m.size);
        for (size_t at = 0; at < m.size; at += 1 + m.size / 211) {
            memcpy(copy, m.data, m.size);
            copy[at] ^= (uint8_t)(1u << at % 8);
            if (ct_image_decode(copy, m.size, &small_limits, &im, &e))
                ct_image_deinit(&im);
        }
        free(copy);
        ct_map_close(&m);
    }
}

static void boxes_are_checked(void **state)
{
    (void)state;
    carat_err e;
    ct_image im = load("in/size_2x3.png");
    uint8_t out[3];
    ct_box boxes[CT_MAX_CROPS];
    static const ct_box bad[] = { { 0, 0, 3, 3 }, { 2, 0, 1, 1 }, { 0, 0, 0, 1 }, { 0, UINT32_MAX, 1, 2 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ct_image_resize(&im, bad[i], 1, 1, out, &e));
    assert_false(ct_image_resize(&im, (ct_box){ 0, 0, 1, 1 }, 0, 1, out, &e));
    assert_false(ct_image_resize(&im, (ct_box){ 0, 0, 1, 1 }, 1, 1 << 20, out, &e));
    assert_true(ct_image_resize(&im, (ct_box){ 1, 2, 1, 1 }, 1, 1, out, &e));
    assert_memory_equal(out, im.rgb + (2 * 2 + 1) * 3, 3);
    ct_image_deinit(&im);
    const carat_pan_scan wild = { .struct_size = sizeof wild, .min_crop = 1, .max_crops = 1000, .min_ratio = 1 };
    assert_true(ct_pan_scan_boxes(&wild, 100000, 1, boxes) <= CT_MAX_CROPS);
    size_t n = ct_pan_scan_boxes(&wild, 65, 1, boxes); /* 64 steps of 2 would leave the picture half way */
    assert_int_equal(n, 33);
    for (size_t i = 0; i < n; i++)
        assert_true(boxes[i].width > 0 && boxes[i].x + boxes[i].width <= 65);
    assert_int_equal(ct_pan_scan_boxes(&(carat_pan_scan){ .struct_size = sizeof(carat_pan_scan) }, 10, 1, boxes), 0);
}

static void off_on_and_auto(void **state)
{
    (void)state;
    ct_box boxes[CT_MAX_CROPS];
    carat_pan_scan p = { CARAT_PAN_SCAN_AUTO };
    assert_int_equal(ct_pan_scan_boxes(&p, 1200, 1000, boxes), 2); /* at the ratio itself: cut */
    assert_int_equal(ct_pan_scan_boxes(&p, 1199, 1000, boxes), 0);
    p.mode = CARAT_PAN_SCAN_OFF;
    assert_int_equal(ct_pan_scan_boxes(&p, 4000, 1000, boxes), 0);
    p.mode = CARAT_PAN_SCAN_ON;
    assert_int_equal(ct_pan_scan_boxes(&p, 1199, 1000, boxes), 2);
    assert_int_equal(ct_pan_scan_boxes(&p, 500, 300, boxes), 0); /* crops of 250 are below min_crop */
    /* The reference counts a square as lying: left and right halves, not upper and lower ones. */
    assert_int_equal(ct_pan_scan_boxes(&p, 901, 901, boxes), 2);
    const ct_box halves[2] = { { 0, 0, 451, 901 }, { 451, 0, 450, 901 } };
    assert_memory_equal(boxes, halves, sizeof halves);
}

/* What is written reads back as it was, through the same decoder. */
static void png_is_written(void **state)
{
    (void)state;
    carat_err e;
    ct_image im = load("in/rgb8.png"), back;
    char dir[] = "/tmp/carat-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.png", dir);
    if (!ct_image_write_png(path, im.rgb, im.width, im.height, &e) || !ct_image_load(path, NULL, &back, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(back.width, im.width);
    assert_int_equal(back.height, im.height);
    assert_int_equal(largest_difference(&back, &im), 0);
    assert_false(ct_image_write_png(path, im.rgb, 0, 1, &e));
    assert_int_equal(e.code, CARAT_EARG);
    assert_false(ct_image_write_png("/nonexistent/x.png", im.rgb, im.width, im.height, &e));
    assert_int_equal(e.code, CARAT_EIO);
    remove(path);
    remove(dir);
    ct_image_deinit(&back);
    ct_image_deinit(&im);
}

/* A progressive file with its first scan again and again (the same coefficients every time): few bytes, a whole pass
 * over the picture each. One more is a picture still, a hundred are refused. */
static void scans_are_counted(void **state)
{
    (void)state;
    ct_map m;
    carat_err e;
    ct_image im;
    assert_true(ct_map_read(&m, DIR "in/progressive.jpg", SIZE_MAX, &e));
    size_t first = 0, end;
    while (first + 2 < m.size && !(m.data[first] == 0xff && m.data[first + 1] == 0xda))
        first++;
    for (end = first + 2; end + 1 < m.size && !(m.data[end] == 0xff && m.data[end + 1] != 0);)
        end++;
    assert_true(end + 1 < m.size);
    size_t scan = end - first, room = m.size + 100 * scan;
    uint8_t *file = malloc(room);
    memcpy(file, m.data, m.size - 2);
    for (size_t i = 0; i < 100; i++)
        memcpy(file + m.size - 2 + i * scan, m.data + first, scan);
    memcpy(file + room - 2, "\xff\xd9", 2);
    refuse(file, room, CARAT_ELIMIT, "more than 64 scans");
    memcpy(file + m.size - 2 + scan, "\xff\xd9", 2);
    if (!ct_image_decode(file, m.size + scan, NULL, &im, &e))
        fail_msg("one more scan: %s", e.msg);
    ct_image_deinit(&im);
    free(file);
    ct_map_close(&m);
}

/* A restart marker that is gone leaves rows that libjpeg would fill with gray: a message, not a picture. */
static void lost_rows_are_an_error(void **state)
{
    (void)state;
    ct_map m;
    carat_err e;
    assert_true(ct_map_read(&m, DIR "in/restart.jpg", SIZE_MAX, &e));
    uint8_t *file = malloc(m.size);
    memcpy(file, m.data, m.size);
    size_t at = 0;
    while (at + 1 < m.size && !(file[at] == 0xff && file[at + 1] == 0xd1))
        at++;
    assert_true(at + 1 < m.size);
    file[at + 1] = 0xd5;
    refuse(file, m.size, CARAT_EFORMAT, "found marker 0xd5 instead of RST1");
    free(file);
    ct_map_close(&m);
}

/* EXIF that makes no sense: the picture as it is stored. */
static void malformed_exif_is_ignored(void **state)
{
    (void)state;
    static const char *const blocks[] = { "Exif\0\0II*\0\xff\xff\xff\xff\0\0", "Exif\0\0garbage!",
                                          "Exif\0\0MM\0*\0\0" };
    ct_map m;
    carat_err e;
    ct_image want = load("in/progressive.jpg"), im;
    assert_true(ct_map_read(&m, DIR "in/progressive.jpg", SIZE_MAX, &e));
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        uint8_t *file = malloc(m.size + 18);
        memcpy(file, m.data, 2);
        memcpy(file + 2, "\xff\xe1\0\x10", 4);
        memset(file + 6, 0, 14);
        memcpy(file + 6, blocks[i], i == 2 ? 12 : 14);
        memcpy(file + 20, m.data + 2, m.size - 2);
        if (!ct_image_decode(file, m.size + 18, NULL, &im, &e))
            fail_msg("block %zu: %s", i, e.msg);
        assert_int_equal(im.width, want.width);
        assert_int_equal(largest_difference(&im, &want), 0);
        ct_image_deinit(&im);
        free(file);
    }
    ct_map_close(&m);
    ct_image_deinit(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_the_reference),
        cmocka_unit_test(sixteen_bits_are_scaled),
        cmocka_unit_test(resizes_as_pillow),
        cmocka_unit_test(boxes_as_the_processor),
        cmocka_unit_test(crops_as_the_processor),
        cmocka_unit_test(values_as_the_processor),
        cmocka_unit_test(what_is_no_picture_is_named),
        cmocka_unit_test(bombs_take_no_memory),
        cmocka_unit_test(cut_and_flipped),
        cmocka_unit_test(boxes_are_checked),
        cmocka_unit_test(off_on_and_auto),
        cmocka_unit_test(png_is_written),
        cmocka_unit_test(scans_are_counted),
        cmocka_unit_test(lost_rows_are_an_error),
        cmocka_unit_test(malformed_exif_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
