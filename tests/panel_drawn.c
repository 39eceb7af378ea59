/* panel_drawn.c - the README's drawing of a packed panel, weight by weight.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "panel_drawn.h"

#include <stdbool.h>
#include <string.h>

static float half_at(const uint8_t *p)
{
    return ct_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
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

static void weight32(ct_type type, const uint8_t *panel, size_t cols, int row, int col, float *product, float *min)
{
    static const int bytes[CT_N_TYPE] = {
        [CT_Q8_0] = 1088, [CT_Q4_0] = 576, [CT_IQ4_NL] = 576, [CT_Q4_1] = 640, [CT_Q5_0] = 704, [CT_Q5_1] = 768
    };
    const uint8_t *u = panel + col / 64 * bytes[type];
    bool is_single = cols % 64 && (size_t)(col / 64) == cols / 64;
    int n = is_single ? 1 : 2, s = is_single ? 0 : col / 32 % 2, c = col % 32, code = 0;
    switch ((int)type) {
    case CT_Q8_0:
        code = u[32 * n + 512 * s + c / 4 * 64 + row * 4 + c % 4] - 128;
        break;
    case CT_Q4_0:
        code = codes4(u + 32 * n + 256 * s, row, c) - 8;
        break;
    case CT_IQ4_NL:
        code = iq4_values[codes4(u + 32 * n + 256 * s, row, c)];
        break;
    case CT_Q4_1:
        code = codes4(u + 64 * n + 256 * s, row, c);
        *min = half_at(u + 32 * n + 32 * s + 2 * row);
        break;
    case CT_Q5_0:
        code = codes4(u + 96 * n + 256 * s, row, c) + 16 * high1(u + 32 * n + 64 * s, row, c) - 16;
        break;
    case CT_Q5_1:
        code = codes4(u + 128 * n + 256 * s, row, c) + 16 * high1(u + 64 * n + 64 * s, row, c);
        *min = half_at(u + 32 * n + 32 * s + 2 * row);
        break;
    }
    *product = half_at(u + 32 * s + 2 * row) * (float)code;
}

/* IQ1, IQ2, IQ3: what a code stands for, and the group's nibble of scale. */
static const float iq3_xxs_values[16] = { 4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62 };
static const float iq3_s_values[16] = { 1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15 };
static const float iq2_values[8] = { 8, 25, 43, 0, -8, -25, -43, 0 };
static const float iq1_values[8] = { -0.875f, 0.125f, 1.125f, 0, -1.125f, -0.125f, 0.875f, 0 };

static float odd_scale(const uint8_t *scales, int row, int group)
{
    return (float)(2 * (scales[group / 2 * 16 + row] >> 4 * (group % 2) & 15) + 1);
}

static float recoded(ct_type type, const uint8_t *panel, size_t cols, int row, int col)
{
    static const int bytes[CT_N_TYPE] = {
        [CT_IQ3_XXS] = 2112, [CT_IQ3_S] = 2112, [CT_IQ2_XXS] = 1600, [CT_IQ2_XS] = 1664,
        [CT_IQ2_S] = 1664,   [CT_IQ1_S] = 1600, [CT_IQ1_M] = 1664
    };
    int unit = col / 256, s = col / 32 % 8, c = col % 32, half = col / 16 % 16, at = bytes[type] == 1664 ? 128 : 64;
    const uint8_t *u = panel + unit * bytes[type];
    float d = half_at(panel + cols / 256 * (size_t)bytes[type] + unit * 32 + 2 * row);
    int code = bytes[type] == 2112 ? codes4(u + 64 + 256 * s, row, c)
                                   : codes2(u + at + 512 + 128 * s, row, c) + 4 * high1(u + at + 64 * s, row, c);
    switch ((int)type) {
    case CT_IQ3_XXS:
        return d * odd_scale(u, row, s) / 4 * iq3_xxs_values[code];
    case CT_IQ3_S:
        return d * odd_scale(u, row, s) * iq3_s_values[code];
    case CT_IQ2_XXS:
        return d * odd_scale(u, row, s) / 8 * iq2_values[code];
    case CT_IQ1_S:
        return d * odd_scale(u, row, s) * iq1_values[code];
    case CT_IQ1_M:
        return d * odd_scale(u, row, half) * iq1_values[code];
    default: /* IQ2_XS, IQ2_S */
        return d * odd_scale(u, row, half) / 8 * iq2_values[code];
    }
}

static void weight256(ct_type type, const uint8_t *panel, size_t cols, int row, int col, float *product, float *min)
{
    static const int bytes[CT_N_TYPE] = {
        [CT_Q4_K] = 2304, [CT_Q5_K] = 2816, [CT_Q2_K] = 1344, [CT_Q6_K] = 3328, [CT_Q3_K] = 1728, [CT_IQ4_XS] = 2176
    };
    int unit = col / 256, s = col / 32 % 8, c = col % 32, half = col / 16 % 16;
    const uint8_t *u = panel + unit * bytes[type], *tail = panel + cols / 256 * (size_t)bytes[type] + unit * 32;
    float d = half_at(u + 2 * row), dmin = half_at(u + 32 + 2 * row);
    int code = 0, low, high;
    switch ((int)type) {
    case CT_Q4_K:
        code = codes4(u + 256 + 256 * s, row, c);
        *product = d * (float)scale6(u + 64, row, s, false) * (float)code;
        *min = -(dmin * (float)scale6(u + 64, row, s, true));
        break;
    case CT_Q5_K:
        code = codes4(u + 768 + 256 * s, row, c) + 16 * high1(u + 256 + 64 * s, row, c);
        *product = d * (float)scale6(u + 64, row, s, false) * (float)code;
        *min = -(dmin * (float)scale6(u + 64, row, s, true));
        break;
    case CT_Q2_K:
        *product = d * (float)(u[64 + 16 * half + row] & 15) * (float)codes2(u + 320 + 128 * s, row, c);
        *min = -(dmin * (float)(u[64 + 16 * half + row] >> 4));
        break;
    case CT_Q6_K:
        code = codes4(u + 1280 + 256 * s, row, c) + 16 * codes2(u + 256 + 128 * s, row, c) - 32;
        *product = half_at(tail + 2 * row) * (float)(int8_t)u[16 * half + row] * (float)code;
        break;
    case CT_Q3_K:
        code = codes2(u + 704 + 128 * s, row, c) + 4 * high1(u + 192 + 64 * s, row, c) - 4;
        *product = half_at(tail + 2 * row) * (float)scale6_q3(u, row, half) * (float)code;
        break;
    case CT_IQ4_XS:
        low = u[64 + s / 2 * 16 + row] >> 4 * (s % 2) & 15;
        high = (u[32 + 2 * row] | u[33 + 2 * row] << 8) >> 2 * s & 3;
        *product = d * (float)((low | high << 4) - 32) * (float)iq4_values[codes4(u + 128 + 256 * s, row, c)];
        break;
    }
}

void drawn_weight(ct_type type, const uint8_t *panel, size_t cols, int row, int col, float *product, float *min)
{
    *min = -0.0f;
    switch ((int)type) {
    case CT_IQ3_XXS:
    case CT_IQ3_S:
    case CT_IQ2_XXS:
    case CT_IQ2_XS:
    case CT_IQ2_S:
    case CT_IQ1_S:
    case CT_IQ1_M:
        *product = recoded(type, panel, cols, row, col);
        break;
    case CT_F32:
        memcpy(product, panel + (size_t)col * 64 + 4 * row, 4);
        break;
    case CT_F16:
        *product = half_at(panel + (size_t)col * 32 + 2 * row);
        break;
    case CT_BF16:
        panel += (size_t)(col / 2) * 64 + 4 * row + 2 * (col % 2);
        *product = ct_bf16_to_f32((uint16_t)(panel[0] | panel[1] << 8));
        break;
    default:
        if (ct_type_get(type)->block == 32)
            weight32(type, panel, cols, row, col, product, min);
        else
            weight256(type, panel, cols, row, col, product, min);
    }
}
