/* Writing GGUF files: what is written reads back equal, and nothing half-written stays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "format/gguf_write.h"
#include "tensor_bytes.h"

static ct_gguf_writer *create_ok(const char *path)
{
    ct_gguf_writer *w;
    carat_err err = { 0 };
    if (!ct_gguf_create(path, &w, &err))
        fail_msg("%s", err.msg);
    return w;
}

static void finish_ok(ct_gguf_writer *w)
{
    carat_err err = { 0 };
    if (!ct_gguf_finish(w, &err))
        fail_msg("%s", err.msg);
}

static size_t files_in(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void reads_back_what_was_written(void **state)
{
    (void)state;
    temp_file t = temp_new("new.gguf");
    ct_gguf_writer *w = create_ok(t.path);
    const ct_str texts[] = { { "<pad>", 5 }, { "", 0 }, { "a\0b", 3 } };
    const int32_t ints[] = { 1, -2, INT32_MIN };
    const float floats[] = { 0.5f, -1e30f };
    ct_gguf_writer_u32(w, "n", 4000000000u);
    ct_gguf_writer_f32(w, "eps", 1e-6f);
    ct_gguf_writer_bool(w, "yes", true);
    ct_gguf_writer_text(w, "name", "w\303\266rter");
    ct_gguf_writer_texts(w, "tokens", texts, 3);
    ct_gguf_writer_i32s(w, "ints", ints, 3);
    ct_gguf_writer_f32s(w, "floats", floats, 2);
    ct_gguf_writer_texts(w, "none", NULL, 0);
    const uint64_t a_dims[] = { 3 }, b_dims[] = { 32, 2, 1, 3 };
    ct_gguf_writer_tensor(w, "z.weight", CT_F32, 1, a_dims);  /* 12 bytes, then 20 of padding */
    ct_gguf_writer_tensor(w, "a.weight", CT_Q4_0, 4, b_dims); /* 6 rows of 18 = 108, then 20 */
    uint8_t data[120];
    for (int i = 0; i < 120; i++)
        data[i] = (uint8_t)(i + 1);
    carat_err err = { 0 };
    assert_int_equal(files_in(t.dir), 1); /* under another name */
    assert_int_equal(access(t.path, F_OK), -1);
    assert_true(ct_gguf_writer_data(w, data, 5, &err)); /* pieces that end inside, at and across tensors */
    assert_true(ct_gguf_writer_data(w, data + 5, 0, &err));
    assert_true(ct_gguf_writer_data(w, data + 5, 100, &err));
    assert_true(ct_gguf_writer_data(w, data + 105, 15, &err));
    finish_ok(w);
    assert_int_equal(files_in(t.dir), 1);

    uint8_t head[8] = { 0 };
    FILE *f = fopen(t.path, "rb");
    assert_true(f && fread(head, 1, sizeof head, f) == sizeof head);
    fclose(f);
    assert_memory_equal(head, "GGUF\3\0\0\0", 8);

    ct_gguf *g = open_gguf(t.path);
    assert_int_equal(ct_gguf_n_kv(g), 8);
    assert_string_equal(ct_gguf_kv_at(g, 0)->key, "n");
    int64_t n = 0;
    double eps = 0;
    bool yes = false;
    ct_str name = { NULL, 0 }, s;
    assert_true(ct_gguf_int(g, "n", 0, INT64_MAX, &n, &err) && n == 4000000000);
    assert_true(ct_gguf_num(g, "eps", &eps, &err) && (float)eps == 1e-6f);
    assert_true(ct_gguf_bool(g, "yes", &yes, &err) && yes);
    assert_true(ct_gguf_text(g, "name", &name, &err) && name.len == 7);
    ct_gguf_cursor c = { 0 };
    for (int i = 0; i < 3; i++) {
        assert_true(ct_gguf_next_str(ct_gguf_find(g, "tokens"), &c, &s));
        assert_int_equal(s.len, texts[i].len);
        assert_memory_equal(s.data, texts[i].data, s.len);
        assert_true(ct_gguf_elem_num(ct_gguf_find(g, "ints"), (uint64_t)i) == ints[i]);
    }
    assert_true((float)ct_gguf_elem_num(ct_gguf_find(g, "floats"), 1) == -1e30f);
    assert_int_equal(ct_gguf_find(g, "none")->count, 0);
    const ct_tensors *ts = ct_gguf_tensors(g);
    assert_int_equal(ts->n, 2);
    assert_string_equal(ts->items[1].name, "z.weight");
    assert_memory_equal(tensor_bytes(&ts->items[1]), data, 12);
    assert_int_equal(ts->items[0].bytes, 108);
    assert_memory_equal(tensor_bytes(&ts->items[0]), data + 12, 108);
    assert_memory_equal(ts->items[0].dims, b_dims, sizeof b_dims);
    assert_int_equal(ts->items[0].offset % 32, 0);
    assert_int_equal(ct_gguf_file_bytes(g) % 32, 0);
    ct_gguf_close(g);
    temp_drop(&t);
}

static int by_offset(const void *a, const void *b)
{
    const ct_tensor *x = *(const ct_tensor *const *)a, *y = *(const ct_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The golden files were written by the reference's own writer, with version 3 and alignment 32: a copy key by key and
 * tensor by tensor in the file's order must be the same file, byte for byte. */
static void copies_golden_files_exactly(void **state)
{
    (void)state;
    static const char *const files[] = { "models/tiny-text/gguf/tiny-text-q8_0.gguf",
                                         "models/tiny-kq/gguf/tiny-kq.gguf",
                                         "models/tiny-vl/gguf/mmproj-tiny-vl-f32.gguf" };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", TEST_DATA, files[f]);
        ct_gguf *g = open_gguf(path);
        temp_file t = temp_new("copy.gguf");
        ct_gguf_writer *w = create_ok(t.path);
        for (size_t i = 0; i < ct_gguf_n_kv(g); i++)
            ct_gguf_writer_copy(w, ct_gguf_kv_at(g, i));
        const ct_tensors *ts = ct_gguf_tensors(g);
        const ct_tensor **order = malloc(ts->n * sizeof *order);
        assert_non_null(order);
        for (size_t i = 0; i < ts->n; i++)
            order[i] = &ts->items[i];
        qsort(order, ts->n, sizeof *order, by_offset);
        for (size_t i = 0; i < ts->n; i++)
            ct_gguf_writer_tensor(w, order[i]->name, order[i]->type, order[i]->n_dims, order[i]->dims);
        carat_err err = { 0 };
        for (size_t i = 0; i < ts->n; i++)
            assert_true(ct_gguf_writer_data(w, tensor_bytes(order[i]), order[i]->bytes, &err));
        finish_ok(w);
        ct_map a, b;
        assert_true(ct_map_read(&a, path, SIZE_MAX, &err) && ct_map_read(&b, t.path, SIZE_MAX, &err));
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        ct_map_close(&a);
        ct_map_close(&b);
        free(order);
        ct_gguf_close(g);
        temp_drop(&t);
    }
}

static void passes_over_keys_of_the_old_file(void **state)
{
    (void)state;
    bytes b = make_bytes((const item[]){ HEAD(0, 3), KV_U32("general.alignment", 64), KV_U32("split.count", 1),
                                         KV_U32("kept", 1), END });
    ct_gguf *old;
    carat_err err = { 0 };
    assert_true(ct_gguf_open_memory("old", b.data, b.len, &old, &err));
    temp_file t = temp_new("copy.gguf");
    ct_gguf_writer *w = create_ok(t.path);
    for (size_t i = 0; i < 3; i++)
        ct_gguf_writer_copy(w, ct_gguf_kv_at(old, i));
    finish_ok(w);
    ct_gguf *g = open_gguf(t.path);
    assert_int_equal(ct_gguf_n_kv(g), 1);
    assert_non_null(ct_gguf_find(g, "kept"));
    ct_gguf_close(g);
    ct_gguf_close(old);
    free_bytes(&b);
    temp_drop(&t);
}

/* ---- mistakes ---- */

static void twice_a_key(ct_gguf_writer *w)
{
    ct_gguf_writer_u32(w, "a.b", 1);
    ct_gguf_writer_text(w, "a.b", "x");
}

static void odd_key(ct_gguf_writer *w)
{
    ct_gguf_writer_u32(w, "a\nb", 1);
}

static const uint64_t one[] = { 1 }, half[] = { 48 }, zero[] = { 0 }, huge[] = { 1ull << 40, 1ull << 40 };

static void twice_a_tensor(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, one);
    ct_gguf_writer_tensor(w, "t", CT_F16, 1, one);
}

static void half_a_block(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_Q4_0, 1, half);
}

static void no_weights(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, zero);
}

static void too_large(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 2, huge);
}

static void too_little_data(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, one);
    ct_gguf_writer_data(w, "abc", 3, NULL);
}

static void too_much_data(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, one);
    carat_err err = { 0 };
    assert_false(ct_gguf_writer_data(w, "abcde", 5, &err));
    assert_int_equal(err.code, CARAT_EARG);
}

static void key_after_data(ct_gguf_writer *w)
{
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, one);
    ct_gguf_writer_data(w, "abcd", 4, NULL);
    ct_gguf_writer_u32(w, "late", 1);
    ct_gguf_writer_tensor(w, "later", CT_F32, 1, one);
}

static void mistakes_leave_no_file(void **state)
{
    (void)state;
    static const struct {
        void (*make)(ct_gguf_writer *w);
        const char *says;
    } cases[] = {
        { twice_a_key, "key 'a.b' is given twice" },
        { odd_key, "is not a valid name of a key" },
        { twice_a_tensor, "tensor 't' is declared twice" },
        { half_a_block, "rows of 48, type Q4_0" },
        { no_weights, "rows of 0" },
        { too_large, "not a valid size" },
        { too_little_data, "was given 3 of its 4 bytes" },
        { too_much_data, "1 bytes of data more" },
        { key_after_data, "key 'late' comes after the first data" },
    };
    temp_file t = temp_new("never.gguf");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ct_gguf_writer *w = create_ok(t.path);
        cases[i].make(w);
        carat_err err = { 0 };
        assert_false(ct_gguf_finish(w, &err));
        assert_int_equal(err.code, CARAT_EARG);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("\"%s\", expected \"%s\"", err.msg, cases[i].says);
        assert_int_equal(files_in(t.dir), 0);
    }
    ct_gguf_abandon(create_ok(t.path));
    ct_gguf_abandon(NULL);
    assert_int_equal(files_in(t.dir), 0);
    temp_drop(&t);
}

/* A failed write leaves the file that was there before as it was. The disk is full at 64 KiB here. */
static void a_full_disk_is_reported(void **state)
{
    (void)state;
    temp_file t = temp_new("old.gguf");
    temp_write(t.path, "old", 3);
    struct rlimit was, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 65536;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ct_gguf_writer *w = create_ok(t.path);
    const uint64_t dims[] = { 1 << 18 };
    ct_gguf_writer_tensor(w, "t", CT_F32, 1, dims);
    void *data = calloc(1 << 18, 4);
    assert_non_null(data);
    carat_err err = { 0 };
    setrlimit(RLIMIT_FSIZE, &small);
    bool ok = ct_gguf_writer_data(w, data, (size_t)4 << 18, &err);
    bool finished = ct_gguf_finish(w, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    free(data);
    assert_false(ok);
    assert_false(finished);
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "old.gguf: cannot be written: File too large"));
    assert_int_equal(files_in(t.dir), 1);
    ct_map m;
    assert_true(ct_map_read(&m, t.path, SIZE_MAX, &err));
    assert_int_equal(m.size, 3);
    ct_map_close(&m);
    temp_drop(&t);
}

static void refuses_places_that_cannot_be_written(void **state)
{
    (void)state;
    ct_gguf_writer *w = (ct_gguf_writer *)&w;
    carat_err err = { 0 };
    assert_false(ct_gguf_create("/no/such/folder/x.gguf", &w, &err));
    assert_null(w);
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "/no/such/folder/x.gguf: cannot be written: No such file"));
    temp_file t = temp_new("x");
    assert_false(ct_gguf_create(t.dir, &w, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "is a directory, expected a file"));
    /* A folder of that name that comes later: found out at the end, and the temporary file goes. */
    assert_true(ct_gguf_create(t.path, &w, &err));
    unlink(t.path);
    assert_int_equal(mkdir(t.path, 0700), 0);
    assert_false(ct_gguf_finish(w, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_int_equal(rmdir(t.path), 0);
    temp_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),      cmocka_unit_test(copies_golden_files_exactly),
        cmocka_unit_test(passes_over_keys_of_the_old_file), cmocka_unit_test(mistakes_leave_no_file),
        cmocka_unit_test(a_full_disk_is_reported),          cmocka_unit_test(refuses_places_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
