/* The packed panel: exact both ways (the recoded types: values only), and byte for byte where quant/README.md draws it.
 *
 * panel_drawn.c reads one weight out of a panel by the README's table alone, so that a packer and an unpacker which are
 * wrong in the same way do not pass.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "golden_file.h"
#include "panel_drawn.h"
#include "quant/pack.h"
#include "quant/pack_bits.h"
#include "quant/pack_layout.h"

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static uint8_t *random_bytes(size_t n, uint64_t seed)
{
    uint8_t *b = malloc(n);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)next_random(&seed);
    return b;
}

/* Equal bits, or both NaN (whose payload a product may change). */
static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* ---- the checks ---- */

typedef struct packed_case {
    ct_type type;
    int n_rows;
    size_t cols, row_bytes, stride;
    uint8_t *source, *panel;
    size_t panel_bytes;
} packed_case;

/* Packs n_rows random rows into a heap buffer of exactly the panel's size, at an address that is only 32-aligned. */
static void case_open(packed_case *c, ct_type type, int n_rows, size_t cols, const void *rows)
{
    *c = (packed_case){ .type = type, .n_rows = n_rows, .cols = cols };
    assert_true(ct_row_bytes(type, cols, &c->row_bytes));
    assert_true(ct_panel_bytes(type, cols, &c->panel_bytes));
    c->stride = c->row_bytes + (rows ? 0 : 7);
    c->source = random_bytes(c->stride * (size_t)n_rows, cols * 31 + (size_t)n_rows + type);
    if (rows)
        memcpy(c->source, rows, c->row_bytes * (size_t)n_rows);
    c->panel = malloc(c->panel_bytes);
    assert_non_null(c->panel);
    memset(c->panel, 0xA5, c->panel_bytes);
    ct_pack_panel(type, c->source, c->stride, n_rows, cols, c->panel);
}

static void case_close(packed_case *c)
{
    free(c->source);
    free(c->panel);
}

/* Element i of a row of plain values; two of BF16 stand together, of an odd row's last pair the first alone. */
static void take_plain(ct_type type, const uint8_t *panel, int row, size_t bytes, uint8_t *dst)
{
    const size_t width = type == CT_F16 ? 2 : 4;
    for (size_t i = 0; i * width < bytes; i++) {
        const size_t left = bytes - i * width;
        memcpy(dst + i * width, panel + (i * CT_PANEL + (size_t)row) * width, left < width ? left : width);
    }
}

/* One row's share of unit u, field by field in the order of pack_layout.h. */
static void take_share(const packed_case *c, size_t u, int row, ct_row_unit *out)
{
    const ct_unit f = ct_unit_at(c->type, c->cols, u);
    const uint8_t *p = c->panel + ct_unit_offset(c->type, u);
    for (int i = 0; i < f.n16; i++, p += 32)
        memcpy(&out->h[i], p + 2 * row, 2);
    for (int i = 0; i < f.n8; i++, p += 16)
        out->b[i] = p[row];
    for (int i = 0; i < f.n32; i++, p += 64)
        memcpy(&out->w[i], p + 4 * row, 4);
    if (f.has_tail)
        memcpy(&out->tail, c->panel + ct_tail_offset(c->type, c->cols) + 32 * u + 2 * (size_t)row, 2);
}

/* The file's bytes of one row, of a type whose panel keeps them. */
static void row_of_panel(const packed_case *c, int row, uint8_t *dst)
{
    const size_t unit_cols = (size_t)ct_unit_cols(c->type);
    size_t unit_bytes = 0;
    if (unit_cols == 0) {
        memcpy(dst, c->panel + (size_t)row * c->row_bytes, c->row_bytes);
    } else if (unit_cols <= 2) {
        take_plain(c->type, c->panel, row, c->row_bytes, dst);
    } else {
        assert_true(ct_row_bytes(c->type, unit_cols, &unit_bytes));
        for (size_t u = 0; u < ct_units(c->type, c->cols); u++) {
            ct_row_unit share;
            take_share(c, u, row, &share);
            ct_join_block(c->type, ct_unit_at(c->type, c->cols, u).stretches, &share, dst + u * unit_bytes);
        }
    }
}

static void check_row_bytes(const packed_case *c)
{
    uint8_t *row = malloc(c->row_bytes), *zero = calloc(1, c->row_bytes);
    assert_true(row && zero);
    for (int r = 0; r < CT_PANEL; r++) {
        memset(row, 0x5A, c->row_bytes);
        row_of_panel(c, r, row);
        if (memcmp(row, r < c->n_rows ? c->source + (size_t)r * c->stride : zero, c->row_bytes) != 0)
            fail_msg("%s, %d rows of %zu: row %d comes back changed", ct_type_get(c->type)->name, c->n_rows, c->cols,
                     r);
    }
    free(row);
    free(zero);
}

static void check_values(const packed_case *c)
{
    const char *name = ct_type_get(c->type)->name;
    float *expected = malloc(c->cols * 4), *got = malloc(c->cols * 4), chunk[CT_PANEL_CHUNK * CT_PANEL];
    assert_true(expected && got);
    for (int r = 0; r < c->n_rows; r++) {
        ct_unpack_row(c->type, c->source + (size_t)r * c->stride, expected, c->cols);
        ct_packed_row_f32(c->type, c->panel, (size_t)r, c->cols, got);
        for (size_t i = 0; i < c->cols; i++) {
            if (!same(got[i], expected[i]))
                fail_msg("%s [%d, %zu] of %zu: %a, expected %a", name, r, i, c->cols, (double)got[i],
                         (double)expected[i]);
            if (!ct_pack_is_interleaved(c->type))
                continue;
            float drawn = drawn_value(c->type, c->panel, c->cols, r, (int)i);
            if (!same(drawn, expected[i]))
                fail_msg("%s [%d, %zu] of %zu: the README's place holds %a, expected %a", name, r, i, c->cols,
                         (double)drawn, (double)expected[i]);
        }
    }
    for (size_t col = 0; col < c->cols; col += CT_PANEL_CHUNK) {
        size_t n = c->cols - col < CT_PANEL_CHUNK ? c->cols - col : CT_PANEL_CHUNK;
        ct_panel_f32(c->type, c->panel, c->cols, col, n, chunk);
        for (int r = 0; r < CT_PANEL; r++) {
            ct_packed_row_f32(c->type, c->panel, (size_t)r, c->cols, got);
            for (size_t i = 0; i < n; i++)
                assert_true(same(chunk[i * CT_PANEL + (size_t)r], got[col + i]));
        }
    }
    free(expected);
    free(got);
}

static void check_case(ct_type type, int n_rows, size_t cols, const void *rows)
{
    packed_case c;
    case_open(&c, type, n_rows, cols, rows);
    if (ct_pack_keeps_bits(type))
        check_row_bytes(&c);
    check_values(&c);
    case_close(&c);
}

/* One block, odd multiples, several units, and the shapes of the published models; full and partly filled panels. */
static void random_bits_survive(void **state)
{
    (void)state;
    static const size_t plain[] = { 1, 2, 3, 31, 72, 255, 256, 257, 640 }, blocks[] = { 1, 2, 3, 5, 8, 9, 10 };
    static const int rows[] = { 1, 3, 15, 16 };
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        const ct_type_info *info = ct_type_get(t);
        for (size_t r = 0; info && r < sizeof rows / sizeof *rows; r++) {
            if (info->block == 1)
                for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
                    check_case((ct_type)t, rows[r], plain[i], NULL);
            else
                for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
                    check_case((ct_type)t, rows[r], blocks[i] * info->block, NULL);
        }
    }
}

static void golden_blocks_survive(void **state)
{
    (void)state;
    blocks_file f;
    blocks_open(&f);
    int n = 0;
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        static const char *const kinds[] = { "random", "quantised" };
        for (int k = 0; ct_type_get(t) && k < 2; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", kinds[k], ct_type_get(t)->name);
            const void *blocks = blocks_find(&f, name);
            if (blocks)
                check_case((ct_type)t, 8, 512, blocks), n++;
        }
    }
    assert_int_equal(n, 35);
    blocks_close(&f);
}

/* Bytes of a packed row of 512 columns: as in the file, but for the recoded types, worked out by pack.h's bits a
 * weight. They are seven, so that no other type loses its check of the bits by a slip. */
static size_t packed_row_of_512(ct_type type)
{
    switch ((int)type) {
    case CT_IQ3_XXS:
    case CT_IQ3_S:
        return 2 * (2 + 4 + 128);
    case CT_IQ2_XXS:
    case CT_IQ1_S:
        return 2 * (2 + 4 + 96);
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_M:
        return 2 * (2 + 8 + 96);
    default: {
        size_t bytes = 0;
        assert_true(ct_pack_keeps_bits(type));
        assert_true(ct_row_bytes(type, 512, &bytes));
        return bytes;
    }
    }
}

/* Rows of a matrix of several panels, the last not full, are found where ct_packed_row_f32 looks for them. */
static void rows_of_a_matrix(void **state)
{
    (void)state;
    enum { ROWS = 37, COLS = 512 };
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        size_t row_bytes, panel_bytes, bytes;
        if (!ct_type_get(t))
            continue;
        assert_true(ct_row_bytes(t, COLS, &row_bytes) && ct_panel_bytes((ct_type)t, COLS, &panel_bytes) &&
                    ct_pack_bytes((ct_type)t, ROWS, COLS, &bytes));
        assert_int_equal(bytes, 48 * packed_row_of_512((ct_type)t));
        uint8_t *source = random_bytes(ROWS * row_bytes, t), *packed = malloc(bytes);
        assert_non_null(packed);
        for (int p = 0; p < 3; p++)
            ct_pack_panel((ct_type)t, source + (size_t)p * 16 * row_bytes, row_bytes, p < 2 ? 16 : 5, COLS,
                          packed + (size_t)p * panel_bytes);
        for (size_t r = 0; r < ROWS; r++) {
            float got[COLS], expected[COLS];
            ct_packed_row_f32((ct_type)t, packed, r, COLS, got);
            ct_unpack_row((ct_type)t, source + r * row_bytes, expected, COLS);
            for (int i = 0; i < COLS; i++)
                assert_true(same(got[i], expected[i]));
        }
        free(source);
        free(packed);
    }
}

static void sizes_are_checked(void **state)
{
    (void)state;
    size_t n = 1;
    assert_false(ct_pack_bytes(CT_Q4_K, 16, 255, &n));          /* no whole number of blocks */
    assert_false(ct_pack_bytes((ct_type)33, 16, 256, &n));      /* a hole of the numbering */
    assert_false(ct_pack_bytes(CT_F32, SIZE_MAX, 4, &n));       /* rows cannot be rounded up */
    assert_false(ct_pack_bytes(CT_F32, SIZE_MAX / 32, 64, &n)); /* the product overflows */
    assert_false(ct_panel_bytes(CT_BF16, SIZE_MAX, &n));
    assert_int_equal(n, 1);
    assert_true(ct_pack_bytes(CT_Q6_K, 17, 256, &n));
    assert_int_equal(n, 32 * 210);
    n = 1;
    assert_false(ct_pack_bytes(CT_IQ3_S, 16, 255, &n));
    assert_false(ct_panel_bytes(CT_IQ3_S, SIZE_MAX / 256 * 256, &n)); /* a row fits, a panel does not */
    assert_int_equal(n, 1);
    assert_true(ct_panel_bytes(CT_BF16, 3, &n));
    assert_int_equal(n, 2 * 64);
}

/* The helpers kernels use agree with the sizes packing uses. */
static void layout_helpers_add_up(void **state)
{
    (void)state;
    for (uint32_t t = 0; t < CT_N_TYPE; t++) {
        int unit_cols = ct_type_get(t) ? ct_unit_cols((ct_type)t) : 0;
        if (unit_cols <= 2)
            continue;
        for (size_t blocks = 1; blocks < 9; blocks++) {
            size_t cols = blocks * ct_type_get(t)->block, panel_bytes, at = 0, units = ct_units((ct_type)t, cols);
            ct_unit f = { 0 };
            for (size_t u = 0; u < units; u++) {
                assert_int_equal(ct_unit_offset((ct_type)t, u), at);
                f = ct_unit_at((ct_type)t, cols, u);
                assert_int_equal(f.bytes, 16 * (2 * f.n16 + f.n8 + 4 * f.n32));
                at += (size_t)f.bytes;
            }
            if (f.has_tail) {
                assert_int_equal(ct_tail_offset((ct_type)t, cols), at);
                at += 32 * units;
            }
            assert_true(ct_panel_bytes((ct_type)t, cols, &panel_bytes));
            assert_int_equal(at, panel_bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bits_survive),   cmocka_unit_test(golden_blocks_survive),
        cmocka_unit_test(rows_of_a_matrix),      cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(layout_helpers_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
