/* Tokens one by one: pieces, control tokens, and text that comes in whole characters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "carat.h"
#include "unit.h"

#define MODEL TEST_DATA "/models/tiny-text"

static carat_tokenizer *t;
static carat_err err;

static void must(bool ok)
{
    if (!ok)
        fail_msg("%s", err.msg);
}

static int setup(void **state)
{
    (void)state;
    return carat_tokenizer_open(MODEL, &t, &err) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    carat_tokenizer_close(t);
    return 0;
}

/* Joined they are what decoding gives. */
static void pieces_are_the_bytes_of_tokens(void **state)
{
    (void)state;
    const char text[] = "a red star, \xe2\x82\xac and \xf0\x9f\x8c\x9f";
    int32_t *ids;
    size_t n, len, at = 0;
    must(carat_tokenizer_encode(t, text, sizeof text - 1, CARAT_TOK_BOS, &ids, &n, &err));
    for (size_t i = 0; i < n; i++) {
        const char *piece = carat_tokenizer_piece(t, ids[i], &len);
        assert_non_null(piece);
        if (i == 0) {
            assert_true(carat_tokenizer_is_control(t, ids[i]));
            assert_int_equal(len, 5);
            assert_memory_equal(piece, "<bos>", 5);
            continue;
        }
        assert_false(carat_tokenizer_is_control(t, ids[i]));
        assert_true(at + len < sizeof text);
        assert_memory_equal(piece, text + at, len);
        at += len;
    }
    assert_int_equal(at, sizeof text - 1);
    carat_free(ids);
}

static void ids_end_where_the_vocabulary_does(void **state)
{
    (void)state;
    size_t n = carat_tokenizer_n_pieces(t), len = 7;
    assert_true(n > 256);
    assert_non_null(carat_tokenizer_piece(t, (int32_t)n - 1, &len));
    const int32_t none[] = { -1, (int32_t)n, INT32_MIN, INT32_MAX };
    carat_detokenizer *d;
    must(carat_detokenizer_open(t, true, &d, &err));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const char *text = "";
        len = 7;
        assert_null(carat_tokenizer_piece(t, none[i], &len));
        assert_int_equal(len, 0);
        assert_false(carat_tokenizer_is_control(t, none[i]));
        assert_false(carat_detokenizer_push(d, none[i], &text, &len, &err));
        assert_int_equal(err.code, CARAT_EARG);
        assert_null(text);
    }
    carat_detokenizer_close(d);
    carat_detokenizer_close(NULL);
}

/* A character of four byte tokens comes whole with its last; a stream that ends before shows that something is missing. */
static void characters_come_whole(void **state)
{
    (void)state;
    const char cat[] = "\xf0\x9f\x90\x88"; /* not a token of this vocabulary */
    int32_t *ids;
    size_t n, len;
    const char *text;
    carat_detokenizer *d;
    must(carat_tokenizer_encode(t, cat, 4, 0, &ids, &n, &err));
    assert_int_equal(n, 4);
    must(carat_detokenizer_open(t, false, &d, &err));
    for (size_t i = 0; i < 4; i++) {
        must(carat_detokenizer_push(d, ids[i], &text, &len, &err));
        assert_string_equal(text, i == 3 ? cat : "");
        assert_int_equal(len, i == 3 ? 4 : 0);
    }
    must(carat_detokenizer_flush(d, &text, &len, &err));
    assert_string_equal(text, "");
    must(carat_detokenizer_push(d, ids[0], &text, &len, &err));
    must(carat_detokenizer_push(d, ids[1], &text, &len, &err));
    assert_string_equal(text, "");
    assert_false(carat_detokenizer_push(d, -1, &text, &len, &err)); /* loses nothing */
    must(carat_detokenizer_flush(d, &text, &len, &err));
    assert_string_equal(text, "\xef\xbf\xbd");
    must(carat_detokenizer_flush(d, &text, &len, &err)); /* and another text begins */
    assert_string_equal(text, "");
    carat_detokenizer_close(d);
    carat_free(ids);
}

static void control_tokens_are_shown_if_asked_for(void **state)
{
    (void)state;
    int32_t *ids;
    size_t n, len;
    const char *text;
    must(carat_tokenizer_encode(t, "", 0, CARAT_TOK_BOS, &ids, &n, &err));
    assert_int_equal(n, 1);
    for (int show = 0; show < 2; show++) {
        carat_detokenizer *d;
        must(carat_detokenizer_open(t, show, &d, &err));
        must(carat_detokenizer_push(d, ids[0], &text, &len, &err));
        assert_string_equal(text, show ? "<bos>" : "");
        carat_detokenizer_close(d);
    }
    carat_free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_the_bytes_of_tokens),
        cmocka_unit_test(ids_end_where_the_vocabulary_does),
        cmocka_unit_test(characters_come_whole),
        cmocka_unit_test(control_tokens_are_shown_if_asked_for),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
