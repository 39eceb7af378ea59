/* pack.c - matrices in panels of sixteen interleaved rows, and back.
 *
 * A unit's fields are halves, bytes and words (pack_layout.h), and sixteen rows of each stand side by side: pack_bits.c
 * makes units of blocks, whose bits it reshuffles, and pack_recode.c a row's share of a unit, which is interleaved here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "quant/pack.h"

#include <string.h>

#include "base/size.h"
#include "quant/pack_bits.h"
#include "quant/pack_layout.h"

#define MAX_BLOCK_BYTES 292 /* of any type (Q8_K); two Q8_0 blocks take 68 */

bool ct_pack_is_interleaved(ct_type type)
{
    return ct_unit_cols(type) != 0;
}

bool ct_pack_keeps_bits(ct_type type)
{
    return !ct_is_recoded(type);
}

bool ct_panel_bytes(ct_type type, size_t cols, size_t *out)
{
    size_t row;
    if (!ct_pack_keeps_bits(type)) /* a unit and its part of the tail */
        return ct_row_bytes(type, cols, &row) && ct_mul_size(cols / 256, (size_t)ct_unit_of(type, 2).bytes + 32, out);
    if (type == CT_BF16 && cols % 2 && !ct_add_size(cols, 1, &cols))
        return false;
    return ct_row_bytes(type, cols, &row) && ct_mul_size(row, CT_PANEL, out);
}

bool ct_pack_bytes(ct_type type, size_t rows, size_t cols, size_t *out)
{
    size_t padded, panel;
    return ct_align_size(rows, CT_PANEL, &padded) && ct_panel_bytes(type, cols, &panel) &&
           ct_mul_size(panel, padded / CT_PANEL, out);
}

/* ---- interleaving ---- */

/* One row's share of a unit, of a recoded type, sits in rows[r]; the tail's half (if any) is kept apart. */
static void put_unit(const ct_unit *f, const ct_row_unit rows[CT_PANEL], uint8_t *unit, uint8_t *tail)
{
    uint16_t h16[CT_PANEL];
    uint32_t w32[CT_PANEL];
    for (int i = 0; i < f->n16; i++, unit += sizeof h16) {
        for (int r = 0; r < CT_PANEL; r++)
            h16[r] = rows[r].h[i];
        memcpy(unit, h16, sizeof h16);
    }
    for (int i = 0; i < f->n8; i++)
        for (int r = 0; r < CT_PANEL; r++)
            *unit++ = rows[r].b[i];
    for (int i = 0; i < f->n32; i++, unit += sizeof w32) {
        for (int r = 0; r < CT_PANEL; r++)
            w32[r] = rows[r].w[i];
        memcpy(unit, w32, sizeof w32);
    }
    for (int r = 0; f->has_tail && r < CT_PANEL; r++)
        memcpy(tail + 2 * r, &rows[r].tail, 2);
}

static void recode_unit(ct_type type, const ct_unit *f, const uint8_t *const blocks[CT_PANEL], uint8_t *unit,
                        uint8_t *tail)
{
    ct_row_unit rows[CT_PANEL];
    for (int r = 0; r < CT_PANEL; r++)
        ct_recode_block(type, blocks[r], &rows[r]);
    put_unit(f, rows, unit, tail);
}

static void take_unit(const ct_unit *f, const uint8_t *unit, const uint8_t *tail, int row, ct_row_unit *out)
{
    const uint8_t *p = unit + 2 * row;
    for (int i = 0; i < f->n16; i++)
        memcpy(&out->h[i], p + 32 * i, 2);
    p = unit + 32 * f->n16 + row;
    for (int i = 0; i < f->n8 && i < (int)sizeof out->b; i++) /* gcc 12 warns of an overflow without the second */
        out->b[i] = p[16 * i];
    p = unit + 32 * f->n16 + 16 * f->n8 + 4 * row;
    for (int i = 0; i < f->n32; i++)
        memcpy(&out->w[i], p + 64 * i, 4);
    if (f->has_tail)
        memcpy(&out->tail, tail + 2 * row, 2);
}

/* ---- plain types ---- */

/* Elements (BF16: pairs) of `width` bytes a row; the last pair of an odd BF16 row is half as wide. */
static size_t plain_width(ct_type type)
{
    return type == CT_F16 ? 2 : 4;
}

static size_t plain_row_bytes(ct_type type, size_t cols)
{
    return cols * (type == CT_F32 ? 4 : 2);
}

static void pack_plain(ct_type type, const uint8_t *src, size_t stride, int n_rows, size_t cols, uint8_t *panel)
{
    size_t width = plain_width(type), row_bytes = plain_row_bytes(type, cols), whole = row_bytes / width;
    size_t ragged = row_bytes - whole * width, i = 0;
    if (width == 4 && n_rows == CT_PANEL) {
        const uint8_t *rows[CT_PANEL];
        for (size_t r = 0; r < CT_PANEL; r++)
            rows[r] = src + r * stride;
        i = whole / 4 * 4;
        ct_split_words(rows, i, (uint32_t *)(void *)panel);
        panel += i * 16 * width;
    }
    for (; i < whole; i++, panel += 16 * width) {
        if (width == 4)
            for (int r = 0; r < n_rows; r++)
                memcpy(panel + 4 * r, src + (size_t)r * stride + 4 * i, 4);
        else
            for (int r = 0; r < n_rows; r++)
                memcpy(panel + 2 * r, src + (size_t)r * stride + 2 * i, 2);
        memset(panel + (size_t)n_rows * width, 0, (size_t)(CT_PANEL - n_rows) * width);
    }
    if (ragged)
        memset(panel, 0, 16 * width);
    for (int r = 0; ragged && r < n_rows; r++)
        memcpy(panel + (size_t)r * width, src + (size_t)r * stride + whole * width, ragged);
}

static void unpack_plain_row(ct_type type, const uint8_t *panel, int row, size_t cols, uint8_t *dst)
{
    size_t width = plain_width(type), left = plain_row_bytes(type, cols);
    for (panel += (size_t)row * width; left; panel += 16 * width) {
        size_t n = left < width ? left : width;
        memcpy(dst, panel, n);
        dst += n;
        left -= n;
    }
}

/* ---- whole panels ---- */

static size_t row_bytes_of(ct_type type, size_t cols)
{
    size_t bytes = 0;
    ct_row_bytes(type, cols, &bytes);
    return bytes;
}

static void pack_rows(size_t row_bytes, const uint8_t *src, size_t stride, int n_rows, uint8_t *panel)
{
    for (int r = 0; r < n_rows; r++)
        memcpy(panel + (size_t)r * row_bytes, src + (size_t)r * stride, row_bytes);
    memset(panel + (size_t)n_rows * row_bytes, 0, (size_t)(CT_PANEL - n_rows) * row_bytes);
}

void ct_pack_panel(ct_type type, const void *src, size_t src_stride, int n_rows, size_t cols, void *panel)
{
    int unit_cols = ct_unit_cols(type);
    if (unit_cols == 0) {
        pack_rows(row_bytes_of(type, cols), src, src_stride, n_rows, panel);
        return;
    }
    if (unit_cols <= 2) {
        pack_plain(type, src, src_stride, n_rows, cols, panel);
        return;
    }
    static const uint8_t zero_block[MAX_BLOCK_BYTES];
    const uint8_t *blocks[CT_PANEL];
    ct_unit whole = ct_unit_of(type, 2);
    size_t block_bytes = row_bytes_of(type, (size_t)whole.cols), units = ct_units(type, cols);
    uint8_t *unit = panel, *tail = (uint8_t *)panel + (whole.has_tail ? ct_tail_offset(type, cols) : 0);
    for (size_t u = 0; u < units; u++) {
        ct_unit f = ct_unit_at(type, cols, u);
        for (int r = 0; r < CT_PANEL; r++)
            blocks[r] = r < n_rows ? (const uint8_t *)src + (size_t)r * src_stride + u * block_bytes : zero_block;
        if (ct_is_recoded(type))
            recode_unit(type, &f, blocks, unit, tail + 32 * u);
        else
            ct_split_blocks(type, f.stretches, blocks, unit, tail + 32 * u);
        unit += f.bytes;
    }
}

/* Source bytes of units [u0, u1) of one row. */
static void take_row_units(ct_type type, const uint8_t *panel, int row, size_t cols, size_t u0, size_t u1, uint8_t *dst)
{
    ct_row_unit share;
    ct_unit whole = ct_unit_of(type, 2);
    size_t block_bytes = row_bytes_of(type, (size_t)whole.cols);
    const uint8_t *tail = panel + (whole.has_tail ? ct_tail_offset(type, cols) : 0);
    for (size_t u = u0; u < u1; u++, dst += block_bytes) {
        ct_unit f = ct_unit_at(type, cols, u);
        take_unit(&f, panel + ct_unit_offset(type, u), tail + 32 * u, row, &share);
        ct_join_block(type, f.stretches, &share, dst);
    }
}

/* ---- values ---- */

/* Columns are unpacked this many at a time: whole blocks of every type, whole units of every packed form. */
#define CHUNK CT_PANEL_CHUNK

/* Columns [col, col + n) of one row, of a recoded type: whole units. */
static void recoded_f32(ct_type type, const uint8_t *panel, int row, size_t cols, size_t col, size_t n, float *dst)
{
    ct_row_unit share;
    const uint8_t *tail = panel + ct_tail_offset(type, cols);
    for (size_t u = col / 256; u < (col + n) / 256; u++, dst += 256) {
        ct_unit f = ct_unit_at(type, cols, u);
        take_unit(&f, panel + ct_unit_offset(type, u), tail + 32 * u, row, &share);
        ct_recoded_values(type, &share, dst);
    }
}

/* Columns [col, col + n) of one row of a panel; col is a multiple of CHUNK and n at most that. */
static void row_chunk_f32(ct_type type, const uint8_t *panel, int row, size_t cols, size_t col, size_t n, float *dst)
{
    uint8_t source[2048]; /* the widest chunk: 256 weights of F32 take 1024 bytes */
    int unit_cols = ct_unit_cols(type);
    if (!ct_pack_keeps_bits(type)) {
        recoded_f32(type, panel, row, cols, col, n, dst);
        return;
    }
    if (unit_cols == 0) {
        size_t row_bytes = row_bytes_of(type, cols);
        ct_unpack_row(type, panel + (size_t)row * row_bytes + row_bytes_of(type, col), dst, n);
        return;
    }
    if (unit_cols <= 2)
        unpack_plain_row(type, panel + row_bytes_of(type, col) * CT_PANEL, row, n, source);
    else
        take_row_units(type, panel, row, cols, col / (size_t)unit_cols,
                       (col + n + (size_t)unit_cols - 1) / (size_t)unit_cols, source);
    ct_unpack_row(type, source, dst, n);
}

void ct_packed_row_f32(ct_type type, const void *packed, size_t row, size_t cols, float *dst)
{
    size_t panel_bytes = 0;
    ct_panel_bytes(type, cols, &panel_bytes);
    const uint8_t *panel = (const uint8_t *)packed + row / CT_PANEL * panel_bytes;
    for (size_t col = 0; col < cols; col += CHUNK) {
        size_t n = cols - col < CHUNK ? cols - col : CHUNK;
        row_chunk_f32(type, panel, (int)(row % CT_PANEL), cols, col, n, dst + col);
    }
}

void ct_panel_f32(ct_type type, const void *panel, size_t cols, size_t col, size_t n, float *dst)
{
    float values[CHUNK];
    for (int r = 0; r < CT_PANEL; r++) {
        row_chunk_f32(type, panel, r, cols, col, n, values);
        for (size_t c = 0; c < n; c++)
            dst[c * CT_PANEL + (size_t)r] = values[c];
    }
}
