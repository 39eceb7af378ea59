/* A GGUF cut anywhere, with any bit flipped, with huge claims, with a full vocabulary: refused or read, in little
 * memory and little time.
 *
 * The program is linked with --wrap for malloc, calloc and realloc, so it sees what the reader asks for.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <time.h>

#include "bytes.h"
#include "format/gguf_write.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

/* Since reset: all that was asked for, freed or not, and the largest single piece. fail_at counts down to a refusal. */
static size_t asked, largest;
static long fail_at = -1;

static bool count(size_t n)
{
    asked += n;
    largest = n > largest ? n : largest;
    return fail_at < 0 || fail_at-- != 0;
}

void *__wrap_malloc(size_t n)
{
    return count(n) ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return count(n * size) ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
    return count(n) ? __real_realloc(p, n) : NULL;
}

static void reset(void)
{
    asked = largest = 0;
}

static const item small[] = {
    HEAD(3, 6),
    KV_STR("general.architecture", "gemma3"),
    KV_U32("general.alignment", 32),
    KV_ARR("tokens", CT_GGUF_STR, 3),
    STR("<pad>"),
    STR(""),
    STR("a"),
    KV_ARR("scores", CT_GGUF_F32, 2),
    U32(0),
    U32(0x3f800000),
    KV("flag", CT_GGUF_BOOL),
    U8(1),
    KV("last", CT_GGUF_U64),
    U64(1),
    TENSOR1("norm", 8, CT_F32, 0),
    TENSOR2("w.q", 32, 2, CT_Q4_0, 32),
    TENSOR2("w.h", 5, 3, CT_F16, 96),
    PAD(32),
    ZERO(32),
    ZERO(36),
    PAD(32),
    ZERO(30),
    END,
};

static void every_prefix_is_refused(void **state)
{
    (void)state;
    bytes b = make_bytes(small);
    for (size_t n = 0; n <= b.len; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* its own block, so that a sanitizer sees one byte too far */
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        ct_gguf *g = NULL;
        carat_err err = { 0 };
        bool ok = ct_gguf_open_memory("cut", cut, n, &g, &err);
        if (ok != (n == b.len))
            fail_msg("%zu of %zu bytes: %s", n, b.len, ok ? "opened" : err.msg);
        if (!ok)
            assert_true(err.code == CARAT_EFORMAT && err.msg[0] && !g);
        ct_gguf_close(g);
        free(cut);
    }
    free_bytes(&b);
}

/* Whatever is still accepted with one bit wrong must lie inside the file. */
static void any_bit_may_flip(void **state)
{
    (void)state;
    bytes b = make_bytes(small);
    size_t header = b.len - 128, refused = 0;
    for (size_t bit = 0; bit < header * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ct_gguf *g = NULL;
        carat_err err = { 0 };
        reset();
        if (ct_gguf_open_memory("flipped", b.data, b.len, &g, &err)) {
            const ct_tensors *t = ct_gguf_tensors(g);
            for (size_t i = 0; i < t->n; i++)
                assert_true(t->items[i].data >= b.data && t->items[i].data + t->items[i].bytes <= b.data + b.len);
            for (size_t i = 0; i < ct_gguf_n_kv(g); i++) {
                const ct_gguf_kv *kv = ct_gguf_kv_at(g, i);
                assert_true(kv->data >= b.data && kv->data + kv->bytes <= b.data + b.len);
            }
        } else {
            assert_true(err.code != CARAT_OK && err.msg[0]);
            refused++;
        }
        assert_true(largest < 65536);
        ct_gguf_close(g);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* Letters of names, array contents and paddings may differ; counts, lengths, kinds and offsets may not. */
    assert_true(refused > header * 8 / 3);
    free_bytes(&b);
}

/* What a file may make the reader ask for: claims cost nothing beyond the container itself, under 1 KB. */
static void claims_cost_no_memory(void **state)
{
    (void)state;
    const item *const files[] = {
        (const item[]){ HEAD(1ull << 60, 0), END },          (const item[]){ HEAD(0, 1ull << 60), END },
        (const item[]){ HEAD(UINT64_MAX, UINT64_MAX), END }, (const item[]){ HEAD(1 << 20, 0), ZERO(4096), END },
        (const item[]){ HEAD(0, 1 << 16), ZERO(4096), END },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = make_bytes(files[i]);
        ct_gguf *g;
        carat_err err = { 0 };
        reset();
        assert_false(ct_gguf_open_memory("claim", b.data, b.len, &g, &err));
        assert_true(asked < 1024);
        free_bytes(&b);
    }
    bytes b = make_bytes((const item[]){ HEAD(0, 1), KV_ARR("a", CT_GGUF_STR, 1ull << 60), ZERO(64), END });
    ct_gguf *g;
    carat_err err = { 0 };
    reset();
    assert_false(ct_gguf_open_memory("claim", b.data, b.len, &g, &err));
    assert_true(asked < 10 * 1024); /* one chunk of names, 8 KB */
    free_bytes(&b);
}

/* The most tensors that real bytes can carry: the ceiling holds though the file is honest in every count. */
static void the_directory_has_a_ceiling(void **state)
{
    (void)state;
    enum { N = 1000000, EACH = 8 + 7 + 4 + 8 + 4 + 8 };
    size_t len = 24 + (size_t)N * EACH;
    uint8_t *data = calloc(1, len);
    assert_non_null(data);
    memcpy(data, "GGUF\3\0\0\0\x40\x42\x0f", 11); /* 1000000 */
    for (size_t i = 0; i < N; i++) {
        uint8_t *p = data + 24 + i * EACH;
        p[0] = 7;
        char name[9];
        snprintf(name, sizeof name, "%07zu", i);
        memcpy(p + 8, name, 7);
        p[15] = 1;
        p[19] = 1;
    }
    ct_gguf *g;
    carat_err err = { 0 };
    reset();
    assert_false(ct_gguf_open_memory("many", data, len, &g, &err));
    assert_int_equal(err.code, CARAT_ELIMIT);
    assert_true(asked <= (size_t)64 << 20);
    free(data);
}

/* Refuses the 1st, 2nd, ... allocation: a clean error each time, until one attempt gets through. */
static void no_memory_is_a_clean_error(void **state)
{
    (void)state;
    bytes b = make_bytes(small);
    temp_file t = temp_new("small.gguf");
    temp_write(t.path, b.data, b.len);
    bool ok = false;
    long n = 0;
    for (; !ok && n < 100; n++) {
        ct_gguf *g = NULL;
        carat_err err = { 0 };
        fail_at = n;
        ok = ct_gguf_open(t.path, &g, &err);
        fail_at = -1;
        assert_true(ok || (err.code == CARAT_ENOMEM && err.msg[0] && !g));
        ct_gguf_close(g);
    }
    assert_true(ok && n > 5);
    free_bytes(&b);
    temp_drop(&t);
}

/* ---- a header of the 4B's size ---- */

#define N_TOKEN 262208

static void write_big(const char *path)
{
    ct_gguf_writer *w;
    carat_err err = { 0 };
    ct_str *tokens = malloc(N_TOKEN * sizeof *tokens);
    char *text = malloc(N_TOKEN * 12);
    int32_t *ints = calloc(N_TOKEN, sizeof *ints);
    float *floats = calloc(N_TOKEN, sizeof *floats);
    assert_true(tokens && text && ints && floats);
    for (size_t i = 0; i < N_TOKEN; i++) {
        int len = snprintf(text + 12 * i, 12, "tok%zu", i);
        tokens[i] = (ct_str){ text + 12 * i, (size_t)len };
    }
    assert_true(ct_gguf_create(path, &w, &err));
    ct_gguf_writer_texts(w, "tokenizer.ggml.tokens", tokens, N_TOKEN);
    ct_gguf_writer_f32s(w, "tokenizer.ggml.scores", floats, N_TOKEN);
    ct_gguf_writer_i32s(w, "tokenizer.ggml.token_type", ints, N_TOKEN);
    const uint64_t dims[] = { 32, 4 };
    for (int i = 0; i < 444; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%d.part%d.weight", i / 13, i % 13);
        ct_gguf_writer_tensor(w, name, CT_Q4_0, 2, dims);
    }
    for (int i = 0; i < 444; i++)
        assert_true(ct_gguf_writer_data(w, ints, 72, &err));
    assert_true(ct_gguf_finish(w, &err));
    free(tokens);
    free(text);
    free(ints);
    free(floats);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void a_real_header_is_quick(void **state)
{
    (void)state;
    temp_file t = temp_new("big.gguf");
    write_big(t.path);
    double best = 1e9;
    for (int i = 0; i < 7; i++) {
        ct_gguf *g;
        carat_err err = { 0 };
        double start = now_ms();
        reset();
        if (!ct_gguf_open(t.path, &g, &err))
            fail_msg("%s", err.msg);
        double ms = now_ms() - start;
        best = ms < best ? ms : best;
        assert_int_equal(ct_gguf_tensors(g)->n, 444);
        /* The strings stay in the file: the directory is the tensors, their names and three keys. */
        assert_true(asked < 100 * 1024 && ct_gguf_directory_bytes(g) < 100 * 1024);
        assert_int_equal(ct_gguf_find(g, "tokenizer.ggml.tokens")->count, N_TOKEN);
        ct_gguf_close(g);
    }
    print_message("a header of %d tokens and 444 tensors: %.2f ms\n", N_TOKEN, best);
    assert_true(best < (UNIT_SANITIZED ? 3000 : 300)); /* the requirement; it takes about 1 ms, 10 in a sanitizer */
    temp_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_is_refused),    cmocka_unit_test(any_bit_may_flip),
        cmocka_unit_test(claims_cost_no_memory),      cmocka_unit_test(the_directory_has_a_ceiling),
        cmocka_unit_test(no_memory_is_a_clean_error), cmocka_unit_test(a_real_header_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
