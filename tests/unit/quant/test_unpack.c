/* ct_unpack_row against the golden values, to the bit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "golden_file.h"
#include "quant/types.h"

enum { ROWS = 8, COLS = 512, N = ROWS * COLS };

static void check_bits(const char *name, ct_type type, const void *blocks, const float *expected)
{
    float *got = malloc(N * sizeof *got);
    assert_non_null(got);
    ct_unpack_row(type, blocks, got, N);
    for (int i = 0; i < N; i++)
        if (memcmp(got + i, expected + i, sizeof *got) != 0)
            fail_msg("%s, weight %d: %a, expected %a", name, i, (double)got[i], (double)expected[i]);
    free(got);
}

static void golden_to_the_bit(void **state)
{
    (void)state;
    golden_file *g = golden_open("quants");
    blocks_file f;
    blocks_open(&f);
    int n_random = 0, n_quantised = 0;
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        const ct_type_info *info = ct_type_get(t);
        static const char *const kinds[] = { "random", "quantised" };
        for (int k = 0; info && k < 2; k++) {
            char name[64];
            golden_array a;
            snprintf(name, sizeof name, "%s.%s", kinds[k], info->name);
            const void *blocks = blocks_find(&f, name);
            assert_int_equal(golden_find(g, name, &a), blocks != NULL);
            if (!blocks)
                continue;
            check_bits(name, (ct_type)t, blocks, golden_f32(g, name, N, NULL));
            *(k ? &n_quantised : &n_random) += 1;
        }
    }
    /* Every type of the table but F32, Q8_1, Q8_K and Q1_0, which the gguf package cannot unpack: tested below. */
    assert_int_equal(n_random, 25);
    assert_int_equal(n_quantised, 10);
    blocks_close(&f);
    golden_close(g);
}

/* The four types without golden values, from their definitions. */
static void q1_0_is_a_sign(void **state)
{
    (void)state;
    uint8_t b[18] = { 0x00, 0x41, 0x05, 0x80 }; /* d = 2.5; bits 0, 2 and 15 set */
    float y[128];
    ct_unpack_row(CT_Q1_0, b, y, 128);
    for (int i = 0; i < 128; i++)
        assert_true(y[i] == (i == 0 || i == 2 || i == 15 ? 2.5f : -2.5f));
}

static void q8_1_and_q8_k_are_products(void **state)
{
    (void)state;
    uint8_t b[292] = { 0x00, 0x38, 0xFF, 0xFF }; /* Q8_1: d = 0.5; the sum beside it is not read */
    float y[256], d = -0.375f;
    for (int i = 0; i < 256; i++)
        b[4 + i] = (uint8_t)i;
    ct_unpack_row(CT_Q8_1, b, y, 32);
    for (int i = 0; i < 32; i++)
        assert_true(y[i] == 0.5f * (float)i);
    memcpy(b, &d, sizeof d);
    memset(b + 260, 0xFF, 32);
    ct_unpack_row(CT_Q8_K, b, y, 256);
    for (int i = 0; i < 256; i++)
        assert_true(y[i] == d * (float)(int8_t)(uint8_t)i);
}

static void f32_is_copied(void **state)
{
    (void)state;
    const uint32_t in[6] = { 0, 0x80000000, 1, 0x7F800001, 0xFF800000, 0x3F800000 };
    uint8_t raw[sizeof in + 1];
    float y[6];
    memcpy(raw + 1, in, sizeof in); /* not aligned */
    ct_unpack_row(CT_F32, raw + 1, y, 6);
    assert_memory_equal(y, in, sizeof in);
    ct_unpack_row(CT_F32, NULL, NULL, 0);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* Any bytes are a block: in a heap buffer of exactly the row's size at every alignment, so that the sanitizers see a
 * step outside; the values depend on nothing else. */
static void any_bytes_are_a_block(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        const ct_type_info *info = ct_type_get(t);
        size_t bytes, n = info ? 2u * info->block : 0;
        if (!info)
            continue;
        assert_true(ct_row_bytes(t, n, &bytes));
        float *once = malloc(n * sizeof *once), *twice = malloc(n * sizeof *twice);
        assert_true(once && twice);
        for (size_t round = 0; round < 258; round++) {
            size_t shift = round % 8;
            uint8_t *heap = malloc(shift + bytes), *b = heap + shift, aligned[2 * 292];
            assert_non_null(heap);
            for (size_t i = 0; i < bytes; i++)
                b[i] = round < 256 ? (uint8_t)next_random(&seed) : round == 256 ? 0xFF : 0x00;
            ct_unpack_row((ct_type)t, b, once, n);
            memcpy(aligned, b, bytes);
            ct_unpack_row((ct_type)t, aligned, twice, n);
            assert_memory_equal(once, twice, n * sizeof *once);
            free(heap);
        }
        for (size_t i = 0; i < n; i++) /* the last round: all bytes zero */
            assert_true(once[i] == 0);
        free(once);
        free(twice);
    }
}

/* A scale that is infinite or NaN comes out as such. */
static void bad_scales_stay_visible(void **state)
{
    (void)state;
    static const struct {
        ct_type type;
        int at; /* of an f16 scale */
    } scale[] = { { CT_Q4_0, 0 },  { CT_Q4_1, 0 },    { CT_Q5_0, 0 },   { CT_Q5_1, 0 },   { CT_Q8_0, 0 },
                  { CT_Q2_K, 80 }, { CT_Q3_K, 108 },  { CT_Q4_K, 0 },   { CT_Q5_K, 0 },   { CT_Q6_K, 208 },
                  { CT_IQ1_S, 0 }, { CT_IQ2_XXS, 0 }, { CT_IQ2_XS, 0 }, { CT_IQ2_S, 0 },  { CT_IQ3_XXS, 0 },
                  { CT_IQ3_S, 0 }, { CT_IQ4_NL, 0 },  { CT_IQ4_XS, 0 }, { CT_TQ1_0, 52 }, { CT_TQ2_0, 64 },
                  { CT_Q1_0, 0 } };
    for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) {
        uint8_t b[300];
        float y[256];
        memset(b, 0x55, sizeof b);
        for (int is_nan = 0; is_nan < 2; is_nan++) {
            b[scale[i].at] = 0x00;
            b[scale[i].at + 1] = is_nan ? 0x7E : 0x7C;
            size_t n = ct_type_get(scale[i].type)->block;
            ct_unpack_row(scale[i].type, b, y, n);
            for (size_t k = 0; k < n; k++)
                assert_true(is_nan ? isnan(y[k]) : !isfinite(y[k]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_to_the_bit),          cmocka_unit_test(q1_0_is_a_sign),
        cmocka_unit_test(q8_1_and_q8_k_are_products), cmocka_unit_test(f32_is_copied),
        cmocka_unit_test(any_bytes_are_a_block),      cmocka_unit_test(bad_scales_stay_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
