/* base64: RFC 4648's own examples, every length there and back, and what must be refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/rng.h"

/* Into memory of exactly the promised room, so that a sanitizer sees one byte more. */
static bool decode(const char *text, size_t len, unsigned char *out, size_t *n, carat_err *err)
{
    unsigned char *room = malloc(ct_base64_room(len));
    assert_non_null(room);
    bool ok = ct_base64_decode(text, len, room, n, err);
    if (ok)
        memcpy(out, room, *n);
    free(room);
    return ok;
}

/* RFC 4648, section 10. */
static void examples(void **state)
{
    (void)state;
    static const char *const of[][3] = {
        { "", "", "" },
        { "Zg==", "Zg", "f" },
        { "Zm8=", "Zm8", "fo" },
        { "Zm9v", "Zm9v", "foo" },
        { "Zm9vYg==", "Zm9vYg", "foob" },
        { "Zm9vYmE=", "Zm9vYmE", "fooba" },
        { "Zm9vYmFy", "Zm9vYmFy", "foobar" },
        { "+/+/", "-_-_", "\xfb\xff\xbf" },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int spelling = 0; spelling < 2; spelling++) {
            unsigned char out[16];
            size_t n;
            assert_true(decode(of[i][spelling], strlen(of[i][spelling]), out, &n, NULL));
            assert_int_equal(n, strlen(of[i][2]));
            assert_memory_equal(out, of[i][2], n);
        }
}

static size_t encode(const unsigned char *data, size_t n, const char *last_two, bool is_padded, char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = 0;
    for (size_t bit = 0; bit < n * 8; bit += 6) {
        unsigned v = 0;
        for (size_t b = bit; b < bit + 6; b++)
            v = v << 1 | (b < n * 8 ? data[b / 8] >> (7 - b % 8) & 1u : 0u);
        text[len++] = v < 62 ? letters[v] : last_two[v - 62];
    }
    while (is_padded && len % 4)
        text[len++] = '=';
    return len;
}

static void there_and_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t n = 0; n <= 300; n++)
        for (int way = 0; way < 4; way++) {
            unsigned char data[300], out[300];
            char text[404];
            size_t n_out;
            for (size_t i = 0; i < n; i++)
                data[i] = (unsigned char)ct_rng_next(&seed);
            size_t len = encode(data, n, way & 1 ? "-_" : "+/", way & 2, text);
            assert_true(decode(text, len, out, &n_out, NULL));
            assert_int_equal(n_out, n);
            assert_memory_equal(out, data, n);
            assert_true(ct_base64_decode(text, len, text, &n_out, NULL)); /* in place */
            assert_int_equal(n_out, n);
            assert_memory_equal(text, data, n);
        }
}

/* The encoder writes what the plain one above writes, and no byte more. */
static void bytes_to_text(void **state)
{
    (void)state;
    unsigned char data[80];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 167 + 251);
    for (size_t n = 0; n <= sizeof data; n++) {
        char want[128];
        size_t len = encode(data, n, "+/", true, want);
        char *text = malloc(len + 1); /* no more, so that a sanitizer sees it */
        assert_non_null(text);
        text[len] = '#';
        assert_int_equal(ct_base64_length(n), len);
        ct_base64_encode(data, n, text);
        assert_memory_equal(text, want, len);
        assert_int_equal(text[len], '#');
        free(text);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t at;
    } bad[] = {
        { "A", 1 },
        { "AAAAA", 5 },
        { "=", 0 },
        { "==", 0 },
        { "Zg=", 2 },
        { "Zg===", 3 },
        { "Zm8==", 3 },
        { "Zm9v=", 4 },
        { "====", 2 },
        { "Zg==Zg==", 2 },
        { "Zm 9", 2 },
        { "Zm9v\n", 4 },
        { "Zm9v YmF", 4 },
        { "Zm9.", 3 },
        { "+_AA", 1 },
        { "-AA/", 3 },
        { "Zh==", 1 },
        { "Zh", 1 },
        { "Zm9=", 2 },
        { "Zm9", 2 },
        { "\xff"
          "AAA",
          0 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char out[16];
        size_t n;
        carat_err err;
        if (decode(bad[i].text, strlen(bad[i].text), out, &n, &err))
            fail_msg("'%s' was taken", bad[i].text);
        assert_int_equal(err.code, CARAT_EFORMAT);
        if (err.at != bad[i].at && bad[i].text[0] != '=')
            fail_msg("'%s': at %llu, expected %llu: %s", bad[i].text, (unsigned long long)err.at,
                     (unsigned long long)bad[i].at, err.msg);
    }
    unsigned char out[4];
    size_t n;
    assert_false(decode("AA\0A", 4, out, &n, NULL)); /* a NUL is a character like others */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(bytes_to_text),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
