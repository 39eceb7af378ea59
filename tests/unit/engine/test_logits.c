/* A session keeps the final hidden state of its last token: its logits are there when somebody wants them, bit for bit
 * those of the step, and no row of them is held for those who never ask.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "ask.h"
#include "base/map.h"
#include "poison.h"

enum { N = 40, SESSIONS = 8, MOST = 1024 };

static carat_engine *engine;
static int32_t ids[N];
static size_t n_vocab;
static float want[MOST]; /* after ids, as the step itself gave them */

static void must(bool ok, const carat_err *e)
{
    ask_must(ok, e);
}

static carat_session *open_session(void)
{
    carat_session *s;
    carat_err e;
    must(carat_session_open(engine, 0, &s, &e), &e);
    return s;
}

static bool keep_row(void *arg, size_t pos, const float *logits, size_t n)
{
    (void)pos;
    memcpy(arg, logits, n * sizeof *logits);
    return true;
}

static int setup(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s;
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .chunk = 16, .n_ctx = 4096, .n_sessions = SESSIONS
    };
    ask_ids(1, ids, N);
    if (!carat_engine_open(TEST_DATA "/models/tiny-text", &o, &engine, &e))
        return -1;
    n_vocab = carat_engine_info(engine)->n_vocab;
    if (n_vocab > MOST || !carat_session_open(engine, 0, &s, &e) ||
        !carat_session_append_logits(s, ids, N, keep_row, want, &e))
        return -1;
    carat_session_close(s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carat_engine_close(engine);
    return 0;
}

static void expect_row(carat_session *s, const float *row, const char *what)
{
    carat_err e;
    float copy[MOST];
    must(carat_session_copy_logits(s, copy, &e), &e);
    const float *own = carat_session_logits(s);
    assert_non_null(own);
    if (memcmp(copy, row, n_vocab * sizeof *row) != 0 || memcmp(own, row, n_vocab * sizeof *row) != 0)
        fail_msg("%s: other logits", what);
    assert_true(carat_session_logits(s) == own);
}

static void expect_none(carat_session *s)
{
    carat_err e = { 0 };
    float copy[MOST];
    assert_null(carat_session_logits(s));
    assert_false(carat_session_copy_logits(s, copy, &e));
    assert_int_equal(e.code, CARAT_EARG);
}

/* Appended whole and in pieces, asked in between and not. */
static void after_an_append(void **state)
{
    (void)state;
    carat_err e;
    for (int asks = 0; asks < 2; asks++)
        for (size_t piece = 1; piece <= N; piece += 13) {
            carat_session *s = open_session();
            expect_none(s);
            for (size_t i = 0; i < N; i += piece) {
                must(carat_session_append(s, ids + i, N - i < piece ? N - i : piece, &e), &e);
                assert_true(!asks || carat_session_logits(s));
            }
            expect_row(s, want, "after an append");
            must(carat_session_append(s, ids, 0, &e), &e); /* of nothing */
            expect_row(s, want, "after an append of nothing");
            carat_session_close(s);
        }
}

typedef struct rows {
    float x[N][MOST];
    size_t n;
} rows;

static bool keep_all(void *arg, size_t pos, const float *logits, size_t n)
{
    rows *r = arg;
    assert(pos == r->n && pos < N && n <= MOST);
    memcpy(r->x[r->n++], logits, n * sizeof *logits);
    return true;
}

/* Rows are computed several at a time: the same as one by one, wherever the groups end. */
static void of_every_token(void **state)
{
    (void)state;
    static rows one, all;
    carat_err e;
    carat_session *s = open_session();
    one.n = 0;
    for (size_t i = 0; i < N; i++)
        must(carat_session_append_logits(s, ids + i, 1, keep_all, &one, &e), &e);
    carat_session_close(s);
    for (size_t first = 0; first < 20; first++) { /* so that steps of 16 begin and end elsewhere */
        s = open_session();
        all.n = 0;
        must(carat_session_append_logits(s, ids, first, keep_all, &all, &e), &e);
        must(carat_session_append_logits(s, ids + first, N - first, keep_all, &all, &e), &e);
        assert_int_equal(all.n, N);
        for (size_t i = 0; i < N; i++)
            assert_memory_equal(all.x[i], one.x[i], n_vocab * sizeof(float));
        carat_session_close(s);
    }
}

/* The answer is the same whether the logits were asked for before or not; afterwards there are none until its last
 * token has been appended. */
static void after_a_generation(void **state)
{
    (void)state;
    int32_t chunk[2][6];
    float row[MOST];
    for (int asks = 0; asks < 2; asks++) {
        carat_err e;
        carat_result r = { .struct_size = sizeof r };
        const carat_generation g = *ASK_GREEDY(6);
        carat_session *s = open_session(), *cold = open_session();
        must(carat_session_append(s, ids, N, &e), &e);
        if (asks)
            expect_row(s, want, "before a generation");
        must(carat_session_generate(s, &g, &r, &e), &e);
        assert_int_equal(carat_session_n_tokens(s), N + 5);
        expect_none(s);
        assert_false(carat_session_generate(s, &g, &r, &e));
        assert_int_equal(e.code, CARAT_EARG);
        memcpy(chunk[asks], carat_session_tokens(s) + N, 5 * sizeof(int32_t));
        chunk[asks][5] = 30;
        must(carat_session_append(s, &chunk[asks][5], 1, &e), &e);
        must(carat_session_append_logits(cold, carat_session_tokens(s), N + 6, keep_row, row, &e), &e);
        expect_row(s, row, "after a generation");
        carat_session_close(s), carat_session_close(cold);
    }
    assert_memory_equal(chunk[0], chunk[1], sizeof chunk[0]);
}

static void after_a_rewind(void **state)
{
    (void)state;
    carat_err e;
    size_t kept;
    carat_session *s = open_session();
    must(carat_session_append(s, ids, N, &e), &e);
    for (size_t to = 0; to <= N; to += 8) {
        expect_row(s, want, "before a rewind");
        must(carat_session_rewind(s, to, &kept, &e), &e);
        if (to == N)
            expect_row(s, want, "after a rewind to where it is");
        else
            expect_none(s);
        must(carat_session_append(s, ids + kept, N - kept, &e), &e);
        expect_row(s, want, "after a rewind");
    }
    carat_session_close(s);
}

/* The fork of one that was asked, and of one that was not; then both go their own ways. */
static void of_a_fork(void **state)
{
    (void)state;
    float row[MOST];
    for (int asks = 0; asks < 2; asks++) {
        carat_err e;
        const int32_t more = 77;
        carat_session *s = open_session(), *fork, *empty;
        must(carat_session_fork(s, &empty, &e), &e);
        expect_none(empty);
        must(carat_session_append(s, ids, N, &e), &e);
        if (asks)
            expect_row(s, want, "before a fork");
        must(carat_session_fork(s, &fork, &e), &e);
        must(carat_session_append_logits(s, &more, 1, keep_row, row, &e), &e);
        expect_row(fork, want, "a fork");
        expect_row(s, row, "who was forked");
        must(carat_session_append(fork, &more, 1, &e), &e);
        expect_row(fork, row, "a fork that went on");
        carat_session_close(s), carat_session_close(fork), carat_session_close(empty);
    }
}

/* ---- on disk ---- */

static void new_file(char path[64])
{
    snprintf(path, 64, "/tmp/carat-logits-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void after_a_restore(void **state)
{
    (void)state;
    carat_err e;
    carat_result r = { .struct_size = sizeof r };
    const carat_generation g = *ASK_GREEDY(3);
    char path[64];
    carat_session *s = open_session(), *again = open_session(), *spent = open_session();
    new_file(path);
    must(carat_session_append(s, ids, N, &e), &e);
    must(carat_session_save(s, path, "note", 4, &e), &e); /* never asked for */
    must(carat_session_restore(again, path, NULL, NULL, &e), &e);
    expect_row(again, want, "after a restore");
    expect_row(s, want, "after a save");
    must(carat_session_generate(again, &g, &r, &e), &e);
    must(carat_session_save(again, path, NULL, 0, &e), &e);
    must(carat_session_restore(spent, path, NULL, NULL, &e), &e);
    assert_int_equal(carat_session_n_tokens(spent), N + 2);
    expect_none(spent);
    carat_session_close(s), carat_session_close(again), carat_session_close(spent);
    unlink(path);
}

/* A file whose checksum is right and whose blob is not: bytes at an offset of the blob are others. */
static void expect_refused(const char *path, size_t at, const void *bytes, size_t n, carat_code code, const char *words)
{
    char *data, other[64];
    size_t size;
    carat_err e;
    struct sha256_ctx sum;
    new_file(other);
    must(ct_read_file(path, 1 << 26, &data, &size, &e), &e);
    memcpy(data + at, bytes, n);
    sha256_init(&sum);
    sha256_update(&sum, size - 32, (uint8_t *)data);
    sha256_digest(&sum, 32, (uint8_t *)data + size - 32);
    FILE *f = fopen(other, "wb");
    assert_true(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    carat_session *s = open_session();
    assert_false(carat_session_restore(s, other, NULL, NULL, &e));
    if (e.code != code || !strstr(e.msg, words) || strncmp(e.msg, other, strlen(other)) != 0)
        fail_msg("'%s' (%s), expected %s and '%s'", e.msg, carat_code_name(e.code), carat_code_name(code), words);
    assert_int_equal(carat_session_n_tokens(s), 0);
    expect_none(s);
    must(carat_session_append(s, ids, N, &e), &e); /* as good as new */
    expect_row(s, want, "after a refused file");
    carat_session_close(s);
    free(data);
    unlink(other);
}

static void hostile_files(void **state)
{
    (void)state;
    enum { VERSION_AT = 8, BLOB_LEN_AT = 56, HEADER = 96 };
    carat_err e;
    char path[64];
    carat_session *s = open_session();
    new_file(path);
    must(carat_session_append(s, ids, N, &e), &e);
    must(carat_session_save(s, path, NULL, 0, &e), &e);
    carat_session_close(s);
    size_t n_layer = carat_engine_info(engine)->n_layer, width = carat_engine_info(engine)->hidden;
    size_t blob = HEADER + (n_layer + 7) / 8 * 8 + 8 * N, hidden = blob + 8 + 8 * N + 4 * N;
    const uint32_t inf = 0x7f800000, nan = 0xffc00001, old = 1, id = 1 << 20;
    expect_refused(path, VERSION_AT, &old, 4, CARAT_EUNSUPPORTED, "session format 1, of an older Carat");
    expect_refused(path, hidden, &inf, 4, CARAT_EFORMAT, "hidden state is not finite");
    expect_refused(path, hidden + 4 * (width - 1), &nan, 4, CARAT_EFORMAT, "hidden state is not finite");
    expect_refused(path, blob, &(uint64_t){ 2 }, 8, CARAT_EFORMAT, "bytes of tokens for 40 positions");
    expect_refused(path, blob, &(uint64_t){ UINT64_MAX }, 8, CARAT_EFORMAT, "bytes of tokens for 40 positions");
    /* As long in all, by the zeros after it, but too short for a hidden state. */
    uint64_t len = hidden + 4 * width - blob;
    expect_refused(path, BLOB_LEN_AT, &(uint64_t){ len - 1 }, 8, CARAT_EFORMAT, "bytes of tokens for 40 positions");
    expect_refused(path, hidden - 4, &id, 4, CARAT_EFORMAT, "token 39: token id 1048576");
    expect_refused(path, hidden - 4, &(uint32_t){ 7 }, 4, CARAT_EFORMAT, "token 39: its key is not that of id 7");
    expect_refused(path, blob + 8, &(uint64_t){ 7 }, 8, CARAT_EFORMAT, "its two lists of keys differ");
    expect_refused(path, blob - 8 * N, &(uint64_t){ 7 }, 8, CARAT_EFORMAT, "its two lists of keys differ");
    unlink(path);
}

/* ---- not finite ---- */

/* Nobody may take what overflows in the output head for logits, whoever computes them. */
static void logits_that_are_not_finite(void **state)
{
    (void)state;
    char folder[64];
    carat_err e;
    carat_result r = { .struct_size = sizeof r };
    const carat_generation g = *ASK_GREEDY(3);
    static answer a[1];
    float row[MOST];
    assert_true(poison_make_logits(folder));
    const carat_options o = {
        .struct_size = sizeof o, .n_threads = 1, .n_ctx = 128, .n_sessions = 2, .vision = CARAT_VISION_OFF
    };
    carat_engine *bad = ask_open(folder, &o);
    carat_session *s;
    must(carat_session_open(bad, 0, &s, &e), &e);
    must(carat_session_append(s, ids, N, &e), &e); /* its activations are */
    assert_null(carat_session_logits(s));
    assert_false(carat_session_copy_logits(s, row, &e));
    assert_int_equal(e.code, CARAT_ENUMERIC);
    assert_false(carat_session_generate(s, &g, &r, &e));
    assert_int_equal(e.code, CARAT_ENUMERIC);
    assert_false(carat_session_append_logits(s, ids + 1, 2, keep_row, row, &e));
    assert_int_equal(e.code, CARAT_ENUMERIC);
    carat_session_close(s);
    carat_prompt *p = ask_prompt(bad, ids, N);
    for (int i = 0; i < 2; i++) { /* the second from the prefix cache */
        const carat_request_options ro = { .struct_size = sizeof ro, .prompt = p, .generation = &g };
        ask_whole(bad, &ro, a);
        assert_int_equal(a->n, 0);
        assert_int_equal(a->err.code, CARAT_ENUMERIC);
    }
    carat_prompt_free(p);
    carat_engine_close(bad);
    poison_remove(folder);
}

/* ---- memory ---- */

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
static size_t held(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Beside what carat_memory says of a session: the session itself, headers of five blocks. */
#define BESIDE 512

/* Who is let in between two steps finds that the engine has let go of the calls before. */
static void let_go(carat_session *s)
{
    carat_err e;
    size_t n = carat_session_n_tokens(s), kept;
    must(carat_session_rewind(s, n, &kept, &e), &e);
    assert_int_equal(kept, n);
}

/* Eight sessions hold what is weighed for eight, and no row; who asks for logits holds one more, once. */
static void sessions_hold_what_was_weighed(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s[SESSIONS];
    if (UNIT_SANITIZED)
        skip();
    carat_session *first = open_session();
    let_go(first);
    carat_session_close(first);
    size_t each = carat_engine_memory(engine)->session, row = n_vocab * sizeof(float), before = held();
    assert_true(row > 2 * BESIDE);
    for (size_t i = 0; i < SESSIONS; i++) {
        s[i] = open_session();
        must(carat_session_append(s[i], ids, N, &e), &e);
    }
    let_go(s[0]);
    size_t open = held();
    assert_in_range(open - before, SESSIONS * each, SESSIONS * (each + BESIDE));
    for (size_t i = 0; i < SESSIONS; i++)
        expect_row(s[i], want, "one of eight");
    size_t asked = held();
    assert_in_range(asked - open, SESSIONS * row, SESSIONS * (row + 64));
    for (size_t i = 0; i < SESSIONS; i++) {
        must(carat_session_append(s[i], ids, 1, &e), &e);
        assert_non_null(carat_session_logits(s[i]));
    }
    let_go(s[0]);
    assert_in_range(held(), asked - 4096, asked + 4096);
    for (size_t i = 0; i < SESSIONS; i++)
        carat_session_close(s[i]);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_an_append),
        cmocka_unit_test(of_every_token),
        cmocka_unit_test(after_a_generation),
        cmocka_unit_test(after_a_rewind),
        cmocka_unit_test(of_a_fork),
        cmocka_unit_test(after_a_restore),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(logits_that_are_not_finite),
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
        cmocka_unit_test(sessions_hold_what_was_weighed),
#endif
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
