/* test_kv_save.c - B55: sessions on disk: exact, and every kind of wrong file refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "base/map.h"
#include "base/new_file.h"
#include "fake.h"
#include "host_cache.h"
#include "kv/kv_inside.h"
#include "unit.h"

static const uint8_t model[32] = "weights of the model that it was";
static char folder[256], path[300];

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static ct_cache *open_cache(const ct_config *c, ct_kv_elem elem)
{
    ct_cache *cache;
    carat_err err;
    if (!host_cache_open(c, &(ct_cache_options){ 400, 2, 50, elem, 0 }, &cache, &err))
        fail_msg("%s", err.msg);
    return cache;
}

static void open_text(ct_cache *cache, size_t context, text *t)
{
    carat_err err;
    t->n = t->labelled = 0;
    t->hash[0] = 0;
    if (!ct_kv_open(cache, context, &t->kv, &err))
        fail_msg("%s", err.msg);
}

static void append(const ct_config *c, text *t, size_t n)
{
    uint64_t keys[TEXT_MAX];
    for (size_t i = 0; i < n; i++)
        keys[i] = t->n + i;
    fake_append(c, t, keys, n, true);
}

static bytes saved(const ct_config *c, ct_kv_elem elem, size_t n)
{
    static text t;
    carat_err err;
    ct_cache *cache = open_cache(c, elem);
    open_text(cache, 400, &t);
    append(c, &t, n);
    if (!host_kv_save(t.kv, path, model, "blob!", 5, &err))
        fail_msg("%s", err.msg);
    ct_kv_close(t.kv);
    host_cache_close(cache);
    bytes b;
    char *data;
    if (!ct_read_file(path, 64 << 20, &data, &b.size, &err))
        fail_msg("%s", err.msg);
    b.data = (uint8_t *)data;
    return b;
}

static void refresh_sum(bytes *b)
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, b->size - 32, b->data);
    sha256_digest(&ctx, 32, b->data + b->size - 32);
}

/* Restoring must fail with this code and words, and leave the sequence empty and usable. */
static void expect_refused(ct_kv *kv, const bytes *b, const uint8_t *hash, carat_code code, const char *words)
{
    carat_err err = { 0 };
    uint8_t *blob = (uint8_t *)"x";
    size_t len = 1;
    if (host_kv_restore_memory(kv, "file", b->data, b->size, hash, &blob, &len, &err))
        fail_msg("restored, expected: %s", words);
    assert_null(blob);
    assert_int_equal(len, 0);
    if (err.code != code || !strstr(err.msg, words) || strncmp(err.msg, "file: ", 6) != 0)
        fail_msg("'%s' (%d), expected code %d and '%s'", err.msg, (int)err.code, (int)code, words);
    assert_int_equal(ct_kv_len(kv), 0);
    assert_true(ct_cache_check(kv->cache, &err));
}

/* B55: the continuation sees what an uninterrupted one would, around the window and the page borders. */
static void test_b55_restore_is_exact(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 63, 64, 65, 99, 100, 101, 128, 163, 164, 300, 399, 400 };
    static const ct_kv_elem elems[] = { CT_KV_F16, CT_KV_F32, CT_KV_Q8_0 };
    static text t;
    ct_config c = fake_config(3, 3, 1, 32, 100);
    for (size_t e = 0; e < 3; e++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            carat_err err;
            uint8_t *blob;
            size_t len;
            bytes b = saved(&c, elems[e], lengths[i]);
            ct_cache *cache = open_cache(&c, elems[e]);
            open_text(cache, 400, &t);
            if (!host_kv_restore(t.kv, path, model, &blob, &len, &err))
                fail_msg("%s", err.msg);
            assert_true(len == 5 && memcmp(blob, "blob!", 5) == 0);
            for (uint64_t k = 0; k < lengths[i]; k++)
                text_add(&t, &k, 1);
            t.labelled = t.n;
            fake_verify(&c, &t);
            append(&c, &t, 400 - t.n);
            fake_verify(&c, &t);
            assert_true(ct_cache_check(cache, &err));
            free(blob);
            free(b.data);
            ct_kv_close(t.kv);
            host_cache_close(cache);
        }
}

/* What others left in the unused slots of a page does not reach the file. */
static void test_unused_slots_are_not_saved(void **state)
{
    (void)state;
    ct_config c = fake_config(3, 3, 1, 32, 100);
    bytes clean = saved(&c, CT_KV_F16, 70);
    static text t;
    carat_err err;
    ct_cache *cache = open_cache(&c, CT_KV_F16);
    for (int i = 0; i < 2; i++) { /* fill the pages with another text first */
        open_text(cache, 400, &t);
        uint64_t other[200];
        for (size_t k = 0; k < 200; k++)
            other[k] = 1000 + k;
        fake_append(&c, &t, other, 200, false);
        ct_kv_close(t.kv);
    }
    open_text(cache, 400, &t);
    append(&c, &t, 70);
    assert_true(host_kv_save(t.kv, path, model, "blob!", 5, &err));
    char *data;
    size_t size;
    assert_true(ct_read_file(path, 64 << 20, &data, &size, &err));
    assert_int_equal(size, clean.size);
    assert_memory_equal(data, clean.data, size);
    free(data);
    free(clean.data);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

static void test_b55_damage_is_found(void **state)
{
    (void)state;
    static text t;
    ct_config c = fake_config(3, 3, 1, 32, 8);
    bytes b = saved(&c, CT_KV_Q8_0, 70);
    ct_cache *cache = open_cache(&c, CT_KV_Q8_0);
    open_text(cache, 400, &t);
    for (size_t size = 0; size < b.size; size += size < 300 ? 1 : 997) { /* cut anywhere */
        bytes cut = { malloc(size ? size : 1), size };                   /* its own block: a read past the end shows */
        memcpy(cut.data, b.data, size);
        expect_refused(t.kv, &cut, model, CARAT_EFORMAT, size < 8 ? "not a saved session" : "truncated");
        free(cut.data);
    }
    for (size_t bit = 0; bit < b.size * 8; bit += bit < 3000 ? 1 : 4099) { /* any bit */
        uint8_t *blob;
        size_t len;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(host_kv_restore_memory(t.kv, "file", b.data, b.size, model, &blob, &len, NULL));
        assert_null(blob);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    bytes more = { calloc(1, b.size + 3), b.size + 3 };
    memcpy(more.data, b.data, b.size);
    expect_refused(t.kv, &more, model, CARAT_EFORMAT, "3 bytes after its end");
    free(more.data);
    free(b.data);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

static void put_field(bytes *b, size_t at, uint64_t value, size_t width)
{
    if (width == 4)
        ct_put_le32(b->data + at, (uint32_t)value);
    else
        ct_put_le64(b->data + at, value);
    refresh_sum(b);
}

/* Files with a right checksum that say something else. */
static void test_b55_other_files_are_refused(void **state)
{
    (void)state;
    const struct {
        size_t at, width;
        uint64_t value;
        carat_code code;
        const char *words;
    } cases[] = {
        { 0, 4, 0x46554747, CARAT_EFORMAT, "not a saved session" },
        { 8, 4, 1, CARAT_EUNSUPPORTED, "session format 1, of an older Carat; this program reads 2" },
        { 8, 4, 3, CARAT_EUNSUPPORTED, "session format 3, of a newer Carat; this program reads 2" },
        { 12, 4, CT_KV_F32, CARAT_EUNSUPPORTED,
          "saved with float32 keys and values, but this engine's are f16: open it with --exact" },
        { 16, 4, 4, CARAT_EUNSUPPORTED, "layers 4, but this cache has 3" },
        { 20, 4, 2, CARAT_EUNSUPPORTED, "KV heads 2, but this cache has 1" },
        { 24, 4, 64, CARAT_EUNSUPPORTED, "head size 64, but this cache has 32" },
        { 28, 4, 1024, CARAT_EUNSUPPORTED, "window 1024, but this cache has 8" },
        { 32, 4, 128, CARAT_EUNSUPPORTED, "page size 128, but this cache has 64" },
        { 36, 4, 1, CARAT_EFORMAT, "damaged" },
        { 40, 8, 390, CARAT_EFORMAT, "truncated" },
        { 40, 8, UINT64_MAX, CARAT_EFORMAT, "damaged" },
        { 40, 8, 10, CARAT_EFORMAT, "damaged" },
        { 48, 8, 71, CARAT_EFORMAT, "damaged" },
        { 48, 8, UINT64_MAX, CARAT_EFORMAT, "damaged" },
        { 48, 8, 60, CARAT_EFORMAT, "80 bytes after its end" },
        { 56, 8, UINT64_MAX, CARAT_EFORMAT, "damaged" },
        { 56, 8, UINT64_MAX - 7, CARAT_EFORMAT, "damaged" },
        { 56, 8, (uint64_t)1 << 40, CARAT_EFORMAT, "truncated" },
        { 64, 8, 7, CARAT_EUNSUPPORTED, "another model" },
        { 96, 4, 0x000001, CARAT_EUNSUPPORTED, "another kind of layer 0" },
    };
    static text t;
    ct_config c = fake_config(3, 3, 1, 32, 8);
    bytes b = saved(&c, CT_KV_F16, 70);
    ct_cache *cache = open_cache(&c, CT_KV_F16);
    open_text(cache, 400, &t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t before[8];
        memcpy(before, b.data + cases[i].at, 8);
        put_field(&b, cases[i].at, cases[i].value, cases[i].width);
        expect_refused(t.kv, &b, model, cases[i].code, cases[i].words);
        memcpy(b.data + cases[i].at, before, 8);
    }
    refresh_sum(&b);
    uint8_t other[32] = { 0 };
    expect_refused(t.kv, &b, other, CARAT_EUNSUPPORTED, "another model");
    size_t pages = 96 + 8 + 70 * 8 + 8;
    uint8_t before[8];
    memcpy(before, b.data + pages + 640, 8);
    put_field(&b, pages + 640, 0x7c00, 4);
    expect_refused(t.kv, &b, model, CARAT_EFORMAT, "not finite");
    memcpy(b.data + pages + 640, before, 8);
    refresh_sum(&b);
    ct_kv_close(t.kv);
    open_text(cache, 69, &t);
    expect_refused(t.kv, &b, model, CARAT_ECONTEXT, "70 positions, but there is room for only 69");
    ct_kv_close(t.kv);
    open_text(cache, 70, &t);
    uint8_t *blob;
    size_t len;
    assert_true(host_kv_restore_memory(t.kv, "file", b.data, b.size, model, &blob, &len, NULL));
    free(blob);
    free(b.data);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

static size_t pages_in_use(ct_cache *cache)
{
    ct_cache_stats st;
    ct_cache_get_stats(cache, &st);
    return st.global.total - st.global.free + st.local.total - st.local.free;
}

static size_t resumed(ct_cache *cache, size_t n)
{
    uint64_t keys[TEXT_MAX];
    ct_kv *kv;
    carat_err err;
    for (size_t i = 0; i < n; i++)
        keys[i] = i;
    if (!ct_kv_open(cache, n, &kv, &err))
        fail_msg("%s", err.msg);
    size_t got = ct_kv_resume(kv, keys, n, n);
    ct_kv_close(kv);
    return got;
}

static void restore_text(const bytes *b, text *t)
{
    uint8_t *blob;
    size_t len;
    carat_err err;
    if (!host_kv_restore_memory(t->kv, "file", b->data, b->size, model, &blob, &len, &err))
        fail_msg("%s", err.msg);
    free(blob);
    for (uint64_t k = 0; k < 200; k++)
        text_add(t, &k, 1);
    t->labelled = t->n;
}

/* F2: a file is not proof of what its tokens' keys and values are. Whatever its session and forks of it do, no other
 * sequence finds its pages, and with the last of them they are gone. */
static void test_restored_pages_serve_their_session_only(void **state)
{
    (void)state;
    enum { LEN = 200 };
    static text a, b, fork;
    carat_err err;
    ct_config c = fake_config(3, 3, 1, 32, 100);
    bytes file = saved(&c, CT_KV_F16, LEN);
    ct_cache *cache;
    if (!host_cache_open(&c, &(ct_cache_options){ 400, 4, 50, CT_KV_F16, 1 << 20 }, &cache, &err))
        fail_msg("%s", err.msg);
    open_text(cache, 300, &a);
    restore_text(&file, &a);
    ct_kv_mark(a.kv);
    assert_int_equal(resumed(cache, LEN), 0);
    fork = a;
    assert_true(ct_kv_fork(a.kv, &fork.kv, &err));
    append(&c, &a, 60); /* what is computed after them depends on them */
    ct_kv_mark(a.kv);
    assert_int_equal(resumed(cache, 260), 0);
    assert_true(ct_cache_check(cache, &err));
    ct_kv_close(a.kv);
    assert_int_equal(resumed(cache, LEN), 0);
    fake_verify(&c, &fork);
    text_cut(&fork, 190);
    assert_int_equal(ct_kv_rewind(fork.kv, 190), 190); /* its own past it finds */
    fake_verify(&c, &fork);
    assert_int_equal(ct_kv_rewind(fork.kv, 0), 0);
    text_cut(&fork, 0);
    assert_int_equal(pages_in_use(cache), 0);
    append(&c, &fork, LEN); /* computed here: everybody's */
    ct_kv_mark(fork.kv);
    assert_int_equal(resumed(cache, LEN), LEN);
    open_text(cache, 300, &b);
    restore_text(&file, &b); /* beside the same text */
    fake_verify(&c, &b), fake_verify(&c, &fork);
    for (size_t t = 0; t < LEN / CT_TILE; t++)
        assert_int_not_equal(b.kv->global[t].page, fork.kv->global[t].page);
    assert_true(ct_cache_check(cache, &err));
    ct_kv_close(fork.kv);
    assert_int_equal(resumed(cache, LEN), LEN);
    ct_kv_close(b.kv);
    assert_int_equal(resumed(cache, LEN), LEN);
    assert_true(ct_cache_check(cache, &err));
    ct_cache_clear(cache);
    host_cache_close(cache);
    free(file.data);
}

/* What is refused at the last byte has left nothing, though its pages were on their way. */
static void test_a_refused_file_leaves_nothing(void **state)
{
    (void)state;
    static text t;
    ct_config c = fake_config(3, 3, 1, 32, 100);
    bytes file = saved(&c, CT_KV_F16, 200);
    ct_cache *cache = open_cache(&c, CT_KV_F16);
    open_text(cache, 400, &t);
    file.data[file.size - 1] ^= 1;
    expect_refused(t.kv, &file, model, CARAT_EFORMAT, "damaged: its checksum");
    assert_int_equal(pages_in_use(cache), 0);
    assert_int_equal(resumed(cache, 200), 0);
    append(&c, &t, 200);
    fake_verify(&c, &t);
    free(file.data);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

/* F6: cut by another process after it was opened: an error, wherever its end is now. */
static void test_a_file_cut_while_it_is_restored(void **state)
{
    (void)state;
    static text t;
    ct_config c = fake_config(3, 3, 1, 32, 100);
    bytes file = saved(&c, CT_KV_F16, 200);
    ct_cache *cache = open_cache(&c, CT_KV_F16);
    open_text(cache, 400, &t);
    for (size_t size = 0; size < file.size; size += 4999) {
        ct_kv_saved *f;
        carat_err err;
        assert_true(ct_write_file(path, file.data, file.size, &err));
        assert_true(ct_kv_saved_open(t.kv, path, model, &f, &err));
        assert_int_equal(truncate(path, (off_t)size), 0);
        assert_memory_equal(ct_kv_saved_contents(f).blob, "blob!", 5);
        assert_false(ct_kv_saved_take(f, t.kv, &err));
        if (err.code != CARAT_EIO || strncmp(err.msg, path, strlen(path)) != 0 || !strstr(err.msg, "it ends at byte"))
            fail_msg("%s", err.msg);
        ct_kv_saved_close(f);
        assert_int_equal(ct_kv_len(t.kv), 0);
        assert_int_equal(pages_in_use(cache), 0);
        assert_true(ct_cache_check(cache, &err));
    }
    free(file.data);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

/* What cannot be written leaves what was there. */
static void test_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    static text t;
    carat_err err;
    struct stat st;
    ct_config c = fake_config(3, 3, 1, 32, 8);
    ct_cache *cache = open_cache(&c, CT_KV_F16);
    open_text(cache, 400, &t);
    append(&c, &t, 10);
    assert_false(host_kv_save(t.kv, "/nowhere/at/all", model, NULL, 0, &err));
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "/nowhere/at/all: "));
    char in_the_way[300];
    snprintf(in_the_way, sizeof in_the_way, "%s/folder", folder);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    assert_false(host_kv_save(t.kv, in_the_way, model, NULL, 0, &err)); /* the rename fails: nothing is left behind */
    assert_int_equal(err.code, CARAT_EIO);
    assert_int_equal(rmdir(in_the_way), 0);
    unlink(path);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(host_kv_save(t.kv, path, model, NULL, 0, &err));
    assert_true(stat(path, &st) == 0 && st.st_size > 0);
    ct_kv_close(t.kv);
    host_cache_close(cache);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/carat-kv-save-XXXXXX", unit_tmp());
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/session", folder);
    return 0;
}

/* Fails where a temporary file was forgotten. */
static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b55_restore_is_exact),
        cmocka_unit_test(test_unused_slots_are_not_saved),
        cmocka_unit_test(test_b55_damage_is_found),
        cmocka_unit_test(test_b55_other_files_are_refused),
        cmocka_unit_test(test_restored_pages_serve_their_session_only),
        cmocka_unit_test(test_a_refused_file_leaves_nothing),
        cmocka_unit_test(test_a_file_cut_while_it_is_restored),
        cmocka_unit_test(test_failed_save_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
