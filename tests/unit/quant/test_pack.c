/* The packed panel: exact both ways, and byte for byte where quant/README.md draws it.
 *
 * panel_value() below reads one weight out of a panel by the README's table alone, with offsets worked out by hand, so
 * that a packer and an unpacker which are wrong in the same way do not pass.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "golden_file.h"
#include "quant/pack.h"
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

/* ---- the README's drawing, read weight by weight ------------------------------------------------------------------
 */

static float half_at(const uint8_t *p)
{
    return carat_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

static int codes4(const uint8_t *p, int row, int col)
{
    int group = col / 4, byte = p[group % 4 * 64 + row * 4 + col % 4];
    return group < 4 ? byte & 15 : byte >> 4;
}

static int codes2(const uint8_t *p, int row, int col)
{
    int group = col / 4;
    return p[group / 4 * 64 + row * 4 + col % 4] >> 2 * (group % 4) & 3;
}

static int high1(const uint8_t *p, int row, int col)
{
    return p[row * 4 + col % 4] >> col / 4 & 1;
}

/* The 6-bit scale (is_min: minimum) j of a Q4_K or Q5_K block, from its twelve bytes in a column of sixteen. */
static int scale6(const uint8_t *p, int row, int j, bool is_min)
{
    int b = is_min ? 4 : 0;
    if (j < 4)
        return p[(j + b) * 16 + row] & 63;
    return (is_min ? p[(j + 4) * 16 + row] >> 4 : p[(j + 4) * 16 + row] & 15) | p[(j - 4 + b) * 16 + row] >> 6 << 4;
}

static int scale6_q3(const uint8_t *p, int row, int j)
{
    int low = p[j % 8 * 16 + row] >> (j < 8 ? 0 : 4) & 15, high = p[(8 + j % 4) * 16 + row] >> 2 * (j / 4) & 3;
    return (low | high << 4) - 32;
}

static const int iq4_values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static float value32(carat_type type, const uint8_t *panel, size_t cols, int row, int col)
{
    static const int bytes[] = { [CARAT_Q8_0] = 1088, [CARAT_Q4_0] = 576, [CARAT_IQ4_NL] = 576,
                                 [CARAT_Q4_1] = 640,  [CARAT_Q5_0] = 704, [CARAT_Q5_1] = 768 };
    const uint8_t *u = panel + col / 64 * bytes[type];
    bool is_single = cols % 64 && (size_t)(col / 64) == cols / 64;
    int n = is_single ? 1 : 2, s = is_single ? 0 : col / 32 % 2, c = col % 32;
    float d = half_at(u + 32 * s + 2 * row), m = half_at(u + 32 * n + 32 * s + 2 * row);
    switch ((int)type) {
    case CARAT_Q8_0:
        return d * (float)(u[32 * n + 512 * s + c / 4 * 64 + row * 4 + c % 4] - 128);
    case CARAT_Q4_0:
        return d * (float)(codes4(u + 32 * n + 256 * s, row, c) - 8);
    case CARAT_IQ4_NL:
        return d * (float)iq4_values[codes4(u + 32 * n + 256 * s, row, c)];
    case CARAT_Q4_1:
        return d * (float)codes4(u + 64 * n + 256 * s, row, c) + m;
    case CARAT_Q5_0:
        return d * (float)(codes4(u + 96 * n + 256 * s, row, c) + 16 * high1(u + 32 * n + 64 * s, row, c) - 16);
    default: /* Q5_1 */
        return d * (float)(codes4(u + 128 * n + 256 * s, row, c) + 16 * high1(u + 64 * n + 64 * s, row, c)) + m;
    }
}

static float value256(carat_type type, const uint8_t *panel, size_t cols, int row, int col)
{
    static const int bytes[] = { [CARAT_Q4_K] = 2304, [CARAT_Q5_K] = 2816, [CARAT_Q2_K] = 1344,
                                 [CARAT_Q6_K] = 3328, [CARAT_Q3_K] = 1728, [CARAT_IQ4_XS] = 2176 };
    int unit = col / 256, s = col / 32 % 8, c = col % 32, half = col / 16 % 16;
    const uint8_t *u = panel + unit * bytes[type], *tail = panel + cols / 256 * (size_t)bytes[type] + unit * 32;
    float d = half_at(u + 2 * row), dmin = half_at(u + 32 + 2 * row), d_tail = half_at(tail + 2 * row);
    switch ((int)type) {
    case CARAT_Q4_K:
        return d * (float)scale6(u + 64, row, s, false) * (float)codes4(u + 256 + 256 * s, row, c) -
               dmin * (float)scale6(u + 64, row, s, true);
    case CARAT_Q5_K:
        return d * (float)scale6(u + 64, row, s, false) *
                   (float)(codes4(u + 768 + 256 * s, row, c) + 16 * high1(u + 256 + 64 * s, row, c)) -
               dmin * (float)scale6(u + 64, row, s, true);
    case CARAT_Q2_K: {
        int b = u[64 + 16 * half + row];
        return d * (float)(b & 15) * (float)codes2(u + 320 + 128 * s, row, c) - dmin * (float)(b >> 4);
    }
    case CARAT_Q6_K:
        return d_tail * (float)(int8_t)u[16 * half + row] *
               (float)(codes4(u + 1280 + 256 * s, row, c) + 16 * codes2(u + 256 + 128 * s, row, c) - 32);
    case CARAT_Q3_K:
        return d_tail * (float)scale6_q3(u, row, half) *
               (float)(codes2(u + 704 + 128 * s, row, c) + 4 * high1(u + 192 + 64 * s, row, c) - 4);
    default: { /* IQ4_XS */
        int low = u[64 + s / 2 * 16 + row] >> 4 * (s % 2) & 15;
        int high = (u[32 + 2 * row] | u[33 + 2 * row] << 8) >> 2 * s & 3;
        return d * (float)((low | high << 4) - 32) * (float)iq4_values[codes4(u + 128 + 256 * s, row, c)];
    }
    }
}

static float panel_value(carat_type type, const uint8_t *panel, size_t cols, int row, int col)
{
    uint32_t bits;
    float f;
    switch ((int)type) {
    case CARAT_F32:
        memcpy(&f, panel + (size_t)col * 64 + 4 * row, 4);
        return f;
    case CARAT_F16:
        return half_at(panel + (size_t)col * 32 + 2 * row);
    case CARAT_BF16:
        panel += (size_t)(col / 2) * 64 + 4 * row + 2 * (col % 2);
        bits = (uint32_t)panel[0] << 16 | (uint32_t)panel[1] << 24;
        memcpy(&f, &bits, 4);
        return f;
    default:
        return carat_type_get(type)->block == 32 ? value32(type, panel, cols, row, col)
                                                 : value256(type, panel, cols, row, col);
    }
}

/* Equal bits, or both NaN (whose payload a product may change). */
static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* ---- the checks ---------------------------------------------------------------------------------------------------
 */

typedef struct packed_case {
    carat_type type;
    int n_rows;
    size_t cols, row_bytes, stride;
    uint8_t *source, *panel;
    size_t panel_bytes;
} packed_case;

/* Packs n_rows random rows into a heap buffer of exactly the panel's size, at an address that is only 32-aligned. */
static void case_open(packed_case *c, carat_type type, int n_rows, size_t cols, const void *rows)
{
    *c = (packed_case){ .type = type, .n_rows = n_rows, .cols = cols };
    assert_true(carat_row_bytes(type, cols, &c->row_bytes));
    assert_true(carat_panel_bytes(type, cols, &c->panel_bytes));
    c->stride = c->row_bytes + (rows ? 0 : 7);
    c->source = random_bytes(c->stride * (size_t)n_rows, cols * 31 + (size_t)n_rows + type);
    if (rows)
        memcpy(c->source, rows, c->row_bytes * (size_t)n_rows);
    c->panel = malloc(c->panel_bytes);
    assert_non_null(c->panel);
    memset(c->panel, 0xA5, c->panel_bytes);
    carat_pack_panel(type, c->source, c->stride, n_rows, cols, c->panel);
}

static void case_close(packed_case *c)
{
    free(c->source);
    free(c->panel);
}

static void check_row_bytes(const packed_case *c)
{
    uint8_t *row = malloc(c->row_bytes), *zero = calloc(1, c->row_bytes);
    assert_true(row && zero);
    for (int r = 0; r < CARAT_PANEL; r++) {
        memset(row, 0x5A, c->row_bytes);
        carat_unpack_panel_row(c->type, c->panel, r, c->cols, row);
        if (memcmp(row, r < c->n_rows ? c->source + (size_t)r * c->stride : zero, c->row_bytes) != 0)
            fail_msg("%s, %d rows of %zu: row %d comes back changed", carat_type_get(c->type)->name, c->n_rows, c->cols,
                     r);
    }
    free(row);
    free(zero);
}

static void check_values(const packed_case *c)
{
    const char *name = carat_type_get(c->type)->name;
    float *expected = malloc(c->cols * 4), *got = malloc(c->cols * 4), chunk[CARAT_PANEL_CHUNK * CARAT_PANEL];
    assert_true(expected && got);
    for (int r = 0; r < c->n_rows; r++) {
        carat_unpack_row(c->type, c->source + (size_t)r * c->stride, expected, c->cols);
        carat_packed_row_f32(c->type, c->panel, (size_t)r, c->cols, got);
        for (size_t i = 0; i < c->cols; i++) {
            if (!same(got[i], expected[i]))
                fail_msg("%s [%d, %zu] of %zu: %a, expected %a", name, r, i, c->cols, (double)got[i],
                         (double)expected[i]);
            if (!carat_pack_is_interleaved(c->type))
                continue;
            float drawn = panel_value(c->type, c->panel, c->cols, r, (int)i);
            if (!same(drawn, expected[i]))
                fail_msg("%s [%d, %zu] of %zu: the README's place holds %a, expected %a", name, r, i, c->cols,
                         (double)drawn, (double)expected[i]);
        }
    }
    for (size_t col = 0; col < c->cols; col += CARAT_PANEL_CHUNK) {
        size_t n = c->cols - col < CARAT_PANEL_CHUNK ? c->cols - col : CARAT_PANEL_CHUNK;
        carat_panel_f32(c->type, c->panel, c->cols, col, n, chunk);
        for (int r = 0; r < CARAT_PANEL; r++) {
            carat_packed_row_f32(c->type, c->panel, (size_t)r, c->cols, got);
            for (size_t i = 0; i < n; i++)
                assert_true(same(chunk[i * CARAT_PANEL + (size_t)r], got[col + i]));
        }
    }
    free(expected);
    free(got);
}

static void check_case(carat_type type, int n_rows, size_t cols, const void *rows)
{
    packed_case c;
    case_open(&c, type, n_rows, cols, rows);
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
    for (uint32_t t = 0; t < CARAT_N_TYPE; t++) {
        const carat_type_info *info = carat_type_get(t);
        for (size_t r = 0; info && r < sizeof rows / sizeof *rows; r++) {
            if (info->block == 1)
                for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
                    check_case((carat_type)t, rows[r], plain[i], NULL);
            else
                for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
                    check_case((carat_type)t, rows[r], blocks[i] * info->block, NULL);
        }
    }
}

static void golden_blocks_survive(void **state)
{
    (void)state;
    blocks_file f;
    blocks_open(&f);
    int n = 0;
    for (uint32_t t = 0; t < CARAT_N_TYPE; t++) {
        static const char *const kinds[] = { "random", "quantised" };
        for (int k = 0; carat_type_get(t) && k < 2; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", kinds[k], carat_type_get(t)->name);
            const void *blocks = blocks_find(&f, name);
            if (blocks)
                check_case((carat_type)t, 8, 512, blocks), n++;
        }
    }
    assert_int_equal(n, 35);
    blocks_close(&f);
}

/* Rows of a matrix of several panels, the last not full, are found where carat_packed_row_f32 looks for them. */
static void rows_of_a_matrix(void **state)
{
    (void)state;
    enum { ROWS = 37, COLS = 512 };
    for (uint32_t t = 0; t < CARAT_N_TYPE; t++) {
        size_t row_bytes, panel_bytes, bytes;
        if (!carat_type_get(t))
            continue;
        assert_true(carat_row_bytes(t, COLS, &row_bytes) && carat_panel_bytes((carat_type)t, COLS, &panel_bytes) &&
                    carat_pack_bytes((carat_type)t, ROWS, COLS, &bytes));
        assert_int_equal(bytes, 48 * row_bytes);
        uint8_t *source = random_bytes(ROWS * row_bytes, t), *packed = malloc(bytes);
        assert_non_null(packed);
        for (int p = 0; p < 3; p++)
            carat_pack_panel((carat_type)t, source + (size_t)p * 16 * row_bytes, row_bytes, p < 2 ? 16 : 5, COLS,
                             packed + (size_t)p * panel_bytes);
        for (size_t r = 0; r < ROWS; r++) {
            float got[COLS], expected[COLS];
            carat_packed_row_f32((carat_type)t, packed, r, COLS, got);
            carat_unpack_row((carat_type)t, source + r * row_bytes, expected, COLS);
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
    assert_false(carat_pack_bytes(CARAT_Q4_K, 16, 255, &n));          /* no whole number of blocks */
    assert_false(carat_pack_bytes((carat_type)33, 16, 256, &n));      /* a hole of the numbering */
    assert_false(carat_pack_bytes(CARAT_F32, SIZE_MAX, 4, &n));       /* rows cannot be rounded up */
    assert_false(carat_pack_bytes(CARAT_F32, SIZE_MAX / 32, 64, &n)); /* the product overflows */
    assert_false(carat_panel_bytes(CARAT_BF16, SIZE_MAX, &n));
    assert_int_equal(n, 1);
    assert_true(carat_pack_bytes(CARAT_Q6_K, 17, 256, &n));
    assert_int_equal(n, 32 * 210);
    assert_true(carat_panel_bytes(CARAT_BF16, 3, &n));
    assert_int_equal(n, 2 * 64);
}

/* The helpers kernels use agree with the sizes packing uses. */
static void layout_helpers_add_up(void **state)
{
    (void)state;
    for (uint32_t t = 0; t < CARAT_N_TYPE; t++) {
        int unit_cols = carat_type_get(t) ? carat_unit_cols((carat_type)t) : 0;
        if (unit_cols <= 2)
            continue;
        for (size_t blocks = 1; blocks < 9; blocks++) {
            size_t cols = blocks * carat_type_get(t)->block, panel_bytes, at = 0,
                   units = carat_units((carat_type)t, cols);
            carat_unit f = { 0 };
            for (size_t u = 0; u < units; u++) {
                assert_int_equal(carat_unit_offset((carat_type)t, u), at);
                f = carat_unit_at((carat_type)t, cols, u);
                assert_int_equal(f.bytes, 16 * (2 * f.n16 + f.n8 + 4 * f.n32));
                at += (size_t)f.bytes;
            }
            if (f.has_tail) {
                assert_int_equal(carat_tail_offset((carat_type)t, cols), at);
                at += 32 * units;
            }
            assert_true(carat_panel_bytes((carat_type)t, cols, &panel_bytes));
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
