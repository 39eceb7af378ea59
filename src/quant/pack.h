/* pack.h - the packed form of a weight matrix: rows interleaved by sixteen.
 *
 * A matrix [rows, cols] (row-major, as in the file; y = W x) is cut into panels of CT_PANEL = 16 rows, the last
 * padded with zero rows. Inside a panel the bytes are laid so that one vector load feeds one dot-product instruction:
 * lane r of a vector belongs to row r of the panel. All instruction sets share one layout.
 *
 * Plain types, element-interleaved:
 *   F32, F16   [cols][16]                 one value a row
 *   BF16       [ceil(cols/2)][16][2]      two neighbouring columns a row (vdpbf16ps); 0 beside an odd last column
 *
 * Quantised types, per stretch of 32 columns ("group" g = 4 neighbouring columns, g = 0..7 in a stretch):
 *   8-bit codes     8 vectors of 64 bytes: vector g = [16 rows][4 cols], code as u8 (signed types biased by +128)
 *   4-bit codes     4 vectors of 64 bytes: vector v, low nibble = group v, high nibble = group v + 4
 *   high 1 bit      1 vector of 64 bytes: bit g of byte [row][c] = the fifth (third, ..) bit of group g
 *   2-bit codes     2 vectors of 64 bytes: vector j, bits 2i..2i+1 = group 4j + i
 *   scales          each field of the source's block as a vector over 16 rows, in the source's own width and encoding
 *                   (f16 d, f16 dmin, the packed 6-bit scale bytes of a K block, ...)
 *
 * The exact order of fields for each type: quant/README.md; as offsets for kernels: pack_layout.h.
 * Packing is exact. But for the recoded types it keeps the source's bits, so that it takes no more bits a weight than
 * the source (less the padding of rows to 16): ct_pack_bytes(type, rows, cols) == row_bytes * rows rounded up to 16
 * (an odd BF16 row counts one column more).
 *
 * Recoded types (IQ1, IQ2, IQ3) hold indices of a codebook, eight or four weights each, which no vector instruction
 * can look up for sixteen rows at once. Their panels hold a code a weight instead, and the values stay the same to the
 * bit; their price is memory. Bits a weight, in the file and packed:
 *
 *     IQ3_S  3.44, IQ3_XXS 3.06                     4.19     4-bit codes, a nibble of scale for 32 columns
 *     IQ2_S  2.56, IQ2_XS  2.31, IQ1_M 1.75         3.31     3-bit codes, a nibble for 16
 *     IQ2_XXS 2.06, IQ1_S  1.56                     3.19     3-bit codes, a nibble for 32
 *
 * Types without a packed form (TQ, MXFP4, NVFP4, Q1_0, Q8_1, Q8_K) are kept as the source rows, one after another, and
 * padded the same way; kernels unpack them through ct_unpack_row.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_PACK_H
#define CT_QUANT_PACK_H

#include "quant/types.h"

#define CT_PANEL 16

/* Has this type an interleaved form? */
bool ct_pack_is_interleaved(ct_type type);
/* Does its panel hold the source's own bits? All types but the recoded ones; those hold the source's values. */
bool ct_pack_keeps_bits(ct_type type);

/* Bytes of the packed matrix, a multiple of 64 a panel where possible. False on overflow or a bad cols. */
bool ct_pack_bytes(ct_type type, size_t rows, size_t cols, size_t *out);
/* Bytes of one panel of 16 rows. */
bool ct_panel_bytes(ct_type type, size_t cols, size_t *out);

/* Packs rows [0, n_rows) (1..16) found at src, src_stride bytes apart, into one panel; rows beyond are zero weights. */
void ct_pack_panel(ct_type type, const void *src, size_t src_stride, int n_rows, size_t cols, void *panel);

/* float32 values of one row of a packed matrix, for the embedding lookup: equals ct_unpack_row of the source. */
void ct_packed_row_f32(ct_type type, const void *packed, size_t row, size_t cols, float *dst);

/* float32 values of columns [col, col + n) of all sixteen rows of a panel: dst[(c - col) * 16 + row]. col is a multiple
 * of CT_PANEL_CHUNK, n at most that, and a whole number of blocks. */
#define CT_PANEL_CHUNK 256
void ct_panel_f32(ct_type type, const void *panel, size_t cols, size_t col, size_t n, float *dst);

#endif
