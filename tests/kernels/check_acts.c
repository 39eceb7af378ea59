/* check_acts.c - activations: the generic level against their definition, every other level bit for bit like it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char *const form_names[CT_N_ACTS] = { "f32", "bf16", "q8", "grid" };

enum fill { RANDOM, TIES, BF16_TIES, EQUAL, ZERO, HUGE_VALUES, TINY, BAD, N_FILL };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static void fill_x(float *x, size_t n, enum fill f, rng *r)
{
    /* Infinities and NaNs; rounding must make neither a number nor an infinity of the last two. */
    static const uint32_t bad[] = { 0x7F800000, 0xFF800000, 0x7FC00000, 0x7FFFFFFF, 0xFF800001 };
    for (size_t i = 0; i < n; i++)
        switch (f) {
        case RANDOM:
            x[i] = rng_normal(r) * exp2f((float)rng_below(r, 12));
            break;
        case TIES: /* 127/amax = 1: every second value is half way between two codes */
            x[i] = i % 32 == 0 ? 127.0f : (float)rng_below(r, 507) * 0.5f - 126.5f;
            break;
        case BF16_TIES: /* half way between two bf16 numbers, both odd and even, and one bit beside it */
            x[i] = float_of((rng_u32(r) & 0x807F0000) + 0x3F808000 + rng_below(r, 3) - 1);
            break;
        case EQUAL:
            x[i] = i % 3 ? 0.37f : -0.37f;
            break;
        case ZERO:
            x[i] = i % 2 ? 0.0f : -0.0f;
            break;
        case HUGE_VALUES:
            x[i] = rng_unit(r) * FLT_MAX;
            break;
        case TINY: /* around CT_ACTS_TINY, and subnormals */
            x[i] = rng_unit(r) * exp2f(-(float)(96 + rng_below(r, 2) * 40 + (int)(i / 32 % 8)));
            break;
        default: /* every second group has one NaN or infinity, each in another place */
            x[i] = i / 32 % 2 == 0 && (i == n - 1 || i % 32 == (i / 32 * 5 + 31) % 32) ? float_of(bad[rng_below(r, 5)])
                                                                                       : rng_unit(r);
        }
}

static void check_q8_group(const float *x, const int8_t *q, float d, const int32_t *s)
{
    float amax = 0;
    bool is_bad = false;
    int32_t sums[2] = { 0 }, largest = 0;
    for (int i = 0; i < 32; i++) {
        is_bad = is_bad || !isfinite(x[i]);
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        sums[i / 16] += q[i];
        largest = abs(q[i]) > largest ? abs(q[i]) : largest;
    }
    bool is_zero = is_bad || amax < 0x1p-100f;
    if (sums[0] != s[0] || sums[1] != s[1])
        check_fail("sums %d %d, expected %d %d", s[0], s[1], sums[0], sums[1]);
    if (is_bad ? !isnan(d) : !is_same(d, is_zero ? 0.0f : amax / 127.0f))
        check_fail("scale %a of a largest value %a", (double)d, (double)amax);
    if (largest != (is_zero ? 0 : 127))
        check_fail("largest code %d", largest);
    for (int i = 0; i < 32 && !is_zero; i++)
        if (q[i] != (int)nearbyintf(x[i] * (127.0f / amax))) /* half to even: the rounding mode programs start in */
            check_fail("%a with largest %a became %d", (double)x[i], (double)amax, q[i]);
}

/* bf16 first; then the nearest multiple of 2^-10 of the power of two below the largest, worked out in double. */
static void check_grid_group(const float *x, const uint8_t *got)
{
    double v[32], amax = 0;
    bool is_bad = false;
    int e;
    for (int i = 0; i < 32; i++) {
        v[i] = (double)ct_bf16_to_f32(ct_f32_to_bf16(x[i]));
        is_bad = is_bad || !(fabs(v[i]) < 0x1p90);
        amax = fmax(amax, fabs(v[i]));
    }
    frexp(amax, &e);
    const double step = ldexp(1, e - 1 - 10);
    for (int i = 0; i < 32; i++) {
        uint16_t h;
        memcpy(&h, got + 2 * (i / 4 * 4 + "\0\2\1\3"[i % 4]), 2);
        const double y = (double)ct_bf16_to_f32(h), expected = amax < 0x1p-64 ? 0 : nearbyint(v[i] / step) * step;
        if (is_bad ? !isnan(y) : y != expected)
            check_fail("[%d] %a with largest %a became %a, expected %a", i, (double)x[i], amax, y, expected);
    }
}

static void check_definition(ct_acts_form form, const float *x, size_t cols, const uint8_t *got)
{
    if (form == CT_ACTS_F32 && memcmp(got, x, cols * 4) != 0)
        check_fail("float32 activations changed");
    for (size_t c = 0; form == CT_ACTS_BF16 && c < cols + cols % 2; c++) {
        uint16_t expected = c < cols ? ct_f32_to_bf16(x[c]) : 0, h;
        memcpy(&h, got + 2 * c, 2);
        if (h != expected)
            check_fail("[%zu] %a became %04x, expected %04x", c, (double)x[c], h, expected);
    }
    for (size_t g = 0; form == CT_ACTS_GRID && g < cols / 32; g++)
        check_grid_group(x + 32 * g, got + 64 * g);
    for (size_t g = 0; form == CT_ACTS_Q8 && g < cols / 32; g++) {
        float d;
        int32_t s[2];
        memcpy(&d, got + ct_acts_d_offset(cols) + 4 * g, 4);
        memcpy(s, got + ct_acts_s_offset(cols) + 8 * g, 8);
        check_q8_group(x + 32 * g, (const int8_t *)got + 32 * g, d, s);
    }
}

/* Equal where the form has fields; a bf16 subnormal may have become a zero, a NaN another NaN. */
static void check_equal(ct_acts_form form, size_t cols, const uint8_t *got, const uint8_t *expected)
{
    bool is_half = form == CT_ACTS_BF16 || form == CT_ACTS_GRID;
    size_t fields = form == CT_ACTS_F32 ? cols * 4 : is_half ? (cols + cols % 2) * 2 : cols;
    for (size_t i = 0; i < fields; i += is_half ? 2 : 1) {
        if (is_half) {
            uint16_t a, b;
            memcpy(&a, got + i, 2), memcpy(&b, expected + i, 2);
            bool is_flushed = (a & 0x7FFF) == 0 && (b & 0x7F80) == 0;
            if (a != b && !is_flushed && !((a & 0x7FFF) > 0x7F80 && (b & 0x7FFF) > 0x7F80))
                check_fail("column %zu of %zu: %04x, generic %04x", i / 2, cols, a, b);
        } else if (got[i] != expected[i]) {
            check_fail("byte %zu of %zu columns: %02x, generic %02x", i, cols, got[i], expected[i]);
        }
    }
    if (form != CT_ACTS_Q8)
        return;
    for (size_t g = 0; g < cols / 32; g++) {
        float a, b;
        memcpy(&a, got + ct_acts_d_offset(cols) + 4 * g, 4);
        memcpy(&b, expected + ct_acts_d_offset(cols) + 4 * g, 4);
        if (!is_same(a, b))
            check_fail("scale %zu of %zu columns: %a, generic %a", g, cols, (double)a, (double)b);
    }
    if (memcmp(got + ct_acts_s_offset(cols), expected + ct_acts_s_offset(cols), cols / 16 * 4) != 0)
        check_fail("sums of %zu columns differ from generic", cols);
}

/* The same groups, 1024 bytes apart, and nothing between them; zeros to the end of a last one. */
static void check_tiled(const check *c, ct_acts_form form, const float *x, size_t cols, const uint8_t *rows)
{
    const size_t groups = (cols + CT_ACTS_GROUP - 1) / CT_ACTS_GROUP;
    uint8_t *got = guarded((groups - 1) * 1024 + 64, 64, true);
    c->isa->acts_tiled[form](x, cols, got);
    for (size_t g = 0; g < groups; g++) {
        const size_t left = 2 * (cols - g * CT_ACTS_GROUP), live = left < 64 ? left : 64;
        if (memcmp(got + 1024 * g, rows + 64 * g, live) != 0)
            check_fail("group %zu of %zu columns differs in tiles", g, cols);
        for (size_t i = live; i < 64; i++)
            if (got[1024 * g + i] != 0)
                check_fail("byte %zu of group %zu of %zu columns is not 0", i, g, cols);
        for (size_t i = 64; i < 1024 && g + 1 < groups; i++)
            if (got[1024 * g + i] != 0xFF)
                check_fail("wrote byte %zu behind group %zu", i, g);
    }
    unguard(got);
}

static void check_form(check *c, ct_acts_form form)
{
    static const size_t any[] = { 1, 2, 3, 15, 16, 17, 31, 33, 63, 72, 144, 257, 640 };
    static const size_t groups[] = { 32, 64, 96, 160, 256, 640, 1152 };
    bool is_q8 = form == CT_ACTS_Q8 || form == CT_ACTS_GRID; /* whole groups */
    size_t n = is_q8 ? sizeof groups / sizeof *groups : sizeof any / sizeof *any;
    rng r = { form };
    for (size_t i = 0; i < n; i++)
        for (int f = 0; f < N_FILL; f++) {
            size_t cols = is_q8 ? groups[i] : any[i], stride = ct_acts_stride(form, cols);
            float *x = guarded(cols * 4, 4, f % 2);
            uint8_t *got = guarded(stride, 64, true), *expected = guarded(stride, 64, true);
            fill_x(x, cols, (enum fill)f, &r);
            c->isa->acts[form](x, cols, got);
            c->generic->acts[form](x, cols, expected);
            check_definition(form, x, cols, expected);
            check_equal(form, cols, got, expected);
            if (c->isa->acts_tiled[form])
                check_tiled(c, form, x, cols, got);
            unguard(x), unguard(got), unguard(expected);
        }
}

void check_acts(check *c)
{
    for (int f = 0; f < CT_N_ACTS; f++) {
        if (!check_begin(c, "acts_%s", form_names[f]))
            continue;
        check_form(c, (ct_acts_form)f);
    }
}
