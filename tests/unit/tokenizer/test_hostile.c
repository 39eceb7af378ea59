/* Vocabularies, tokenizer.json and tokenizer.model files that are broken, foreign or made to do harm: each ends in a
 * message that says what is wrong, or opens and then works.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonpull.h"
#include "base/map.h"
#include "small.h"
#include "tokenizer/protobuf.h"
#include "tokenizer/vocab.h"

#define TINY TEST_DATA "/models/tiny-tokenizer/"

/* What opens must encode and give back anything. */
static void expect_works(const carat_tokenizer *t)
{
    static const char text[] = "ab a<0x41>\n\n  x\xff\xc3\xa9 <bos>aaaaaaaaab\0<b>\xe2\x96";
    ct_ids ids = { 0 };
    assert_true(ct_tok_encode(t, text, sizeof text, CARAT_TOK_BOS, &ids, NULL));
    ct_buf back;
    ct_buf_init(&back, 1 << 16);
    for (size_t i = 1; i < ids.n; i++) {
        size_t len;
        const char *s = ct_tok_bytes(t, ids.v[i], &len);
        ct_buf_add(&back, s, len);
    }
    assert_int_equal(back.len, sizeof text);
    assert_memory_equal(back.data, text, sizeof text);
    ct_buf_deinit(&back);
    ct_ids_deinit(&ids);
}

/* want: part of the message, or NULL: it opens. */
static void expect_vocab(const char *name, const ct_piece *pieces, size_t n, const char *want)
{
    carat_tokenizer *t = (carat_tokenizer *)-1;
    carat_err err = { 0 };
    bool ok = ct_tokenizer_from_pieces(pieces, n, &t, &err);
    if (ok != !want || (want && !strstr(err.msg, want)))
        fail_msg("%s: %s '%s', expected %s", name, ok ? "opened" : "refused", err.msg, want ? want : "to open");
    if (ok)
        expect_works(t);
    else
        assert_null(t);
    carat_tokenizer_close(t);
}

/* ---- vocabularies ---- */

enum { BYTE0 = 14, FIRST = 270, A = FIRST, AB = FIRST + 2 };

static void open_small(small *s)
{
    small_init(s);
    static const char *const more[] = { "a", "b", "ab", " ", " a", "\xc3\xa9", "x", "<", ">" };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        small_add(s, more[i], -(float)i, CT_PIECE_NORMAL);
}

static void one_piece_changed(void **state)
{
    (void)state;
    static char longest[2048];
    memset(longest, 'y', sizeof longest);
    const struct {
        const char *name;
        size_t id;
        ct_piece p;
        const char *want;
    } cases[] = {
        { "bad hex", BYTE0 + 65, { "<0xZZ>", 6, 0, CT_PIECE_BYTE }, "piece 79 '<0xZZ>' is typed as a byte" },
        { "one digit", BYTE0 + 65, { "<0x4>", 5, 0, CT_PIECE_BYTE }, "typed as a byte" },
        { "three digits", BYTE0 + 65, { "<0x041>", 7, 0, CT_PIECE_BYTE }, "typed as a byte" },
        { "lower case", BYTE0 + 10, { "<0x0a>", 6, 0, CT_PIECE_BYTE }, "typed as a byte" },
        { "a byte without text", BYTE0 + 65, { "", 0, 0, CT_PIECE_BYTE }, "typed as a byte" },
        { "a word as a byte", A, { "hello", 5, 0, CT_PIECE_BYTE }, "typed as a byte" },
        { "a missing byte", BYTE0 + 65, { "q", 1, 0, CT_PIECE_NORMAL }, "no piece <0x41> for the byte 65" },
        { "the last byte missing", BYTE0 + 255, { "q", 1, 0, CT_PIECE_NORMAL }, "no piece <0xFF>" },
        { "a byte twice", A, { "<0x41>", 6, 0, CT_PIECE_BYTE }, NULL },
        { "a byte typed normal", BYTE0 + 65, { "<0x41>", 6, 0, CT_PIECE_NORMAL }, NULL },
        { "a byte typed control", BYTE0 + 65, { "<0x41>", 6, 0, CT_PIECE_CONTROL }, NULL },
        { "a byte typed user-defined", BYTE0 + 65, { "<0x41>", 6, 0, CT_PIECE_USER_DEFINED }, NULL },
        { "score NaN", AB, { "ab", 2, NAN, CT_PIECE_NORMAL }, "piece 272 has the score" },
        { "score infinite", AB, { "ab", 2, INFINITY, CT_PIECE_NORMAL }, "piece 272 has the score" },
        { "score minus infinite", 0, { "<pad>", 5, -INFINITY, CT_PIECE_CONTROL }, "piece 0 has the score" },
        { "score huge", AB, { "ab", 2, FLT_MAX, CT_PIECE_NORMAL }, NULL },
        { "score tiny", AB, { "ab", 2, -FLT_MAX, CT_PIECE_NORMAL }, NULL },
        { "type 7", AB, { "ab", 2, 0, (ct_piece_kind)7 }, "piece 272 has type 7" },
        { "type -1", AB, { "ab", 2, 0, (ct_piece_kind)-1 }, "has type -1" },
        { "type huge", AB, { "ab", 2, 0, (ct_piece_kind)0x7FFFFFFF }, "has type 2147483647" },
        { "type 0", AB, { "ab", 2, 0, (ct_piece_kind)0 }, NULL },
        { "an invalid byte", AB, { "a\xff", 2, 0, CT_PIECE_NORMAL }, "piece 272 is not valid UTF-8" },
        { "half a character", AB, { "a\xe2\x96", 3, 0, CT_PIECE_NORMAL }, "not valid UTF-8" },
        { "a surrogate", AB, { "\xed\xa0\x80", 3, 0, CT_PIECE_NORMAL }, "not valid UTF-8" },
        { "overlong", AB, { "\xc0\x80", 2, 0, CT_PIECE_NORMAL }, "not valid UTF-8" },
        { "too long", AB, { longest, 1025, 0, CT_PIECE_NORMAL }, "piece 272 has 1025 bytes" },
        { "just not too long", AB, { longest, 1024, 0, CT_PIECE_NORMAL }, NULL },
        { "a long added token", AB, { longest, 1024, 0, CT_PIECE_USER_DEFINED }, NULL },
        { "no <bos>", 2, { "bos", 3, 0, CT_PIECE_CONTROL }, "no piece '<bos>'" },
        { "no <eos>", 1, { "eos", 3, 0, CT_PIECE_CONTROL }, "no piece '<eos>'" },
        { "no <start_of_turn>", 4, { "<sot>", 5, 0, CT_PIECE_CONTROL }, NULL },
        { "no <start_of_image>", 6, { "<soi>", 5, 0, CT_PIECE_CONTROL }, NULL },
        { "an empty piece", AB, { "", 0, 0, CT_PIECE_NORMAL }, NULL },
        { "an empty added token", AB, { "", 0, 0, CT_PIECE_USER_DEFINED }, NULL },
        { "an empty control token", AB, { "", 0, 0, CT_PIECE_CONTROL }, NULL },
        { "a piece twice", AB, { "b", 1, 0, CT_PIECE_NORMAL }, NULL },
        { "a control token twice", AB, { "<bos>", 5, 0, CT_PIECE_CONTROL }, NULL },
        { "a NUL in a piece", AB, { "a\0b", 3, 0, CT_PIECE_NORMAL }, NULL },
        { "a NUL as an added token", AB, { "\0", 1, 0, CT_PIECE_USER_DEFINED }, NULL },
        { "a letter as an added token", A, { "a", 1, 0, CT_PIECE_USER_DEFINED }, NULL },
        { "a letter as a control token", A, { "a", 1, 0, CT_PIECE_CONTROL }, NULL },
        { "a second unknown", A, { "a", 1, 0, CT_PIECE_UNKNOWN }, NULL },
        { "an unused letter", A, { "a", 1, 0, CT_PIECE_UNUSED }, NULL },
        { "both spellings of a space", A, { " ", 1, 0, CT_PIECE_NORMAL }, NULL },
        { "padding typed normal", A, { "[PAD7]", 6, 0, CT_PIECE_NORMAL }, NULL },
    };
    small *s = malloc(sizeof *s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_small(s);
        s->pieces[cases[i].id] = cases[i].p;
        expect_vocab(cases[i].name, s->pieces, s->n, cases[i].want);
    }
    free(s);
}

static void whole_tables(void **state)
{
    (void)state;
    small *s = malloc(sizeof *s);
    open_small(s);
    expect_vocab("as it is", s->pieces, s->n, NULL);
    expect_vocab("no pieces", s->pieces, 0, "0 pieces, expected 1 to 1048576");
    expect_vocab("too many pieces", s->pieces, (1u << 20) + 1, "1048577 pieces"); /* refused before it looks at them */
    expect_vocab("more than memory", s->pieces, SIZE_MAX, "pieces, expected 1 to 1048576");
    expect_vocab("one piece", s->pieces, 1, "no piece <0x00>");
    expect_vocab("no normal pieces", s->pieces, FIRST, NULL);
    for (size_t i = 0; i < s->n; i++)
        s->pieces[i].score = 0;
    expect_vocab("one score for all", s->pieces, s->n, NULL);
    for (size_t i = FIRST; i < s->n; i++)
        s->pieces[i] = s->pieces[FIRST];
    expect_vocab("one piece many times", s->pieces, s->n, NULL);
    for (size_t i = 0; i < s->n; i++)
        s->pieces[i].kind = CT_PIECE_UNUSED;
    expect_vocab("everything unused", s->pieces, s->n, NULL);
    for (size_t i = 0; i < s->n; i++)
        s->pieces[i].kind = CT_PIECE_CONTROL;
    expect_vocab("everything control", s->pieces, s->n, NULL);
    free(s);
}

/* Every a, aa, aaa, .. up to the limit is a piece: the longest merges, the most ways to split, the deepest patterns. */
static void chains(void **state)
{
    (void)state;
    static char run[1024];
    memset(run, 'a', sizeof run);
    small *s = malloc(sizeof *s);
    for (int kind = CT_PIECE_NORMAL; kind <= CT_PIECE_USER_DEFINED; kind += 3)
        for (int ties = 0; ties < 2; ties++) {
            small_init(s);
            for (size_t i = 1; i <= 1024; i++)
                s->pieces[s->n++] = (ct_piece){ run, i, ties ? 0 : -(float)i, (ct_piece_kind)kind };
            expect_vocab("a chain", s->pieces, s->n, NULL);
        }
    free(s);
}

/* ---- tokenizer.model ---- */

static char *tiny_model(size_t *len)
{
    char *data = NULL;
    carat_err err;
    assert_true(ct_read_file(TINY "tokenizer.model", 1 << 20, &data, len, &err));
    return data;
}

static void expect_model(const char *name, const void *data, size_t len, const char *want)
{
    carat_tokenizer *t = (carat_tokenizer *)-1;
    carat_err err = { 0 };
    void *copy = malloc(len ? len : 1); /* its own block, so that a sanitizer sees one byte too far */
    memcpy(copy, data, len);
    bool ok = ct_tokenizer_from_model_bytes(copy, len, &t, &err);
    free(copy);
    if (ok != !want || (want && !strstr(err.msg, want)))
        fail_msg("%s: %s '%s', expected %s", name, ok ? "opened" : "refused", err.msg, want ? want : "to open");
    if (!ok)
        assert_null(t);
    carat_tokenizer_close(t);
}

/* The last word on a field counts, so a setting is changed by adding it at the end. */
static void models_with_something_added(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *want;
    } cases[] = {
#define ADD(name, bytes, want) { name, bytes, sizeof bytes - 1, want }
        ADD("nothing", "", NULL),
        ADD("unigram", "\x12\x02\x18\x01", "its model_type is not BPE"),
        ADD("word model", "\x12\x02\x18\x03", "its model_type is not BPE"),
        ADD("a model_type of 64 bits", "\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "its model_type is not BPE"),
        ADD("no byte fallback",
            "\x12\x03\x98\x02"
            "\0",
            "no byte_fallback"),
        ADD("white space as a suffix", "\x12\x03\xc0\x01\x01", "as a suffix"),
        ADD("a space in front", "\x1a\x02\x18\x01", "add_dummy_prefix"),
        ADD("white space removed", "\x1a\x02\x20\x01", "remove_extra_whitespaces"),
        ADD("white space not escaped",
            "\x1a\x02\x28"
            "\0",
            "does not escape"),
        ADD("a map of characters", "\x1a\x03\x12\x01x", "precompiled_charsmap"),
        ADD("an unknown field", "\x52\x03xyz", NULL),
        ADD("unknown numbers",
            "\x50\x05\x59"
            "12345678\x5d"
            "1234",
            NULL),
        ADD("a tag cut off", "\x80", "a number is cut off"),
        ADD("eleven bytes of a number", "\x50\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "more than 64 bits"),
        ADD("65 bits", "\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "more than 64 bits"),
        ADD("field number 0", "\x02\x00", "field number is out of range"),
        ADD("field number 2^29", "\x82\x80\x80\x80\x10\x00", "field number is out of range"),
        ADD("a group", "\x53", "unknown wire type"),
        ADD("the end of a group", "\x54", "unknown wire type"),
        ADD("wire type 6", "\x56", "unknown wire type"),
        ADD("wire type 7", "\x57", "unknown wire type"),
        ADD("eight bytes cut off",
            "\x51"
            "1234567",
            "a number is cut off"),
        ADD("four bytes cut off",
            "\x55"
            "123",
            "a number is cut off"),
        ADD("longer than the file",
            "\x0a\x05"
            "abcd",
            "longer than the message"),
        ADD("length 2^64 - 1", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than the message"),
        ADD("longer than its message", "\x0a\x04\x0a\x03zz", "longer than the message"),
        ADD("a piece that is a number", "\x08\x05", "a part of the model has wire type 0"),
        ADD("a text that is a number", "\x0a\x02\x08\x05", "a piece's field has wire type 0"),
        ADD("a score that is a number", "\x0a\x02\x10\x05", "a piece's field has wire type 0"),
        ADD("a score that is NaN", "\x0a\x08\x0a\x01z\x15\x00\x00\xc0\x7f", "has the score"),
        ADD("a type that is a text", "\x0a\x03\x1a\x01z", "a piece's field has wire type 2"),
        ADD("type 2^32 + 1", "\x0a\x09\x0a\x01z\x18\x81\x80\x80\x80\x10", "has type -1"),
        ADD("an empty piece", "\x0a\x00", NULL),
        ADD("a piece that is no UTF-8", "\x0a\x03\x0a\x01\xff", "not valid UTF-8"),
        ADD("trainer settings as text", "\x12\x03\x1a\x01x", "trainer_spec's field has wire type 2"),
        ADD("normaliser settings as text", "\x1a\x03\x1a\x01x", "normalizer_spec's field has wire type 2"),
    };
    size_t len;
    char *model = tiny_model(&len);
    char *data = malloc(len + 64);
    memcpy(data, model, len);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(data + len, cases[i].bytes, cases[i].len);
        expect_model(cases[i].name, data, len + cases[i].len, cases[i].want);
    }
    expect_model("empty", "", 0, "model_type is not BPE");
    free(data);
    free(model);
}

static void models_cut_off_or_damaged(void **state)
{
    (void)state;
    size_t len;
    char *model = tiny_model(&len);
    for (size_t n = 0; n < len; n += unit_step(3))
        expect_model("cut off", model, n, "");
    for (size_t i = 0; i < len; i += unit_step(3)) {
        carat_tokenizer *t;
        carat_err err;
        char was = model[i];
        for (int bit = 0; bit < 8; bit += 3) {
            model[i] = (char)(was ^ (1 << bit));
            if (ct_tokenizer_from_model_bytes(model, len, &t, &err))
                carat_tokenizer_close(t);
            else
                assert_string_not_equal(err.msg, "");
        }
        model[i] = was;
    }
    free(model);
}

/* ---- tokenizer.json ---- */

static void expect_json(const char *name, const char *text, size_t len, const char *want)
{
    carat_tokenizer *t = (carat_tokenizer *)-1;
    carat_err err = { 0 };
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    bool ok = ct_tokenizer_from_json_bytes(copy, len, &t, &err);
    free(copy);
    if (ok != !want || (want && !strstr(err.msg, want)))
        fail_msg("%s: %s '%s', expected %s", name, ok ? "opened" : "refused", err.msg, want ? want : "to open");
    if (!ok)
        assert_null(t);
    carat_tokenizer_close(t);
}

/* The tiny tokenizer.json with all white space outside strings removed, so that a case can name what it replaces. */
static char *tiny_json(size_t *len)
{
    char *s;
    carat_err err;
    assert_true(ct_read_file(TINY "tokenizer.json", 1 << 20, &s, len, &err));
    size_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < *len; i++) {
        if (inside && s[i] == '\\') { /* an escape: two bytes as they are */
            s[n++] = s[i++];
            s[n++] = s[i];
            continue;
        }
        inside = inside != (s[i] == '"');
        if (inside || !strchr(" \n", s[i]))
            s[n++] = s[i];
    }
    s[n] = '\0';
    *len = n;
    return s;
}

static void jsons_with_something_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *name, *from, *to, *want;
    } cases[] = {
        { "nothing", "\"dropout\":null", "\"dropout\":null", NULL },
        { "dropout", "\"dropout\":null", "\"dropout\":0.1", "dropout is set" },
        { "unigram", "\"type\":\"BPE\"", "\"type\":\"Unigram\"", "type is not BPE" },
        { "no type", "\"type\":\"BPE\"", "\"tipe\":\"BPE\"", "type is not BPE" },
        { "no byte fallback", "\"byte_fallback\":true", "\"byte_fallback\":false", "byte_fallback is not true" },
        { "a prefix", "subword_prefix\":null", "subword_prefix\":\"##\"", "continuing_subword_prefix is set" },
        { "an empty prefix", "subword_prefix\":null", "subword_prefix\":\"\"", NULL },
        { "a suffix", "word_suffix\":null", "word_suffix\":\"</w>\"", "end_of_word_suffix is set" },
        { "merges ignored", "ignore_merges\":false", "ignore_merges\":true", "ignore_merges is set" },
        { "another normaliser", "\"type\":\"Replace\"", "\"type\":\"NFKC\"", "its normalizer does something else" },
        { "a normaliser for nothing", "\"normalizer\":{", "\"normalizer\":null,\"x\":{",
          "normalizer does something else" },
        { "another replacement", "\"String\":\" \"},\"content\":\"\\u2581\"", "\"String\":\" \"},\"content\":\"_\"",
          "normalizer does something else" },
        { "a split at letters", "\"Split\",\"pattern\":{\"String\":\" \"}", "\"Split\",\"pattern\":{\"String\":\"a\"}",
          "pre_tokenizer does something else" },
        { "no pre-tokenizer", "\"pre_tokenizer\":{", "\"pre_tokenizer\":null,\"x\":{", NULL },
        { "no model", "\"model\":{", "\"mode\":{", "no 'model'" },
        { "two models", "\"model\":{", "\"model\":{},\"model\":{", "a key that appears twice" },
        { "a model that is a list", "\"model\":{", "\"model\":[],\"x\":{", "expected an object" },
        { "no vocab", "\"vocab\":{", "\"vocap\":{", "no 'vocab'" },
        { "no merges", "\"merges\":[", "\"mergers\":[", "no 'merges'" },
        { "vocab is a list", "\"vocab\":{", "\"vocab\":[],\"x\":{", "expected an object" },
        { "an id twice", "\"<eos>\":1,", "\"<eos>\":0,", "an id that an earlier piece already has" },
        { "a negative id", "\"<eos>\":1,", "\"<eos>\":-1,", "expected an integer within range" },
        { "a huge id", "\"<eos>\":1,", "\"<eos>\":1048576,", "expected an integer within range" },
        { "an id of 30 digits", "\"<eos>\":1,", "\"<eos>\":111111111111111111111111111111,",
          "expected an integer within range" },
        { "an id with a fraction", "\"<eos>\":1,", "\"<eos>\":1.0,", "expected an integer within range" },
        { "an id in words", "\"<eos>\":1,", "\"<eos>\":\"1\",", "expected an integer within range" },
        { "a hole", "\"<unused3>\":9,", "", NULL },
        { "no comma", "\"<eos>\":1,", "\"<eos>\":1 ", "expected a comma" },
        { "two commas", "\"<eos>\":1,", "\"<eos>\":1,,", "expected a string" },
        { "no colon", "\"<eos>\":1,", "\"<eos>\" 1,", "expected a colon" },
        { "an id far away", "\"<unused3>\":9,", "\"<far>\":1000000,", NULL },
        { "a merge into nothing", "\"merges\":[", "\"merges\":[[\"a\",\"<0x00>\"],", "something that is not a piece" },
        { "a merge of a control token", "\"merges\":[", "\"merges\":[[\"<\",\"bos>\"],",
          "something that is not a piece" },
        { "a merge of one", "\"merges\":[", "\"merges\":[[\"a\"],", "expected a second string" },
        { "a merge of none", "\"merges\":[", "\"merges\":[[],", "expected two strings" },
        { "a merge of three", "\"merges\":[", "\"merges\":[[\"a\",\"b\",\"c\"],", "expected two strings" },
        { "a merge of numbers", "\"merges\":[", "\"merges\":[[1,2],", "expected a string" },
        { "a merge without a space", "\"merges\":[", "\"merges\":[\"ab\",", "with a space between them" },
        { "a merge with two spaces", "\"merges\":[", "\"merges\":[\"a b c\",", "something that is not a piece" },
        { "a merge twice", "\"merges\":[", "\"merges\":[[\"\xe2\x96\x81\",\"a\"],", NULL },
        { "a merge as an object", "\"merges\":[", "\"merges\":[{},", "expected a string" },
        { "merges as an object", "\"merges\":[", "\"merges\":{},\"x\":[", "expected an array" },
        { "added tokens as an object", "\"added_tokens\":[", "\"added_tokens\":{},\"x\":[", "expected an array" },
        { "an added token without id", "{\"id\":0,", "{", "without id or content" },
        { "an added token without content", "\"content\":\"<pad>\",", "", "without id or content" },
        { "an added token with another's id", "{\"id\":0,", "{\"id\":1,", "gives to another piece" },
        { "an added id in words", "{\"id\":0,", "{\"id\":\"0\",", "'id' is a string" },
        { "an added id out of range", "{\"id\":0,", "{\"id\":1048576,", "'id'" },
        { "special in words", "\"special\":true", "\"special\":\"yes\"", "'special' is a string" },
        { "an added token that strips", "\"lstrip\":false", "\"lstrip\":true", "has matching rules" },
        { "an added token of single words", "\"single_word\":false", "\"single_word\":true", "has matching rules" },
        { "an added token with normalised text", "\"normalized\":false", "\"normalized\":true", NULL },
        { "half an escape", "\"<eos>\":1,", "\"<eos\\\":1,", "" },
        { "an unknown escape", "\"<unused3>\":9,", "\"\\x\":9,", "an unknown escape" },
        { "a bad \\u", "\"<unused3>\":9,", "\"\\u12g4\":9,", "four hexadecimal digits" },
        { "half a surrogate pair", "\"<unused3>\":9,", "\"\\ud800\":9,", "half of a surrogate pair" },
        { "the other half", "\"<unused3>\":9,", "\"\\udc00\":9,", "half of a surrogate pair" },
        { "two first halves", "\"<unused3>\":9,", "\"\\ud800\\ud800\":9,", "half of a surrogate pair" },
        { "a control character", "\"<unused3>\":9,", "\"\t\":9,", "a control character in a string" },
        { "a byte that is not UTF-8", "\"<unused3>\":9,", "\"\xff\":9,", "a byte that is not UTF-8" },
        { "something behind it", "\"version\":", "},{\"version\":", "text after the closing brace" },
        { "a word that is none", "\"truncation\":null", "\"truncation\":nul", "expected a value" },
        { "a missing byte piece", "\"<0x41>\":90,", "", "no piece <0x41>" },
    };
    size_t len;
    char *json = tiny_json(&len);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = strstr(json, cases[i].from);
        if (!at)
            fail_msg("%s: the file has no %s", cases[i].name, cases[i].from);
        ct_buf b;
        ct_buf_init(&b, 1 << 20);
        ct_buf_add(&b, json, (size_t)(at - json));
        ct_buf_str(&b, cases[i].to);
        ct_buf_str(&b, at + strlen(cases[i].from));
        expect_json(cases[i].name, b.data, b.len, cases[i].want);
        ct_buf_deinit(&b);
    }
    free(json);
}

static void jsons_cut_off_or_damaged(void **state)
{
    (void)state;
    size_t len;
    char *json = tiny_json(&len);
    for (size_t n = 0; n < len; n += n < 200 || n > len - 200 ? 1 : 13)
        expect_json("cut off", json, n, "");
    static const char other[] = "\"\\{}[],:0a\0\xff";
    for (size_t i = 0; i < len; i += 3) {
        carat_tokenizer *t;
        carat_err err;
        char was = json[i];
        json[i] = other[i % (sizeof other - 1)];
        if (ct_tokenizer_from_json_bytes(json, len, &t, &err))
            carat_tokenizer_close(t);
        else
            assert_string_not_equal(err.msg, "");
        json[i] = was;
    }
    free(json);
}

static void json_nests_only_so_deep(void **state)
{
    (void)state;
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    ct_jp r = { .s = deep + 36, .len = 128 };
    assert_true(ct_jp_skip(&r));
    assert_int_equal(r.pos, 128);
    ct_jp_deinit(&r);
    r = (ct_jp){ .s = deep + 35, .len = 130 };
    assert_false(ct_jp_skip(&r));
    assert_non_null(strstr(r.err.msg, "nested deeper than 64"));
    ct_jp_deinit(&r);
}

static void json_strings_are_decoded(void **state)
{
    (void)state;
    static const char text[] = " \"a\\n\\u00e9\\ud83d\\ude00\\/\\u0000\\\"\" ";
    ct_jp r = { .s = text, .len = sizeof text - 1 };
    assert_true(ct_jp_string(&r));
    static const char want[] = "a\n\xc3\xa9\xf0\x9f\x98\x80/\0\"";
    assert_int_equal(r.str_len, sizeof want - 1);
    assert_memory_equal(r.str, want, r.str_len);
    assert_int_equal(ct_jp_peek(&r), 0);
    ct_jp_deinit(&r);
    r = (ct_jp){ .s = "[-12, 9223372036854775807]", .len = 26 };
    int64_t v = 0;
    bool first = true;
    assert_true(ct_jp_enter(&r, '[') && ct_jp_more(&r, ']', &first) && ct_jp_int(&r, -12, 0, &v));
    assert_int_equal(v, -12);
    assert_true(ct_jp_more(&r, ']', &first));
    assert_false(ct_jp_int(&r, INT64_MIN, INT64_MAX, &v)); /* 19 digits are never an id */
    assert_false(ct_jp_string(&r));                        /* the first error stays */
    assert_non_null(strstr(r.err.msg, "at byte 6"));
    ct_jp_deinit(&r);
}

/* ---- what is not a file ---- */

static void paths_that_hold_no_tokenizer(void **state)
{
    (void)state;
    carat_tokenizer *t;
    carat_err err;
    assert_false(ct_tokenizer_from_json("/nonexistent/tokenizer.json", &t, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_false(ct_tokenizer_from_model(TEST_DATA, &t, &err)); /* a directory */
    assert_int_equal(err.code, CARAT_EFORMAT);
    assert_false(ct_tokenizer_from_folder(TEST_DATA "/tokenizer", &t, &err));
    assert_non_null(strstr(err.msg, "neither tokenizer.json nor tokenizer.model"));
    assert_false(ct_tokenizer_from_model(TINY "tokenizer.json", &t, &err));
    assert_non_null(strstr(err.msg, TINY));
    assert_false(ct_tokenizer_from_json(TINY "tokenizer.model", &t, &err));
    assert_non_null(strstr(err.msg, "not valid JSON at byte 1"));
    assert_null(t);
    carat_tokenizer_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_piece_changed),
        cmocka_unit_test(whole_tables),
        cmocka_unit_test(chains),
        cmocka_unit_test(models_with_something_added),
        cmocka_unit_test(models_cut_off_or_damaged),
        cmocka_unit_test(jsons_with_something_replaced),
        cmocka_unit_test(jsons_cut_off_or_damaged),
        cmocka_unit_test(json_nests_only_so_deep),
        cmocka_unit_test(json_strings_are_decoded),
        cmocka_unit_test(paths_that_hold_no_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
