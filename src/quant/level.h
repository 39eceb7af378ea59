/* level.h - inside quant/: the fits are built once for every machine, and once more for some.
 *
 * The text is the same and so are the results, to the bit: every sum runs in eight lanes, which AVX2 does in one
 * instruction and SSE2 in two. meson.build defines CT_QUANT_LEVEL, the end of the names, for each build but the first.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_LEVEL_H
#define CT_QUANT_LEVEL_H

#ifndef CT_QUANT_LEVEL
#define CT_QUANT_LEVEL generic
#endif
#define CT_JOIN2(a, b)    a##_##b
#define CT_JOIN(a, b)     CT_JOIN2(a, b)
#define CT_AT_LEVEL(name) CT_JOIN(name, CT_QUANT_LEVEL)

#define ct_fit_codes        CT_AT_LEVEL(ct_fit_codes)
#define ct_fit_scale        CT_AT_LEVEL(ct_fit_scale)
#define ct_fit_scales       CT_AT_LEVEL(ct_fit_scales)
#define ct_fit_affine_codes CT_AT_LEVEL(ct_fit_affine_codes)
#define ct_fit_affine       CT_AT_LEVEL(ct_fit_affine)
#define ct_fit_affines      CT_AT_LEVEL(ct_fit_affines)
#define ct_fit_f16          CT_AT_LEVEL(ct_fit_f16)
#define ct_fit_codebook     CT_AT_LEVEL(ct_fit_codebook)
#define ct_quantise_blocks  CT_AT_LEVEL(ct_quantise_blocks)

#endif
