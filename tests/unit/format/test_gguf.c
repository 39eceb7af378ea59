/* Reading GGUF files: the golden ones, values of every kind, split files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "format/gguf.h"
#include "tensor_bytes.h"

#define FILE_(...)                                                                                                     \
    (const item[])                                                                                                     \
    {                                                                                                                  \
        __VA_ARGS__, END                                                                                               \
    }

static ct_gguf *memory_ok(const bytes *b)
{
    ct_gguf *g;
    carat_err err = { 0 };
    if (!ct_gguf_open_memory("memory", b->data, b->len, &g, &err))
        fail_msg("%s", err.msg);
    return g;
}

static carat_err open_fails(const char *path)
{
    ct_gguf *g = (ct_gguf *)&g;
    carat_err err = { 0 };
    if (ct_gguf_open(path, &g, &err))
        fail_msg("%s: opened", path);
    assert_null(g);
    return err;
}

/* ---- golden files ---- */

static void check_directory(const ct_gguf *g)
{
    const ct_tensors *t = ct_gguf_tensors(g);
    for (size_t i = 0; i < t->n; i++) {
        const ct_tensor *x = &t->items[i];
        size_t row;
        assert_true(i == 0 || strcmp(t->items[i - 1].name, x->name) < 0);
        assert_ptr_equal(ct_tensors_find(t, x->name), x);
        assert_true(ct_row_bytes(x->type, x->dims[0], &row));
        assert_int_equal(x->bytes, row * x->dims[1] * x->dims[2] * x->dims[3]);
        assert_non_null(tensor_bytes(x));
        assert_true(x->offset + x->bytes <= x->map->size);
    }
    assert_null(ct_tensors_find(t, "no.such.tensor"));
    for (size_t i = 0; i < ct_gguf_n_kv(g); i++)
        assert_ptr_equal(ct_gguf_find(g, ct_gguf_kv_at(g, i)->key), ct_gguf_kv_at(g, i));
    assert_null(ct_gguf_kv_at(g, ct_gguf_n_kv(g)));
    assert_null(ct_gguf_find(g, "no.such.key"));
}

static void golden_files_open(void **state)
{
    (void)state;
    static const struct {
        const char *path, *arch;
        size_t n_tensor;
    } files[] = {
        /* text: 13 tensors a layer (tied head), embedding and final norm */
        { "models/tiny-text/gguf/tiny-text-f32.gguf", "gemma3", 12 * 13 + 2 },
        { "models/tiny-text/gguf/tiny-text-q8_0.gguf", "gemma3", 12 * 13 + 2 },
        { "models/seed-shape/gguf/seed-shape-bf16.gguf", "gemma3", 30 * 13 + 2 },
        { "models/tiny-vl/gguf/tiny-vl-f32.gguf", "gemma3", 12 * 13 + 2 },
        { "models/tiny-vl/gguf/mmproj-tiny-vl-f32.gguf", "clip", 3 * 16 + 7 },
        { "models/vl-small-window/gguf/mmproj-vl-small-window-f32.gguf", "clip", 0 },
        { "models/tiny-kq/gguf/tiny-kq.gguf", "gemma3", 0 },
        { "quants/quants.gguf", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", TEST_DATA, files[i].path);
        ct_gguf *g = open_gguf(path);
        check_directory(g);
        carat_err err;
        ct_str arch = { NULL, 0 };
        assert_true(ct_gguf_text(g, "general.architecture", &arch, &err));
        if (files[i].arch) {
            assert_int_equal(arch.len, strlen(files[i].arch));
            assert_memory_equal(arch.data, files[i].arch, arch.len);
        }
        if (files[i].n_tensor)
            assert_int_equal(ct_gguf_tensors(g)->n, files[i].n_tensor);
        assert_string_equal(ct_gguf_path(g), path);
        assert_true(ct_gguf_file_bytes(g) > 0 && ct_gguf_directory_bytes(g) > 0);
        ct_gguf_close(g);
    }
}

static void tiny_text_says_what_it_is(void **state)
{
    (void)state;
    ct_gguf *g = open_gguf(TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf");
    carat_err err;
    int64_t n = 0;
    assert_true(ct_gguf_int(g, "gemma3.block_count", 1, 1000, &n, &err));
    assert_int_equal(n, 12);
    assert_true(ct_gguf_int(g, "gemma3.attention.sliding_window", 1, 1 << 20, &n, &err));
    assert_int_equal(n, 16);
    const ct_tensor *t = ct_tensors_find(ct_gguf_tensors(g), "blk.3.attn_k.weight");
    char shape[96];
    assert_non_null(t);
    assert_string_equal(ct_tensor_shape(t, shape), "[96, 64]");
    assert_int_equal(t->type, CT_F32);

    const ct_gguf_kv *tokens = ct_gguf_find(g, "tokenizer.ggml.tokens");
    assert_non_null(tokens);
    assert_int_equal(tokens->count, 512);
    ct_gguf_cursor c = { 0 };
    ct_str s;
    size_t seen = 0;
    for (; ct_gguf_next_str(tokens, &c, &s); seen++)
        if (seen == 2)
            assert_memory_equal(s.data, "<bos>", s.len);
    assert_int_equal(seen, 512);
    assert_int_equal(c.off, tokens->bytes);
    assert_false(ct_gguf_next_str(tokens, &c, &s));
    ct_gguf_close(g);
}

/* ---- values ---- */

static const item every_kind[] = {
    HEAD(0, 17),
    KV("u8", CT_GGUF_U8),
    U8(200),
    KV("i8", CT_GGUF_I8),
    U8(-100),
    KV("u16", CT_GGUF_U16),
    U16(60000),
    KV("i16", CT_GGUF_I16),
    U16(-30000),
    KV("u32", CT_GGUF_U32),
    U32(4000000000),
    KV("i32", CT_GGUF_I32),
    U32(-2000000000),
    KV("f32", CT_GGUF_F32),
    U32(0x40490fdb),
    KV("whole", CT_GGUF_F32),
    U32(0x44800000), /* 1024 */
    KV("true", CT_GGUF_BOOL),
    U8(1),
    KV("false", CT_GGUF_BOOL),
    U8(0),
    KV_STR("text", "zw\303\266lf"),
    KV("u64", CT_GGUF_U64),
    U64(UINT64_MAX),
    KV("i64", CT_GGUF_I64),
    U64(INT64_MIN),
    KV("f64", CT_GGUF_F64),
    U64(0x7ff0000000000000), /* infinity */
    KV_ARR("i8s", CT_GGUF_I8, 3),
    U8(1),
    U8(-1),
    U8(-128),
    KV_ARR("bools", CT_GGUF_BOOL, 2),
    U8(1),
    U8(0),
    KV_ARR("texts", CT_GGUF_STR, 3),
    STR("a"),
    STR(""),
    STR("ccc"),
    END,
};

static void expect_int(const ct_gguf *g, const char *key, int64_t want)
{
    int64_t got = 42;
    carat_err err = { 0 };
    if (!ct_gguf_int(g, key, INT64_MIN, INT64_MAX, &got, &err))
        fail_msg("%s", err.msg);
    assert_true(got == want);
}

static void refuse_int(const ct_gguf *g, const char *key, int64_t min, int64_t max, const char *says)
{
    int64_t got = 42;
    carat_err err = { 0 };
    assert_false(ct_gguf_int(g, key, min, max, &got, &err));
    assert_int_equal(err.code, CARAT_EFORMAT);
    assert_int_equal(got, 42);
    if (!strstr(err.msg, says) || !strstr(err.msg, key))
        fail_msg("%s: \"%s\", expected \"%s\"", key, err.msg, says);
}

static void reads_every_kind(void **state)
{
    (void)state;
    bytes b = make_bytes(every_kind);
    ct_gguf *g = memory_ok(&b);
    expect_int(g, "u8", 200);
    expect_int(g, "i8", -100);
    expect_int(g, "u16", 60000);
    expect_int(g, "i16", -30000);
    expect_int(g, "u32", 4000000000);
    expect_int(g, "i32", -2000000000);
    expect_int(g, "whole", 1024);
    expect_int(g, "i64", INT64_MIN);
    expect_int(g, "absent", 42);
    refuse_int(g, "f32", 0, 10, "expected an integer");
    refuse_int(g, "f64", 0, 10, "inf");
    refuse_int(g, "u64", 0, 10, "expected an integer");
    refuse_int(g, "u8", 0, 199, "is 200, expected 0 to 199");
    refuse_int(g, "i8", 0, 10, "is -100");
    refuse_int(g, "text", 0, 10, "of kind string");
    refuse_int(g, "true", 0, 10, "of kind bool");
    refuse_int(g, "texts", 0, 10, "of kind array");

    carat_err err = { 0 };
    double d = -1;
    assert_true(ct_gguf_num(g, "absent", &d, &err) && d == -1);
    assert_true(ct_gguf_num(g, "f32", &d, &err) && (float)d == 0x1.921fb6p+1f);
    assert_true(ct_gguf_num(g, "f64", &d, &err) && isinf(d));
    assert_true(ct_gguf_num(g, "u64", &d, &err) && d == 18446744073709551616.0);
    assert_false(ct_gguf_num(g, "text", &d, &err));

    bool flag = false;
    assert_true(ct_gguf_bool(g, "true", &flag, &err) && flag);
    assert_true(ct_gguf_bool(g, "absent", &flag, &err) && flag);
    assert_true(ct_gguf_bool(g, "false", &flag, &err) && !flag);
    assert_false(ct_gguf_bool(g, "u8", &flag, &err));
    assert_non_null(strstr(err.msg, "of kind u8, expected a boolean"));

    ct_str s = { NULL, 0 };
    assert_true(ct_gguf_text(g, "absent", &s, &err) && !s.data);
    assert_true(ct_gguf_text(g, "text", &s, &err));
    assert_int_equal(s.len, 6);
    assert_memory_equal(s.data, "zw\303\266lf", 6);
    assert_false(ct_gguf_text(g, "texts", &s, &err));
    ct_gguf_close(g);
    free_bytes(&b);
}

static void reads_arrays(void **state)
{
    (void)state;
    bytes b = make_bytes(every_kind);
    ct_gguf *g = memory_ok(&b);
    const ct_gguf_kv *i8s = ct_gguf_find(g, "i8s"), *bools = ct_gguf_find(g, "bools"),
                     *texts = ct_gguf_find(g, "texts");
    assert_true(ct_gguf_elem_num(i8s, 0) == 1 && ct_gguf_elem_num(i8s, 1) == -1 && ct_gguf_elem_num(i8s, 2) == -128);
    assert_true(isnan(ct_gguf_elem_num(i8s, 3)) && isnan(ct_gguf_elem_num(i8s, UINT64_MAX)));
    assert_true(ct_gguf_elem_num(bools, 0) == 1 && ct_gguf_elem_num(bools, 1) == 0);
    assert_true(isnan(ct_gguf_elem_num(texts, 0)));
    assert_true(ct_gguf_elem_num(ct_gguf_find(g, "u16"), 0) == 60000);

    static const char *const want[] = { "a", "", "ccc" };
    ct_gguf_cursor c = { 0 };
    ct_str s;
    for (int i = 0; i < 3; i++) {
        assert_true(ct_gguf_next_str(texts, &c, &s));
        assert_int_equal(s.len, strlen(want[i]));
        assert_memory_equal(s.data, want[i], s.len);
    }
    assert_false(ct_gguf_next_str(texts, &c, &s));
    ct_gguf_cursor wild = { SIZE_MAX - 3, 0 };
    assert_false(ct_gguf_next_str(texts, &wild, &s));
    ct_gguf_cursor start = { 0 };
    assert_false(ct_gguf_next_str(i8s, &start, &s));
    ct_gguf_close(g);

    /* A file that another process writes to after it was checked. */
    g = memory_ok(&b);
    texts = ct_gguf_find(g, "texts");
    memset((uint8_t *)(uintptr_t)texts->data, 0xff, 8);
    start = (ct_gguf_cursor){ 0 };
    assert_false(ct_gguf_next_str(texts, &start, &s));
    ct_gguf_close(g);
    free_bytes(&b);
}

/* ---- split files ---- */

#define PART(no, count, total, name, value)                                                                            \
    HEAD(1, 3), KV_U32("split.no", no), KV_U32("split.count", count), KV_U32("split.tensors.count", total),            \
        TENSOR1(name, 1, CT_F32, 0), PAD(32), U32(value)

static void write_items(const char *path, const item *items)
{
    bytes b = make_bytes(items);
    temp_write(path, b.data, b.len);
    free_bytes(&b);
}

static void opens_all_parts_from_any(void **state)
{
    (void)state;
    temp_file t = temp_new("m-00001-of-00003.gguf");
    char second[160], third[160];
    temp_beside(&t, "m-00002-of-00003.gguf", second);
    temp_beside(&t, "m-00003-of-00003.gguf", third);
    write_items(t.path,
                FILE_(HEAD(1, 4), KV_STR("general.name", "three"), KV_U32("split.no", 0), KV_U32("split.count", 3),
                      KV_U32("split.tensors.count", 3), TENSOR1("c", 1, CT_F32, 0), PAD(32), U32(0)));
    write_items(second, FILE_(PART(1, 3, 3, "a", 1)));

    carat_err err = open_fails(t.path); /* the third is missing */
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "part 3 of 3"));
    assert_non_null(strstr(err.msg, "m-00003-of-00003.gguf: No such file"));

    write_items(third, FILE_(PART(2, 3, 3, "b", 2)));
    const char *const paths[] = { t.path, second, third };
    for (int p = 0; p < 3; p++) {
        ct_gguf *g = open_gguf(paths[p]);
        const ct_tensors *ts = ct_gguf_tensors(g);
        assert_int_equal(ts->n, 3);
        for (uint32_t i = 0; i < 3; i++) {
            static const uint8_t value[] = { 1, 2, 0 };
            assert_int_equal(ts->items[i].name[0], 'a' + i);
            assert_int_equal(tensor_bytes(&ts->items[i])[0], value[i]);
        }
        assert_int_equal(ct_gguf_n_kv(g), 4);
        ct_str name = { NULL, 0 };
        assert_true(ct_gguf_text(g, "general.name", &name, &err));
        assert_int_equal(name.len, 5);
        ct_gguf_close(g);
    }
    temp_drop(&t);
}

/* Each spoils the second of two parts; the error must name what is wrong. */
static void refuses_parts_that_do_not_fit(void **state)
{
    (void)state;
    const struct {
        const item *second;
        carat_code code;
        const char *says;
    } cases[] = {
        { FILE_(PART(0, 2, 2, "b", 1)), CARAT_EFORMAT, "it is part 1 of 2 (split.no, split.count), expected 2 of 2" },
        { FILE_(PART(1, 3, 2, "b", 1)), CARAT_EFORMAT, "it is part 2 of 3" },
        { FILE_(HEAD(0, 0)), CARAT_EFORMAT, "part 1 of 0" },
        { FILE_(HEAD(0, 2), KV_U32("split.no", 1), KV_U32("split.count", 2)), CARAT_EFORMAT,
          "1 tensors in 2 parts, but split.tensors.count is 2" },
        { FILE_(PART(1, 2, 2, "a", 1)), CARAT_EFORMAT, "tensor 'a' appears twice" },
        { FILE_(RAW("GGUF"), U32(1)), CARAT_EUNSUPPORTED, "part 2 of 2" },
        { FILE_(ZERO(0)), CARAT_EFORMAT, "empty" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_file t = temp_new("m-00001-of-00002.gguf");
        char second[160];
        temp_beside(&t, "m-00002-of-00002.gguf", second);
        write_items(t.path, FILE_(PART(0, 2, 2, "a", 0)));
        write_items(second, cases[i].second);
        carat_err err = open_fails(t.path);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\", expected \"%s\"", err.msg, cases[i].says);
        temp_drop(&t);
    }
}

static void refuses_parts_that_cannot_be_found(void **state)
{
    (void)state;
    temp_file t = temp_new("model.gguf");
    write_items(t.path, FILE_(PART(0, 2, 2, "a", 0)));
    carat_err err = open_fails(t.path);
    assert_int_equal(err.code, CARAT_EFORMAT);
    assert_non_null(strstr(err.msg, "its name should end in '-00001-of-00002.gguf'"));
    write_items(t.path, FILE_(PART(5, 2, 2, "a", 0)));
    assert_non_null(strstr(open_fails(t.path).msg, "part 6 of 2"));
    write_items(t.path, FILE_(PART(0, 65535, 2, "a", 0)));
    assert_int_equal(open_fails(t.path).code, CARAT_ELIMIT);
    temp_drop(&t);
}

/* ---- files that are none ---- */

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(open_fails("/").code, CARAT_EFORMAT);
    assert_int_equal(open_fails("/no/such/file.gguf").code, CARAT_EIO);
    assert_int_equal(open_fails("").code, CARAT_EIO);
    temp_file t = temp_new("empty.gguf");
    temp_write(t.path, "", 0);
    assert_int_equal(open_fails(t.path).code, CARAT_EFORMAT);
    /* A path longer than a message: its end is shown, and what is wrong is not pushed out. */
    char dir[300], path[420];
    memset(dir, 'd', sizeof dir);
    int n = snprintf(path, sizeof path, "%s/%.200s.gguf", t.dir, dir);
    assert_in_range(n, 200, 300);
    temp_write(path, "not one", 7);
    carat_err err = open_fails(path);
    assert_non_null(strstr(err.msg, "dddd.gguf: not a GGUF file: it starts with 6e 6f 74 20"));
    temp_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files_open),
        cmocka_unit_test(tiny_text_says_what_it_is),
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(reads_arrays),
        cmocka_unit_test(opens_all_parts_from_any),
        cmocka_unit_test(refuses_parts_that_do_not_fit),
        cmocka_unit_test(refuses_parts_that_cannot_be_found),
        cmocka_unit_test(refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
