/* test_cut.c - a model file that is cut while it is loaded: an error that says so, wherever the cut comes; and cut or
 * overwritten afterwards: nothing, since no byte of it is looked at again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "carat.h"
#include "unit.h"

#define MODEL TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf"

static char folder[] = "/tmp/carat-cut-XXXXXX";
static char path[64];
static char *bytes;
static size_t size;

static int set_up(void **state)
{
    (void)state;
    carat_err err;
    if (!mkdtemp(folder) || !ct_read_file(MODEL, 1 << 28, &bytes, &size, &err))
        return -1;
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    unlink(path);
    return rmdir(folder);
}

static void write_model(void)
{
    unlink(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

typedef struct cut {
    size_t calls, at; /* at the at-th call of progress */
    off_t to;
} cut;

static bool cut_file(void *arg, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    cut *c = arg;
    if (c->calls++ == c->at)
        assert_int_equal(truncate(path, c->to), 0);
    return true;
}

static bool open_cutting(cut *c, carat_engine **e, carat_err *err)
{
    const carat_options o = { .struct_size = sizeof o,
                              .n_threads = 2,
                              .n_ctx = 64,
                              .vision = CARAT_VISION_OFF,
                              .progress = cut_file,
                              .progress_arg = c };
    write_model();
    return carat_engine_open(path, &o, e, err);
}

static void while_it_is_loaded(void **state)
{
    (void)state;
    cut never = { .at = SIZE_MAX };
    carat_engine *e;
    carat_err err;
    if (!open_cutting(&never, &e, &err))
        fail_msg("%s", err.msg);
    carat_engine_close(e);
    assert_true(never.calls > 10);
    size_t n_refused = 0;
    for (size_t at = 0; at < never.calls; at++) {
        cut c = { .at = at, .to = (off_t)(at % 2 ? 1 : 4096) };
        bool ok = open_cutting(&c, &e, &err);
        if (ok) { /* the last bytes had been read */
            carat_engine_close(e);
            continue;
        }
        n_refused++;
        if (err.code != CARAT_EIO || !strstr(err.msg, path) || !strstr(err.msg, "bytes when it was opened"))
            fail_msg("cut at step %zu: %s", at, err.msg);
    }
    assert_true(n_refused > never.calls / 2);
}

static void generate(carat_engine *e, float *logits)
{
    carat_session *s;
    carat_err err;
    const int32_t ids[] = { 2, 30, 31, 32 };
    if (!carat_session_open(e, 0, &s, &err) || !carat_session_append(s, ids, 4, &err) ||
        !carat_session_copy_logits(s, logits, &err))
        fail_msg("%s", err.msg);
    carat_session_close(s);
}

static void after_it_was_loaded(void **state)
{
    (void)state;
    cut never = { .at = SIZE_MAX };
    carat_engine *e;
    carat_err err;
    if (!open_cutting(&never, &e, &err))
        fail_msg("%s", err.msg);
    size_t n = carat_engine_info(e)->n_vocab;
    float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
    generate(e, before);
    assert_int_equal(truncate(path, 0), 0);
    generate(e, after);
    assert_memory_equal(before, after, n * sizeof *after);
    char *text;
    size_t len;
    const int32_t id = 40;
    assert_true(carat_tokenizer_decode(carat_engine_tokenizer(e), &id, 1, true, &text, &len, &err));
    carat_free(text);
    carat_engine_close(e);
    free(before), free(after);
}

static void what_was_copied_stays(void **state)
{
    (void)state;
    ct_map m;
    ct_window w = { 0 };
    carat_err err;
    write_model();
    assert_true(ct_map_read(&m, path, size, &err));
    assert_true(ct_window_prepare(&w, &m, size - 10, 10, &err));
    assert_int_equal(truncate(path, 100), 0);
    assert_memory_equal(m.data, bytes, size);
    assert_false(ct_window_read(&w, 0, 10, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "it ends at byte"));
    ct_window_close(&w);
    ct_map_close(&m);
    write_model();
    assert_false(ct_map_read(&m, path, size - 1, &err));
    assert_int_equal(err.code, CARAT_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_it_is_loaded),
        cmocka_unit_test(after_it_was_loaded),
        cmocka_unit_test(what_was_copied_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
