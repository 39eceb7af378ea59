/* pictures.h - what the tests of pictures share: the golden pictures, their hashes, and refusals.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_PICTURES_H
#define CT_TESTS_PICTURES_H

#include "unit.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "image/image.h"

#define DIR TEST_DATA "/images/"

/* For many files, and for those with random damage: neither is asked each time what memory there is, nor are sizes of
 * gigabytes what is tried. */
static const ct_image_limits small_limits = { .file_bytes = 1 << 24, .memory = 1 << 24, .ratio = 200 };

static inline json_t *load_json(const char *name)
{
    char path[512];
    carat_err e;
    json_t *j;
    snprintf(path, sizeof path, DIR "%s", name);
    if (!ct_json_load(path, 1 << 24, &j, &e))
        fail_msg("%s", e.msg);
    return j;
}

static inline ct_image load(const char *name)
{
    char path[512];
    carat_err e;
    ct_image im;
    snprintf(path, sizeof path, DIR "%s", name);
    if (!ct_image_load(path, NULL, &im, &e))
        fail_msg("%s", e.msg);
    return im;
}

static inline void hash(const uint8_t *data, size_t len, char hex[65])
{
    struct sha256_ctx c;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&c);
    sha256_update(&c, len, data);
    sha256_digest(&c, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static inline void refuse_within(const ct_image_limits *l, const void *data, size_t len, carat_code code,
                                 const char *says)
{
    carat_err e;
    ct_image im;
    if (ct_image_decode(data, len, l, &im, &e))
        fail_msg("was decoded, expected '%s'", says);
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("'%s' (%s), expected '%s'", e.msg, carat_code_name(e.code), says);
    assert_null(im.rgb);
}

static inline void refuse(const void *data, size_t len, carat_code code, const char *says)
{
    refuse_within(NULL, data, len, code, says);
}

/* ---- lists of golden pictures: frames.json, kinds.json ---- */

/* Calls `each` for every file that a list of golden pictures names, with its bytes and the expected answer; returns how many there are. */
static inline size_t for_each_file(const char *list,
                                   void (*each)(const char *name, const ct_map *m, const json_t *want))
{
    json_t *all = load_json(list), *want;
    const char *name;
    json_object_foreach(all, name, want) {
        char path[512];
        ct_map m;
        carat_err e;
        snprintf(path, sizeof path, DIR "%s", name);
        if (!ct_map_read(&m, path, SIZE_MAX, &e))
            fail_msg("%s", e.msg);
        each(name, &m, want);
        ct_map_close(&m);
    }
    size_t n = json_object_size(all);
    json_decref(all);
    return n;
}

static inline void expect_picture(const char *name, const ct_image *got, const json_t *want)
{
    char hex[65];
    const json_t *size = json_object_get(want, "size_wh");
    hash(got->rgb, (size_t)got->width * got->height * 3, hex);
    if (got->width != json_integer_value(json_array_get(size, 0)) ||
        got->height != json_integer_value(json_array_get(size, 1)) ||
        strcmp(hex, json_string_value(json_object_get(want, "sha256_rgb"))) != 0)
        fail_msg("%s: %u x %u pixels, not Pillow's", name, got->width, got->height);
}

static inline void compare_file(const char *name, const ct_map *m, const json_t *want)
{
    ct_image im;
    carat_err e;
    if (!ct_image_decode(m->data, m->size, NULL, &im, &e))
        fail_msg("%s: %s", name, e.msg);
    expect_picture(name, &im, want);
    ct_image_deinit(&im);
}

/* A file cut at any length is a clean error or, after the first picture, that picture. The copy ends where its memory
 * does. */
static inline void cut_file(const char *name, const ct_map *m, const json_t *want)
{
    for (size_t n = 1; n < m->size; n += 1 + m->size / 2000) { /* every length, but of the largest files */
        uint8_t *copy = malloc(n);
        ct_image im;
        carat_err e = { 0 };
        memcpy(copy, m->data, n);
        if (ct_image_decode(copy, n, &small_limits, &im, &e)) {
            expect_picture(name, &im, want);
            ct_image_deinit(&im);
        } else if (e.code != CARAT_EFORMAT || !*e.msg) {
            fail_msg("%s, %zu bytes: '%s' (%s)", name, n, e.msg, carat_code_name(e.code));
        }
        free(copy);
    }
}

static inline void flip_file(const char *name, const ct_map *m, const json_t *want)
{
    (void)want;
    uint8_t *copy = malloc(m->size);
    size_t step = 1 + m->size / 300;
    for (size_t at = 0; at < m->size; at += step)
        for (size_t k = at / step % unit_step(3); k < 10; k += unit_step(3)) {
            ct_image im;
            carat_err e = { 0 };
            memcpy(copy, m->data, m->size);
            copy[at] = k < 8 ? (uint8_t)(copy[at] ^ 1u << k) : (uint8_t)(k == 8 ? 0 : 255);
            if (ct_image_decode(copy, m->size, &small_limits, &im, &e))
                ct_image_deinit(&im);
            else if (e.code == CARAT_OK || !*e.msg)
                fail_msg("%s, byte %zu: no error", name, at);
        }
    free(copy);
}

#endif
