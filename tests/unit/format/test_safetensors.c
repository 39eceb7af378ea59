/* Reading safetensors: the golden folders, shards and their index, crafted headers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "bytes.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "tensor_bytes.h"

static ct_safetensors *open_ok(const char *path)
{
    ct_safetensors *s;
    carat_err err = { 0 };
    if (!ct_safetensors_open(path, &s, &err))
        fail_msg("%s", err.msg);
    return s;
}

static carat_err open_fails(const char *path)
{
    ct_safetensors *s = (ct_safetensors *)&s;
    carat_err err = { 0 };
    if (ct_safetensors_open(path, &s, &err))
        fail_msg("%s: opened", path);
    assert_null(s);
    return err;
}

/* A file with this JSON for a header and data_bytes of 0, 1, 2 ... behind it. */
static bytes with_header(const char *json, size_t data_bytes)
{
    size_t n = strlen(json), padded = (n + 7) / 8 * 8;
    bytes b = { malloc(8 + padded + data_bytes), 8 + padded + data_bytes };
    assert_non_null(b.data);
    for (int i = 0; i < 8; i++)
        b.data[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    memset(b.data + 8, ' ', padded);
    memcpy(b.data + 8, json, n);
    for (size_t i = 0; i < data_bytes; i++)
        b.data[8 + padded + i] = (uint8_t)i;
    return b;
}

/* ---- golden files ---- */

static void golden_folders_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ct_type type;
        size_t n_tensor; /* 0: not counted here */
    } models[] = {
        { "tiny-text", CT_F32, 12 * 13 + 2 }, { "seed-shape", CT_BF16, 30 * 13 + 2 },
        { "odd-text", CT_F16, 7 * 13 + 2 },   { "tiny-vl", CT_F32, 0 },
        { "vl-small-window", CT_BF16, 0 },
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/models/%s", TEST_DATA, models[i].name);
        ct_safetensors *s = open_ok(path);
        const ct_tensors *t = ct_safetensors_tensors(s);
        size_t sum = 0;
        for (size_t k = 0; k < t->n; k++) {
            const ct_tensor *x = &t->items[k];
            assert_int_equal(x->type, models[i].type);
            assert_true(k == 0 || strcmp(t->items[k - 1].name, x->name) < 0);
            assert_ptr_equal(ct_tensors_find(t, x->name), x);
            assert_non_null(tensor_bytes(x));
            assert_true(x->offset + x->bytes <= x->map->size);
            sum += x->bytes;
        }
        assert_true(sum < ct_safetensors_file_bytes(s) && sum > ct_safetensors_file_bytes(s) * 9 / 10);
        if (models[i].n_tensor)
            assert_int_equal(t->n, models[i].n_tensor);
        assert_null(ct_safetensors_skipped(s, t->items[0].name));
        ct_safetensors_close(s);
    }
}

/* The same weights in both containers: same shape in the directory, same bytes. */
static void agrees_with_the_gguf(void **state)
{
    (void)state;
    ct_safetensors *s = open_ok(TEST_DATA "/models/tiny-text");
    ct_gguf *g;
    carat_err err = { 0 };
    assert_true(ct_gguf_open(TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf", &g, &err));
    static const char *const names[][2] = {
        { "model.embed_tokens.weight", "token_embd.weight" },
        { "model.layers.5.self_attn.q_proj.weight", "blk.5.attn_q.weight" },
        { "model.layers.11.mlp.down_proj.weight", "blk.11.ffn_down.weight" },
        { "model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ct_tensor *a = ct_tensors_find(ct_safetensors_tensors(s), names[i][0]);
        const ct_tensor *b = ct_tensors_find(ct_gguf_tensors(g), names[i][1]);
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(a->n_dims, b->n_dims);
        assert_memory_equal(a->dims, b->dims, sizeof a->dims);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(tensor_bytes(a), tensor_bytes(b), a->bytes);
    }
    ct_gguf_close(g);
    ct_safetensors_close(s);
}

/* ---- one file ---- */

#define T(name, dtype, shape, offsets)                                                                                 \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void reads_shapes_and_skips_dtypes(void **state)
{
    (void)state;
    bytes b = with_header(
        "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "BF16", "[2,3,5,1]", "[0,60]") "," T(
            "a", "F32", "[]", "[64,68]") "," T("q", "F8_E4M3", "[4]", "[60,64]") "," T("i", "I64", "[]", "[68,76]") "}",
        80);
    ct_safetensors *s;
    carat_err err = { 0 };
    if (!ct_safetensors_open_memory("memory", b.data, b.len, &s, &err))
        fail_msg("%s", err.msg);
    const ct_tensors *t = ct_safetensors_tensors(s);
    char shape[96];
    assert_int_equal(t->n, 2);
    assert_string_equal(t->items[0].name, "a");
    assert_string_equal(ct_tensor_shape(&t->items[0], shape), "[1]");
    assert_int_equal(t->items[0].data[0], 64);
    assert_string_equal(ct_tensor_shape(&t->items[1], shape), "[1, 5, 3, 2]");
    assert_int_equal(t->items[1].bytes, 60);
    assert_string_equal(ct_safetensors_skipped(s, "q"), "F8_E4M3");
    assert_string_equal(ct_safetensors_skipped(s, "i"), "I64");
    assert_null(ct_safetensors_skipped(s, "a"));
    assert_null(ct_safetensors_skipped(s, "zz"));
    ct_safetensors_close(s);
    free_bytes(&b);
}

typedef struct hostile {
    const char *what, *json;
    size_t data_bytes;
    carat_code code;
    const char *says;
} hostile;

static const hostile cases[] = {
    { "array", "[1,2,3]", 0, CARAT_EFORMAT, "does not start with '{'" },
    { "blank first", " {}", 0, CARAT_EFORMAT, "does not start with '{'" },
    { "not JSON", "{hello}", 0, CARAT_EFORMAT, "not valid JSON" },
    { "cut JSON", "{\"a\":{\"dtype\":\"F32\"", 0, CARAT_EFORMAT, "not valid JSON" },
    { "two values", "{}{}", 0, CARAT_EFORMAT, "not valid JSON" },
    { "not UTF-8", "{\"\xff\":1}", 0, CARAT_EFORMAT, "not valid JSON" },
    { "same name twice", "{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8, CARAT_EFORMAT,
      "uplicate" },
    { "entry is a number", "{\"a\":1}", 0, CARAT_EFORMAT, "tensor 'a': has no 'dtype'" },
    { "entry is null", "{\"a\":null}", 0, CARAT_EFORMAT, "has no 'dtype'" },
    { "empty name", "{" T("", "F32", "[1]", "[0,4]") "}", 4, CARAT_EFORMAT, "0 bytes, expected 1 to 256" },
    { "control character in a name", "{" T("a\\u001bb", "F32", "[1]", "[0,4]") "}", 4, CARAT_EFORMAT, "0x1b" },
    { "name not ASCII", "{" T("\303\266", "F32", "[1]", "[0,4]") "}", 4, CARAT_EFORMAT, "0xc3" },
    { "NUL in a name", "{" T("a\\u0000b", "F32", "[1]", "[0,4]") "}", 4, CARAT_EFORMAT, "not valid JSON" },
    { "no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CARAT_EFORMAT, "'dtype'" },
    { "dtype is a number", "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CARAT_EFORMAT, "'dtype'" },
    { "dtype with escape", "{" T("a", "F\\u001b2", "[1]", "[0,4]") "}", 4, CARAT_EFORMAT, "not a dtype" },
    { "no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, CARAT_EFORMAT, "'shape'" },
    { "shape is a number", "{" T("a", "F32", "4", "[0,4]") "}", 4, CARAT_EFORMAT, "'shape' is not a list" },
    { "five dimensions", "{" T("a", "F32", "[1,1,1,1,1]", "[0,4]") "}", 4, CARAT_EFORMAT, "up to 4" },
    { "dimension 0", "{" T("a", "F32", "[4,0]", "[0,0]") "}", 4, CARAT_EFORMAT, "dimension 2 of 'shape' is 0" },
    { "dimension -1", "{" T("a", "F32", "[-1]", "[0,4]") "}", 4, CARAT_EFORMAT, "is -1" },
    { "dimension 1.5", "{" T("a", "F32", "[1.5]", "[0,4]") "}", 4, CARAT_EFORMAT, "not an integer" },
    { "dimension 2^64", "{" T("a", "F32", "[18446744073709551616]", "[0,4]") "}", 4, CARAT_EFORMAT, "not valid JSON" },
    { "size overflows in a row", "{" T("a", "F32", "[4611686018427387904]", "[0,4]") "}", 4, CARAT_EFORMAT,
      "overflows" },
    { "size wraps to 0", "{" T("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 4, CARAT_EFORMAT, "overflows" },
    { "no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, CARAT_EFORMAT, "two integers" },
    { "one offset", "{" T("a", "F32", "[1]", "[0]") "}", 4, CARAT_EFORMAT, "two integers" },
    { "three offsets", "{" T("a", "F32", "[1]", "[0,4,8]") "}", 8, CARAT_EFORMAT, "two integers" },
    { "offsets are text", "{" T("a", "F32", "[1]", "[\"0\",\"4\"]") "}", 4, CARAT_EFORMAT, "two integers" },
    { "offset -4", "{" T("a", "F32", "[1]", "[-4,0]") "}", 4, CARAT_EFORMAT, "[-4, 0]" },
    { "end before begin", "{" T("a", "F32", "[1]", "[8,4]") "}", 8, CARAT_EFORMAT, "[8, 4]" },
    { "end past the data", "{" T("a", "F32", "[1]", "[4,8]") "}", 7, CARAT_EFORMAT, "7 bytes of data" },
    { "end 2^62", "{" T("a", "F32", "[1]", "[0,4611686018427387904]") "}", 4, CARAT_EFORMAT, "4 bytes of data" },
    { "skipped dtype past the data", "{" T("a", "I64", "[1]", "[0,8]") "}", 4, CARAT_EFORMAT, "4 bytes of data" },
    { "too few bytes", "{" T("a", "F32", "[2,2]", "[0,12]") "}", 16, CARAT_EFORMAT,
      "hold 12 bytes, F32 [2, 2] takes 16" },
    { "too many bytes", "{" T("a", "BF16", "[2]", "[0,8]") "}", 8, CARAT_EFORMAT, "takes 4" },
    { "overlap", "{" T("a", "F32", "[4]", "[0,16]") "," T("b", "F32", "[1]", "[8,12]") "}", 16, CARAT_EFORMAT,
      "'a' and 'b' overlap" },
    { "not aligned", "{" T("a", "F32", "[1]", "[2,6]") "}", 8, CARAT_EFORMAT, "not aligned" },
};

static int check_refused(const char *what, const bytes *b, carat_code code, const char *says)
{
    ct_safetensors *s = (ct_safetensors *)&s;
    carat_err err = { 0 };
    bool ok = ct_safetensors_open_memory("x", b->data, b->len, &s, &err);
    if (ok)
        ct_safetensors_close(s);
    if (!ok && !s && err.code == code && strstr(err.msg, says) && strncmp(err.msg, "x: ", 3) == 0)
        return 0;
    print_error("%s: code %d, \"%s\"; expected code %d, \"%s\"\n", what, err.code, err.msg, code, says);
    return 1;
}

static void refuses_crafted_headers(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = with_header(cases[i].json, cases[i].data_bytes);
        bad += check_refused(cases[i].what, &b, cases[i].code, cases[i].says);
        free_bytes(&b);
    }
    assert_int_equal(bad, 0);
}

static void refuses_crafted_lengths(void **state)
{
    (void)state;
    const struct {
        const char *what;
        const item *file;
        carat_code code;
        const char *says;
    } files[] = {
        { "no bytes", (const item[]){ END }, CARAT_EFORMAT, "0 bytes" },
        { "seven bytes", (const item[]){ ZERO(7), END }, CARAT_EFORMAT, "7 bytes" },
        { "header of no bytes", (const item[]){ U64(0), RAW("{}"), END }, CARAT_EFORMAT, "start with '{'" },
        { "header of one byte", (const item[]){ U64(1), RAW("{}"), END }, CARAT_EFORMAT, "start with '{'" },
        { "header past the end", (const item[]){ U64(3), RAW("{}"), END }, CARAT_EFORMAT, "header of 3 bytes" },
        { "header of 2^64-1", (const item[]){ U64(-1), RAW("{}"), END }, CARAT_EFORMAT, "not a whole safetensors" },
        { "header of 2^64-8", (const item[]){ U64(-8), RAW("{}"), END }, CARAT_EFORMAT, "not a whole safetensors" },
        { "header cut off", (const item[]){ U64(50), RAW("{\"a\":"), END }, CARAT_EFORMAT, "an incomplete download" },
        { "a GGUF", (const item[]){ HEAD(0, 0), END }, CARAT_EUNSUPPORTED, "looks like a GGUF file" },
        { "LFS pointer", (const item[]){ RAW("version https://git-lfs.github.com/spec/v1\n"), END }, CARAT_EUNSUPPORTED,
          "looks like a Git LFS pointer" },
        { "web page", (const item[]){ RAW("\n <!DOCTYPE html>"), END }, CARAT_EUNSUPPORTED, "looks like a web page" },
        { "gzip", (const item[]){ RAW("\x1f\x8b\x08\0\0\0\0\0\0\3"), END }, CARAT_EUNSUPPORTED, "looks like gzip" },
        { "zeros", (const item[]){ ZERO(64), END }, CARAT_EUNSUPPORTED, "never downloaded" },
    };
    int bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = make_bytes(files[i].file);
        bad += check_refused(files[i].what, &b, files[i].code, files[i].says);
        free_bytes(&b);
    }
    assert_int_equal(bad, 0);
}

/* JSON that would take a hundred times its size in memory is refused before it is parsed. */
static void refuses_a_flood_of_values(void **state)
{
    (void)state;
    size_t n = 5u << 20;
    char *json = malloc(n + 1);
    assert_non_null(json);
    memset(json, ',', n);
    memcpy(json, "{\"a\":[", 6);
    json[n] = '\0';
    bytes b = with_header(json, 0);
    assert_int_equal(check_refused("commas", &b, CARAT_ELIMIT, "the limit is 4194304"), 0);
    free_bytes(&b);
    memset(json + 5, '[', n - 5); /* deep instead of wide */
    json[4096] = '\0';
    b = with_header(json, 0);
    assert_int_equal(check_refused("brackets", &b, CARAT_EFORMAT, "depth"), 0);
    free_bytes(&b);
    free(json);
}

static const char small[] = "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "BF16", "[2,3]", "[0,12]") "," T(
    "a", "F32", "[4]", "[16,32]") "," T("q", "I8", "[4]", "[12,16]") "}";

static void every_prefix_is_refused(void **state)
{
    (void)state;
    bytes b = with_header(small, 32);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* its own block, so that a sanitizer sees one byte too far */
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        bytes prefix = { cut, n };
        assert_int_equal(check_refused("prefix", &prefix, CARAT_EFORMAT, n < 8 ? "bytes" : ""), 0);
        free(cut);
    }
    free_bytes(&b);
}

/* One bit wrong: whatever is still accepted must lie inside. */
static void any_bit_may_flip(void **state)
{
    (void)state;
    bytes b = with_header(small, 32);
    size_t refused = 0;
    for (size_t bit = 0; bit < (b.len - 32) * 8; bit++) {
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ct_safetensors *s;
        carat_err err = { 0 };
        if (ct_safetensors_open_memory("x", b.data, b.len, &s, &err)) {
            const ct_tensors *t = ct_safetensors_tensors(s);
            for (size_t i = 0; i < t->n; i++)
                assert_true(t->items[i].data >= b.data && t->items[i].data + t->items[i].bytes <= b.data + b.len);
            ct_safetensors_close(s);
        } else {
            assert_true(err.code != CARAT_OK && err.msg[0]);
            refused++;
        }
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(refused > (b.len - 32) * 4);
    free_bytes(&b);
}

/* ---- shards ---- */

static void write_shard(const temp_file *t, const char *name, const char *json, size_t data_bytes)
{
    char path[160];
    temp_beside(t, name, path);
    bytes b = with_header(json, data_bytes);
    temp_write(path, b.data, b.len);
    free_bytes(&b);
}

static void refuses_bad_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *index, *says;
        carat_code code;
    } bad[] = {
        { "", "not valid JSON", CARAT_EFORMAT },
        { "[]", "an array, expected an object", CARAT_EFORMAT },
        { "{}", "'weight_map' is missing", CARAT_EFORMAT },
        { "{\"weight_map\":[]}", "'weight_map' is an array", CARAT_EFORMAT },
        { "{\"weight_map\":{}}", "names no tensor", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":1}}", "'a' is an integer", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"..\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"sub\\\\one.safetensors\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"one.safetensors\\u0000x\"}}", "plain name", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"none.safetensors\"}}", "none.safetensors: No such file", CARAT_EIO },
        { "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}",
          "tensor 'b' should be in 'one.safetensors', which lacks it", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}", "which lacks it", CARAT_EFORMAT },
        { "{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"same.safetensors\"}}", "tensor 'a' appears twice",
          CARAT_EFORMAT },
    };
    temp_file t = temp_new("model.safetensors.index.json");
    write_shard(&t, "one.safetensors", "{" T("a", "F32", "[1]", "[0,4]") "}", 4);
    write_shard(&t, "two.safetensors", "{" T("b", "F32", "[1]", "[0,4]") "}", 4);
    write_shard(&t, "same.safetensors", "{" T("a", "F32", "[1]", "[0,4]") "," T("c", "F32", "[1]", "[4,8]") "}", 8);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp_write(t.path, bad[i].index, strlen(bad[i].index));
        carat_err err = open_fails(t.dir);
        if (err.code != bad[i].code || !strstr(err.msg, bad[i].says))
            fail_msg("%s: code %d, \"%s\", expected \"%s\"", bad[i].index, err.code, err.msg, bad[i].says);
    }
    static const char good[] = "{\"metadata\":{},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}";
    temp_write(t.path, good, sizeof good - 1);
    ct_safetensors *s = open_ok(t.dir);
    assert_int_equal(ct_safetensors_tensors(s)->n, 2);
    ct_safetensors_close(s);
    temp_drop(&t);
}

static void refuses_folders_without_weights(void **state)
{
    (void)state;
    temp_file t = temp_new("config.json");
    temp_write(t.path, "{}", 2);
    carat_err err = open_fails(t.dir);
    assert_int_equal(err.code, CARAT_EIO);
    assert_non_null(strstr(err.msg, "has neither model.safetensors nor"));
    assert_int_equal(open_fails("/no/such/folder").code, CARAT_EIO);
    temp_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_folders_open),           cmocka_unit_test(agrees_with_the_gguf),
        cmocka_unit_test(reads_shapes_and_skips_dtypes), cmocka_unit_test(refuses_crafted_headers),
        cmocka_unit_test(refuses_crafted_lengths),       cmocka_unit_test(refuses_a_flood_of_values),
        cmocka_unit_test(every_prefix_is_refused),       cmocka_unit_test(any_bit_may_flip),
        cmocka_unit_test(refuses_bad_indexes),           cmocka_unit_test(refuses_folders_without_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
