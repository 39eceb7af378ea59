/* Unit tests of base/.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/new_file.h"
#include "base/pool.h"
#include "base/size.h"
#include "base/utf8.h"

static void errors_are_tidy(void **state)
{
    (void)state;
    carat_err e;
    assert_false(ct_fail(&e, CARAT_EFORMAT, 7, "bad \x1b[31m '%s'", "x\n"));
    assert_int_equal(e.at, 7);
    assert_string_equal(e.msg, "bad ?[31m 'x?'");
    ct_fail_in(&e, "file %d", 3);
    assert_string_equal(e.msg, "file 3: bad ?[31m 'x?'");
    ct_fail(&e, CARAT_EFORMAT, 7, "%s",
            "a\xc2\x9b"
            "b\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\xa8"
            "c\x9b\xff\x7f d\xc3\xa9\xd7\xa9");
    assert_string_equal(e.msg, "a?b????c??? d\xc3\xa9\xd7\xa9"); /* letters of all directions stay */
    char longer[600];
    memset(longer, 'a', sizeof longer);
    memcpy(longer + 230, "\xe2\x82\xac", 3); /* a euro sign across the cut */
    longer[599] = '\0';
    ct_fail(&e, CARAT_EIO, CARAT_NOWHERE, "%s", longer);
    assert_int_equal(strlen(e.msg), 230);
    assert_false(ct_fail(NULL, CARAT_EIO, 0, "nobody listens"));
    for (int c = CARAT_OK; c <= CARAT_ECLOSED; c++)
        assert_string_not_equal(carat_code_name(c), "unknown");
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t n = 1;
    assert_false(ct_add_size(SIZE_MAX, 1, &n));
    assert_false(ct_mul_size(SIZE_MAX / 2, 3, &n));
    assert_false(ct_align_size(SIZE_MAX - 3, 64, &n));
    assert_int_equal(n, 1);
    assert_true(ct_align_size(65, 64, &n) && n == 128);
    assert_true(ct_inside(10, 0, 10) && ct_inside(0, 10, 10));
    assert_false(ct_inside(11, 0, 10) || ct_inside(2, UINT64_MAX, 10));
}

static void buffers_have_a_ceiling(void **state)
{
    (void)state;
    ct_buf b;
    ct_buf_init(&b, 10);
    assert_true(ct_buf_fmt(&b, "%d-%s", 12, "ab"));
    assert_string_equal(b.data, "12-ab");
    assert_true(ct_buf_str(&b, "56789"));
    assert_false(ct_buf_char(&b, 'x'));
    assert_true(b.failed && b.len == 10);
    assert_null(ct_buf_take(&b));
    ct_buf_init(&b, 10);
    char *s = ct_buf_take(&b);
    assert_string_equal(s, "");
    free(s);
    ct_buf_deinit(&b);
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        uint32_t cp;
        size_t n;
    } cases[] = {
        { "a", 'a', 1 },
        { "\xc3\xa9", 0xE9, 2 },
        { "\xe2\x82\xac", 0x20AC, 3 },
        { "\xf0\x9f\x98\x80", 0x1F600, 4 },
        { "\xc0\x80", CT_UTF8_BAD, 1 },
        { "\xed\xa0\x80", CT_UTF8_BAD, 1 },
        { "\xf4\x90\x80\x80", CT_UTF8_BAD, 1 },
        { "\xe2\x82", CT_UTF8_BAD, 2 },
        { "\xf0\x9f\x98x", CT_UTF8_BAD, 3 },
        { "\xff", CT_UTF8_BAD, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t cp;
        assert_int_equal(ct_utf8_next(cases[i].s, strlen(cases[i].s), &cp), cases[i].n);
        assert_int_equal(cp, cases[i].cp);
    }
    for (uint32_t cp = 1; cp < 0x110000; cp += cp < 0x1000 ? 1 : 97) {
        if (cp >= 0xD800 && cp < 0xE000)
            continue;
        char s[4];
        size_t n = ct_utf8_put(cp, s);
        uint32_t back;
        assert_int_equal(ct_utf8_next(s, n, &back), n);
        assert_int_equal(back, cp);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(ct_utf8_incomplete(s, cut), cut);
        assert_int_equal(ct_utf8_incomplete(s, n), 0);
    }
    assert_int_equal(ct_utf8_incomplete("a\x80", 2), 0);
    assert_int_equal(ct_utf8_valid("ab\xff", 3), 2);
}

static void json_says_where(void **state)
{
    (void)state;
    carat_err e;
    json_t *j;
    assert_false(ct_json_parse("cfg", "{\"a\": }", 7, &j, &e));
    assert_int_equal(e.code, CARAT_EFORMAT);
    assert_false(ct_json_parse("cfg", "{\"a\":1,\"a\":2}", 13, &j, &e));
    assert_true(ct_json_parse("cfg", "{\"a\":7,\"s\":\"x\",\"n\":null,\"r\":2.0}", 32, &j, &e));
    int64_t v = 5;
    assert_true(ct_json_int(j, "cfg", "a", 0, 9, &v, &e) && v == 7);
    assert_true(ct_json_int(j, "cfg", "r", 0, 9, &v, &e) && v == 2);
    assert_true(ct_json_int(j, "cfg", "n", 0, 9, &v, &e) && v == 2);
    assert_false(ct_json_int(j, "cfg", "a", 0, 6, &v, &e));
    assert_string_equal(e.msg, "cfg: 'a' is 7, expected 0 to 6");
    assert_false(ct_json_int(j, "cfg", "s", 0, 6, &v, &e));
    assert_string_equal(e.msg, "cfg: 's' is a string, expected an integer");
    json_decref(j);
}

/* A head that grows and may move, windows at any offset whose pages come back after they were released. */
static void maps_show_a_file_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 200001 };
    static uint8_t bytes[SIZE];
    ct_map m;
    ct_window w;
    carat_err e;
    char path[] = "/tmp/carat-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_true(ct_write_file(path, bytes, SIZE, &e));
    assert_true(ct_map_open_head(&m, path, 4096, &e));
    assert_true(m.size == SIZE && m.mapped == 4096);
    assert_memory_equal(m.data, bytes, 4096);
    for (size_t n = 1; n <= SIZE; n += 31111) {
        assert_true(ct_map_grow(&m, n, &e));
        assert_true(m.mapped >= n && m.mapped <= SIZE && m.mapped <= 2 * n + 8192);
        assert_memory_equal(m.data, bytes, m.mapped);
    }
    assert_true(ct_map_grow(&m, SIZE, &e) && m.mapped == SIZE);
    assert_memory_equal(m.data, bytes, SIZE);
    ct_map_expect(&m, 1, SIZE - 1);
    ct_map_expect(&m, 2, SIZE - 1); /* past the end: nothing happens */
    static const size_t at[][2] = { { 0, 1 }, { 4095, 2 }, { 4096, 4096 }, { 70001, 130000 }, { SIZE - 1, 1 } };
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        assert_true(ct_window_open(&w, &m, at[i][0], at[i][1], &e));
        assert_memory_equal(w.data, bytes + at[i][0], at[i][1]);
        ct_window_close(&w);
        ct_window_close(&w);
    }
    ct_map_close(&m);
    unlink(path);
}

static void maps_refuse_what_is_no_file(void **state)
{
    (void)state;
    ct_map m;
    carat_err e;
    char dir[] = "/tmp/carat-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    assert_false(ct_map_read(&m, dir, SIZE_MAX, &e));
    assert_non_null(strstr(e.msg, "is a directory"));
    snprintf(path, sizeof path, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(ct_map_read(&m, path, SIZE_MAX, &e));
    assert_non_null(strstr(e.msg, "is a FIFO"));
    unlink(path);
    snprintf(path, sizeof path, "%s/file", dir);
    assert_false(ct_map_read(&m, path, SIZE_MAX, &e));
    assert_int_equal(e.code, CARAT_EIO);
    assert_true(ct_write_file(path, "", 0, &e));
    assert_false(ct_map_read(&m, path, SIZE_MAX, &e));
    assert_non_null(strstr(e.msg, "empty"));
    assert_true(ct_write_file(path, "hello", 5, &e));
    assert_true(ct_map_read(&m, path, SIZE_MAX, &e));
    assert_memory_equal(m.data, "hello", 5);
    ct_map_close(&m);
    ct_map_close(&m);
    char *text;
    size_t len;
    assert_true(ct_read_file(path, 5, &text, &len, &e) && len == 5);
    free(text);
    assert_false(ct_read_file(path, 4, &text, &len, &e));
    assert_int_equal(e.code, CARAT_ELIMIT);
    unlink(path);
    rmdir(dir);
}

static bool half_a_file(void *arg, FILE *f, carat_err *err)
{
    (void)arg;
    return fputs("half", f) < 0 || ct_fail(err, CARAT_EFORMAT, 7, "no more");
}

/* What cannot be read from is an error of the stream, for which the writer has no words. */
static bool a_stream_that_fails(void *arg, FILE *f, carat_err *err)
{
    (void)arg, (void)err;
    return fgetc(f) != EOF;
}

/* A write that fails behind the back of a writer who is content. */
static bool a_lost_write(void *arg, FILE *f, carat_err *err)
{
    (void)arg, (void)err;
    close(fileno(f));
    fputs("lost", f);
    fflush(f);
    return true;
}

static void a_file_is_whole_or_untouched(void **state)
{
    (void)state;
    carat_err e;
    char dir[] = "/tmp/carat-test-XXXXXX", path[64], other[64], *text;
    size_t len;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    assert_true(ct_write_file(path, "whole", 5, &e));
    assert_false(ct_write_beside(path, half_a_file, NULL, &e));
    assert_int_equal(e.code, CARAT_EFORMAT);
    assert_string_equal(e.msg, "no more");
    assert_false(ct_write_beside(path, a_stream_that_fails, NULL, &e));
    assert_int_equal(e.code, CARAT_EIO);
    assert_non_null(strstr(e.msg, path));
    assert_false(ct_write_beside(path, a_lost_write, NULL, &e));
    assert_int_equal(e.code, CARAT_EIO);
    ct_new_file n; /* begun and given up */
    assert_true(ct_new_file_open(&n, path, &e));
    assert_true(fputs("abandoned", n.f) >= 0);
    ct_new_file_abandon(&n);
    ct_new_file_abandon(&n);
    assert_false(ct_write_beside("/nowhere/at/all", half_a_file, NULL, &e));
    assert_int_equal(e.code, CARAT_EIO);
    assert_false(ct_write_file(dir, "a folder", 8, &e));
    assert_int_equal(e.code, CARAT_EIO);
    assert_true(ct_read_file(path, 100, &text, &len, &e));
    assert_string_equal(text, "whole");
    free(text);
    snprintf(other, sizeof other, "%s/link", dir);
    assert_int_equal(symlink("file", other), 0);
    assert_true(ct_write_file(other, "through", 7, &e)); /* the link stays one */
    assert_true(ct_read_file(path, 100, &text, &len, &e));
    assert_string_equal(text, "through");
    free(text);
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_false(ct_write_file(other, "instead of a pipe", 17, &e));
    assert_non_null(strstr(e.msg, "is a FIFO, expected a file"));
    unlink(other);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing else was left */
}

static void arenas_count_what_they_give(void **state)
{
    (void)state;
    ct_arena count, a;
    ct_arena_count(&count);
    ct_arena_take(&count, 3, 33);
    ct_arena_take(&count, 1, 1);
    assert_int_equal(count.used, 192);
    assert_true(ct_arena_init(&a, count.used));
    uint8_t *p = ct_arena_take(&a, 3, 33), *q = ct_arena_take(&a, 1, 1);
    assert_non_null(p);
    assert_ptr_equal(q, p + 128);
    assert_null(ct_arena_take(&a, 1, 1));
    assert_true(a.overflow);
    ct_arena_deinit(&a);
    ct_arena_count(&count);
    ct_arena_take(&count, SIZE_MAX, 2);
    assert_true(count.overflow);
    size_t big = ((size_t)5 << 20) + 1;
    uint8_t *block = ct_block_new(big);
    assert_int_equal((uintptr_t)block % ((size_t)2 << 20), 0);
    block[big - 1] = 1;
    ct_block_free(block, big);
}

typedef struct counts {
    ct_pool *pool;
    atomic_int in, first, n;
    atomic_size_t sum;
} counts;

static void count_job(void *arg, int thread, int n_threads)
{
    counts *c = arg;
    atomic_fetch_add(&c->in, 1);
    ct_pool_barrier(c->pool);
    if (atomic_load(&c->in) % n_threads == 0)
        atomic_fetch_add(&c->first, 1);
    ct_pool_barrier(c->pool);
    (void)thread;
}

static void add_range(void *arg, size_t begin, size_t end, int thread)
{
    (void)thread;
    counts *c = arg;
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&c->sum, i);
}

static void every_thread_runs_every_job(void **state)
{
    (void)state;
    carat_err e;
    ct_pool *p;
    assert_false(ct_pool_open(-1, &p, &e));
    assert_false(ct_pool_open(CT_MAX_THREADS + 1, &p, &e));
    for (int n = 1; n <= 5; n++) {
        assert_true(ct_pool_open(n, &p, &e));
        counts c = { .pool = p };
        for (int i = 0; i < 50; i++) {
            ct_pool_run(p, count_job, &c);
            if (i % 10 == 0)
                usleep(300); /* let the workers fall asleep */
        }
        assert_int_equal(c.in, 50 * n);
        assert_int_equal(c.first, 50 * n);
        ct_pool_each(p, 1001, 7, add_range, &c);
        assert_int_equal(c.sum, 1000 * 1001 / 2);
        ct_pool_close(p);
    }
    assert_true(ct_cpu_default() >= 1);
}

static char heard[64];
static void hear(void *arg, carat_log_level level, const char *line)
{
    (void)arg, (void)level;
    snprintf(heard, sizeof heard, "%s", line);
}

static void logs_go_to_the_sink(void **state)
{
    (void)state;
    ct_logf(CARAT_LOG_WARN, "nobody hears");
    carat_log_to(hear, NULL);
    ct_logf(CARAT_LOG_WARN, "one\ntwo %d", 3);
    assert_string_equal(heard, "one?two 3");
    ct_logf(CARAT_LOG_WARN, "%s",
            "\xc2\x9b"
            "31m\xe2\x80\xae");
    assert_string_equal(heard, "?31m?");
    carat_log_to(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_tidy),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(buffers_have_a_ceiling),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(json_says_where),
        cmocka_unit_test(maps_show_a_file_in_pieces),
        cmocka_unit_test(maps_refuse_what_is_no_file),
        cmocka_unit_test(a_file_is_whole_or_untouched),
        cmocka_unit_test(arenas_count_what_they_give),
        cmocka_unit_test(every_thread_runs_every_job),
        cmocka_unit_test(logs_go_to_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
