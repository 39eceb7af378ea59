/* Importance matrices: what is written is read again, and files that are none are refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format/imatrix.h"

static char path[64];

static void fill(ct_imatrix *m)
{
    static const char *const names[] = { "blk.1.ffn_up.weight", "blk.0.attn_q.weight" };
    for (size_t i = 0; i < 2; i++) {
        ct_imatrix_entry *e = ct_imatrix_add(m, names[i], 8 + 8 * i);
        assert_non_null(e);
        e->count = 640;
        for (size_t k = 0; k < e->n; k++)
            e->sum[k] = (double)(i + 1) * (double)k;
    }
    m->dataset = strdup("text.txt");
    m->n_chunks = 5;
    m->chunk = 128;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    ct_imatrix m = { 0 }, again;
    carat_err err;
    fill(&m);
    assert_true(ct_imatrix_write(&m, path, &err));
    assert_true(ct_imatrix_read(path, &again, &err));
    assert_int_equal(again.n, 2);
    assert_string_equal(again.entries[0].name, "blk.0.attn_q.weight"); /* by name */
    assert_string_equal(again.dataset, "text.txt");
    assert_int_equal(again.n_chunks, 5);
    assert_int_equal(again.chunk, 128);
    for (size_t i = 0; i < 2; i++) {
        const ct_imatrix_entry *a = &m.entries[i], *b = ct_imatrix_find(&again, a->name);
        assert_non_null(b);
        assert_int_equal(b->n, a->n);
        assert_true(b->count == 640);
        assert_memory_equal(a->sum, b->sum, a->n * sizeof *a->sum);
    }
    assert_null(ct_imatrix_find(&again, "blk.2.attn_q.weight"));
    ct_imatrix_deinit(&again);
    ct_imatrix_deinit(&m);
    unlink(path);
}

static void put(uint8_t **p, uint32_t v)
{
    memcpy(*p, &v, 4);
    *p += 4;
}

/* One matrix "a" of two columns, then the end that newer files have. Returns the bytes. */
static size_t old_form(uint8_t *out, uint32_t n, uint32_t len, uint32_t calls, uint32_t cols, float first)
{
    const float v[2] = { first, 8 };
    uint8_t *p = out;
    put(&p, n);
    put(&p, len);
    *p++ = 'a';
    put(&p, calls);
    put(&p, cols);
    memcpy(p, v, sizeof v);
    p += sizeof v;
    put(&p, 7);
    put(&p, 1);
    *p++ = 't';
    return (size_t)(p - out);
}

static void the_old_form(void **state)
{
    (void)state;
    uint8_t data[64];
    ct_imatrix m;
    carat_err err;
    const size_t size = old_form(data, 1, 1, 4, 2, 2);
    assert_true(ct_imatrix_read_dat("x", data, size, &m, &err));
    assert_int_equal(m.n, 1);
    assert_true(m.entries[0].sum[1] / m.entries[0].count == 2); /* the mean is the value by the calls */
    assert_string_equal(m.dataset, "t");
    ct_imatrix_deinit(&m);
    assert_true(ct_imatrix_read_dat("x", data, size - 9, &m, &err)); /* as the first files end */
    ct_imatrix_deinit(&m);
    for (size_t cut = 0; cut < size; cut++) {
        if (cut == size - 9)
            continue;
        assert_false(ct_imatrix_read_dat("x", data, cut, &m, &err));
        assert_int_equal(err.code, CARAT_EFORMAT);
        ct_imatrix_deinit(&m);
    }
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, len, calls, cols;
        float first;
        const char *says;
    } wrong[] = {
        { 0, 1, 1, 2, 1, "the number of matrices" },
        { 1u << 30, 1, 1, 2, 1, "the number of matrices" },
        { 1, 0, 1, 2, 1, "the length of a name" },
        { 1, 4000, 1, 2, 1, "the length of a name" },
        { 1, 1, ~0u, 2, 1, "a number of calls" },
        { 1, 1, 1, 0, 1, "a number of columns" },
        { 1, 1, 1, 1u << 30, 1, "number of columns" },
        { 1, 1, 1, 2000, 1, "cut off in the columns of 'a'" },
        { 1, 1, 1, 2, -1, "the sum of squares" },
        { 1, 1, 1, 2, NAN, "the sum of squares" },
        { 2, 1, 1, 2, 1, "" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t data[64];
        ct_imatrix m;
        carat_err err;
        const size_t size = old_form(data, wrong[i].n, wrong[i].len, wrong[i].calls, wrong[i].cols, wrong[i].first);
        assert_false(ct_imatrix_read_dat("x.dat", data, size, &m, &err));
        assert_non_null(strstr(err.msg, "x.dat"));
        if (!strstr(err.msg, wrong[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, wrong[i].says);
        ct_imatrix_deinit(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_old_form),
        cmocka_unit_test(what_is_none_is_refused),
    };
    snprintf(path, sizeof path, "/tmp/carat-imatrix-%d.gguf", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
