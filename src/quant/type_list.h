/* type_list.h - the lists of weight types: what a file calls them, and how their packed forms are made.
 *
 * Every table and switch over types in quant/ and kernels/ is made from these lists, so a type is added here and only
 * its own functions are written elsewhere (docs/ADDING.md). X is a macro with as many parameters as a list has columns;
 * `lower` is what functions of the type are called by: ct_unpack_q4_0.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_TYPE_LIST_H
#define CT_QUANT_TYPE_LIST_H

/* clang-format off */

/* Types whose elements stand alone.
 *    name   lower number bytes */
#define CT_PLAIN_TYPES(X) \
    X(F32,     f32,     0, 4) \
    X(F16,     f16,     1, 2) \
    X(BF16,    bf16,   30, 2)

/* Types of blocks, by their number; the last is the largest number there is. fits: ct_quantise_row makes
 * them, by quantise_blocks.c (1) or a file of their own (2).
 *    name     lower  number block bytes fits */
#define CT_BLOCK_TYPES(X) \
    X(Q4_0,    q4_0,      2,  32,  18, 1) \
    X(Q4_1,    q4_1,      3,  32,  20, 1) \
    X(Q5_0,    q5_0,      6,  32,  22, 1) \
    X(Q5_1,    q5_1,      7,  32,  24, 1) \
    X(Q8_0,    q8_0,      8,  32,  34, 1) \
    X(Q8_1,    q8_1,      9,  32,  36, 0) \
    X(Q2_K,    q2_k,     10, 256,  84, 1) \
    X(Q3_K,    q3_k,     11, 256, 110, 1) \
    X(Q4_K,    q4_k,     12, 256, 144, 1) \
    X(Q5_K,    q5_k,     13, 256, 176, 1) \
    X(Q6_K,    q6_k,     14, 256, 210, 1) \
    X(Q8_K,    q8_k,     15, 256, 292, 0) \
    X(IQ2_XXS, iq2_xxs,  16, 256,  66, 2) \
    X(IQ2_XS,  iq2_xs,   17, 256,  74, 2) \
    X(IQ3_XXS, iq3_xxs,  18, 256,  98, 2) \
    X(IQ1_S,   iq1_s,    19, 256,  50, 2) \
    X(IQ4_NL,  iq4_nl,   20,  32,  18, 1) \
    X(IQ3_S,   iq3_s,    21, 256, 110, 2) \
    X(IQ2_S,   iq2_s,    22, 256,  82, 2) \
    X(IQ4_XS,  iq4_xs,   23, 256, 136, 1) \
    X(IQ1_M,   iq1_m,    29, 256,  56, 2) \
    X(TQ1_0,   tq1_0,    34, 256,  54, 2) \
    X(TQ2_0,   tq2_0,    35, 256,  66, 2) \
    X(MXFP4,   mxfp4,    39,  32,  17, 2) \
    X(NVFP4,   nvfp4,    40,  64,  36, 0) \
    X(Q1_0,    q1_0,     41, 128,  18, 2)

/* Packed forms (quant/README.md, "The packed panel"); a type of blocks without one is kept as the file's rows. The
 * columns are the fields of ct_form, which forms.h explains. In three groups, by what packs them: blocks of 32 columns
 * (pack_bits.c, from these columns alone), blocks of 256 (pack_bits.c, a function a type), codebooks (pack_recode.c).
 *    name     lower   codes bias largest table    scales half min unit */
#define CT_FORMS_32(X) \
    X(Q8_0,    q8_0,    8,   128, 128,    numbers, D,     0,   0,  1) \
    X(Q4_0,    q4_0,    4,     8,   8,    numbers, D,     0,   0,  1) \
    X(Q4_1,    q4_1,    4,     0,  15,    numbers, D,     0,   1,  1) \
    X(Q5_0,    q5_0,    4_1,  16,  16,    numbers, D,     0,   0,  1) \
    X(Q5_1,    q5_1,    4_1,   0,  31,    numbers, D,     0,   1,  1) \
    X(IQ4_NL,  iq4_nl,  4,   128, 127,    iq4,     D,     0,   0,  1)
#define CT_FORMS_256(X) \
    X(Q2_K,    q2_k,    2,     0,   3,    numbers, 4_MIN, 1,   1,  1) \
    X(Q3_K,    q3_k,    2_1,   4,   4,    numbers, 6,     1,   0,  1) \
    X(Q4_K,    q4_k,    4,     0,  15,    numbers, 6_MIN, 0,   1,  1) \
    X(Q5_K,    q5_k,    4_1,   0,  31,    numbers, 6_MIN, 0,   1,  1) \
    X(Q6_K,    q6_k,    4_2,  32,  32,    numbers, 8,     1,   0,  1) \
    X(IQ4_XS,  iq4_xs,  4,   128, 127,    iq4,     4_2,   0,   0,  1)
#define CT_FORMS_RECODED(X) \
    X(IQ3_XXS, iq3_xxs, 4,    32,  31,    iq3_xxs, ODD,   0,   0,  0.5f) \
    X(IQ3_S,   iq3_s,   4,    16,  15,    iq3_s,   ODD,   0,   0,  1) \
    X(IQ2_XXS, iq2_xxs, 2_1,  64,  43,    iq2,     ODD,   0,   0,  0.125f) \
    X(IQ2_XS,  iq2_xs,  2_1,  64,  43,    iq2,     ODD,   1,   0,  0.125f) \
    X(IQ2_S,   iq2_s,   2_1,  64,  43,    iq2,     ODD,   1,   0,  0.125f) \
    X(IQ1_S,   iq1_s,   2_1,  16,   9,    iq1,     ODD,   0,   0,  0.125f) \
    X(IQ1_M,   iq1_m,   2_1,  16,   9,    iq1,     ODD,   1,   0,  0.125f)
#define CT_FORMS(X) CT_FORMS_32(X) CT_FORMS_256(X) CT_FORMS_RECODED(X)

/* The value of a code where it is not the code itself. A code that no packer writes stands for 0.
 *    name     sixteen values */
#define CT_CODE_TABLES(X) \
    X(iq4,     -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113) \
    X(iq3_xxs, 2, 6, 10, 14, 18, 22, 26, 31, -2, -6, -10, -14, -18, -22, -26, -31) \
    X(iq3_s,   1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15) \
    X(iq2,     8, 25, 43, 0, -8, -25, -43, 0) \
    X(iq1,     -7, 1, 9, 0, -9, -1, 7, 0) /* high bit: the shift is -1/8, else 1/8 */

/* clang-format on */

#endif
