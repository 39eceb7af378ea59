/* Which type each matrix has in a published quantisation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "synth/mix.h"

#include <strings.h>

#include "quant/forms.h"

#define NO_FILE_TYPE UINT32_MAX

/* general.file_type of the mixes that share a base type. */
enum {
    Q4_0 = 2,
    Q5_0 = 8,
    Q3_K_S = 11,
    Q3_K_L = 13,
    Q4_K_S = 14,
    Q5_K_S = 16,
    IQ2_XXS = 19,
    IQ2_XS = 20,
    Q2_K_S = 21,
    IQ3_XS = 22,
    IQ3_XXS = 23,
    IQ1_S = 24,
    IQ3_S = 26,
    IQ3_M = 27,
    IQ2_S = 28,
    IQ2_M = 29,
    IQ1_M = 31,
};

static const ct_mix mixes[] = {
    { "f32", CT_F32, 0 },
    { "f16", CT_F16, 1 },
    { "bf16", CT_BF16, 32 },
    { "q8_0", CT_Q8_0, 7 },
    { "q6_k", CT_Q6_K, 18 },
    { "q5_k_m", CT_Q5_K, 17 },
    { "q5_k_s", CT_Q5_K, Q5_K_S },
    { "q5_1", CT_Q5_1, 9 },
    { "q5_0", CT_Q5_0, Q5_0 },
    { "q4_k_m", CT_Q4_K, 15 },
    { "q4_k_s", CT_Q4_K, Q4_K_S },
    { "q4_1", CT_Q4_1, 3 },
    { "q4_0", CT_Q4_0, Q4_0 },
    { "iq4_nl", CT_IQ4_NL, 25 },
    { "iq4_xs", CT_IQ4_XS, 30 },
    { "q3_k_l", CT_Q3_K, Q3_K_L },
    { "q3_k_m", CT_Q3_K, 12 },
    { "q3_k_s", CT_Q3_K, Q3_K_S },
    { "q2_k", CT_Q2_K, 10 },
    { "q2_k_s", CT_Q2_K, Q2_K_S },
    { "iq3_m", CT_IQ3_S, IQ3_M },
    { "iq3_s", CT_IQ3_S, IQ3_S },
    { "iq3_xs", CT_IQ3_S, IQ3_XS },
    { "iq3_xxs", CT_IQ3_XXS, IQ3_XXS },
    { "iq2_m", CT_IQ2_S, IQ2_M },
    { "iq2_s", CT_IQ2_XS, IQ2_S },
    { "iq2_xs", CT_IQ2_XS, IQ2_XS },
    { "iq2_xxs", CT_IQ2_XXS, IQ2_XXS },
    { "iq1_m", CT_IQ1_M, IQ1_M },
    { "iq1_s", CT_IQ1_S, IQ1_S },
    { "tq2_0", CT_TQ2_0, 37 },
    { "tq1_0", CT_TQ1_0, 36 },
    { "q1_0", CT_Q1_0, 40 },
};

const ct_mix *ct_mix_at(size_t i)
{
    return i < sizeof mixes / sizeof *mixes ? &mixes[i] : NULL;
}

bool ct_mix_by_name(const char *name, ct_mix *out)
{
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (strcasecmp(mixes[i].name, name) == 0) {
            *out = mixes[i];
            return true;
        }
    ct_type type;
    if (!ct_type_by_name(name, &type))
        return false;
    *out = (ct_mix){ .name = ct_type_get(type)->name, .base = type, .file_type = NO_FILE_TYPE };
    return true;
}

/* The layers that matter most get more bits: the first and last eighth and every third between. */
static bool wants_more(size_t layer, size_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

/* The codebook mixes, as they are made with an importance matrix (published ones are; IQ1 and IQ2 cannot be made
 * without). The first eighth of the layers and what carries attention's values get more bits. */
static ct_type iq_of(const ct_mix *m, const ct_config *c, ct_part part, size_t layer)
{
    const bool is_first = layer < c->n_layer / 8u, is_middle = !is_first && layer < 7u * c->n_layer / 8u;
    const bool is_v = part == CT_PART_V, is_down = part == CT_PART_DOWN, is_o = part == CT_PART_O;
    const bool is_qk = part == CT_PART_Q || part == CT_PART_K;
    const bool is_gate = part == CT_PART_GATE || part == CT_PART_UP;
    if (is_v && c->n_head >= 4 * c->n_kv_head)
        return CT_Q4_K;
    switch (m->file_type) {
    case IQ3_M:
        return is_v || is_o || (is_down && is_first) ? CT_Q4_K : m->base;
    case IQ3_XS:
        return is_qk || (is_gate && is_middle) ? CT_IQ3_XXS : m->base;
    case IQ3_XXS:
        if (m->is_blind && (is_v || is_down))
            return is_v ? CT_IQ3_S : is_first ? CT_Q4_K : CT_Q3_K;
        return is_qk ? CT_IQ2_S : is_o ? CT_IQ3_S : m->base;
    case IQ2_M:
    case IQ2_S:
        return is_v || is_o || (is_down && is_first) ? CT_IQ3_S : m->base;
    case IQ2_XS:
    case IQ2_XXS:
        return is_v || (is_down && is_first) ? CT_Q2_K : m->base;
    case IQ1_M:
    case IQ1_S:
        return is_v || (is_down && is_first) ? CT_Q2_K : is_o ? CT_IQ2_XXS : m->base;
    default: /* IQ3_S */
        return m->base;
    }
}

/* The tied embedding. */
static ct_type table_of(const ct_mix *m, size_t cols)
{
    bool is_small = (ct_is_recoded(m->base) && ct_form_of(m->base)->codes == CT_CODES_2_1) || m->base == CT_IQ3_XXS;
    return cols % ct_type_get(m->base)->block ? CT_Q8_0 : is_small ? CT_Q5_K : CT_Q6_K;
}

static ct_type q3_of(const ct_mix *m, const ct_config *c, ct_part part, size_t layer)
{
    bool is_v = part == CT_PART_V, is_down = part == CT_PART_DOWN, is_o = part == CT_PART_O;
    if (m->file_type == Q3_K_S || (!is_v && !is_down && !is_o))
        return m->base;
    if (m->file_type == Q3_K_L)
        return CT_Q5_K;
    if (is_v)
        return layer < 2 ? CT_Q5_K : CT_Q4_K;
    return is_down && layer < c->n_layer / 16u ? CT_Q5_K : CT_Q4_K;
}

static ct_type q2_of(const ct_mix *m, const ct_config *c, ct_part part, size_t layer)
{
    bool is_v = part == CT_PART_V, is_down = part == CT_PART_DOWN, is_o = part == CT_PART_O;
    bool shares_v = c->n_head >= 4 * c->n_kv_head;
    if (m->file_type == Q2_K_S)
        return (is_v && shares_v) || (is_down && layer < c->n_layer / 8u) ? CT_Q4_K : m->base;
    if (is_v)
        return shares_v ? CT_Q4_K : CT_Q3_K;
    return is_down || is_o ? CT_Q3_K : m->base;
}

static ct_type more_of(const ct_mix *m, const ct_config *c, ct_part part, size_t layer)
{
    bool is_v = part == CT_PART_V, is_down = part == CT_PART_DOWN, is_first = layer < c->n_layer / 8u;
    switch (m->base) {
    case CT_Q5_K:
    case CT_Q4_K:
        if (m->file_type == Q5_K_S)
            return m->base;
        if (m->file_type == Q4_K_S)
            return (is_v && layer < 4) || (is_down && is_first) ? CT_Q5_K : m->base;
        return (is_v || is_down) && wants_more(layer, c->n_layer) ? CT_Q6_K : m->base;
    case CT_Q3_K:
        return q3_of(m, c, part, layer);
    case CT_Q2_K:
        return q2_of(m, c, part, layer);
    case CT_IQ4_NL:
    case CT_IQ4_XS:
        return (is_v && c->n_head >= 4 * c->n_kv_head) || (is_down && is_first && m->is_blind) ? CT_Q5_K : m->base;
    case CT_Q4_0:
    case CT_Q5_0:
        return is_down && is_first && m->is_weighed ? (m->base == CT_Q4_0 ? CT_Q4_1 : CT_Q5_1) : m->base;
    default:
        return m->base;
    }
}

/* A super-block of 256 does not divide every row (270M: 640). */
static ct_type that_fits(ct_type type, size_t cols)
{
    if (cols % ct_type_get(type)->block == 0)
        return type;
    switch (type) {
    case CT_Q6_K:
        type = CT_Q8_0;
        break;
    case CT_Q5_K:
        type = CT_Q5_1;
        break;
    case CT_Q4_K:
        type = CT_Q5_0;
        break;
    case CT_TQ1_0:
    case CT_TQ2_0:
        type = CT_Q4_0;
        break;
    default:
        type = CT_IQ4_NL;
    }
    return cols % 32 == 0 ? type : CT_F16;
}

ct_type ct_mix_type_of(const ct_mix *m, const ct_config *c, ct_part part, size_t layer, size_t cols)
{
    const ct_type_info *base = ct_type_get(m->base);
    ct_type type = m->base;
    if (part < CT_N_PARTS && ct_part_get(part)->is_norm)
        return CT_F32;
    if (m->file_type != NO_FILE_TYPE && base->is_quantised && m->base != CT_Q8_0)
        type = part == CT_PART_EMBED || part == CT_PART_HEAD ? table_of(m, cols)
               : ct_is_recoded(m->base)                      ? iq_of(m, c, part, layer)
                                                             : more_of(m, c, part, layer);
    return that_fits(type, cols);
}

ct_type ct_mix_type(const ct_mix *m, const ct_config *c, ct_part part, size_t layer)
{
    size_t rows, cols;
    ct_part_shape(c, part, &rows, &cols);
    return ct_mix_type_of(m, c, part, layer, cols);
}
