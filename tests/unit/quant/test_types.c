/* The table of types and the half-precision conversions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "golden_file.h"
#include "quant/types.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Block and byte counts as the gguf package states them, except Q8_1: the package still has the two float32 of an
 * early ggml (40 bytes), ggml itself has two float16 (36). It never occurs in files. */
static void table_agrees_with_gguf(void **state)
{
    (void)state;
    golden_file *g = golden_open("quants");
    json_t *types = json_object_get(g->manifest, "types"), *entry;
    const char *name;
    int seen = 0;
    json_object_foreach(types, name, entry) {
        ct_type t;
        if (!ct_type_by_name(name, &t))
            fail_msg("%s is not in the table", name);
        const ct_type_info *info = ct_type_get(t);
        json_t *block = json_object_get(entry, "block");
        assert_string_equal(info->name, name);
        assert_int_equal(t, json_integer_value(json_object_get(entry, "ggml_type")));
        assert_int_equal(info->block, json_integer_value(json_array_get(block, 0)));
        assert_int_equal(info->bytes, t == CT_Q8_1 ? 36 : json_integer_value(json_array_get(block, 1)));
        seen++;
    }
    golden_close(g);
    int known = 0;
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        known += ct_type_get(t) != NULL;
    assert_int_equal(known, seen + 1); /* F32 is not in the manifest */
}

static void names_and_numbers(void **state)
{
    (void)state;
    ct_type t = CT_F32;
    assert_true(ct_type_by_name("q4_k", &t) && t == CT_Q4_K);
    assert_true(ct_type_by_name("bF16", &t) && t == CT_BF16);
    assert_false(ct_type_by_name("Q4_K_M", &t) || ct_type_by_name("", &t) || ct_type_by_name("Q4", &t));
    static const uint32_t holes[] = { 4, 5, 24, 28, 31, 33, 36, 38, 42, 1000, UINT32_MAX };
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
        assert_null(ct_type_get(holes[i]));
}

static void row_bytes_are_checked(void **state)
{
    (void)state;
    size_t n = 7;
    assert_true(ct_row_bytes(CT_Q4_K, 2560, &n) && n == 1440);
    assert_true(ct_row_bytes(CT_F32, 3, &n) && n == 12);
    assert_true(ct_row_bytes(CT_Q8_0, 0, &n) && n == 0);
    assert_false(ct_row_bytes(CT_Q4_K, 2592, &n)); /* no multiple of 256 */
    assert_false(ct_row_bytes(5, 32, &n));
    assert_false(ct_row_bytes(CT_F32, SIZE_MAX / 2, &n));
    assert_int_equal(n, 0);
}

/* Every binary16 value against its definition, computed with ldexp, and back to the same bits. */
static void f16_all_values(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = ct_f16_to_f32((uint16_t)h);
        int exponent = h >> 10 & 31, mantissa = h & 1023;
        if (exponent == 31 && mantissa) {
            assert_true(isnan(f));
            assert_int_equal(bits_of(f) >> 31, h >> 15);
            assert_int_equal(ct_f32_to_f16(f), h | 0x200); /* quiet, payload kept */
            continue;
        }
        double expected = exponent == 31  ? INFINITY
                          : exponent == 0 ? ldexp(mantissa, -24)
                                          : ldexp(1024 + mantissa, exponent - 25);
        assert_int_equal(bits_of(f), bits_of((float)(h >> 15 ? -expected : expected)));
        assert_int_equal(ct_f32_to_f16(f), h);
    }
}

/* Between every two neighbours of binary16: just below, at and just above the middle. */
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; h++) {
        double low = ct_f16_to_f32((uint16_t)h), high = h == 0x7BFF ? 65536 : ct_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact: 12 bits */
        uint32_t even = h & 1 ? h + 1 : h;
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1.0f : 1.0f;
            assert_int_equal(ct_f32_to_f16(s * nextafterf(middle, 0)), sign | h);
            assert_int_equal(ct_f32_to_f16(s * middle), sign | even);
            assert_int_equal(ct_f32_to_f16(s * nextafterf(middle, INFINITY)), sign | (h + 1));
        }
    }
    assert_int_equal(ct_f32_to_f16(of_bits(1)), 0); /* the smallest binary32 */
    assert_int_equal(ct_f32_to_f16(-1e30f), 0xFC00);
    assert_int_equal(ct_f32_to_f16(INFINITY), 0x7C00);
    assert_int_equal(ct_f32_to_f16(of_bits(0x7F800001)), 0x7E00); /* the payload falls off, NaN stays NaN */
}

static void bf16_all_values(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t back = ct_f32_to_bf16(ct_bf16_to_f32((uint16_t)h));
        bool is_nan = (h & 0x7FFF) > 0x7F80;
        assert_int_equal(back, is_nan ? h | 0x40 : h);
        if ((h & 0x7FFF) >= 0x7F80)
            continue;
        uint32_t u = h << 16;
        assert_int_equal(ct_f32_to_bf16(of_bits(u | 0x7FFF)), h);
        assert_int_equal(ct_f32_to_bf16(of_bits(u | 0x8000)), h + (h & 1));
        assert_int_equal(ct_f32_to_bf16(of_bits(u | 0x8001)), h + 1);
    }
    assert_int_equal(ct_f32_to_bf16(of_bits(0x7F800001)), 0x7FC0);
    assert_int_equal(ct_f32_to_bf16(of_bits(0xFFFFFFFF)), 0xFFFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_agrees_with_gguf),     cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(row_bytes_are_checked),      cmocka_unit_test(f16_all_values),
        cmocka_unit_test(f16_rounds_to_nearest_even), cmocka_unit_test(bf16_all_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
