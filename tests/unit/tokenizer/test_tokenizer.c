/* What encoding and decoding promise, on small vocabularies and at the edges; the golden lines are in test_golden.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "real_vocab.h"
#include "small.h"

#define DATA TEST_DATA "/tokenizer/"

static uint64_t seed = 88172645463325252ull;

static uint32_t rnd(uint32_t n) /* 0 .. n - 1; xorshift64, the same every run */
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static void expect_ids(const carat_tokenizer *t, const char *text, size_t len, unsigned flags, const int32_t *want,
                       size_t n)
{
    ct_ids ids = { 0 };
    carat_err err = { 0 };
    assert_true(ct_tok_encode(t, text, len, flags, &ids, &err));
    bool same = ids.n == n && (!n || !memcmp(ids.v, want, n * sizeof *want));
    if (!same) {
        fprintf(stderr, "'%.*s' gave", (int)len, text);
        for (size_t i = 0; i < ids.n; i++)
            fprintf(stderr, " %d", ids.v[i]);
        fprintf(stderr, "\n");
    }
    assert_true(same);
    ct_ids_deinit(&ids);
}

#define EXPECT(t, text, flags, ...)                                                                                    \
    expect_ids(t, text, sizeof text - 1, flags, (const int32_t[]){ __VA_ARGS__ },                                      \
               sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

enum { BYTE0 = 14, FIRST = 270 }; /* in small vocabularies: the byte 0; the first piece a test adds */

/* ---- merging ---- */

static void lower_ranks_merge_first_and_the_leftmost_of_equals(void **state)
{
    (void)state;
    small *s = malloc(sizeof *s);
    small_init(s);
    int32_t ab = small_add(s, "ab", 0, CT_PIECE_NORMAL), bc = small_add(s, "bc", -1, CT_PIECE_NORMAL);
    int32_t aa = small_add(s, "aa", -2, CT_PIECE_NORMAL), a = small_add(s, "a", -3, CT_PIECE_NORMAL);
    int32_t b = small_add(s, "b", -4, CT_PIECE_NORMAL), c = small_add(s, "c", -5, CT_PIECE_NORMAL);
    assert_int_equal(ab, FIRST);
    carat_tokenizer *t = small_open(s);
    EXPECT(t, "abc", 0, ab, c);
    EXPECT(t, "bc", 0, bc);
    EXPECT(t, "bbcb", 0, b, bc, b);
    EXPECT(t, "aaa", 0, aa, a);
    EXPECT(t, "aaab", 0, aa, ab);
    carat_tokenizer_close(t);
    free(s);
}

/* The textbook algorithm on the whole text at once, with ranks as the reference's converter gives them: of all pairs
 * that make a piece, take the one with the best (user-defined, score, longer left part, longer right part, lower id,
 * leftmost). */
typedef struct node {
    char text[64];
    int32_t id;
} node;

static size_t chars(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((uint8_t)*s & 0xC0) != 0x80;
    return n;
}

static bool goes_before(const small *s, const node *l, const node *r, int32_t id, const node *bl, const node *br,
                        int32_t best)
{
    bool user = s->pieces[id].kind == CT_PIECE_USER_DEFINED, best_user = s->pieces[best].kind == CT_PIECE_USER_DEFINED;
    if (user != best_user)
        return user;
    if (!user && s->pieces[id].score != s->pieces[best].score)
        return s->pieces[id].score > s->pieces[best].score;
    if (chars(l->text) != chars(bl->text))
        return chars(l->text) > chars(bl->text);
    if (chars(r->text) != chars(br->text))
        return chars(r->text) > chars(br->text);
    return id < best;
}

static size_t merge_by_the_book(const small *s, const carat_tokenizer *t, node *nodes, size_t n)
{
    for (;;) {
        size_t at = n;
        int32_t best = -1;
        for (size_t i = 0; i + 1 < n; i++) {
            char both[128];
            snprintf(both, sizeof both, "%s%s", nodes[i].text, nodes[i + 1].text);
            int32_t id = ct_tok_find(t, both, strlen(both));
            if (id >= 0 && (best < 0 || goes_before(s, &nodes[i], &nodes[i + 1], id, &nodes[at], &nodes[at + 1], best)))
                best = id, at = i;
        }
        if (best < 0)
            return n;
        snprintf(nodes[at].text, sizeof nodes[at].text, "%s", s->text[best]);
        nodes[at].id = best;
        memmove(&nodes[at + 1], &nodes[at + 2], (n - at - 2) * sizeof *nodes);
        n--;
    }
}

static void append(char *text, size_t size, const char *s)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s", s);
}

/* Random vocabularies over three letters and a space, with scores that tie or not: encoding in stretches, with spans of
 * ranks and lists of them, gives what merging by the book gives. */
static void it_is_the_textbook_algorithm(void **state)
{
    (void)state;
    small *s = malloc(sizeof *s);
    for (int round = 0; round < 60; round++) {
        small_init(s);
        int n_letters = 2 + (int)rnd(3);
        static const char *const letters[] = { "a", "b", "c", "\xe2\x96\x81" };
        for (int i = 0; i < n_letters; i++)
            small_add(s, letters[4 - n_letters + i], -500, CT_PIECE_NORMAL);
        for (uint32_t i = 0, n = 3 + rnd(40); i < n; i++) {
            char text[64] = "";
            for (uint32_t k = 0, len = 2 + rnd(5); k < len; k++)
                append(text, sizeof text, letters[4 - n_letters + (int)rnd((uint32_t)n_letters)]);
            bool is_run = strspn(text, "\xe2\x96\x81") == strlen(text); /* known by name, whatever its kind */
            small_add(s, text, round % 3 ? -(float)i : -(float)rnd(4),
                      is_run ? CT_PIECE_USER_DEFINED : CT_PIECE_NORMAL);
        }
        carat_tokenizer *t = small_open(s);
        for (int k = 0; k < 40; k++) {
            char text[256] = "";
            node nodes[64];
            size_t n = 1 + rnd(40);
            for (size_t i = 0; i < n; i++) {
                snprintf(nodes[i].text, sizeof nodes[i].text, "%s",
                         letters[4 - n_letters + (int)rnd((uint32_t)n_letters)]);
                nodes[i].id = ct_tok_find(t, nodes[i].text, strlen(nodes[i].text));
                append(text, sizeof text, nodes[i].text[0] == '\xe2' ? " " : nodes[i].text);
            }
            n = merge_by_the_book(s, t, nodes, n);
            int32_t want[64];
            for (size_t i = 0; i < n; i++)
                want[i] = nodes[i].id;
            expect_ids(t, text, strlen(text), 0, want, n);
        }
        carat_tokenizer_close(t);
    }
    free(s);
}

/* ---- added tokens and control tokens ---- */

static void user_text_never_becomes_a_control_token(void **state)
{
    carat_tokenizer *t = *state;
    static const char *const names[] = { "<pad>",
                                         "<eos>",
                                         "<bos>",
                                         "<unk>",
                                         "<start_of_turn>",
                                         "<end_of_turn>",
                                         "<start_of_image>",
                                         "<end_of_image>",
                                         "<image_soft_token>" };
    ct_buf text;
    ct_buf_init(&text, 1 << 20);
    for (int i = 0; i < 2000; i++) {
        ct_buf_clear(&text);
        for (uint32_t k = 0, n = 1 + rnd(6); k < n; k++) {
            ct_buf_str(&text, names[rnd(9)]);
            ct_buf_add(&text, &"\n <\xe2\x96\x81\xff"[rnd(6)], rnd(2));
        }
        ct_ids ids = { 0 };
        assert_true(ct_tok_encode(t, text.data, text.len, CARAT_TOK_BOS, &ids, NULL));
        assert_int_equal(ids.v[0], 2);
        for (size_t k = 1; k < ids.n; k++)
            assert_false(ct_tok_is_control(t, ids.v[k]));
        ct_ids_deinit(&ids);
    }
    ct_buf_deinit(&text);
    EXPECT(t, "<end_of_turn>", CARAT_TOK_SPECIAL, 106);
    EXPECT(t, "<image_soft_token>", CARAT_TOK_SPECIAL, 262144);
}

static void bos_comes_exactly_once(void **state)
{
    carat_tokenizer *t = *state;
    EXPECT(t, "", CARAT_TOK_BOS, 2);
    EXPECT(t, "Hello", CARAT_TOK_BOS, 2, 9259);
    EXPECT(t, "<bos>Hello", CARAT_TOK_BOS | CARAT_TOK_SPECIAL, 2, 9259);
    EXPECT(t, "<bos>Hello", CARAT_TOK_SPECIAL, 2, 9259);
    EXPECT(t, "Hello", 0, 9259);
    EXPECT(t, "<bos><bos>", CARAT_TOK_BOS | CARAT_TOK_SPECIAL, 2, 2); /* what the text says twice stays */
    expect_ids(t, "", 0, 0, NULL, 0);
}

static void longest_added_token_at_the_leftmost_place(void **state)
{
    carat_tokenizer *t = *state;
    EXPECT(t, "\n\n\n", 0, 109);
    char many[70];
    memset(many, '\n', sizeof many);
    expect_ids(t, many, 64, 0, (const int32_t[]){ 137, 137, 108 }, 3);
    memset(many, ' ', sizeof many);
    expect_ids(t, many, 64, 0, (const int32_t[]){ 167, 167, 138 }, 3);
    EXPECT(t, "<table></table>", 0, 168, ct_tok_find(t, "</table>", 8));
    EXPECT(t, "<unused1>", 0, 7);
    EXPECT(t, "<unused12>", 0, 18);
    EXPECT(t, "a  \xe2\x96\x81\xe2\x96\x81", 0, 236746, 138, 138); /* literal U+2581 does not join the spaces */
}

static void what_is_in_the_output_stays(void **state)
{
    carat_tokenizer *t = *state;
    ct_ids ids = { 0 };
    assert_true(ct_tok_encode(t, "Hello", 5, CARAT_TOK_BOS, &ids, NULL));
    assert_true(ct_tok_encode(t, "Hello", 5, 0, &ids, NULL));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.v[2], 9259);
    carat_err err;
    assert_false(ct_tok_encode(t, "", ((size_t)1 << 31) + 1, 0, &ids, &err)); /* refused before it is looked at */
    assert_int_equal(err.code, CARAT_ELIMIT);
    assert_int_equal(ids.n, 3);
    ct_ids_deinit(&ids);
}

/* ---- there and back ---- */

static void expect_round_trip(const carat_tokenizer *t, const char *text, size_t len)
{
    ct_ids ids = { 0 };
    assert_true(ct_tok_encode(t, text, len, 0, &ids, NULL));
    size_t at = 0;
    bool same = true;
    for (size_t i = 0; same && i < ids.n; i++) {
        size_t n;
        const char *s = ct_tok_bytes(t, ids.v[i], &n);
        same = n <= len - at && !memcmp(s, text + at, n);
        at += n;
    }
    if (!same || at != len) {
        for (size_t i = 0; i < len; i++)
            fprintf(stderr, "%02x", (uint8_t)text[i]);
        fprintf(stderr, "\n");
    }
    assert_true(same && at == len);
    ct_ids_deinit(&ids);
}

/* U+2581 comes back as a space, so it is left out: everything else returns to the byte. */
static void any_bytes_come_back(void **state)
{
    carat_tokenizer *t = *state;
    char text[256];
    for (int i = 0; i < 20000; i++) {
        size_t len = rnd(sizeof text);
        int kind = (int)rnd(3); /* all bytes; bytes that make up UTF-8's edges; characters of all planes */
        static const uint8_t edges[] = { 0xE2, 0x96, 0x82, 0xF0, 0x9F, 0x98, 0x80, 0xC3,
                                         0xA9, 0xED, 0xA0, 0xF4, 0x90, ' ',  '<' };
        size_t n = 0;
        while (n + 4 <= len) {
            if (kind < 2)
                text[n++] = (char)(kind ? edges[rnd(sizeof edges)] : rnd(256));
            else {
                uint32_t cp = rnd(8) ? rnd(0x3000) : rnd(0x110000);
                if (cp != 0x2581 && (cp < 0xD800 || cp > 0xDFFF))
                    n += ct_utf8_put(cp, text + n);
            }
        }
        if (!memmem(text, n, "\xe2\x96\x81", 3))
            expect_round_trip(t, text, n);
    }
    expect_round_trip(t, "a\0b", 3);
}

/* ---- the stream ---- */

static void expect_stream(const carat_tokenizer *t, const int32_t *ids, size_t n, bool show, const char *const *steps,
                          const char *last)
{
    ct_buf out;
    ct_buf_init(&out, 4096);
    ct_detok d;
    ct_detok_init(&d, t, show);
    for (size_t i = 0; i < n; i++) {
        ct_buf_clear(&out);
        assert_true(ct_detok_push(&d, ids[i], &out));
        assert_string_equal(out.data ? out.data : "", steps[i]);
    }
    ct_buf_clear(&out);
    assert_true(ct_detok_flush(&d, &out));
    assert_string_equal(out.data ? out.data : "", last);
    ct_buf_deinit(&out);
}

#define BYTE(b) (238 + (b))

static void the_stream_holds_unfinished_characters(void **state)
{
    carat_tokenizer *t = *state;
    /* U+1F600, byte by byte. */
    expect_stream(t, (const int32_t[]){ BYTE(0xF0), BYTE(0x9F), BYTE(0x98), BYTE(0x80) }, 4, false,
                  (const char *const[]){ "", "", "", "\xf0\x9f\x98\x80" }, "");
    /* Two bytes of it, then a letter: what cannot become a character any more is replaced, once. */
    expect_stream(t, (const int32_t[]){ BYTE(0xF0), BYTE(0x9F), 9259 }, 3, false,
                  (const char *const[]){ "", "", "\xef\xbf\xbdHello" }, "");
    expect_stream(t, (const int32_t[]){ BYTE(0xE6), BYTE(0xBC) }, 2, false, (const char *const[]){ "", "" },
                  "\xef\xbf\xbd");
    expect_stream(t, (const int32_t[]){ BYTE(0xFF), BYTE(0x80), BYTE(0xC3), BYTE(0xA9) }, 4, false,
                  (const char *const[]){ "\xef\xbf\xbd", "\xef\xbf\xbd", "", "\xc3\xa9" }, "");
    /* Control tokens say nothing unless asked; the held bytes wait for what follows. */
    expect_stream(t, (const int32_t[]){ 2, BYTE(0xC3), 106, BYTE(0xA9) }, 4, false,
                  (const char *const[]){ "", "", "", "\xc3\xa9" }, "");
    expect_stream(t, (const int32_t[]){ 2, 9259, 106 }, 3, true,
                  (const char *const[]){ "<bos>", "Hello", "<end_of_turn>" }, "");
    expect_stream(t, (const int32_t[]){ -1, 262145, 1 << 30 }, 3, true, (const char *const[]){ "", "", "" }, "");
}

/* Python's bytes.decode(errors="replace"), cut anywhere, is what comes out in the end; every step is valid UTF-8. */
static void the_stream_is_the_decoded_text_however_it_is_cut(void **state)
{
    carat_tokenizer *t = *state;
    static const uint8_t edges[] = {
        0xE2, 0x96, 0x82, 0xF0, 0x9F, 0x98, 0x80, 0xC3, 0xA9, 0xED, 0xA0, 0xF4, 0x90, 'a'
    };
    ct_buf out, raw, want;
    ct_buf_init(&out, 1 << 16), ct_buf_init(&raw, 1 << 16), ct_buf_init(&want, 1 << 16);
    for (int round = 0; round < 3000; round++) {
        ct_buf_clear(&out), ct_buf_clear(&raw), ct_buf_clear(&want);
        ct_detok d;
        ct_detok_init(&d, t, false);
        for (uint32_t i = 0, n = rnd(20); i < n; i++) {
            int32_t id = rnd(4) ? BYTE(edges[rnd(sizeof edges)]) : (int32_t)(494 + rnd(255000));
            size_t len;
            const char *s = ct_tok_bytes(t, id, &len);
            ct_buf_add(&raw, s, len);
            assert_true(ct_detok_push(&d, id, &out));
            assert_int_equal(ct_utf8_valid(out.data ? out.data : "", out.len), out.len);
        }
        assert_true(ct_detok_flush(&d, &out));
        for (size_t i = 0; i < raw.len;) {
            uint32_t cp;
            size_t n = ct_utf8_next(raw.data + i, raw.len - i, &cp);
            ct_buf_add(&want, cp == CT_UTF8_BAD ? "\xef\xbf\xbd" : raw.data + i, cp == CT_UTF8_BAD ? 3 : n);
            i += n;
        }
        assert_int_equal(out.len, want.len);
        assert_true(!want.len || !memcmp(out.data, want.data, want.len));
    }
    ct_buf_deinit(&out), ct_buf_deinit(&raw), ct_buf_deinit(&want);
}

/* ---- files that state kinds wrongly; sizes of vocabularies ---- */

static int n_warnings;

static void count_warnings(void *arg, carat_log_level level, const char *line)
{
    (void)arg, (void)line;
    n_warnings += level == CARAT_LOG_WARN;
}

static void wrong_kinds_are_repaired_with_one_warning(void **state)
{
    static const char text[] = "<bos><start_of_turn>user\n<b>x</b>   \t\t<unused3><mask><0x41><end_of_turn>\n";
    carat_tokenizer *healthy = *state;
    ct_ids want = { 0 };
    assert_true(ct_tok_encode(healthy, text, sizeof text - 1, CARAT_TOK_SPECIAL, &want, NULL));
    static const ct_piece_kind kinds[] = { CT_PIECE_NORMAL, CT_PIECE_UNUSED, (ct_piece_kind)0 };
    for (int i = 0; i < 3; i++) {
        vocab_file v;
        assert_true(vocab_file_open(&v, DATA "vocab.bin"));
        for (size_t id = 0; id < v.n; id++)
            if (v.pieces[id].kind != CT_PIECE_NORMAL)
                v.pieces[id].kind = kinds[i];
        carat_tokenizer *t;
        carat_err err;
        n_warnings = 0;
        carat_log_to(count_warnings, NULL);
        assert_true(ct_tokenizer_from_pieces(v.pieces, v.n, &t, &err));
        carat_log_to(NULL, NULL);
        assert_int_equal(n_warnings, 1);
        expect_ids(t, text, sizeof text - 1, CARAT_TOK_SPECIAL, want.v, want.n);
        assert_int_equal(ct_tok_is_control(t, 106), 1);
        assert_int_equal(ct_tok_is_control(t, 9), 0);
        carat_tokenizer_close(t);
        vocab_file_close(&v);
    }
    ct_ids_deinit(&want);
}

static void tables_of_262145_and_262208_rows(void **state)
{
    (void)state;
    vocab_file v;
    assert_true(vocab_file_open(&v, DATA "vocab.bin"));
    ct_piece *pieces = calloc(262208, sizeof *pieces);
    char(*names)[16] = calloc(64, sizeof *names);
    memcpy(pieces, v.pieces, v.n * sizeof *pieces);
    pieces[262144] = (ct_piece){ "<image_soft_token>", 18, -1000, CT_PIECE_CONTROL };
    for (int i = 0; i < 63; i++) { /* what converters fill up with; typed wrongly in some files */
        snprintf(names[i], sizeof names[i], "[PAD%d]", 262145 + i);
        pieces[262145 + i] =
            (ct_piece){ names[i], strlen(names[i]), -10000, i % 2 ? CT_PIECE_UNUSED : CT_PIECE_NORMAL };
    }
    for (size_t n = 262145; n <= 262208; n += 63) {
        carat_tokenizer *t;
        carat_err err;
        assert_true(ct_tokenizer_from_pieces(pieces, n, &t, &err));
        assert_int_equal(ct_tok_facts(t)->n_pieces, n);
        assert_int_equal(ct_tok_facts(t)->image_soft_token, 262144);
        for (int32_t id = 262140; id < 262300; id++)
            assert_int_equal(ct_tok_is_samplable(t, id), id < 262144);
        EXPECT(t, "[PAD262145]", 0, 236840, 67074, 236778, 236825, 236778, 236770, 236812, 236810, 236842);
        carat_tokenizer_close(t);
    }
    free(names);
    free(pieces);
    vocab_file_close(&v);
}

/* ---- threads ---- */

static void *encode_often(void *arg)
{
    const carat_tokenizer *t = arg;
    for (int i = 0; i < 200; i++) {
        ct_ids ids = { 0 };
        if (!ct_tok_encode(t, "Hello <b>world</b>", 18, CARAT_TOK_BOS, &ids, NULL) || ids.n != 6 || ids.v[1] != 9259)
            return NULL;
        ct_ids_deinit(&ids);
    }
    return arg;
}

static void any_thread_may_encode(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_often, *state), 0);
    for (int i = 0; i < 4; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_ptr_equal(ok, *state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lower_ranks_merge_first_and_the_leftmost_of_equals),
        cmocka_unit_test(it_is_the_textbook_algorithm),
        cmocka_unit_test(user_text_never_becomes_a_control_token),
        cmocka_unit_test(bos_comes_exactly_once),
        cmocka_unit_test(longest_added_token_at_the_leftmost_place),
        cmocka_unit_test(what_is_in_the_output_stays),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(the_stream_holds_unfinished_characters),
        cmocka_unit_test(the_stream_is_the_decoded_text_however_it_is_cut),
        cmocka_unit_test(wrong_kinds_are_repaired_with_one_warning),
        cmocka_unit_test(tables_of_262145_and_262208_rows),
        cmocka_unit_test(any_thread_may_encode),
    };
    return cmocka_run_group_tests(tests, open_real, close_real);
}
