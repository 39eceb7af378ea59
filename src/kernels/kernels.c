/* kernels.c - the sizes that callers of the table need.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

size_t ct_acts_stride(ct_acts_form form, size_t cols)
{
    size_t bytes = 0;
    switch (form) {
    case CT_ACTS_F32:
        bytes = cols * 4;
        break;
    case CT_ACTS_BF16:
    case CT_ACTS_GRID:
        bytes = (cols + 1) / 2 * 4;
        break;
    case CT_ACTS_Q8:
        bytes = ct_acts_s_offset(cols) + cols / 16 * 4;
        break;
    case CT_N_ACTS:
        break;
    }
    bytes = (bytes + 63) & ~(size_t)63;
    /* Rows of one matrix are read side by side; a stride that is a multiple of a large power of two would put them all
     * into the same few cache sets. */
    return bytes % 512 == 0 ? bytes + 64 : bytes;
}

const char *ct_acts_name(ct_acts_form form)
{
    static const char *const names[CT_N_ACTS] = { "f32", "bf16", "q8", "grid" };
    return names[form];
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t set_steps(ct_set_layout layout, size_t n)
{
    return layout == CT_SET_F32 ? n : (n + 1) / 2;
}

size_t ct_set_k_bytes(ct_set_layout layout, size_t head_dim, size_t n_key)
{
    if (layout == CT_SET_TILES)
        return 2 * round_up(n_key, 32) * round_up(head_dim, 32);
    return round_up(4 * round_up(n_key, CT_SET_GROUP) * set_steps(layout, head_dim), 64);
}

size_t ct_set_v_bytes(ct_set_layout layout, size_t head_dim, size_t n_key)
{
    if (layout == CT_SET_TILES)
        return 2 * round_up(n_key, 32) * round_up(head_dim + 1, 16);
    return round_up(4 * set_steps(layout, round_up(n_key, CT_SET_GROUP)) * round_up(head_dim, CT_SET_GROUP), 64);
}
