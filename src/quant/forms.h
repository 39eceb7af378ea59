/* forms.h - the packed form of each weight type: one constant row that packers and kernels read.
 *
 *     weight = scale * (code - bias) + min          or, with a table,     scale * table[code]
 *
 * A kernel that is inlined with a constant type folds every field of its row; so a level is written by the kinds of
 * codes and scales below and never by type. Layouts: quant/README.md, "The packed panel".
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_QUANT_FORMS_H
#define CT_QUANT_FORMS_H

#include "quant/types.h"

/* Functions of a type that vanish where it is a constant: not left to the compiler's judgement of sizes. */
#define CT_FOLDED static inline __attribute__((always_inline))

/* How the code of a weight is stored. */
typedef enum ct_codes {
    CT_CODES_NONE, /* the type has no packed form */
    CT_CODES_8,    /* codes8 */
    CT_CODES_4,    /* codes4 */
    CT_CODES_4_1,  /* codes4, and high1 above them */
    CT_CODES_4_2,  /* codes4, and codes2 above them */
    CT_CODES_2,    /* codes2 */
    CT_CODES_2_1,  /* codes2, and high1 above them */
} ct_codes;

/* How the scales of a group of columns are stored. d, m: f16. All but D are of blocks of 256 columns. */
typedef enum ct_scales {
    CT_SCALES_D,     /* d (and m, which is added) for each stretch of 32 columns; a unit is two stretches */
    CT_SCALES_6_MIN, /* d and m of the block; scale and minimum of six bits each, twelve bytes as in Q4_K */
    CT_SCALES_4_MIN, /* d and m of the block; scale in the low nibble of sixteen bytes, minimum in the high one */
    CT_SCALES_6,     /* d in the panel's tail; scale of six bits, stored plus 32, twelve bytes as in Q3_K */
    CT_SCALES_8,     /* d in the panel's tail; sixteen i8 */
    CT_SCALES_4_2,   /* d of the block; nibbles and two bits above them, stored plus 32, as in IQ4_XS */
    CT_SCALES_ODD,   /* d in the panel's tail, times `unit`; 2 s + 1 of nibbles s: the recoded types */
} ct_scales;

typedef struct ct_form {
    uint8_t codes, scales; /* ct_codes, ct_scales */
    bool is_half;          /* each 16 columns have a scale of their own, not each 32 */
    bool has_min;
    /* What is taken off a code; of a table's values, what makes them unsigned once it is added. */
    uint8_t bias;
    uint8_t largest;     /* magnitude of code - bias, or of the table's values: what integer sums must hold */
    float unit;          /* the power of two that makes the table whole numbers */
    const int8_t *table; /* [16]; NULL: codes are numbers */
} ct_form;

#define CT_TABLE_OF(name, ...) static const int8_t ct_code_table_##name[16] = { __VA_ARGS__ };
CT_CODE_TABLES(CT_TABLE_OF)
#undef CT_TABLE_OF
#define ct_code_table_numbers NULL

#define CT_FORM_OF(T, t, codes_, bias_, largest_, table_, scales_, half_, min_, unit_)                                 \
    [CT_##T] = { .codes = CT_CODES_##codes_,                                                                           \
                 .scales = CT_SCALES_##scales_,                                                                        \
                 .is_half = half_,                                                                                     \
                 .has_min = min_,                                                                                      \
                 .bias = bias_,                                                                                        \
                 .largest = largest_,                                                                                  \
                 .unit = unit_,                                                                                        \
                 .table = ct_code_table_##table_ },
static const ct_form ct_forms[CT_N_TYPE] = { CT_FORMS(CT_FORM_OF) };
#undef CT_FORM_OF

/* Of a type without a packed form, and of a plain one: all zeros. */
CT_FOLDED const ct_form *ct_form_of(ct_type type)
{
    return &ct_forms[type];
}

/* Are the integers that refine d signed, once they are put together? */
CT_FOLDED bool ct_scales_are_signed(const ct_form *form)
{
    return form->scales == CT_SCALES_6 || form->scales == CT_SCALES_8 || form->scales == CT_SCALES_4_2;
}

/* Where the grid products (kernels/kernels.h) put a code in sixteen bits: nibbles in the uppermost four, those without a
 * sign one bit below; others as the upper byte. */
CT_FOLDED int ct_grid_shift(const ct_form *form)
{
    return form->codes != CT_CODES_4 || form->table ? 8 : form->bias ? 12 : 11;
}

/* A recoded type (IQ1, IQ2, IQ3) indexes a codebook in the file; in a panel every weight has a code of its own:
 *
 *     weight = (d * unit) * (2 s + 1) * table[code]     s: the group's nibble of `scales`; group 0 is the low nibble
 *
 * Every product is exact in f32: 11 bits of d, 5 of the scale, 6 of the table; d * unit is no smaller than 2^-27. */
CT_FOLDED bool ct_is_recoded(ct_type type)
{
    return ct_forms[type].scales == CT_SCALES_ODD;
}

#endif
