/* Every line of the reference tokenizer's answers, with the Gemma 3 vocabulary from each of the three sources.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "golden.h"
#include "make_files.h"
#include "tokenizer/vocab.h"

#define DATA TEST_DATA "/tokenizer/"
#define TINY TEST_DATA "/models/tiny-tokenizer/"

static vocab_file vocab;
static carat_tokenizer *gguf;

static int open_gguf(void **state)
{
    (void)state;
    carat_err err;
    if (vocab_file_open(&vocab, DATA "vocab.bin") && ct_tokenizer_from_pieces(vocab.pieces, vocab.n, &gguf, &err))
        return 0;
    return -1;
}

static int close_gguf(void **state)
{
    (void)state;
    carat_tokenizer_close(gguf);
    vocab_file_close(&vocab);
    return 0;
}

static void check_all(const carat_tokenizer *t)
{
    int n;
    assert_int_equal(golden_texts(t, DATA "tokenizer.jsonl", &n), 0);
    assert_int_equal(n, 3706);
    assert_int_equal(golden_bytes(t, DATA "tokenizer_bytes.jsonl", &n), 0);
    assert_int_equal(n, 355);
    assert_int_equal(golden_decode(t, DATA "detokenizer.jsonl", &n), 0);
    assert_int_equal(n, 628);
    const ct_tok_info *f = ct_tok_facts(t);
    assert_int_equal(f->pad, 0);
    assert_int_equal(f->eos, 1);
    assert_int_equal(f->bos, 2);
    assert_int_equal(f->unk, 3);
    assert_int_equal(f->start_of_turn, 105);
    assert_int_equal(f->end_of_turn, 106);
    assert_int_equal(f->start_of_image, 255999);
    assert_int_equal(f->end_of_image, 256000);
    assert_int_equal(f->image_soft_token, 262144);
    for (int32_t id = -1; id <= 262145; id++) {
        bool control = (id >= 0 && id <= 3) || id == 105 || id == 106 || id == 255999 || id == 256000 || id == 262144;
        assert_int_equal(ct_tok_is_control(t, id), control);
        assert_int_equal(ct_tok_is_samplable(t, id), id >= 0 && id < 262144);
    }
}

static void from_gguf_tables(void **state)
{
    (void)state;
    check_all(gguf);
    assert_int_equal(ct_tok_facts(gguf)->n_pieces, 262144);
}

static void check_json(bool as_strings)
{
    ct_buf text;
    carat_err err = { 0 };
    carat_tokenizer *t = NULL;
    ct_buf_init(&text, 64 << 20);
    assert_true(make_tokenizer_json(&vocab, gguf, as_strings, &text));
    bool ok = ct_tokenizer_from_json_bytes(text.data, text.len, &t, &err);
    ct_buf_deinit(&text);
    assert_string_equal(err.msg, "");
    assert_true(ok);
    check_all(t);
    assert_int_equal(ct_tok_facts(t)->n_pieces, 262145);
    carat_tokenizer_close(t);
}

static void from_tokenizer_json(void **state)
{
    (void)state;
    check_json(false);
}

static void from_tokenizer_json_with_merges_as_strings(void **state)
{
    (void)state;
    check_json(true);
}

static void from_tokenizer_model(void **state)
{
    (void)state;
    ct_buf data;
    carat_err err = { 0 };
    carat_tokenizer *t = NULL;
    ct_buf_init(&data, 64 << 20);
    assert_true(make_tokenizer_model(&vocab, &data));
    bool ok = ct_tokenizer_from_model_bytes(data.data, data.len, &t, &err);
    ct_buf_deinit(&data);
    assert_string_equal(err.msg, "");
    assert_true(ok);
    check_all(t);
    assert_int_equal(ct_tok_facts(t)->n_pieces, 262144);
    carat_tokenizer_close(t);
}

/* The 512-piece tokenizer of the small models: their tokenizer.json and tokenizer.model are files of the reference. */
static void the_tiny_tokenizer_from_its_files(void **state)
{
    (void)state;
    static bool (*const open[])(const char *, carat_tokenizer **, carat_err *) = { ct_tokenizer_from_json,
                                                                                   ct_tokenizer_from_model };
    static const char *const paths[] = { TINY "tokenizer.json", TINY "tokenizer.model" };
    for (int i = 0; i < 2; i++) {
        carat_tokenizer *t;
        carat_err err;
        int n;
        assert_true(open[i](paths[i], &t, &err));
        assert_int_equal(golden_texts(t, TINY "cases.jsonl", &n), 0);
        assert_int_equal(n, 106);
        assert_int_equal(ct_tok_facts(t)->image_soft_token, 512);
        carat_tokenizer_close(t);
    }
}

static void encode(const char *text, size_t len, ct_ids *out)
{
    carat_err err;
    out->n = 0;
    assert_true(ct_tok_encode(gguf, text, len, 0, out, &err));
}

/* A text is cut in two: where the tokens of the first part begin those of the whole, the others are the second part's by
 * itself. So a continuation need not be tokenised together with its prompt (docs/DECISIONS.md). */
static void what_follows_is_tokenised_alone(void **state)
{
    (void)state;
    char *text, *line;
    size_t len, n_cuts = 0, n_merged = 0;
    carat_err err;
    ct_ids whole = { 0 }, first = { 0 }, second = { 0 };
    assert_true(ct_read_file(DATA "tokenizer.jsonl", 64 << 20, &text, &len, &err));
    for (line = text; *line; line += strcspn(line, "\n") + 1) {
        json_t *o;
        assert_true(ct_json_parse("tokenizer.jsonl", line, strcspn(line, "\n"), &o, &err));
        const char *s = json_string_value(json_object_get(o, "text"));
        size_t n = json_string_length(json_object_get(o, "text")), step = n / 40 + 1;
        encode(s, n, &whole);
        for (size_t cut = 1; cut < n; cut += step) {
            if (((unsigned char)s[cut] & 0xc0) == 0x80) /* inside a character */
                continue;
            encode(s, cut, &first);
            encode(s + cut, n - cut, &second);
            n_cuts++;
            if (first.n > whole.n || memcmp(first.v, whole.v, first.n * sizeof *first.v) != 0) {
                n_merged++;
                continue;
            }
            if (first.n + second.n != whole.n || memcmp(second.v, whole.v + first.n, second.n * sizeof *second.v) != 0)
                fail_msg("'%s': cut at byte %zu", s, cut);
        }
        json_decref(o);
    }
    free(text);
    ct_ids_deinit(&whole), ct_ids_deinit(&first), ct_ids_deinit(&second);
    assert_true(n_merged > 1000 && n_cuts - n_merged > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_gguf_tables),
        cmocka_unit_test(from_tokenizer_json),
        cmocka_unit_test(from_tokenizer_json_with_merges_as_strings),
        cmocka_unit_test(from_tokenizer_model),
        cmocka_unit_test(the_tiny_tokenizer_from_its_files),
        cmocka_unit_test(what_follows_is_tokenised_alone),
    };
    return cmocka_run_group_tests(tests, open_gguf, close_gguf);
}
