/* Crafted GGUF files: each must be refused with the right code and a message that says what is wrong.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "bytes.h"
#include "format/gguf.h"

#define BIG ((uint64_t)1 << 60)

typedef struct hostile {
    const char *what;
    const item *file;
    carat_code code;
    const char *says; /* part of the message */
} hostile;

#define FILE_(...)                                                                                                     \
    (const item[])                                                                                                     \
    {                                                                                                                  \
        __VA_ARGS__, END                                                                                               \
    }

#define LONG64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const hostile cases[] = {
    /* the first bytes */
    { "no bytes", FILE_(ZERO(0)), CARAT_EFORMAT, "0 bytes" },
    { "three bytes", FILE_(RAW("GGU")), CARAT_EFORMAT, "3 bytes" },
    { "zeros", FILE_(ZERO(64)), CARAT_EUNSUPPORTED, "it starts with zeros" },
    { "text", FILE_(RAW("hello, world, this is text")), CARAT_EFORMAT, "expected \"GGUF\"" },
    { "big-endian magic", FILE_(RAW("FUGG"), ZERO(20)), CARAT_EUNSUPPORTED, "big-endian" },
    { "old ggml", FILE_(RAW("lmgg"), ZERO(20)), CARAT_EUNSUPPORTED, "GGML" },
    { "old ggjt", FILE_(RAW("tjgg"), ZERO(20)), CARAT_EUNSUPPORTED, "GGJT" },
    { "zip", FILE_(RAW("PK\3\4"), ZERO(20)), CARAT_EUNSUPPORTED, "zip" },
    { "LFS pointer", FILE_(RAW("version https://git-lfs.github.com/spec/v1\n")), CARAT_EUNSUPPORTED, "Git LFS" },
    { "web page", FILE_(RAW("<!doctype html>")), CARAT_EUNSUPPORTED, "web page" },
    { "magic alone", FILE_(RAW("GGUF")), CARAT_EFORMAT, "the version at byte 4" },
    { "version 0", FILE_(RAW("GGUF"), U32(0), ZERO(16)), CARAT_EFORMAT, "version 0" },
    { "version 1", FILE_(RAW("GGUF"), U32(1), ZERO(16)), CARAT_EUNSUPPORTED, "version 1, expected 2 or 3" },
    { "version 4", FILE_(RAW("GGUF"), U32(4), ZERO(16)), CARAT_EFORMAT, "version 4" },
    { "big-endian version", FILE_(RAW("GGUF"), U32(0x03000000), ZERO(16)), CARAT_EUNSUPPORTED, "big-endian" },
    { "no counts", FILE_(RAW("GGUF"), U32(3)), CARAT_EFORMAT, "the number of tensors" },
    { "no key count", FILE_(RAW("GGUF"), U32(3), U64(0)), CARAT_EFORMAT, "the number of keys" },

    /* counts */
    { "2^60 keys in 24 bytes", FILE_(HEAD(0, BIG)), CARAT_EFORMAT, "number of keys is 1152921504606846976" },
    { "2^60 tensors in 24 bytes", FILE_(HEAD(BIG, 0)), CARAT_EFORMAT, "number of tensors is 1152921504606846976" },
    { "2^64-1 of both", FILE_(HEAD(UINT64_MAX, UINT64_MAX)), CARAT_EFORMAT, "too large for the" },
    { "one key more than there is", FILE_(HEAD(0, 2), KV_U32("a.b", 1)), CARAT_EFORMAT, "number of keys is 2" },
    { "a key for which there is no room", FILE_(HEAD(0, 2), KV_U32("a.b", 1), ZERO(16)), CARAT_EFORMAT,
      "name of 0 bytes" },
    { "more than 2^16 keys", FILE_(HEAD(0, 65537), ZERO(65537 * 14)), CARAT_ELIMIT, "limit is 65536" },
    { "more than 2^20 tensors", FILE_(HEAD(1048577, 0), ZERO(1048577 * 33)), CARAT_ELIMIT, "limit is 1048576" },
    { "2^20 tensors, past the directory's ceiling", FILE_(HEAD(1048576, 0), ZERO(1048576 * 33)), CARAT_ELIMIT,
      "64 MiB" },
    { "one tensor in no bytes", FILE_(HEAD(1, 0)), CARAT_EFORMAT, "number of tensors is 1" },

    /* key names */
    { "key without a name", FILE_(HEAD(0, 1), U64(0), U32(4), U32(1), ZERO(8)), CARAT_EFORMAT, "key 1 of 1" },
    { "key name of 2^63 bytes", FILE_(HEAD(0, 1), U64(BIG * 8), ZERO(32)), CARAT_EFORMAT, "1 to 65535" },
    { "key name of 65536 bytes", FILE_(HEAD(0, 1), U64(65536), ZERO(65536 + 8)), CARAT_EFORMAT, "65536 bytes" },
    { "key name past the end", FILE_(HEAD(0, 1), U64(200), RAW("general.name"), ZERO(8)), CARAT_EFORMAT,
      "the name at byte 32 needs 200" },
    { "key name with NUL", FILE_(HEAD(0, 1), KV_U32("a\0b", 1)), CARAT_EFORMAT, "byte 0x00" },
    { "key name with escape", FILE_(HEAD(0, 1), KV_U32("a\33[31m", 1)), CARAT_EFORMAT, "0x1b" },
    { "key name not ASCII", FILE_(HEAD(0, 1), KV_U32("caf\303\251", 1)), CARAT_EFORMAT, "0xc3" },
    { "same key twice", FILE_(HEAD(0, 3), KV_U32("a.b", 1), KV_U32("a.c", 1), KV_U32("a.b", 1)), CARAT_EFORMAT,
      "key 'a.b' appears twice" },

    /* values */
    { "kind 13", FILE_(HEAD(0, 1), KV("a.b", 13), U64(0)), CARAT_EFORMAT, "key 'a.b': value kind 13" },
    { "kind 2^32-1", FILE_(HEAD(0, 1), KV("a.b", UINT32_MAX), U64(0)), CARAT_EFORMAT, "kind 4294967295" },
    { "u64 cut short", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_U64), U32(0)), CARAT_EFORMAT, "1 u64 values" },
    { "kind cut short", FILE_(HEAD(0, 1), STR("abcdef"), U16(4)), CARAT_EFORMAT, "its kind" },
    { "string of 2^60 bytes", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_STR), U64(BIG)), CARAT_EFORMAT, "string 1 of 1" },
    { "string of 2^64-1 bytes", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_STR), U64(UINT64_MAX), ZERO(8)), CARAT_EFORMAT,
      "does not fit" },
    { "string one byte too long", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_STR), U64(9), ZERO(8)), CARAT_EFORMAT,
      "does not fit" },
    { "string without its length", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_STR), U32(0)), CARAT_EFORMAT, "string 1 of 1" },
    { "boolean of 2", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_BOOL), U8(2)), CARAT_EFORMAT, "boolean is 2" },
    { "booleans with a 7", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_BOOL, 3), U8(1), U8(0), U8(7)), CARAT_EFORMAT,
      "boolean is 7" },

    /* arrays */
    { "array of 2^60 u32", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_U32, BIG), ZERO(64)), CARAT_EFORMAT,
      "1152921504606846976 u32 values" },
    { "array of 2^62 u32: the size wraps to 0", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_U32, BIG * 4), ZERO(64)),
      CARAT_EFORMAT, "u32 values" },
    { "array of 2^61+1 f64: the size wraps to 8", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_F64, BIG * 2 + 1), ZERO(64)),
      CARAT_EFORMAT, "f64 values" },
    { "array of 2^60 strings", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_STR, BIG), ZERO(64)), CARAT_EFORMAT,
      "of 1152921504606846976" },
    { "second string past the end", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_STR, 2), STR("ok"), U64(5), RAW("no")),
      CARAT_EFORMAT, "string 2 of 2" },
    { "array of one byte too few", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_U8, 65), ZERO(64)), CARAT_EFORMAT,
      "65 u8 values" },
    { "array of arrays", FILE_(HEAD(0, 1), KV_ARR("a.b", CT_GGUF_ARR, 1), U32(0), U64(0)), CARAT_EUNSUPPORTED,
      "array of arrays" },
    { "array of kind 99", FILE_(HEAD(0, 1), KV_ARR("a.b", 99, 1), ZERO(64)), CARAT_EFORMAT, "value kind 99" },
    { "array without a count", FILE_(HEAD(0, 1), KV("a.b", CT_GGUF_ARR), U32(4)), CARAT_EFORMAT,
      "the number of its elements" },

    /* alignment */
    { "alignment 0", FILE_(HEAD(0, 1), KV_U32("general.alignment", 0)), CARAT_EFORMAT, "general.alignment' is 0" },
    { "alignment 4", FILE_(HEAD(0, 1), KV_U32("general.alignment", 4)), CARAT_EFORMAT, "expected 8 to 1048576" },
    { "alignment 24", FILE_(HEAD(0, 1), KV_U32("general.alignment", 24)), CARAT_EFORMAT, "power of two" },
    { "alignment 2^31", FILE_(HEAD(0, 1), KV_U32("general.alignment", 1u << 31)), CARAT_EFORMAT, "is 2147483648" },
    { "alignment -32", FILE_(HEAD(0, 1), KV("general.alignment", CT_GGUF_I32), U32(-32)), CARAT_EFORMAT, "is -32" },
    { "alignment 2^64-32", FILE_(HEAD(0, 1), KV("general.alignment", CT_GGUF_U64), U64(-32)), CARAT_EFORMAT,
      "expected an integer" },
    { "alignment is text", FILE_(HEAD(0, 1), KV_STR("general.alignment", "32")), CARAT_EFORMAT,
      "of kind string, expected an integer" },
    { "alignment 32.5", FILE_(HEAD(0, 1), KV("general.alignment", CT_GGUF_F32), U32(0x42020000)), CARAT_EFORMAT,
      "is 32.5" },
    { "alignment NaN", FILE_(HEAD(0, 1), KV("general.alignment", CT_GGUF_F32), U32(0x7fc00000)), CARAT_EFORMAT,
      "is nan" },

    /* tensor names and dimensions */
    { "tensor without a name", FILE_(HEAD(1, 0), TENSOR1("", 32, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "tensor 1 of 1" },
    { "tensor name of 65 bytes", FILE_(HEAD(1, 0), TENSOR1(LONG64 "x", 32, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "expected 1 to 64" },
    { "tensor name with newline", FILE_(HEAD(1, 0), TENSOR1("a\nb", 32, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "0x0a" },
    { "no dimensions", FILE_(HEAD(1, 0), STR("t"), U32(0), U32(0), U64(0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "0 dimensions, expected 1 to 4" },
    { "five dimensions",
      FILE_(HEAD(1, 0), STR("t"), U32(5), U64(1), U64(1), U64(1), U64(1), U64(1), U32(0), U64(0), PAD(32), ZERO(4)),
      CARAT_EFORMAT, "tensor 't': 5 dimensions" },
    { "2^32-1 dimensions", FILE_(HEAD(1, 0), STR("t"), U32(UINT32_MAX), ZERO(64)), CARAT_EFORMAT, "4294967295" },
    { "dimension 0", FILE_(HEAD(1, 0), TENSOR2("t", 32, 0, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "dimension 2 is 0" },
    { "dimension 2^63", FILE_(HEAD(1, 0), TENSOR1("t", BIG * 8, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "dimension 1 is 9223372036854775808" },
    { "dimension -1", FILE_(HEAD(1, 0), TENSOR1("t", -1, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "dimension 1 is 18446744073709551615" },
    { "dimensions cut short", FILE_(HEAD(1, 0), STR("tensor.name"), U32(4), U64(1)), CARAT_EFORMAT, "a dimension" },
    { "row bytes overflow", FILE_(HEAD(1, 0), TENSOR1("t", BIG * 4, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "overflows" },
    { "2^32 x 2^32: the product wraps to 0",
      FILE_(HEAD(1, 0), TENSOR2("t", 1ull << 32, 1ull << 32, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "[4294967296, 4294967296] overflows" },
    { "four dimensions whose product wraps",
      FILE_(HEAD(1, 0), STR("t"), U32(4), U64(1 << 16), U64(1 << 16), U64(1 << 16), U64(1 << 16), U32(0), U64(0),
            PAD(32), ZERO(128)),
      CARAT_EFORMAT, "overflows" },

    /* types */
    { "type 4, long gone", FILE_(HEAD(1, 0), TENSOR1("t", 32, 4, 0), PAD(32), ZERO(128)), CARAT_EUNSUPPORTED,
      "type number 4" },
    { "type 42", FILE_(HEAD(1, 0), TENSOR1("t", 32, 42, 0), PAD(32), ZERO(128)), CARAT_EUNSUPPORTED, "type number 42" },
    { "type 2^32-1", FILE_(HEAD(1, 0), TENSOR1("t", 32, UINT32_MAX, 0), PAD(32), ZERO(128)), CARAT_EUNSUPPORTED,
      "type number 4294967295" },
    { "half a block", FILE_(HEAD(1, 0), TENSOR1("t", 48, CT_Q4_0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "rows of 48 weights, Q4_0 comes in blocks of 32" },
    { "rows of 32 in blocks of 256", FILE_(HEAD(1, 0), TENSOR2("t", 32, 8, CT_Q4_K, 0), PAD(32), ZERO(144)),
      CARAT_EFORMAT, "blocks of 256" },
    { "type cut short", FILE_(HEAD(1, 0), STR("tensor.name"), U32(1), U64(1), U16(0)), CARAT_EFORMAT, "the type" },
    { "offset cut short", FILE_(HEAD(1, 0), STR("tensor.name"), U32(1), U64(1), U32(0), U32(0)), CARAT_EFORMAT,
      "the offset" },

    /* places */
    { "data missing", FILE_(HEAD(1, 0), TENSOR1("t", 32, 0, 0)), CARAT_EFORMAT, "128 bytes at offset 0" },
    { "data one byte short", FILE_(HEAD(1, 0), TENSOR1("t", 32, 0, 0), PAD(32), ZERO(127)), CARAT_EFORMAT,
      "end after the file, which has 191 bytes: it looks like an incomplete download" },
    { "offset 2^60", FILE_(HEAD(1, 0), TENSOR1("t", 32, 0, BIG), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "offset 1152921504606846976" },
    { "offset 2^64-32: wraps back into the header", FILE_(HEAD(1, 0), TENSOR1("t", 8, 0, -32), PAD(32), ZERO(128)),
      CARAT_EFORMAT, "offset 18446744073709551584" },
    { "offset not aligned", FILE_(HEAD(1, 0), TENSOR1("t", 16, 0, 16), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "not a multiple of the alignment, 32" },
    { "larger than the file", FILE_(HEAD(1, 0), TENSOR2("t", 1 << 20, 1 << 20, 0, 0), PAD(32), ZERO(128)),
      CARAT_EFORMAT, "the whole file has" },
    { "cut", FILE_(HEAD(1, 0), TENSOR2("t", 1 << 10, 1 << 10, 0, 0), PAD(32), ZERO(128)), CARAT_EFORMAT,
      "it looks like an incomplete download" },
    { "one inside another", FILE_(HEAD(2, 0), TENSOR1("big", 64, 0, 0), TENSOR1("small", 8, 0, 32), PAD(32), ZERO(256)),
      CARAT_EFORMAT, "'big' and 'small' overlap" },
    { "two at one place", FILE_(HEAD(2, 0), TENSOR1("a", 8, 0, 32), TENSOR1("b", 8, 0, 32), PAD(32), ZERO(256)),
      CARAT_EFORMAT, "overlap" },
    { "same tensor twice", FILE_(HEAD(2, 0), TENSOR1("t", 8, 0, 0), TENSOR1("t", 8, 0, 32), PAD(32), ZERO(64)),
      CARAT_EFORMAT, "tensor 't' appears twice" },

    /* split files */
    { "split.count is text", FILE_(HEAD(0, 1), KV_STR("split.count", "3")), CARAT_EFORMAT, "split.count" },
    { "split.count -1", FILE_(HEAD(0, 1), KV("split.count", CT_GGUF_I32), U32(-1)), CARAT_EFORMAT,
      "expected 0 to 65535" },
    { "split.no -1", FILE_(HEAD(0, 2), KV("split.no", CT_GGUF_I32), U32(-1), KV_U32("split.count", 2)), CARAT_EFORMAT,
      "split.no" },
    { "a part alone in memory", FILE_(HEAD(0, 2), KV_U32("split.no", 0), KV_U32("split.count", 2)), CARAT_EUNSUPPORTED,
      "one part of a split file" },
};

static void refuses_crafted_files(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hostile *c = &cases[i];
        bytes b = make_bytes(c->file);
        ct_gguf *g = (ct_gguf *)&bad;
        carat_err err = { 0 };
        bool ok = ct_gguf_open_memory("x.gguf", b.data, b.len, &g, &err);
        if (ok || g || err.code != c->code || !strstr(err.msg, c->says) || strncmp(err.msg, "x.gguf: ", 8) != 0) {
            print_error("%s: code %d, \"%s\"; expected code %d, \"%s\"\n", c->what, err.code, err.msg, c->code,
                        c->says);
            bad++;
        }
        if (ok)
            ct_gguf_close(g);
        free_bytes(&b);
    }
    assert_int_equal(bad, 0);
}

/* What looks odd and is allowed. */
static void accepts_the_unusual(void **state)
{
    (void)state;
    const struct {
        const char *what;
        const item *file;
        size_t n_kv, n_tensor;
    } fine[] = {
        { "nothing in it", FILE_(HEAD(0, 0)), 0, 0 },
        { "version 2", FILE_(RAW("GGUF"), U32(2), U64(0), U64(0)), 0, 0 },
        { "trailing bytes", FILE_(HEAD(0, 0), RAW("and more")), 0, 0 },
        { "empty string and arrays",
          FILE_(HEAD(0, 3), KV_STR("a", ""), KV_ARR("b", CT_GGUF_STR, 0), KV_ARR("c", CT_GGUF_F64, 0)), 3, 0 },
        { "key without dots and with blanks", FILE_(HEAD(0, 1), KV_U32("a key", 1)), 1, 0 },
        { "alignment 8", FILE_(HEAD(1, 1), KV_U32("general.alignment", 8), TENSOR1("t", 1, 0, 8), PAD(8), ZERO(12)), 1,
          1 },
        { "alignment as u64",
          FILE_(HEAD(1, 1), KV("general.alignment", CT_GGUF_U64), U64(64), TENSOR1("t", 1, 0, 0), PAD(64), ZERO(4)), 1,
          1 },
        { "name of 64 bytes", FILE_(HEAD(1, 0), TENSOR1(LONG64, 1, 0, 0), PAD(32), ZERO(4)), 0, 1 },
        { "order of data and of names differ",
          FILE_(HEAD(2, 0), TENSOR1("a", 8, 0, 32), TENSOR1("b", 8, 0, 0), PAD(32), ZERO(64)), 0, 2 },
        { "a gap", FILE_(HEAD(1, 0), TENSOR1("a", 8, 0, 64), PAD(32), ZERO(96)), 0, 1 },
        { "split of one", FILE_(HEAD(0, 2), KV_U32("split.no", 0), KV_U32("split.count", 1)), 2, 0 },
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        bytes b = make_bytes(fine[i].file);
        ct_gguf *g;
        carat_err err = { 0 };
        if (!ct_gguf_open_memory("x.gguf", b.data, b.len, &g, &err))
            fail_msg("%s: %s", fine[i].what, err.msg);
        assert_int_equal(ct_gguf_n_kv(g), fine[i].n_kv);
        assert_int_equal(ct_gguf_tensors(g)->n, fine[i].n_tensor);
        ct_gguf_close(g);
        free_bytes(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_crafted_files),
        cmocka_unit_test(accepts_the_unusual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
