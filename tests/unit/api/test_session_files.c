/* A session file is what somebody wrote: whatever its keys and values are, accepted or refused, no other conversation is
 * answered from them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/le.h"
#include "base/map.h"
#include "carat.h"

#define TINY TEST_DATA "/models/tiny-text"

enum { N = 200, MOST = 1024 };

static int32_t beginning[N]; /* what other conversations begin with, a system text for example */
static char folder[] = "/tmp/carat-files-XXXXXX", path[64];
static float honest[MOST];

static void must(bool ok, const carat_err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

static carat_engine *open_engine(void)
{
    carat_err e;
    carat_engine *engine;
    const carat_options o = {
        .struct_size = sizeof o, .n_ctx = 512, .n_threads = 1, .n_sessions = 3, .vision = CARAT_VISION_OFF
    };
    must(carat_engine_open(TINY, &o, &engine, &e), &e);
    assert_true(carat_engine_info(engine)->n_vocab <= MOST);
    return engine;
}

/* Logits after the beginning, in a session of its own; how much came from the cache. */
static size_t ask(carat_engine *engine, carat_session *s, float *logits)
{
    carat_err e;
    carat_prompt *p;
    size_t cached;
    must(carat_prompt_ids(engine, beginning, N, NULL, 0, NULL, &p, &e), &e);
    must(carat_session_prompt(s, p, &cached, &e), &e);
    must(carat_session_copy_logits(s, logits, &e), &e);
    carat_prompt_free(p);
    return cached;
}

static size_t ask_in_another(carat_engine *engine, float *logits)
{
    carat_err e;
    carat_session *s;
    must(carat_session_open(engine, 0, &s, &e), &e);
    size_t cached = ask(engine, s, logits);
    carat_session_close(s);
    return cached;
}

static void expect_honest(const float *found, const char *when)
{
    if (memcmp(found, honest, sizeof honest) != 0)
        fail_msg("another conversation has other logits %s", when);
}

static int set_up(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/s", folder);
    for (int i = 0; i < N; i++)
        beginning[i] = i ? 20 + i * 37 % 480 : 2;
    carat_engine *engine = open_engine();
    must(carat_session_open(engine, 0, &s, &e), &e);
    ask(engine, s, honest);
    must(carat_session_save(s, path, "note", 4, &e), &e);
    carat_session_close(s);
    carat_engine_close(engine);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* Other keys and values, finite, and perhaps an id that no vocabulary has; the checksum is right. */
static void write_poisoned(const char *to, bool has_bad_id)
{
    carat_err e;
    char *text;
    size_t size;
    must(ct_read_file(path, 1 << 28, &text, &size, &e), &e);
    uint8_t *data = (uint8_t *)text;
    size_t keys = 96 + (ct_le32(data + 16) + 7) / 8 * 8, blob = keys + 8 * (size_t)ct_le64(data + 48);
    size_t pages = blob + ((size_t)ct_le64(data + 56) + 7) / 8 * 8;
    uint32_t x = 1;
    for (size_t at = pages; at + 1 < size - 32; at += 2, x = x * 1664525 + 1013904223)
        ct_put_le16(data + at, (uint16_t)(0x3000 | (x >> 16 & 0x8fff)));
    if (has_bad_id)
        ct_put_le32(data + blob + 8 + 8 * N + 40, 99999999);
    struct sha256_ctx sum;
    sha256_init(&sum);
    sha256_update(&sum, size - 32, data);
    sha256_digest(&sum, 32, data + size - 32);
    FILE *f = fopen(to, "wb");
    assert_true(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    free(data);
}

/* F2, refused: the file might as well not have been there. */
static void a_refused_file_is_nobodys_beginning(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s;
    char bad[80], *note;
    size_t note_len;
    float found[MOST] = { 0 };
    snprintf(bad, sizeof bad, "%s/bad", folder);
    write_poisoned(bad, true);
    carat_engine *engine = open_engine();
    must(carat_session_open(engine, 0, &s, &e), &e);
    assert_false(carat_session_restore(s, bad, &note, &note_len, &e));
    assert_int_equal(e.code, CARAT_EFORMAT);
    assert_non_null(strstr(e.msg, "token id 99999999"));
    assert_null(note);
    assert_int_equal(ask_in_another(engine, found), 0);
    expect_honest(found, "after a refused file");
    assert_int_equal(ask(engine, s, found), N - 1); /* from the other one: the session is as good as new */
    expect_honest(found, "in the session itself");
    carat_session_close(s);
    carat_engine_close(engine);
    unlink(bad);
}

/* F2, accepted: its own session goes on from the file, as it must; others compute. */
static void an_accepted_file_is_its_sessions_alone(void **state)
{
    (void)state;
    carat_err e;
    carat_session *s, *fork;
    char bad[80];
    float own[MOST] = { 0 }, found[MOST] = { 0 };
    snprintf(bad, sizeof bad, "%s/bad", folder);
    write_poisoned(bad, false);
    carat_engine *engine = open_engine();
    must(carat_session_open(engine, 0, &s, &e), &e);
    must(carat_session_restore(s, bad, NULL, NULL, &e), &e);
    assert_int_equal(ask_in_another(engine, found), 0);
    expect_honest(found, "beside a poisoned session");
    assert_int_equal(ask(engine, s, own), N - 1);
    assert_memory_not_equal(own, honest, sizeof own); /* the file is poison indeed */
    must(carat_session_fork(s, &fork, &e), &e);
    assert_int_equal(ask(engine, fork, found), N - 1);
    assert_memory_equal(found, own, sizeof own);
    carat_session_close(s);
    assert_int_equal(ask_in_another(engine, found), N - 1); /* from the first other one */
    expect_honest(found, "after the poisoned session has gone");
    carat_session_close(fork);
    carat_engine_close(engine);
    unlink(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_file_is_nobodys_beginning),
        cmocka_unit_test(an_accepted_file_is_its_sessions_alone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
